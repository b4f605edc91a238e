//! Answers that the broker would not take: a fault there is a panic in a test, so that a test which lets a client choose
//! what it will finds the plugin that passes it on.

use sluicegate_contract::verdict::{check_claims, check_denial, check_user};

use crate::{ConnectVerdict, Denial, Penalty};

pub(crate) fn unless_connect(verdict: &ConnectVerdict) {
    match verdict {
        ConnectVerdict::Abstain => {}
        ConnectVerdict::Accept(identity) => {
            if let Some(user) = &identity.user {
                unless(check_user(user).map_err(|wrong| format!("a user {wrong}")));
            }
            unless(check_claims(&identity.claims).map_err(|wrong| format!("claims {wrong}")));
        }
        ConnectVerdict::Deny(denial) => unless_denial(denial),
    }
}

pub(crate) fn unless_denial(denial: &Denial) {
    let disconnects = denial.penalty == Penalty::Disconnect;
    unless(check_denial(
        denial.code,
        &denial.reason,
        denial.message.as_deref(),
        disconnects,
    ));
}

fn unless(checked: Result<(), String>) {
    if let Err(wrong) = checked {
        panic!("this answer is a fault in the broker: {wrong}");
    }
}

//! Runs the filter on messages of named people.
#![allow(dead_code, reason = "each test file uses its part")]

use abuse_filter::AbuseFilter;
use serde_json::Value;
use sluicegate_plugin::{Denial, Penalty, PublishVerdict, testing::Session};

pub(crate) type Host = sluicegate_plugin::testing::Host<AbuseFilter>;

#[allow(clippy::needless_pass_by_value, reason = "reads well with json!")]
pub(crate) fn start(settings: Value) -> Host {
    Host::start(settings).unwrap()
}

pub(crate) fn refusal(settings: Value) -> String {
    Host::start(settings).err().expect("the settings were accepted")
}

pub(crate) fn denied(verdict: PublishVerdict) -> Denial {
    match verdict {
        PublishVerdict::Deny(denial) => denial,
        other => panic!("not denied: {other:?}"),
    }
}

/// Code and reason of a refused message of ann's.
pub(crate) fn refused(host: &mut Host, data: &str) -> (u16, String) {
    let denial = denied(host.publish(&Session::of("ann"), "room:1", data));
    (denial.code, denial.reason)
}

pub(crate) fn penalty(host: &mut Host, session: &Session, data: &str) -> Penalty {
    denied(host.publish(session, "room:1", data)).penalty
}

pub(crate) fn passes(host: &mut Host, data: &str) -> bool {
    host.publish(&Session::of("ann"), "room:1", data) == PublishVerdict::Abstain
}

//! Runs one rule on one message.
#![allow(dead_code, reason = "each test file uses its part")]

use serde_json::{Value, json};
use sluicegate_plugin::{Denial, PublishVerdict, testing::Session};
use transform::Transform;

pub(crate) type Host = sluicegate_plugin::testing::Host<Transform>;

#[allow(clippy::needless_pass_by_value, reason = "reads well with json!")]
pub(crate) fn host(rules: Value) -> Host {
    Host::start(json!({ "rules": rules })).unwrap()
}

pub(crate) fn one(rule: &Value) -> Host {
    host(json!([rule]))
}

pub(crate) fn ann() -> Session {
    Session::of("ann")
}

pub(crate) fn text(verdict: PublishVerdict) -> String {
    match verdict {
        PublishVerdict::Replace(data) => String::from_utf8(data).unwrap(),
        other => panic!("not replaced: {other:?}"),
    }
}

pub(crate) fn denied(verdict: PublishVerdict) -> Denial {
    match verdict {
        PublishVerdict::Deny(denial) => denial,
        other => panic!("not denied: {other:?}"),
    }
}

pub(crate) fn changed(rule: &Value, data: &str) -> String {
    text(one(rule).publish(&ann(), "c", data))
}

pub(crate) fn passes(rule: &Value, channel: &str, data: &str) -> bool {
    one(rule).publish(&ann(), channel, data) == PublishVerdict::Abstain
}

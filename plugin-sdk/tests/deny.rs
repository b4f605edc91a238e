//! Runs the example plugin as its author would, without a broker.

#[path = "../examples/deny.rs"]
mod deny;

use deny::Deny;
use serde_json::json;
use sluicegate_plugin::{
    Denial, SubscribeVerdict,
    testing::{Host, Session},
};

#[test]
fn staff_is_refused_and_the_rest_left_to_others() {
    let mut host = Host::<Deny>::start(json!({})).unwrap();
    let ann = Session::of("ann");
    let refused = SubscribeVerdict::Deny(Denial::new(4403, "staff_only"));
    assert_eq!(host.subscribe(&ann, "staff"), refused);
    assert_eq!(host.subscribe(&ann, "staff:1"), SubscribeVerdict::Abstain);
}

#[test]
fn a_setting_it_does_not_have_is_refused() {
    let refusal = Host::<Deny>::start(json!({"chanel": "staff"})).err().unwrap();
    assert!(refusal.contains("unknown field `chanel`"), "{refusal}");
}

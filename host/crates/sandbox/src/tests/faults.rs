//! Hostile guests: each call ends, as the fault that it is, and harms nobody else.

use super::*;
use chain::{ConnectVerdict, SubscribeVerdict};

fn word(fault: &Fault) -> &'static str {
    fault::kind(fault).name()
}

#[test]
fn a_publish_that_goes_wrong_is_the_fault_that_it_is() {
    let stage = Stage::new();
    for (guest, kind, text) in [
        ("trap", "trap", "unreachable"),
        ("recurse", "trap", "call stack exhausted"),
        ("keeps-handle", "bad_output", "borrow"),
        ("exits", "trap", "exit(1)"),
        ("waits", "trap", "waited for a clock"),
        ("loop", "deadline", "200ms"),
        ("memory", "memory", "16777216"),
        ("memories", "memory", "16777216"),
        ("overgrows", "memory", "16777216"),
        ("bad-code", "bad_output", "1000"),
        ("bad-reason", "bad_output", "snake_case_word"),
        ("bad-utf8", "bad_output", "utf-8"),
        ("bad-verdict", "bad_output", "discriminant"),
        ("bad-pointer", "bad_output", "bounds"),
        ("bad-length", "bad_output", ""),
        ("too-many-tags", "bad_output", "8 tags"),
        ("big-attribute", "bad_output", "1024 bytes"),
        ("big-call", "bad_output", "not 10000000"),
    ] {
        let fault = publish(&mut stage.slot(guest), "1").expect_err(guest);
        assert_eq!(word(&fault), kind, "{guest}: {fault}");
        assert!(fault.to_string().contains(text), "{guest}: {fault}");
    }
}

#[test]
fn other_hooks_fault_alike() {
    let stage = Stage::new();
    for (guest, kind) in [
        ("trap", "trap"),
        ("recurse", "trap"),
        ("loop", "deadline"),
        ("memory", "memory"),
        ("bad-code", "bad_output"),
        ("bad-pointer", "bad_output"),
    ] {
        let connected = stage.slot(guest).connect(&Arc::<Handshake>::default(), &caller());
        let subscribed = stage.slot(guest).subscribe(&caller(), "room:1");
        assert_eq!(
            connected
                .map(|_: HookResponse<ConnectVerdict>| ())
                .map_err(|f| word(&f)),
            Err(kind),
            "{guest}"
        );
        assert_eq!(
            subscribed
                .map(|_: HookResponse<SubscribeVerdict>| ())
                .map_err(|f| word(&f)),
            Err(kind),
            "{guest}"
        );
    }
}

#[test]
fn claims_that_are_no_json_are_a_fault_and_replaced_data_is_the_chains_to_judge() {
    let stage = Stage::new();
    let fault = stage
        .slot("bad-json")
        .connect(&Arc::default(), &caller())
        .expect_err("bad claims");
    assert!(fault.to_string().contains("claims"), "{fault}");
    let answer = publish(&mut stage.slot("bad-json"), "1").unwrap();
    assert!(matches!(answer.verdict, PublishVerdict::Replace(_)));
}

#[test]
fn a_fault_leaves_other_slots_and_tenants_alone() {
    let stage = Stage::new();
    let binding = stage.bound("trap-on-zero");
    let (mut one, mut other) = (stage.slot_of(&binding), stage.slot_of(&binding));
    let mut neighbour = stage.slot("publish-allow");
    assert!(publish(&mut one, "0").is_err());
    assert!(publish(&mut other, "1").is_ok());
    assert!(publish(&mut neighbour, "1").is_ok());
    assert!(matches!(
        publish_when_ready(&mut one, "1").unwrap().verdict,
        PublishVerdict::Allow
    ));
}

#[test]
fn a_guest_may_use_the_memory_that_it_is_given() {
    let stage = Stage::new();
    let mut options = options();
    // Twelve pages and more are in use before the first call.
    options.memory_bytes = MIB / 4 + 1024;
    let mut slot = stage.slot_of(&stage.bind("publish-echo", options).unwrap());
    assert!(publish(&mut slot, "1").is_ok());
}

#[test]
fn faults_are_counted_by_hook_and_kind() {
    let stage = Stage::new();
    let mut slot = stage.slot("trap");
    assert!(publish(&mut slot, "1").is_err());
    let labels = ["acme", "trap", "publish", "trap"];
    assert_eq!(stage.counted("sluicegate_plugin_faults_total", &labels), 1);
}

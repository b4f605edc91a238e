//! The host's work for a guest: it takes the guest's time, over the whole call, and reads no more than it needs.

use std::time::Duration;

use super::*;
use chain::Identity;
use sluicegate_contract::limits::{CLAIMS_BYTES, LOG_LINE_BYTES};

/// The guest with its line `;; again` so many times in a row.
fn in_a_row(guest: &str, times: usize) -> String {
    let again = |line: &str| match line.contains(";; again") {
        true => format!("{line}\n").repeat(times),
        false => format!("{line}\n"),
    };
    text(guest).lines().map(again).collect()
}

fn bound(stage: &Stage, guest: &str, times: usize, deadline: Duration) -> Arc<Binding> {
    let plugin = stage.sandbox.load(guest, in_a_row(guest, times).as_bytes()).unwrap();
    let options = BindingOptions { deadline, ..options() };
    stage.bind_plugin(&plugin, options).unwrap()
}

/// A client with the most claims that there may be.
fn well_known(number: u8) -> Arc<Caller> {
    let caller = client(number);
    caller.identify(Identity {
        claims: format!("{{\"a\":\"{}\"}}", "x".repeat(CLAIMS_BYTES - 8)).into(),
        ..Identity::default()
    });
    caller
}

#[test]
fn much_host_work_in_a_straight_line_ends_at_the_deadline_and_opens_the_circuit() {
    let stage = Stage::new();
    for (guest, times) in [
        ("writes-lines", 1),
        ("writes-lines", 20),
        ("sets-small", 50_000),
        ("takes-small", 50_000),
        ("counts-small", 50_000),
        ("asks-claims", 50_000),
    ] {
        let binding = bound(&stage, guest, times, Duration::from_millis(5));
        // As many clients as open a circuit, over as long as it takes.
        for number in 1..=5 {
            stage.clock.advance(Duration::from_millis(125));
            let mut slot = stage.slot_of(&binding);
            wait_for_instance(&mut slot);
            let fault = slot
                .publish(&well_known(number), "room:1", Content::Json, b"1")
                .expect_err(guest);
            assert!(matches!(fault, Fault::Deadline(_)), "{guest}: {fault}");
        }
        let fault = publish_of(&client(6), &mut stage.slot_of(&binding), "1").expect_err("an open circuit");
        assert!(fault.to_string().contains("circuit"), "{guest}: {fault}");
    }
}

#[test]
fn the_same_work_once_is_no_fault() {
    let stage = Stage::new();
    for guest in [
        "sets-small",
        "takes-small",
        "counts-small",
        "asks-claims",
        "sets-large-key",
        "logs-long",
    ] {
        let binding = bound(&stage, guest, 1, Duration::from_millis(200));
        let answer = stage
            .ready_slot_of(&binding)
            .publish(&well_known(1), "room:1", Content::Json, b"1");
        assert_eq!(answer.unwrap().verdict, PublishVerdict::Allow, "{guest}");
    }
}

#[test]
fn what_is_too_long_is_not_read() {
    let stage = Stage::new();
    // To read it all would take a minute.
    for guest in ["sets-large-key", "logs-long"] {
        let binding = bound(&stage, guest, 2_000, Duration::from_millis(200));
        let answer = publish(&mut stage.slot_of(&binding), "1");
        assert_eq!(answer.unwrap().verdict, PublishVerdict::Allow, "{guest}");
    }
}

#[test]
fn of_a_long_line_the_beginning_is_logged_up_to_a_whole_character() {
    let stage = Stage::new();
    let lines = reach::Lines::default();
    let _listening = lines.listen();
    let binding = bound(&stage, "logs-long", 1, Duration::from_millis(200));
    publish(&mut stage.slot_of(&binding), "1").unwrap();
    let line = lines.of("ää").pop().expect("a line");
    let beginning = format!("a{}", "ä".repeat(LOG_LINE_BYTES / 2 - 4));
    assert!(line.contains(&beginning) && line.contains("ä…"), "{} bytes", line.len());
}

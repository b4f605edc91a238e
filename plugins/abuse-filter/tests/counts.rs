//! Messages that offend by how many there are: rates, repeats, strikes and bans.

mod support;

use serde_json::json;
use sluicegate_plugin::{Penalty, PublishVerdict, kv, testing::Session};
use support::{Host, denied, passes, penalty, refused, start};

#[test]
fn a_burst_passes_and_then_the_rate() {
    let mut host = start(json!({"per_user": {"rate": 2, "burst": 3}}));
    for _ in 0..3 {
        assert!(passes(&mut host, "1"));
    }
    let denial = denied(host.publish(&Session::of("ann"), "room:1", "1"));
    assert_eq!((denial.code, denial.reason.as_str()), (4429, "rate_limited"));
    assert_eq!(denial.retry_after_ms, Some(500));
    host.advance_ms(500);
    assert!(passes(&mut host, "1"));
    assert_eq!(refused(&mut host, "1").0, 4429);
}

#[test]
fn everybody_has_his_own_rate_and_no_name_is_an_address() {
    let mut host = start(json!({"per_user": {"rate": 1, "burst": 1}}));
    let here = Session::anonymous();
    let there = Session::anonymous().from_address("2001:db8::1");
    // A user who is called like the address is somebody else.
    let named = Session::of("192.0.2.1");
    for session in [
        &here,
        &there,
        &named,
        &Session::of("ann"),
        &Session::of(&"x".repeat(198)),
        &Session::of(&"x".repeat(199)),
        &Session::of(&"x".repeat(255)),
    ] {
        assert_eq!(host.publish(session, "c", "1"), PublishVerdict::Abstain);
        assert_eq!(denied(host.publish(session, "c", "1")).code, 4429);
    }
    // Another connection of the same user is the same user.
    assert_eq!(
        denied(host.publish(&Session::of("ann").with_id("s-2"), "c", "1")).code,
        4429
    );
}

#[test]
fn channels_that_are_not_named_cost_nothing_and_may_say_anything() {
    let settings =
        json!({"channels": ["room:*", "a:**"], "per_user": {"rate": 1, "burst": 1}, "blocked_words": ["heck"]});
    let mut host = start(settings);
    let ann = Session::of("ann");
    for channel in ["live:1", "room:1:x", "room", "rooms:1"] {
        for _ in 0..3 {
            assert_eq!(
                host.publish(&ann, channel, "\"heck\""),
                PublishVerdict::Abstain,
                "{channel}"
            );
        }
    }
    assert_eq!(host.publish(&ann, "a:b:c", "1"), PublishVerdict::Abstain);
    assert_eq!(denied(host.publish(&ann, "room:1", "1")).code, 4429);
}

#[test]
fn a_rate_is_told_even_where_offenders_are_discarded() {
    let mut host = start(json!({"action": "discard", "per_user": {"rate": 1, "burst": 1}}));
    assert!(passes(&mut host, "1"));
    assert_eq!(refused(&mut host, "1").0, 4429);
}

#[test]
fn what_is_refused_for_its_content_costs_its_sender_too() {
    let mut host = start(json!({"per_user": {"rate": 1, "burst": 2}, "blocked_words": ["heck"]}));
    assert_eq!(refused(&mut host, "\"heck\"").0, 4422);
    assert_eq!(refused(&mut host, "\"heck\"").0, 4422);
    assert_eq!(refused(&mut host, "1").0, 4429);
}

#[test]
fn the_same_again_passes_so_often_within_the_window() {
    let mut host = start(json!({"duplicates": {"window_seconds": 30, "max": 3}}));
    for _ in 0..3 {
        assert!(passes(&mut host, "\"hi\""));
        host.advance_ms(9_000);
    }
    assert_eq!(refused(&mut host, "\"hi\""), (4422, "duplicate_message".into()));
    host.advance_ms(2_999);
    assert_eq!(refused(&mut host, "\"hi\"").0, 4422);
    host.advance_ms(1);
    assert!(passes(&mut host, "\"hi\""));
    // A window that is long over counts as little as one that just ended.
    for _ in 0..5 {
        host.advance_ms(30_001);
        assert!(passes(&mut host, "\"hi\""));
    }
    assert!(host.kv_keys().is_empty(), "what was counted goes with its window");
}

#[test]
fn a_limit_of_one_means_once() {
    let mut host = start(json!({"duplicates": {"max": 1}}));
    assert!(passes(&mut host, "\"hi\""));
    assert_eq!(refused(&mut host, "\"hi\"").0, 4422);
}

#[test]
fn the_same_from_others_or_elsewhere_is_not_the_same() {
    let mut host = start(json!({"duplicates": {"max": 1}}));
    let (ann, bob) = (Session::of("ann"), Session::of("bob"));
    for (session, channel, data) in [
        (&ann, "a", "1"),
        (&bob, "a", "1"),
        (&ann, "b", "1"),
        (&ann, "a", "2"),
        (&ann, "a1", "1"),
        (&ann, "a", "11"),
    ] {
        assert_eq!(
            host.publish(session, channel, data),
            PublishVerdict::Abstain,
            "{channel} {data}"
        );
    }
    assert_eq!(denied(host.publish(&ann.clone().with_id("s-9"), "a", "1")).code, 4422);
}

#[test]
fn repeats_are_counted_across_instances_from_the_second_on() {
    let settings = json!({"duplicates": {"max": 3}});
    let mut host = start(settings.clone());
    assert!(passes(&mut host, "1") && passes(&mut host, "1"));
    // A new instance knows nothing, but the store does.
    host.restart(settings).unwrap();
    assert!(passes(&mut host, "1"));
    assert_eq!(refused(&mut host, "1").0, 4422);
}

#[test]
fn messages_that_do_not_repeat_leave_nothing_in_the_store() {
    let mut host = start(json!({"duplicates": {"max": 3}, "strikes": {}, "per_user": {"rate": 1e6, "burst": 100_000}}));
    for n in 0..10_000 {
        assert!(passes(&mut host, &n.to_string()));
    }
    assert!(host.kv_keys().is_empty());
    // What was said first is forgotten, or a flood of texts would fill the memory.
    assert!(passes(&mut host, "0"));
    assert!(host.kv_keys().is_empty());
    // What was said last is remembered, however much there was.
    assert!(passes(&mut host, "9999"));
    assert_eq!(host.kv_keys().len(), 1);
}

#[test]
fn a_store_that_fails_silences_nobody_and_what_an_instance_sees_counts() {
    let mut host = start(json!({"duplicates": {"max": 2}, "strikes": {}, "blocked_words": ["heck"]}));
    host.break_kv(Some(kv::Error::Unavailable));
    assert!(passes(&mut host, "1") && passes(&mut host, "2") && passes(&mut host, "1"));
    assert_eq!(refused(&mut host, "1"), (4422, "duplicate_message".into()));
    assert_eq!(penalty(&mut host, &Session::of("ann"), "\"heck\""), Penalty::None);
    assert_eq!(host.log().len(), 4, "{:?}", host.log_lines());
}

/// What somebody does to use up what the filter keeps.
type Attack = fn(&mut Host);

/// Tries to use up one of the filter's quotas each. Afterwards others' strikes are counted, their repeats noticed, and
/// the store has room.
#[test]
fn no_flood_keeps_the_filter_from_its_work() {
    let each_twice: Attack = |host| {
        for n in 0..20_000 {
            let mallory = Session::of("mallory");
            host.publish(&mallory, "c", format!("{n}"));
            host.publish(&mallory, "c", format!("{n}"));
        }
    };
    let each_twice_by_many: Attack = |host| {
        for n in 0..20_000 {
            let one = Session::of(&format!("m{}", n % 1000));
            host.publish(&one, "c", format!("{n}"));
            host.publish(&one, "c", format!("{n}"));
        }
    };
    let each_twice_in_many_channels: Attack = |host| {
        for n in 0..20_000 {
            let mallory = Session::of("mallory");
            host.publish(&mallory, &format!("c{n}"), "1");
            host.publish(&mallory, &format!("c{n}"), "1");
        }
    };
    let never_the_same: Attack = |host| {
        for n in 0..20_000 {
            host.publish(&Session::of("mallory"), "c", format!("{n}"));
        }
    };
    let of_one_network: Attack = |host| {
        for n in 0..20_000 {
            let session = Session::anonymous().from_address(&format!("2001:db8::{:x}:{:x}", n / 65_536, n % 65_536));
            host.publish(&session, "c", "\"heck\"");
        }
    };
    let attacks = [
        ("each number twice", each_twice),
        ("each number twice, by many users", each_twice_by_many),
        ("the same twice in many channels", each_twice_in_many_channels),
        ("never the same", never_the_same),
        ("an offence from each address of a network", of_one_network),
    ];
    for (name, attack) in attacks {
        let mut host = start(json!({
            "blocked_words": ["heck"], "duplicates": {"window_seconds": 30, "max": 2},
            "strikes": {"disconnect_at": 2, "ban_at": 3, "ban_seconds": 5},
        }));
        let ann = Session::of("ann");
        assert_eq!(host.publish(&ann, "c", "1"), PublishVerdict::Abstain);
        attack(&mut host);
        let keys = host.kv_keys().len();
        assert!(keys <= 4_100, "{name}: {keys} keys");
        let given = [(); 3].map(|()| penalty(&mut host, &ann, "\"heck\""));
        let expected = [Penalty::None, Penalty::Disconnect, Penalty::Ban(5)];
        assert_eq!(given, expected, "{name}");
        let bob = Session::of("bob");
        for _ in 0..2 {
            assert_eq!(host.publish(&bob, "c", "1"), PublishVerdict::Abstain, "{name}");
        }
        assert_eq!(denied(host.publish(&bob, "c", "1")).code, 4422, "{name}");
    }
}

#[test]
fn one_users_flood_makes_the_filter_forget_nobody_elses_messages() {
    let mut host = start(json!({"duplicates": {"max": 1}}));
    assert!(passes(&mut host, "1"));
    for n in 0..20_000 {
        host.publish(&Session::of("mallory"), "room:1", format!("{n}"));
    }
    assert_eq!(refused(&mut host, "1").0, 4422);
}

#[test]
fn who_cannot_be_counted_any_more_is_disconnected() {
    let mut host = start(json!({"blocked_words": ["heck"], "strikes": {"disconnect_at": 5, "ban_at": 10}}));
    host.break_kv(Some(kv::Error::Full));
    assert_eq!(penalty(&mut host, &Session::of("ann"), "\"heck\""), Penalty::Disconnect);
    assert!(
        host.log_lines()[0].contains("the store is full"),
        "{:?}",
        host.log_lines()
    );
    let mut host = start(json!({"blocked_words": ["heck"], "strikes": {"disconnect_at": 0, "ban_at": 0}}));
    host.break_kv(Some(kv::Error::Full));
    assert_eq!(penalty(&mut host, &Session::of("ann"), "\"heck\""), Penalty::None);
}

#[test]
fn strikes_lead_to_the_door_and_then_to_a_ban() {
    let mut host = start(json!({
        "blocked_words": ["heck"], "per_user": {"rate": 1e6, "burst": 1000},
        "strikes": {"window_seconds": 60, "disconnect_at": 2, "ban_at": 4, "ban_seconds": 300},
    }));
    let ann = Session::of("ann");
    let given: Vec<_> = (0..5).map(|_| penalty(&mut host, &ann, "\"heck\"")).collect();
    assert_eq!(
        given,
        [
            Penalty::None,
            Penalty::Disconnect,
            Penalty::Disconnect,
            Penalty::Ban(300),
            Penalty::Ban(300)
        ]
    );
    // The broker carries the ban out, and only strikes are kept.
    assert_eq!(host.kv_keys(), ["strikes:u:ann"]);
}

#[test]
fn strikes_are_forgotten_with_their_window() {
    let mut host = start(json!({"blocked_words": ["heck"], "strikes": {"window_seconds": 10, "disconnect_at": 2}}));
    let ann = Session::of("ann");
    assert_eq!(penalty(&mut host, &ann, "\"heck\""), Penalty::None);
    host.advance_ms(10_000);
    assert_eq!(penalty(&mut host, &ann, "\"heck\""), Penalty::None);
    assert_eq!(penalty(&mut host, &ann, "\"heck\""), Penalty::Disconnect);
}

#[test]
fn too_fast_is_a_strike_too() {
    let mut host = start(json!({"per_user": {"rate": 1, "burst": 1}, "strikes": {"disconnect_at": 2}}));
    let ann = Session::of("ann");
    assert!(passes(&mut host, "1"));
    assert_eq!(penalty(&mut host, &ann, "1"), Penalty::None);
    assert_eq!(penalty(&mut host, &ann, "1"), Penalty::Disconnect);
}

#[test]
fn an_anonymous_offender_is_counted_by_address() {
    let mut host = start(json!({
        "blocked_words": ["heck"], "strikes": {"disconnect_at": 0, "ban_at": 1, "ban_seconds": 5},
    }));
    assert_eq!(penalty(&mut host, &Session::anonymous(), "\"heck\""), Penalty::Ban(5));
    assert_eq!(host.kv_keys(), ["strikes:a:192.0.2.1"]);
}

#[test]
fn silence_ends_where_a_penalty_begins() {
    let mut host = start(json!({
        "action": "discard", "blocked_words": ["heck"], "strikes": {"disconnect_at": 2, "ban_at": 3},
    }));
    let ann = Session::of("ann");
    assert_eq!(host.publish(&ann, "c", "\"heck\""), PublishVerdict::Discard);
    assert_eq!(penalty(&mut host, &ann, "\"heck\""), Penalty::Disconnect);
    assert_eq!(penalty(&mut host, &ann, "\"heck\""), Penalty::Ban(300));
}

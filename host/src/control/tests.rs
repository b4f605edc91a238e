//! Pages over several nodes, and what travels between them.

use super::*;
use registry::BanSubject;

fn report(node: &str, report: Report) -> NodeReport {
    NodeReport {
        node: node.into(),
        result: Ok(report),
    }
}

/// The report of a node with these channels about a page.
fn channels_of(node: &str, all: &[(String, u64)], after: Option<&str>, limit: usize) -> NodeReport {
    let mut all: Vec<_> = all.to_vec();
    all.sort();
    let entries = all
        .into_iter()
        .filter(|(channel, _)| after.is_none_or(|after| channel.as_str() > after));
    let channels = entries
        .take(limit + 1)
        .map(|(channel, subscribers)| ChannelEntry { channel, subscribers })
        .collect();
    report(node, Report::Channels { channels })
}

fn connection(node: &str, session: &str) -> Connection {
    Connection {
        session: session.into(),
        user: Some("ann".into()),
        tenant: "acme".into(),
        node: node.into(),
        transport: "websocket".into(),
        remote_address: "::1".into(),
        connected_at_ms: 1,
        channels: 2,
    }
}

#[test]
fn pages_over_three_nodes_have_every_channel_once_with_all_its_subscribers() {
    let name = |n: u64| format!("room:{n:03}");
    // Channel n is on node 0 always, on node 1 if n is even, on node 2 if n is divisible by 3.
    let nodes: Vec<Vec<(String, u64)>> = (1..=3)
        .map(|step| (0..97).filter(|n| n % step == 0).map(|n| (name(n), step)).collect())
        .collect();
    for limit in [1, 2, 7, 96, 97, 98, 1000] {
        let (mut after, mut seen, mut pages) = (None::<String>, Vec::new(), 0);
        loop {
            let reports = nodes
                .iter()
                .enumerate()
                .map(|(n, all)| channels_of(&format!("node-{n}"), all, after.as_deref(), limit))
                .collect();
            let page = channels(reports, limit);
            assert!(page.entries.len() <= limit);
            seen.extend(page.entries);
            pages += 1;
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(pages, 97usize.div_ceil(limit), "pages of {limit}");
        let expected: Vec<_> = (0..97)
            .map(|n| ChannelEntry {
                channel: name(n),
                subscribers: (1..=3).filter(|step| n % step == 0).sum(),
            })
            .collect();
        assert_eq!(seen, expected, "pages of {limit}");
    }
}

#[test]
fn connections_of_all_nodes_come_in_one_order() {
    let of = |node: &str, sessions: &[&str]| {
        let connections = sessions.iter().map(|session| connection(node, session)).collect();
        report(node, Report::Connections { connections })
    };
    let reports = vec![of("a", &["1", "4", "5"]), of("b", &["2", "3", "6"]), of("c", &[])];
    let page = connections(reports.clone(), 2);
    let sessions: Vec<_> = page.entries.iter().map(|entry| entry.session.as_str()).collect();
    assert_eq!((sessions, page.next.as_deref()), (vec!["1", "2"], Some("2")));
    assert_eq!(connections(reports, 6).next, None, "exactly the last page");
}

#[test]
fn who_did_not_answer_is_named_and_what_was_done_is_counted() {
    let reports = [
        report("a", Report::Done { affected: 2 }),
        NodeReport {
            node: "b".into(),
            result: Err("silence".into()),
        },
        report("c", Report::Channels { channels: Vec::new() }),
        report("d", Report::Done { affected: 3 }),
    ];
    let missing: Vec<_> = unreached(&reports, |report| matches!(report, Report::Done { .. })).collect();
    assert_eq!(missing[0], ("b", "silence"));
    assert_eq!(missing[1].0, "c", "an answer to another question is none");
    assert_eq!(missing.len(), 2);
    assert_eq!(done(&reports), 5);
}

#[test]
fn counts_are_told_by_node() {
    let count = |node: &str, connections| {
        let subscriptions = connections * 2;
        report(
            node,
            Report::Count {
                quarantined: false,
                connections,
                subscriptions,
            },
        )
    };
    let counts = counts(&[count("b", 1), count("a", 3)]);
    let nodes: Vec<_> = counts
        .iter()
        .map(|count| (count.node.as_str(), count.connections, count.subscriptions))
        .collect();
    assert_eq!(nodes, [("a", 3, 6), ("b", 1, 2)]);
}

#[test]
fn a_time_is_told_in_seconds_and_what_they_have_too_many() {
    for (ms, expected) in [
        (0, (0, 0)),
        (1, (1, 999)),
        (999, (1, 1)),
        (1_000, (1, 0)),
        (1_001, (2, 999)),
    ] {
        assert_eq!(in_seconds(std::time::Duration::from_millis(ms)), expected, "{ms} ms");
    }
}

#[test]
fn orders_and_reports_keep_their_words_on_the_bus() {
    let order = Order::Unsubscribe {
        tenant: "acme".into(),
        user: "ann".into(),
        channel: "room:1".into(),
    };
    let json = r#"{"order":"unsubscribe","tenant":"acme","user":"ann","channel":"room:1"}"#;
    assert_eq!(serde_json::to_string(&order).unwrap(), json);
    assert_eq!(serde_json::from_str::<Order>(json).unwrap(), order);
    // As versions without addresses wrote it, and read it.
    let ban = |subject: &str| {
        format!(
            r#"{{"order":"ban","tenant":"acme",{subject},"seconds":60,"at_least":true,"stamp":{{"time_ms":1,"sequence":2,"instance":"a~b"}}}}"#
        )
    };
    for (json, subject) in [
        (ban(r#""user":"ann""#), BanSubject::User("ann".into())),
        (
            ban(r#""address":"2001:db8::/64""#),
            BanSubject::Address("2001:db8::1".parse().unwrap()),
        ),
        (ban(r#""token":"jti-1""#), BanSubject::Token("jti-1".into())),
        (ban(r#""tokens_of":"ann""#), BanSubject::TokensOf("ann".into())),
    ] {
        let order: Order = serde_json::from_str(&json).unwrap();
        assert!(
            matches!(&order, Order::Ban { subject: read, .. } if *read == subject),
            "{order:?}"
        );
        assert_eq!(serde_json::to_string(&order).unwrap(), json);
    }
    let lift = r#"{"order":"unban","tenant":"acme","user":"ann"}"#;
    assert_eq!(
        serde_json::to_string(&serde_json::from_str::<Order>(lift).unwrap()).unwrap(),
        lift
    );
    for json in [ban(r#""address":"ann""#), ban(r#""place":"x""#)] {
        assert!(serde_json::from_str::<Order>(&json).is_err(), "{json}");
    }
    let report = Report::Connections {
        connections: vec![connection("a", "1")],
    };
    let json = serde_json::to_string(&report).unwrap();
    assert!(
        json.starts_with(r#"{"report":"connections","connections":[{"session":"1","#),
        "{json}"
    );
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
    // Fields that a later version adds are ignored.
    let later = r#"{"report":"done","affected":1,"soon":true}"#;
    assert_eq!(
        serde_json::from_str::<Report>(later).unwrap(),
        Report::Done { affected: 1 }
    );
}

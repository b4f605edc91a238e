//! Whom a connection comes from: PROXY headers and the header with the client's address, from proxies and from strangers.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::admin::full_key;
use crate::support::dial::Dial;
use crate::support::{Broker, Value, json, within};

/// Whoever comes from 127.0.0.1 is a trusted proxy, as is 10.0.0.0/8; other addresses of 127.0.0.0/8 are strangers.
async fn broker(more: &str) -> Broker {
    let key = full_key();
    Broker::start(&format!(
        r#"
        tenants = [{{ name = "t", anonymous = true, default = "allow" }}]
        {key}
        [server]
        default_tenant = "t"
        trusted_proxies = ["127.0.0.1", "10.0.0.0/8"]
        {more}
        "#
    ))
    .await
}

/// The address that the broker has of the one client that comes like this.
async fn address_of(broker: &Broker, dial: Dial) -> Value {
    let client = dial.connect().await;
    let session = client.session().to_owned();
    let list = broker.read("/tenants/t/connections").await;
    let connections = list["connections"].as_array().expect("a list");
    let one = connections.iter().find(|one| one["session"] == session.as_str());
    one.expect("its session is listed")["remote_address"].clone()
}

fn binary(version_and_command: u8, kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    let head = [version_and_command, kind];
    [b"\r\n\r\n\0\r\nQUIT\n", &head[..], &length.to_be_bytes(), payload].concat()
}

#[tokio::test]
async fn a_proxy_header_says_whose_connection_it_is() {
    let broker = broker("proxy_protocol = true\nclient_address_header = \"x-forwarded-for\"").await;
    let ipv4 = [192, 0, 2, 9, 127, 0, 0, 1, 0, 1, 0, 2];
    let ipv6 = [&[0x20, 0x01, 0x0d, 0xb8][..], &[0; 11], &[9], &[0; 16], &[0, 1, 0, 2]].concat();
    let inside = [10, 0, 0, 9, 127, 0, 0, 1, 0, 1, 0, 2];
    let tlv = [&[4, 15, 0][..], &[0; 3_840]].concat();
    for (header, forwarded, address) in [
        (b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n".to_vec(), None, "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n".to_vec(), None, "2001:db8::7"),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n".to_vec(), None, "192.0.2.7"),
        (b"PROXY UNKNOWN\r\n".to_vec(), None, "127.0.0.1"),
        (binary(0x21, 0x11, &ipv4), None, "192.0.2.9"),
        (binary(0x21, 0x11, &[&ipv4[..], &tlv].concat()), None, "192.0.2.9"),
        (binary(0x21, 0x21, &ipv6), None, "2001:db8::9"),
        (binary(0x20, 0x00, &[]), None, "127.0.0.1"),
        // Behind a proxy that the header names, and that is trusted too.
        (binary(0x21, 0x11, &inside), Some("192.0.2.5"), "192.0.2.5"),
        (binary(0x20, 0x00, &[]), Some("192.0.2.5"), "192.0.2.5"),
        // Not behind a stranger that it names.
        (binary(0x21, 0x11, &ipv4), Some("192.0.2.5"), "192.0.2.9"),
    ] {
        let mut dial = broker.dial("ann").preface(&header);
        if let Some(forwarded) = forwarded {
            dial = dial.header("X-Forwarded-For", forwarded);
        }
        let shown = header.escape_ascii().to_string();
        assert_eq!(address_of(&broker, dial).await, address, "{shown} {forwarded:?}");
    }
}

#[tokio::test]
async fn a_connection_without_a_good_proxy_header_is_closed() {
    let broker = broker("proxy_protocol = true\nheader_timeout_ms = 500").await;
    let refusals = async |broker: &Broker| {
        let metrics = broker.metrics().await;
        metrics.sum("sluicegate_door_refusals_total", &[("what", "proxy_header")])
    };
    let good = b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n";
    let mut count = 0.0;
    for (from, preface) in [
        // A stranger, whatever it says.
        ([127, 0, 0, 9], &good[..]),
        ([127, 0, 0, 9], b""),
        // A proxy that sends none, or a bad one.
        ([127, 0, 0, 1], b""),
        ([127, 0, 0, 1], b"PROXY TCP4 192.0.2.7 127.0.0.1 1\r\n"),
        ([127, 0, 0, 1], &binary(0x21, 0x11, &[0; 11])),
        ([127, 0, 0, 1], &binary(0x20, 0x00, &[0; 4_097])),
    ] {
        let answer = broker.dial("nobody").from(from).preface(preface).answer().await;
        assert!(
            answer.is_none(),
            "{from:?} {:?}: {answer:?}",
            preface.escape_ascii().to_string()
        );
        count += 1.0;
        assert_eq!(refusals(&broker).await, Some(count));
    }
    broker
        .log()
        .wait_for(&["WARN", "proxy_protocol", "127.0.0.9", "trusted_proxies"])
        .await;
    // One that is slow with it, or with what follows: both together have the time of a head.
    for begin in [
        &b"PROXY TCP4 192."[..],
        b"\r\n\r\n",
        good,
        b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\nGET /ws HT",
    ] {
        let mut slow = broker.dial("slow").silent().await;
        slow.write_all(begin).await.expect("taken");
        let mut said = Vec::new();
        // A reset is an end as well.
        let reading = async { slow.read_to_end(&mut said).await.ok() };
        within(reading, || {
            format!("{:?} keeps its connection", begin.escape_ascii().to_string())
        })
        .await;
    }
    assert_eq!(address_of(&broker, broker.dial("ann").preface(good)).await, "192.0.2.7");
}

#[tokio::test]
async fn where_none_is_expected_a_proxy_header_is_no_request() {
    let broker = broker("").await;
    let line = broker.dial("ann").preface("PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n");
    assert_eq!(line.answer().await.map(|answer| answer.status), Some(400));
    let answer = broker.dial("ann").preface(binary(0x20, 0, &[])).answer().await;
    assert!(answer.is_none_or(|answer| answer.status == 400));
}

#[tokio::test]
async fn one_header_is_read_and_only_of_proxies() {
    let long = vec!["203.0.113.9"; 1_000].join(", ") + ", 192.0.2.7";
    for (header, rows) in [
        (
            "x-forwarded-for",
            &[
                ([127, 0, 0, 1], &[("X-Forwarded-For", "192.0.2.7")][..], "192.0.2.7"),
                (
                    [127, 0, 0, 1],
                    &[("X-Forwarded-For", "203.0.113.9, 192.0.2.7, 10.0.0.3")],
                    "192.0.2.7",
                ),
                (
                    [127, 0, 0, 1],
                    &[("X-Forwarded-For", "203.0.113.9"), ("x-forwarded-for", "192.0.2.7")],
                    "192.0.2.7",
                ),
                ([127, 0, 0, 1], &[("X-Forwarded-For", &long)], "192.0.2.7"),
                ([127, 0, 0, 1], &[("X-Forwarded-For", "2001:db8::7")], "2001:db8::7"),
                (
                    [127, 0, 0, 1],
                    &[("X-Forwarded-For", "192.0.2.7, unknown")],
                    "127.0.0.1",
                ),
                // Others are not looked at.
                (
                    [127, 0, 0, 1],
                    &[("Forwarded", "for=192.0.2.7"), ("X-Real-IP", "192.0.2.8")],
                    "127.0.0.1",
                ),
                ([127, 0, 0, 9], &[("X-Forwarded-For", "192.0.2.7")], "127.0.0.9"),
            ][..],
        ),
        (
            "forwarded",
            &[
                (
                    [127, 0, 0, 1],
                    &[("Forwarded", "for=203.0.113.9, for=\"[2001:db8::7]:4711\";proto=https")],
                    "2001:db8::7",
                ),
                (
                    [127, 0, 0, 1],
                    &[("Forwarded", "for=\"203.0.113.9"), ("Forwarded", "for=192.0.2.7")],
                    "192.0.2.7",
                ),
                ([127, 0, 0, 1], &[("X-Forwarded-For", "192.0.2.7")], "127.0.0.1"),
                ([127, 0, 0, 9], &[("Forwarded", "for=192.0.2.7")], "127.0.0.9"),
            ],
        ),
        (
            "x-real-ip",
            &[
                ([127, 0, 0, 1], &[("X-Real-IP", "192.0.2.7")], "192.0.2.7"),
                (
                    [127, 0, 0, 1],
                    &[("X-Real-IP", "192.0.2.7"), ("X-Real-IP", "192.0.2.8")],
                    "127.0.0.1",
                ),
            ],
        ),
        (
            "cf-connecting-ip",
            &[(
                [127, 0, 0, 1],
                &[("CF-Connecting-IP", "192.0.2.7"), ("X-Real-IP", "192.0.2.8")],
                "192.0.2.7",
            )],
        ),
    ] {
        let broker = broker(&format!("client_address_header = \"{header}\"")).await;
        for (from, headers, address) in rows {
            let mut dial = broker.dial("ann").from(*from);
            for (name, value) in *headers {
                dial = dial.header(name, value);
            }
            assert_eq!(
                address_of(&broker, dial).await,
                *address,
                "{header}: {from:?} {headers:?}"
            );
        }
    }
}

#[tokio::test]
async fn ten_thousand_entries_are_more_than_a_request_may_have() {
    let broker = broker("client_address_header = \"x-forwarded-for\"").await;
    for from in [[127, 0, 0, 1], [127, 0, 0, 9]] {
        let dial = broker
            .dial("ann")
            .from(from)
            .header("X-Forwarded-For", &vec!["10.0.0.2"; 10_000].join(","));
        let answer = dial.answer().await;
        assert!(answer.is_none_or(|answer| answer.status == 431), "from {from:?}");
    }
    broker.connect("ann").await.still_works().await;
}

#[tokio::test]
async fn a_ban_of_one_client_leaves_the_others_behind_the_proxy() {
    let broker = broker("client_address_header = \"x-forwarded-for\"").await;
    let behind = |address: &str| broker.dial(address).header("X-Forwarded-For", address);
    let (mut eve, mut ann) = (behind("192.0.2.7").connect().await, behind("192.0.2.8").connect().await);
    let path = "/tenants/t/addresses/192.0.2.7/ban";
    broker.call("PUT", path, json!({ "seconds": 600 })).await.ok();
    eve.expect_close(4505).await;
    behind("192.0.2.7").connect_refused(4451).await;
    ann.still_works().await;
    behind("192.0.2.9").connect().await.still_works().await;
}

#[tokio::test]
async fn what_proxies_are_believed_changes_with_a_reload() {
    let with = |more: &str| {
        let key = full_key();
        format!(
            "tenants = [{{ name = \"t\", anonymous = true }}]\n{key}\n[server]\ndefault_tenant = \"t\"\n\
             client_address_header = \"x-forwarded-for\"\n{more}"
        )
    };
    let broker = Broker::start(&with("trusted_proxies = [\"10.0.0.0/8\"]")).await;
    let dial = || broker.dial("ann").header("X-Forwarded-For", "192.0.2.7");
    assert_eq!(address_of(&broker, dial()).await, "127.0.0.1");
    broker.reload(&with("trusted_proxies = [\"127.0.0.1\"]")).await;
    assert_eq!(address_of(&broker, dial()).await, "192.0.2.7");
}

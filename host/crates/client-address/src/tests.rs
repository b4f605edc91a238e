use std::net::IpAddr;

use proptest::prelude::*;

use super::{AddressHeader, AddressRange, NoNetwork, TrustedProxies};

const PROXY: &str = "10.0.0.1";

fn trusted(networks: &[&str]) -> TrustedProxies {
    TrustedProxies::new(networks.iter().map(|network| network.parse().unwrap()))
}

fn client_of(header: AddressHeader, lines: &[&[u8]]) -> String {
    let trusted = trusted(&["10.0.0.0/8", "fd00::/8"]);
    let client = trusted.client(PROXY.parse().unwrap(), header, lines.iter().copied());
    client.to_string()
}

#[track_caller]
fn check(header: AddressHeader, cases: &[(&[&str], &str)]) {
    for (lines, client) in cases {
        let bytes: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
        assert_eq!(client_of(header, &bytes), *client, "{lines:?}");
    }
}

#[test]
fn networks_are_read_and_what_is_none_is_not() {
    for (text, network) in [
        ("10.0.0.0/8", Ok("10.0.0.0/8")),
        ("192.0.2.1", Ok("192.0.2.1/32")),
        ("0.0.0.0/0", Ok("0.0.0.0/0")),
        ("192.0.2.1/32", Ok("192.0.2.1/32")),
        ("::1/128", Ok("::1/128")),
        ("::/0", Ok("::/0")),
        ("2001:DB8::/32", Ok("2001:db8::/32")),
        ("::ffff:10.0.0.0/104", Ok("10.0.0.0/8")),
        ("::ffff:0:0/96", Ok("0.0.0.0/0")),
        ("::ffff:192.0.2.1", Ok("192.0.2.1/32")),
        ("10.0.0.1/8", Err("has bits beyond its length: write 10.0.0.0/8")),
        ("2001:db8::1/64", Err("has bits beyond its length: write 2001:db8::/64")),
        (
            "::ffff:10.0.0.1/104",
            Err("has bits beyond its length: write 10.0.0.0/8"),
        ),
    ] {
        let parsed = text.parse::<AddressRange>();
        let shown = parsed.as_ref().map(ToString::to_string).map_err(ToString::to_string);
        assert_eq!(shown, network.map(str::to_owned).map_err(str::to_owned), "{text}");
    }
    for text in [
        "",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "10.0.0.0/08",
        "10.0.0.0/-1",
        "10.0.0.0/8/8",
        "10/8",
        "10.0.0.0:80",
        "localhost",
        "fe80::1%eth0",
        " 10.0.0.0/8",
        "10.0.0.0/255.0.0.0",
        "10.0.0.0/300",
    ] {
        assert_eq!(text.parse::<AddressRange>(), Err(NoNetwork::Malformed), "{text:?}");
    }
}

#[test]
fn only_who_is_listed_is_trusted() {
    let trusted = trusted(&["10.0.0.0/8", "192.0.2.7", "2001:db8::/33"]);
    for (address, is_trusted) in [
        ("10.255.0.1", true),
        ("11.0.0.0", false),
        ("9.255.255.255", false),
        ("::ffff:10.1.2.3", true),
        ("::10.1.2.3", false),
        ("192.0.2.7", true),
        ("192.0.2.6", false),
        ("2001:db8:7fff::1", true),
        ("2001:db8:8000::1", false),
    ] {
        assert_eq!(trusted.contains(address.parse().unwrap()), is_trusted, "{address}");
    }
    assert!(!TrustedProxies::default().contains("127.0.0.1".parse().unwrap()));
}

#[test]
fn x_forwarded_for_is_read_from_its_end() {
    check(
        AddressHeader::XForwardedFor,
        &[
            (&[], PROXY),
            (&["192.0.2.1"], "192.0.2.1"),
            (&["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
            (&["203.0.113.9,192.0.2.1 ,\t10.0.0.2"], "192.0.2.1"),
            (&["203.0.113.9", "192.0.2.1", "10.0.0.2"], "192.0.2.1"),
            (&["203.0.113.9, 192.0.2.1", "fd00::1, 10.0.0.2"], "192.0.2.1"),
            // All are ours: the request began inside.
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
            (&["192.0.2.1:4711"], "192.0.2.1"),
            (&["::ffff:192.0.2.1"], "192.0.2.1"),
            (&["192.0.2.1, ::ffff:10.0.0.2"], "192.0.2.1"),
            // What is no address ends the reading.
            (&["unknown"], PROXY),
            (&["192.0.2.1, unknown"], PROXY),
            (&["192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2"),
            (&["192.0.2.1, , 10.0.0.2"], "10.0.0.2"),
            (&["192.0.2.1", "", "10.0.0.2"], "10.0.0.2"),
            (&["192.0.2.1,"], PROXY),
            (&[""], PROXY),
            (&["192.0.2.1.5"], PROXY),
            (&["192.0.2.01"], PROXY),
            (&["192.0.2.1:"], PROXY),
            (&["192.0.2.1:123456"], PROXY),
            (&["2001:db8::1:4711:1:1:1:1:1"], PROXY),
            (&["[2001:db8::1"], PROXY),
            (&["[192.0.2.1]"], PROXY),
            (&["fe80::1%eth0"], PROXY),
            (&["\"192.0.2.1\""], PROXY),
            (&["for=192.0.2.1"], PROXY),
        ],
    );
    let unreadable = [&b"192.0.2.1"[..], b"192.0.2.2, \xff", b"10.0.0.2"];
    assert_eq!(client_of(AddressHeader::XForwardedFor, &unreadable), "10.0.0.2");
}

#[test]
fn forwarded_is_read_from_its_end() {
    check(
        AddressHeader::Forwarded,
        &[
            (&[], PROXY),
            (&["for=192.0.2.1"], "192.0.2.1"),
            (&["For=\"[2001:db8::1]:4711\""], "2001:db8::1"),
            (&["for=\"[2001:db8::1]\";proto=https;by=203.0.113.43"], "2001:db8::1"),
            (&["proto=http;FOR=\"192.0.2.1:_port\""], "192.0.2.1"),
            (
                &["for=203.0.113.9, for=192.0.2.1;by=10.0.0.1 , for=10.0.0.2"],
                "192.0.2.1",
            ),
            (&["for=203.0.113.9", "for=192.0.2.1", "for=10.0.0.2"], "192.0.2.1"),
            (&["for=192.0.2.1;host=\"a, b; for=c\""], "192.0.2.1"),
            (&["for=192.0.2.1;host=\"a\\\", for=203.0.113.9\\\\\""], "192.0.2.1"),
            (&["for=192.0.2.1;host=\"a, \\\"b\""], "192.0.2.1"),
            (&["for=\"192.0.2\\.1\""], "192.0.2.1"),
            (&["for=192.0.2.1; proto=https"], "192.0.2.1"),
            // A stranger's quote does not reach what the proxy wrote.
            (&["for=\"203.0.113.9, for=192.0.2.1"], "192.0.2.1"),
            (&["for=\"203.0.113.9, for=\"[2001:db8::1]:80\""], "2001:db8::1"),
            (&["for=203.0.113.9;a=\"\\, for=192.0.2.1"], "192.0.2.1"),
            (&["for=\"203.0.113.9", "for=192.0.2.1"], "192.0.2.1"),
            // A proxy that hides who it was, or does not know.
            (&["for=192.0.2.1, for=unknown"], PROXY),
            (&["for=192.0.2.1, for=_hidden, for=10.0.0.2"], "10.0.0.2"),
            (&["for=192.0.2.1, proto=https"], PROXY),
            // Malformed.
            (&["192.0.2.1"], PROXY),
            (&["for=192.0.2.1;for=192.0.2.2"], PROXY),
            (&["for = 192.0.2.1"], PROXY),
            (&["for=\"192.0.2.1"], PROXY),
            (&["for=\"192.0.2.1\"x"], PROXY),
            (&["for=192.0.2.1;"], PROXY),
            (&["for=192.0.2.1 192.0.2.2"], PROXY),
            (&["for="], PROXY),
            (&["for=\"\""], PROXY),
            (&[""], PROXY),
        ],
    );
}

#[test]
fn what_is_no_list_has_one_address_in_one_line() {
    for header in [AddressHeader::XRealIp, AddressHeader::CfConnectingIp] {
        check(
            header,
            &[
                (&[], PROXY),
                (&["192.0.2.1"], "192.0.2.1"),
                (&[" 2001:db8::1\t"], "2001:db8::1"),
                (&["::ffff:192.0.2.1"], "192.0.2.1"),
                (&["10.0.0.2"], "10.0.0.2"),
                (&["192.0.2.1, 192.0.2.2"], PROXY),
                (&["192.0.2.1", "192.0.2.2"], PROXY),
                (&["192.0.2.1", "192.0.2.1"], PROXY),
                (&["ann"], PROXY),
            ],
        );
    }
}

#[test]
fn names_are_those_of_the_headers() {
    for (name, header) in AddressHeader::BY_NAME {
        assert_eq!(header.name(), name);
    }
}

#[test]
fn of_ten_thousand_entries_only_so_many_are_read() {
    let strangers = vec!["203.0.113.9"; 10_000].join(", ") + ", 192.0.2.1";
    assert_eq!(
        client_of(AddressHeader::XForwardedFor, &[strangers.as_bytes()]),
        "192.0.2.1"
    );
    // The first of them is never reached.
    let trusted_ones: Vec<String> = (0..10_000).map(|n| format!("10.1.{}.{}", n / 256, n % 256)).collect();
    let line = trusted_ones.join(",");
    assert_eq!(
        client_of(AddressHeader::XForwardedFor, &[line.as_bytes()]),
        trusted_ones[10_000 - 64]
    );
    let lines: Vec<_> = trusted_ones.iter().map(String::as_bytes).collect();
    assert_eq!(
        client_of(AddressHeader::XForwardedFor, &lines),
        trusted_ones[10_000 - 64]
    );
}

proptest! {
    /// Whatever a stranger wrote before, the address that the proxy adds is found.
    #[test]
    fn what_is_before_the_proxys_entry_does_not_matter(
        forged in prop::collection::vec("[ -~\t]{0,60}|([fF]or=|\"|\\\\|,|;|192\\.0\\.2\\.2|\\[::1\\]| ){0,20}", 0..4),
        is_joined: bool,
        address: std::net::IpAddr,
    ) {
        let trusted = trusted(&["10.0.0.0/8"]);
        prop_assume!(!trusted.contains(address));
        let proxy: IpAddr = PROXY.parse().unwrap();
        let node = if address.is_ipv6() { format!("\"[{address}]:1\"") } else { address.to_string() };
        for (header, entry) in [
            (AddressHeader::XForwardedFor, address.to_string()),
            (AddressHeader::Forwarded, format!("proto=https;for={node}")),
        ] {
            let mut lines = forged.clone();
            match lines.last_mut() {
                Some(last) if is_joined => *last = format!("{last}, {entry}"),
                _ => lines.push(entry),
            }
            let client = trusted.client(proxy, header, lines.iter().map(String::as_bytes));
            prop_assert_eq!(client, address.to_canonical(), "{:?}", lines);
        }
    }

    /// Bytes of any kind do no harm.
    #[test]
    fn whatever_the_lines_are_there_is_an_address(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..5)) {
        let trusted = trusted(&["0.0.0.0/0", "::/0"]);
        for (_, header) in AddressHeader::BY_NAME {
            let client = trusted.client(PROXY.parse().unwrap(), header, lines.iter().map(Vec::as_slice));
            prop_assert_eq!(client, client.to_canonical());
        }
    }
}

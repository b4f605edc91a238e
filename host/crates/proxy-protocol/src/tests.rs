use std::net::IpAddr;

use ppp::{HeaderResult, PartialResult};
use proptest::prelude::*;

use super::{Examined, HEADER_BYTES, NoProxyHeader, ProxiedPeer, examine};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Reads the header at the beginning of `stream` as from a socket: what it says, and its length.
fn read(stream: &[u8]) -> Result<Option<(ProxiedPeer, usize)>, NoProxyHeader> {
    let mut taken = 0;
    loop {
        match examine(&stream[..taken])? {
            Examined::Whole(peer) => return Ok(Some((peer, taken))),
            Examined::Missing(0) => panic!("it waits for nothing"),
            Examined::Missing(missing) if taken + missing > stream.len() => return Ok(None),
            Examined::Missing(missing) => taken += missing,
        }
    }
}

fn client(address: &str) -> ProxiedPeer {
    ProxiedPeer::Client(address.parse().unwrap())
}

/// A header of version 2.
fn binary(version_and_command: u8, kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    [SIGNATURE, &[version_and_command, kind], &length.to_be_bytes(), payload].concat()
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap();
    [&[kind], &length.to_be_bytes()[..], value].concat()
}

const IPV4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb];

#[test]
fn a_line_says_whose_connection_it_is() {
    let long = format!("PROXY UNKNOWN {}\r\n", "f".repeat(107 - 16));
    for (line, peer) in [
        ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", client("192.0.2.1")),
        ("PROXY TCP4 1.1.1.1 1.1.1.1 0 65535\r\n", client("1.1.1.1")),
        ("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", client("2001:db8::1")),
        ("PROXY TCP6 :: :: 1 2\r\n", client("::")),
        ("PROXY TCP6 1::1 :: 1 2\r\n", client("1::1")),
        ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", client("192.0.2.1")),
        ("PROXY UNKNOWN\r\n", ProxiedPeer::Peer),
        ("PROXY UNKNOWN ffff::1 what ever\r\n", ProxiedPeer::Peer),
        (&long, ProxiedPeer::Peer),
    ] {
        assert_eq!(read(line.as_bytes()), Ok(Some((peer, line.len()))), "{line:?}");
        // What follows stays where it is.
        let stream = format!("{line}GET /ws HTTP/1.1\r\n\r\n");
        assert_eq!(read(stream.as_bytes()), Ok(Some((peer, line.len()))), "{line:?}");
    }
}

#[test]
fn a_bad_line_is_none() {
    let malformed = [
        "it has not two addresses and two ports",
        "it has an address that is none of its family",
    ];
    for (line, error) in [
        ("GET /ws HTTP/1.1\r\nHost: a\r\n\r\n", NoProxyHeader::Absent),
        (
            "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03\x00\x00\x00\x00\x00",
            NoProxyHeader::Absent,
        ),
        ("proxy TCP4 192.0.2.1 192.0.2.1 1 2\r\n", NoProxyHeader::Absent),
        (" PROXY TCP4 192.0.2.1 192.0.2.1 1 2\r\n", NoProxyHeader::Absent),
        ("PROXY\tTCP4 192.0.2.1 192.0.2.1 1 2\r\n", NoProxyHeader::Absent),
        (
            "PROXY TCP4 192.0.2.1 192.0.2.1 1\r\n",
            NoProxyHeader::BadLine(malformed[0]),
        ),
        (
            "PROXY TCP4 192.0.2.1 192.0.2.1 1 2 3\r\n",
            NoProxyHeader::BadLine(malformed[0]),
        ),
        (
            "PROXY TCP4 192.0.2.1  192.0.2.1 1\r\n",
            NoProxyHeader::BadLine(malformed[1]),
        ),
        ("PROXY TCP4 ::1 ::1 1 2\r\n\r\n", NoProxyHeader::BadLine(malformed[1])),
        ("PROXY TCP6 192.0.2.1 ::1 1 2\r\n", NoProxyHeader::BadLine(malformed[1])),
        (
            "PROXY TCP4 192.0.2.1 localhost 1 2\r\n",
            NoProxyHeader::BadLine(malformed[1]),
        ),
        (
            "PROXY TCP4 192.0.2.01 192.0.2.1 1 2\r\n",
            NoProxyHeader::BadLine(malformed[1]),
        ),
        (
            "PROXY TCP4 192.0.2.1 192.0.2.1 1 65536\r\n",
            NoProxyHeader::BadLine("it has a port that is none"),
        ),
        (
            "PROXY TCP4 192.0.2.1 192.0.2.1 +1 2\r\n",
            NoProxyHeader::BadLine("it has a port that is none"),
        ),
        (
            "PROXY TCP4 192.0.2.1 192.0.2.1 01 2\r\n",
            NoProxyHeader::BadLine("it has a port that is none"),
        ),
        (
            "PROXY UDP4 192.0.2.1 192.0.2.1 1 2\r\n",
            NoProxyHeader::BadLine("its family is none of TCP4, TCP6 and UNKNOWN"),
        ),
        (
            "PROXY UNKNOWN \u{e9}\u{e9}\r\n",
            NoProxyHeader::BadLine("it is not ASCII"),
        ),
    ] {
        let stream = format!("{line}GET ");
        assert_eq!(read(stream.as_bytes()), Err(error), "{line:?}");
    }
    for endless in [
        "PROXY UNKNOWN ",
        "PROXY TCP4 ",
        "PROXY TCP6 ::1 ",
        "PROXY \r",
        "PROXY \n\n",
    ] {
        let stream = endless.to_owned() + &"x".repeat(1_000);
        assert_eq!(read(stream.as_bytes()), Err(NoProxyHeader::LineTooLong), "{endless:?}");
    }
    let one_byte_more = format!("PROXY UNKNOWN {}\r\n", "f".repeat(108 - 16));
    assert_eq!(read(one_byte_more.as_bytes()), Err(NoProxyHeader::LineTooLong));
}

#[test]
fn a_binary_header_says_whose_connection_it_is() {
    let ipv6 = |source: &str| {
        let IpAddr::V6(address) = source.parse().unwrap() else {
            panic!("{source} is not IPv6");
        };
        [&address.octets()[..], &[0; 16], &[0, 1, 0, 2]].concat()
    };
    let filled = [&IPV4[..], &tlv(0x04, &[0; 4_096 - 12 - 3])].concat();
    for (header, peer) in [
        (binary(0x21, 0x11, &IPV4), client("192.0.2.1")),
        (
            binary(
                0x21,
                0x11,
                &[&IPV4[..], &tlv(0x02, b"a.example"), &tlv(0x04, b"")].concat(),
            ),
            client("192.0.2.1"),
        ),
        (binary(0x21, 0x11, &filled), client("192.0.2.1")),
        (binary(0x21, 0x21, &ipv6("2001:db8::1")), client("2001:db8::1")),
        (binary(0x21, 0x21, &ipv6("::ffff:192.0.2.1")), client("192.0.2.1")),
        (binary(0x21, 0x31, &[0; 216]), ProxiedPeer::Peer),
        (binary(0x21, 0x00, &[]), ProxiedPeer::Peer),
        (binary(0x21, 0x00, &tlv(0x03, &[0; 4])), ProxiedPeer::Peer),
        // What a proxy says of itself is not read.
        (binary(0x20, 0x00, &[]), ProxiedPeer::Peer),
        (binary(0x20, 0x11, &IPV4), ProxiedPeer::Peer),
        (binary(0x20, 0x11, &[1, 2, 3]), ProxiedPeer::Peer),
        (binary(0x20, 0xff, &[0; 40]), ProxiedPeer::Peer),
    ] {
        let stream = [&header[..], b"GET "].concat();
        assert_eq!(read(&stream), Ok(Some((peer, header.len()))), "{header:?}");
        assert!(header.len() <= HEADER_BYTES);
    }
}

#[test]
fn a_bad_binary_header_is_none() {
    let with = |payload: &[u8]| binary(0x21, 0x11, &[&IPV4[..], payload].concat());
    for (header, error) in [
        (binary(0x11, 0x11, &IPV4), NoProxyHeader::UnknownVersion(1)),
        (binary(0x31, 0x11, &IPV4), NoProxyHeader::UnknownVersion(3)),
        (binary(0x22, 0x11, &IPV4), NoProxyHeader::UnknownCommand(2)),
        (binary(0x2f, 0x00, &[]), NoProxyHeader::UnknownCommand(15)),
        (binary(0x21, 0x12, &IPV4), NoProxyHeader::NotTcp(0x12)),
        (binary(0x21, 0x10, &IPV4), NoProxyHeader::NotTcp(0x10)),
        (binary(0x21, 0x01, &[]), NoProxyHeader::NotTcp(0x01)),
        (binary(0x21, 0x41, &[0; 216]), NoProxyHeader::NotTcp(0x41)),
        (binary(0x21, 0x11, &IPV4[1..]), NoProxyHeader::NoRoomForAddresses),
        (binary(0x21, 0x11, &[]), NoProxyHeader::NoRoomForAddresses),
        (binary(0x21, 0x21, &[0; 35]), NoProxyHeader::NoRoomForAddresses),
        (binary(0x21, 0x31, &[0; 215]), NoProxyHeader::NoRoomForAddresses),
        (with(&[4]), NoProxyHeader::BadTlv),
        (with(&[4, 0]), NoProxyHeader::BadTlv),
        (with(&[4, 0, 1]), NoProxyHeader::BadTlv),
        (with(&[4, 0xff, 0xff, 0]), NoProxyHeader::BadTlv),
        (with(&[&tlv(4, b"a")[..], &[0]].concat()), NoProxyHeader::BadTlv),
        (binary(0x21, 0x11, &[0; 4_097]), NoProxyHeader::TooLong(4_097)),
        (binary(0x20, 0x00, &vec![0; 65_535]), NoProxyHeader::TooLong(65_535)),
    ] {
        assert_eq!(read(&header), Err(error), "{:?}", &header[..header.len().min(40)]);
    }
    // What is too long is refused before it is waited for.
    assert_eq!(
        read(&[SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat()),
        Err(NoProxyHeader::TooLong(65_535))
    );
}

#[test]
fn what_was_read_beyond_the_header_is_an_error() {
    assert_eq!(examine(b"PROXY UNKNOWN\r\nG"), Err(NoProxyHeader::Surplus));
    let header = [&binary(0x21, 0x11, &IPV4)[..], b"G"].concat();
    assert_eq!(examine(&header), Err(NoProxyHeader::Surplus));
}

/// A header of either version, mostly a good one.
fn header() -> impl Strategy<Value = Vec<u8>> {
    let address = prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(IpAddr::from),
        any::<std::net::Ipv6Addr>().prop_map(IpAddr::from)
    ];
    let line = (address.clone(), address, any::<u16>(), any::<u16>()).prop_map(|(from, to, source, destination)| {
        let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
        format!("PROXY {family} {from} {to} {source} {destination}\r\n").into_bytes()
    });
    let unknown = "[ -~]{0,80}".prop_map(|rest| format!("PROXY UNKNOWN {rest}\r\n").into_bytes());
    let length = prop_oneof![Just(12), Just(36), Just(216), 0..400usize];
    let payload = (
        length,
        prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)), 0..4),
    );
    let binary = (
        0x20..0x22u8,
        prop::sample::select(&[0x00, 0x11, 0x21, 0x31, 0x12][..]),
        payload,
        any::<u8>(),
    )
        .prop_map(|(command, kind, (length, tlvs), filling)| {
            let mut payload = vec![filling; length];
            payload.extend(tlvs.iter().flat_map(|(kind, value)| tlv(*kind, value)));
            binary(command, kind, &payload)
        });
    prop_oneof![4 => line, 1 => unknown, 4 => binary]
}

/// Whether most of a header is to be discarded: a proxy speaks for itself, or knows nothing.
fn is_discarded(header: &[u8]) -> bool {
    header.starts_with(b"PROXY UNKNOWN") || header.starts_with(SIGNATURE) && header[SIGNATURE.len()] == 0x20
}

/// What the other implementation reads; none if it refuses.
fn other(header: &[u8]) -> Option<ProxiedPeer> {
    let client = |address: IpAddr| ProxiedPeer::Client(address.to_canonical());
    match HeaderResult::parse(header) {
        HeaderResult::V1(read) => Some(match read.ok()?.addresses {
            ppp::v1::Addresses::Tcp4(addresses) => client(addresses.source_address.into()),
            ppp::v1::Addresses::Tcp6(addresses) => client(addresses.source_address.into()),
            ppp::v1::Addresses::Unknown => ProxiedPeer::Peer,
        }),
        HeaderResult::V2(read) => {
            let read = read.ok()?;
            Some(match (read.command, read.addresses) {
                (ppp::v2::Command::Proxy, ppp::v2::Addresses::IPv4(addresses)) => {
                    client(addresses.source_address.into())
                }
                (ppp::v2::Command::Proxy, ppp::v2::Addresses::IPv6(addresses)) => {
                    client(addresses.source_address.into())
                }
                _ => ProxiedPeer::Peer,
            })
        }
    }
}

proptest! {
    /// However the bytes come, none beyond the header is asked for, and never more than a header can have.
    #[test]
    fn whatever_comes_the_reading_ends(stream in prop_oneof![
        header(),
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(any::<u8>(), 0..200).prop_map(|rest| [b"PROXY ", &rest[..]].concat()),
        prop::collection::vec(any::<u8>(), 0..5_000).prop_map(|rest| [SIGNATURE, &rest[..]].concat()),
    ]) {
        if let Ok(Some((_, length))) = read(&stream) {
            prop_assert!(length <= HEADER_BYTES);
        }
    }

    /// What one implementation reads the other reads alike, but for what each is right to refuse.
    #[test]
    fn another_implementation_reads_the_same(mut header in header(), change in prop::option::of((any::<prop::sample::Index>(), any::<u8>()))) {
        let is_changed = change.is_some();
        if let Some((index, byte)) = change {
            let index = index.index(header.len());
            header[index] = byte;
        }
        let (ours, theirs) = (read(&header), other(&header));
        match ours {
            // The other reads what it should discard, and may find it wrong.
            Ok(Some((ProxiedPeer::Peer, _))) if is_discarded(&header) => {}
            Ok(Some((peer, length))) => {
                prop_assert_eq!(theirs, Some(peer));
                prop_assert!(length == header.len() || is_changed);
            }
            // Cut short by the change.
            Ok(None) => prop_assert!(HeaderResult::parse(&header).is_incomplete() || is_changed),
            // The other neither looks at TLVs unless asked, nor refuses datagrams, signs and zeros.
            Err(NoProxyHeader::BadTlv | NoProxyHeader::NotTcp(_)) => {}
            Err(error) => prop_assert!(theirs.is_none() || is_changed, "{error}: {theirs:?}"),
        }
    }
}

//! What a proxy says of whose connection it passes on: the header before the first byte, and those of a request.

use std::net::{IpAddr, Ipv6Addr};

use client_address::{AddressHeader, TrustedProxies};
use proxy_protocol::{Examined, HEADER_BYTES, NoProxyHeader, ProxiedPeer, examine};

/// Bytes of a connection's beginning.
///
/// # Panics
/// When a property does not hold.
pub fn proxy_header(data: &[u8]) {
    let at_once = read(data, usize::MAX);
    let by_bytes = read(data, 1);
    assert_eq!(at_once.whole(), by_bytes.whole(), "it depends on how the bytes come");
    match at_once {
        Read::Whole(peer, length) => {
            let header = &data[..length];
            if let ProxiedPeer::Client(address) = peer {
                assert_eq!(address, address.to_canonical());
                // As version 1 would write it.
                let family = if address.is_ipv4() { "TCP4 " } else { "TCP6 " };
                let line = format!("PROXY {family}{address} {address} 1 2\r\n");
                assert_eq!(examine(line.as_bytes()), Ok(Examined::Whole(peer)), "{line:?}");
            }
            // What comes behind a header is somebody else's.
            let more = [header, b"\r\n"].concat();
            assert!(examine(&more).is_err(), "{}", header.escape_ascii());
        }
        Read::Not(error) => super::one_line(&error.to_string()),
        Read::Cut => {}
    }
}

enum Read {
    /// With its length.
    Whole(ProxiedPeer, usize),
    Not(NoProxyHeader),
    /// The stream ended within it.
    Cut,
}

impl Read {
    fn whole(&self) -> Option<(ProxiedPeer, usize)> {
        match self {
            Self::Whole(peer, length) => Some((*peer, *length)),
            Self::Not(_) | Self::Cut => None,
        }
    }
}

/// Reads a header as a socket gives it, so many bytes at once at most.
fn read(stream: &[u8], at_once: usize) -> Read {
    let mut have = 0;
    loop {
        match examine(&stream[..have]) {
            Err(NoProxyHeader::Surplus) => panic!("{have} bytes were asked for, and are too many"),
            Err(error) => return Read::Not(error),
            Ok(Examined::Whole(peer)) => return Read::Whole(peer, have),
            Ok(Examined::Missing(missing)) => {
                assert!(missing > 0 && have + missing <= HEADER_BYTES, "{have} and {missing}");
                let more = missing.min(at_once).min(stream.len() - have);
                if more == 0 {
                    return Read::Cut;
                }
                have += more;
            }
        }
    }
}

/// A proxy that is believed.
const PROXY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

/// What a request came with: a byte for the header, then its lines.
///
/// # Panics
/// When a property does not hold.
pub fn client_address(data: &[u8]) {
    let (kind, rest) = super::split_first(data);
    let header = AddressHeader::BY_NAME[kind % AddressHeader::BY_NAME.len()].1;
    let networks = ["10.0.0.0/8", "fc00::/7"].map(|network| network.parse().expect("a network"));
    let trusted = TrustedProxies::new(networks);
    let lines: Vec<&[u8]> = rest.split(|byte| *byte == b'\n').collect();
    let client = |lines: &[&[u8]]| trusted.client(PROXY, header, lines.iter().copied());

    let found = client(&lines);
    assert_eq!(found, found.to_canonical());
    let is_list = matches!(header, AddressHeader::XForwardedFor | AddressHeader::Forwarded);
    if is_list && !trusted.contains(found) {
        // Whatever stood there before, the nearest proxy that is believed told the truth.
        for forged in [
            &b"192.0.2.66"[..],
            b"for=192.0.2.66",
            b"for=\"192.0.2.66",
            b"\"",
            b"\\",
            b"\xff",
            b"",
        ] {
            let before = [&[forged], &lines[..]].concat();
            assert_eq!(client(&before), found, "{} in a line before", forged.escape_ascii());
            let first = [forged, b", ", lines[0]].concat();
            let before = [&[&first[..]], &lines[1..]].concat();
            // A line that is no text tells nothing.
            if forged != b"\xff" {
                assert_eq!(client(&before), found, "{} in the same line", forged.escape_ascii());
            }
        }
    }
    if header == AddressHeader::XForwardedFor {
        assert_eq!(found, plainly(&trusted, &lines));
    }
    written(&trusted, rest);
}

/// What `X-Forwarded-For` says, in other words: all lines as one list, from its end.
fn plainly(trusted: &TrustedProxies, lines: &[&[u8]]) -> IpAddr {
    let texts = lines.iter().map(|line| str::from_utf8(line).unwrap_or("no text"));
    let all = texts.collect::<Vec<_>>().join(",");
    let mut client = PROXY;
    for entry in all.split(',').rev().take(64) {
        let entry = entry.trim_matches([' ', '\t']);
        let bare = entry.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (address, port): (Option<IpAddr>, _) = match (entry.parse(), bare) {
            (Ok(address), _) => (Some(address), None),
            (_, Some((address, ""))) => (address.parse::<Ipv6Addr>().ok().map(IpAddr::from), None),
            (_, Some((address, port))) => (address.parse::<Ipv6Addr>().ok().map(IpAddr::from), Some(port)),
            (_, None) => match entry.find(':') {
                Some(at) => (entry[..at].parse().ok(), Some(&entry[at..])),
                None => (None, None),
            },
        };
        let is_port = |port: &str| {
            let port = port.strip_prefix(':').unwrap_or("no port");
            let is_hidden = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            let is_number = port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
            (is_number || (port.starts_with('_') && port.len() > 1 && port.bytes().all(is_hidden))) && !port.is_empty()
        };
        match address {
            Some(address) if port.is_none_or(is_port) => client = address.to_canonical(),
            _ => break,
        }
        if !trusted.contains(client) {
            break;
        }
    }
    client
}

/// A list that is written as it should be is read as it was meant, in both headers.
fn written(trusted: &TrustedProxies, bytes: &[u8]) {
    let addresses: Vec<IpAddr> = bytes.chunks_exact(5).take(64).map(address).collect();
    if addresses.is_empty() {
        return;
    }
    let meant = addresses.iter().rev().find(|address| !trusted.contains(**address));
    let meant = *meant.unwrap_or(&addresses[0]);
    let list = |entry: fn(&IpAddr) -> String| addresses.iter().map(entry).collect::<Vec<_>>().join(", ");
    let forwarded = list(|address| match address {
        IpAddr::V4(address) => format!("proto=https;for={address}"),
        IpAddr::V6(address) => format!("for=\"[{address}]:4711\";by=_hidden"),
    });
    for (header, line) in [
        (AddressHeader::XForwardedFor, list(IpAddr::to_string)),
        (AddressHeader::Forwarded, forwarded),
    ] {
        let found = trusted.client(PROXY, header, [line.as_bytes()].into_iter());
        assert_eq!(found, meant, "{line}");
    }
}

/// Of one kind or the other, trusted or not.
fn address(bytes: &[u8]) -> IpAddr {
    let [kind, a, b, c, d] = *bytes else {
        return PROXY;
    };
    match kind % 4 {
        0 => [10, b, c, d].into(),
        1 => [a, b, c, d].into(),
        2 => Ipv6Addr::new(0xfc00, 0, 0, 0, a.into(), b.into(), c.into(), d.into()).into(),
        _ => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, a.into(), b.into(), c.into(), d.into()).into(),
    }
}

//! Version 1: a line of text, such as `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::examined::{Examined, NoProxyHeader, ProxiedPeer};

pub(super) const BEGINNING: &[u8] = b"PROXY ";
/// The shortest header, `PROXY UNKNOWN\r\n`. That of version 2 is longer.
pub(super) const SHORTEST: usize = 15;
/// Bytes of a line with its end at most (section 2.1 of the specification).
const LINE_BYTES: usize = 107;
const LINE_END: &[u8] = b"\r\n";
/// What an address and a port have at least, each with the space before it.
const SHORTEST_FIELDS: [usize; 4] = [" ::".len(), " ::".len(), " 0".len(), " 0".len()];

pub(super) fn examine(bytes: &[u8]) -> Result<Examined, NoProxyHeader> {
    if let Some(end) = bytes.windows(2).position(|pair| pair == LINE_END) {
        let length = end + LINE_END.len();
        if length > LINE_BYTES {
            return Err(NoProxyHeader::LineTooLong);
        }
        let peer = read_line(&bytes[..end])?;
        // A line with too few fields was read beyond its end, and is refused for its fields.
        return if length < bytes.len() {
            Err(NoProxyHeader::Surplus)
        } else {
            Ok(Examined::Whole(peer))
        };
    }
    let missing = missing(bytes);
    if bytes.len() + missing > LINE_BYTES {
        return Err(NoProxyHeader::LineTooLong);
    }
    Ok(Examined::Missing(missing))
}

/// Bytes that a line without its end still has at least. A guess of 1 would always be right; this one takes fewer reads.
fn missing(line: &[u8]) -> usize {
    if line.len() < SHORTEST {
        return SHORTEST - line.len();
    }
    let end = if line.ends_with(b"\r") { 1 } else { LINE_END.len() };
    if !line.starts_with(b"PROXY TCP") {
        return end;
    }
    let spaces = line.split(|byte| *byte == b' ').count() - 1;
    // The first space is before the family.
    let fields = SHORTEST_FIELDS.iter().skip(spaces.saturating_sub(1));
    end + fields.sum::<usize>()
}

/// Reads a line without its end.
fn read_line(line: &[u8]) -> Result<ProxiedPeer, NoProxyHeader> {
    let malformed = NoProxyHeader::BadLine;
    let text = str::from_utf8(line).ok().filter(|text| text.is_ascii());
    let text = text.ok_or(malformed("it is not ASCII"))?;
    let mut fields = text.split(' ').skip(1);
    let family = fields.next();
    // What follows `UNKNOWN` is not read: the specification allows anything there.
    if family == Some("UNKNOWN") {
        return Ok(ProxiedPeer::Peer);
    }
    let (Some(source), Some(destination), Some(from_port), Some(to_port), None) = (
        fields.next(),
        fields.next(),
        fields.next(),
        fields.next(),
        fields.next(),
    ) else {
        return Err(malformed("it has not two addresses and two ports"));
    };
    let source = match family {
        Some("TCP4") => addresses::<Ipv4Addr>(source, destination).map(IpAddr::from),
        Some("TCP6") => addresses::<Ipv6Addr>(source, destination).map(IpAddr::from),
        _ => return Err(malformed("its family is none of TCP4, TCP6 and UNKNOWN")),
    };
    let source = source.ok_or(malformed("it has an address that is none of its family"))?;
    if !is_port(from_port) || !is_port(to_port) {
        return Err(malformed("it has a port that is none"));
    }
    Ok(ProxiedPeer::Client(source.to_canonical()))
}

/// The first of two addresses, if both are some.
fn addresses<A: FromStr>(source: &str, destination: &str) -> Option<A> {
    destination.parse::<A>().ok()?;
    source.parse().ok()
}

/// Digits without zeros before them, up to 65535.
fn is_port(text: &str) -> bool {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    is_number && text.parse::<u16>().is_ok()
}

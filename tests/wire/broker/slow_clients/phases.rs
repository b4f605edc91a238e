//! The phases of a connection, and what ends each for a client that sends byte by byte or nothing.

use crate::support::admin::KEY;
use crate::support::dial::Dial;
use crate::support::socket::opcode;
use crate::support::{Frame, json};

/// The way to a broker.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Plain,
    /// Behind a PROXY header.
    Proxied,
    Tls,
    /// After a handshake of TLS.
    Encrypted,
    /// Behind a PROXY header, and then TLS.
    ProxiedTls,
    Admin,
    EncryptedAdmin,
}

/// How the broker ends a connection.
#[derive(Clone, Copy)]
pub(super) enum End {
    /// Without a word of HTTP.
    Silence,
    /// With a response of this status, the last of these.
    Statuses(&'static [u16]),
    /// With a close frame.
    Close(u16),
}

/// A client that is slow, and what becomes of it.
pub(super) struct Phase {
    pub what: &'static str,
    pub way: Way,
    /// What is sent at once.
    pub begin: Vec<u8>,
    /// What follows byte by byte, again and again.
    pub then: Vec<u8>,
    pub end: End,
}

pub(super) const HEAD: &[u8] = b"GET /ws HTTP/1.1\r\nHost: t\r\nX-Slow: ";
const NO_BODY: &[u8] = b"POST /ws HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n";
const NOWHERE: &[u8] = b"GET / HTTP/1.1\r\nHost: t\r\n\r\n";
const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
const PROXY: &[u8] = b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n";
/// A record with a `ClientHello` that promises more than comes.
pub(super) const HALF_HELLO: &[u8] = &[22, 3, 1, 0x3f, 0xff, 1, 0, 0x3f, 0xfb, 3, 3];

/// A PROXY header of version 2 that promises more than comes.
fn half_proxy_header() -> Vec<u8> {
    [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[0x21, 0x11, 0x0f, 0xff]].concat()
}

pub(super) fn upgrade() -> Vec<u8> {
    Dial::new(([127, 0, 0, 1], 1).into(), "slow").request().into_bytes()
}

fn connect_frame() -> Vec<u8> {
    let payload = Dial::new(([127, 0, 0, 1], 1).into(), "slow").payload();
    Frame::text(json!({ "type": "connect", "id": 1, "payload": payload }).to_string()).masked()
}

/// An upgrade, `connect`, and then these bytes.
pub(super) fn connected(more: &[u8]) -> Vec<u8> {
    [&upgrade(), &connect_frame(), more].concat()
}

/// The beginning of a frame of 60,000 bytes, which may go on with any bytes.
pub(super) fn half_frame() -> Vec<u8> {
    Frame::new(opcode::BINARY, vec![0; 60_000]).masked()[..100].to_vec()
}

fn post(authorization: &str) -> Vec<u8> {
    let head = format!(
        "POST /api/v1/tenants/t/publish HTTP/1.1\r\nHost: a\r\n{authorization}Content-Length: 100000\r\n\r\n{{\"channel\": \"c\","
    );
    head.into_bytes()
}

/// What is sent at once, and then byte by byte, again and again.
type Sent<'a> = (&'static str, &'a [u8], &'a [u8]);

fn add(phases: &mut Vec<Phase>, way: Way, end: End, sent: &[Sent<'_>]) {
    phases.extend(sent.iter().map(|(what, begin, then)| Phase {
        what,
        way,
        begin: begin.to_vec(),
        then: then.to_vec(),
        end,
    }));
}

/// Each way to be slow that a bound ends. `hello` is a whole `ClientHello`.
pub(super) fn phases(hello: &[u8]) -> Vec<Phase> {
    let mut phases = Vec::new();
    let mut add = |way, end, sent: &[Sent<'_>]| add(&mut phases, way, end, sent);
    let (half, upgrade, ping) = (half_frame(), upgrade(), Frame::new(opcode::PING, "").masked());
    let (half_header, behind) = (half_proxy_header(), [PROXY, HEAD].concat());
    add(Way::Plain, End::Silence, &[("nothing", b"", b"")]);
    add(
        Way::Plain,
        End::Statuses(&[408]),
        &[
            ("half a head", HEAD, b""),
            ("a head byte by byte", HEAD, b"x"),
            ("a request line byte by byte", b"", b"G"),
            ("empty lines before a head", b"", b"\r\n"),
        ],
    );
    add(Way::Plain, End::Statuses(&[405]), &[("no body", NO_BODY, b"")]);
    add(
        Way::Plain,
        End::Statuses(&[404]),
        &[("nothing after an answer", NOWHERE, b"")],
    );
    add(
        Way::Proxied,
        End::Silence,
        &[
            ("no PROXY header", b"", b""),
            ("half a PROXY line", &PROXY[..20], b""),
            ("half a PROXY header", &half_header, b""),
            ("a PROXY header byte by byte", &half_header, b"\0"),
            ("nothing behind a PROXY header", PROXY, b""),
        ],
    );
    let head = [("a head behind a PROXY header", &behind[..], &b"x"[..])];
    add(Way::Proxied, End::Statuses(&[408]), &head);
    add(
        Way::Tls,
        End::Silence,
        &[
            ("no handshake", b"", b""),
            ("half a ClientHello", HALF_HELLO, b""),
            ("a ClientHello byte by byte", HALF_HELLO, b"\0"),
            ("half a handshake", hello, b""),
        ],
    );
    let hello = [PROXY, hello].concat();
    add(
        Way::ProxiedTls,
        End::Silence,
        &[
            ("no handshake behind a PROXY header", PROXY, b""),
            ("half a handshake behind a PROXY header", &hello, b""),
        ],
    );
    add(Way::Encrypted, End::Silence, &[("nothing after a handshake", b"", b"")]);
    add(
        Way::Encrypted,
        End::Statuses(&[408]),
        &[("a head over TLS", HEAD, b"x")],
    );
    let connected_and_half = connected(&half);
    for way in [Way::Plain, Way::Encrypted] {
        add(
            way,
            End::Close(4501),
            &[
                ("nothing after the upgrade", &upgrade, b""),
                ("connect byte by byte", &upgrade, &half),
                ("pings instead of connect", &upgrade, &ping),
            ],
        );
        add(
            way,
            End::Close(4408),
            &[
                ("nothing after connect", &connected(b""), b""),
                ("half the header of a frame", &connected(b"\x81"), b""),
                ("half a frame", &connected_and_half, b""),
                ("a frame byte by byte", &connected_and_half, b"x"),
            ],
        );
    }
    phases
}

/// The same for operators.
pub(super) fn operators_phases(way: Way) -> Vec<Phase> {
    let mut phases = Vec::new();
    let mut add = |status: &'static [u16], sent: &[Sent<'_>]| add(&mut phases, way, End::Statuses(status), sent);
    let again = [HEALTH, HEAD].concat();
    let (stranger, operator) = (post(""), post(&format!("Authorization: Bearer {KEY}\r\n")));
    add(&[], &[("nothing", b"", b"")]);
    add(&[200], &[("nothing after an answer", HEALTH, b"")]);
    add(&[200, 408], &[("half a head after an answer", &again, b"x")]);
    add(&[401], &[("a body without a key", &stranger, b"x")]);
    add(
        &[408],
        &[
            ("a head byte by byte", HEAD, b"x"),
            ("a body byte by byte", &operator, b"x"),
        ],
    );
    phases
}

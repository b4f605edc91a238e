//! Handshakes that nobody's library makes, and what breaks the rules after one: the connection ends, and nothing else.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::config::Home;
use crate::support::dial::Dial;
use crate::support::tls::{Authority, client_hello, connect, link};
use crate::support::{Broker, within};

const NAME: &str = "acme.example";
const CONFIG: &str = r#"
    [server]
    default_tenant = "t"
    header_timeout_ms = 1000
    [server.tls]
    certificates = [{ cert = "a.pem", key = "a.key" }]
    [[tenants]]
    name = "t"
    anonymous = true
    default = "allow"
"#;

const SERVER_NAME: u16 = 0;
/// Of no meaning to anybody (RFC 8701).
const GREASE: u16 = 0x0a0a;
const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;
/// Bytes of a record at most.
const RECORD: usize = 16_384;

/// A `ClientHello` in its parts, to be put together in other ways (RFC 8446 4.1.2).
#[derive(Clone)]
struct Hello {
    /// What is before the extensions.
    begin: Vec<u8>,
    extensions: Vec<(u16, Vec<u8>)>,
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

fn with_length(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("it fits");
    [&length.to_be_bytes(), bytes].concat()
}

impl Hello {
    fn parse(record: &[u8]) -> Self {
        // Behind the prefixes of record and message: version, random, three lists, and the extensions.
        let body = &record[5 + 4..];
        let mut at = 2 + 32;
        for prefix in [1, 2, 1] {
            at += prefix + number(&body[at..at + prefix]);
        }
        let mut extensions = Vec::new();
        let mut rest = &body[at + 2..];
        while !rest.is_empty() {
            let end = 4 + number(&rest[2..4]);
            let kind = u16::try_from(number(&rest[..2])).expect("two bytes");
            extensions.push((kind, rest[4..end].to_vec()));
            rest = &rest[end..];
        }
        Self {
            begin: body[..at].to_vec(),
            extensions,
        }
    }

    /// Asks for these names, each of a kind; 0 is a host's.
    fn names(mut self, names: &[(u8, &[u8])]) -> Self {
        let list = names
            .iter()
            .flat_map(|(kind, name)| [vec![*kind], with_length(name)].concat());
        let list = with_length(&list.collect::<Vec<u8>>());
        for (kind, value) in &mut self.extensions {
            if *kind == SERVER_NAME {
                value.clone_from(&list);
            }
        }
        self
    }

    fn and(mut self, kind: u16, value: &[u8]) -> Self {
        self.extensions.push((kind, value.to_vec()));
        self
    }

    /// In records with so many bytes at most.
    fn records(&self, bytes: usize) -> Vec<u8> {
        let extensions = self.extensions.iter();
        let extensions =
            extensions.flat_map(|(kind, value)| [kind.to_be_bytes().to_vec(), with_length(value)].concat());
        let body = [self.begin.clone(), with_length(&extensions.collect::<Vec<u8>>())].concat();
        let length = u32::try_from(body.len()).expect("it fits").to_be_bytes();
        let message = [&[1], &length[1..], &body].concat();
        message.chunks(bytes).flat_map(|part| record(HANDSHAKE, part)).collect()
    }
}

fn record(kind: u8, bytes: &[u8]) -> Vec<u8> {
    [vec![kind, 3, 1], with_length(bytes)].concat()
}

/// The kind of the record that a broker answers with, if it answers.
async fn answer(address: SocketAddr, bytes: &[u8], what: &str) -> Option<u8> {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    // Whoever is closed at once cannot send all of it.
    stream.write_all(bytes).await.ok();
    let mut kind = [0];
    let read = within(stream.read(&mut kind), || format!("{what}: it stays open")).await;
    read.ok().filter(|count| *count == 1).map(|_| kind[0])
}

#[tokio::test]
async fn what_a_client_says_first_is_answered_or_ends_its_connection() {
    let authority = Authority::new("ours");
    let home = Home::new();
    authority.issue(&home, "a", NAME, 30);
    let broker = Broker::start_at(home, "info", CONFIG).await;
    let client = authority.client(None);
    let bytes = client_hello(NAME, &client);
    let hello = Hello::parse(&bytes);
    assert_eq!(hello.records(RECORD)[5..], bytes[5..], "the parts make the whole");

    let host = |name: &[u8]| hello.clone().names(&[(0, name)]).records(RECORD);
    let warnings = record(ALERT, &[1, 90]).repeat(1_000);
    let large = hello.clone().and(GREASE, &vec![0; 60_000]);
    for (what, bytes, answers) in [
        ("its own name", host(NAME.as_bytes()), &[Some(HANDSHAKE)][..]),
        (
            "a name with a dot at its end",
            host(b"acme.example."),
            &[Some(HANDSHAKE)],
        ),
        ("a name in upper case", host(b"ACME.EXAMPLE"), &[Some(HANDSHAKE)]),
        ("an IPv4 address", host(b"127.0.0.1"), &[Some(HANDSHAKE)]),
        ("an IPv6 address", host(b"[::1]"), &[Some(ALERT)]),
        ("a name of 300 bytes", host(&[b'a'; 300]), &[Some(ALERT)]),
        ("a name with NUL", host(b"acme.example\0.evil"), &[Some(ALERT)]),
        ("a name that is no text", host(b"\xff\xfe"), &[Some(ALERT)]),
        ("no name", host(b""), &[Some(ALERT)]),
        (
            "two names",
            hello.clone().names(&[(0, b"a"), (0, b"b")]).records(RECORD),
            &[Some(ALERT)],
        ),
        (
            "a name of an unknown kind",
            hello.clone().names(&[(7, b"a")]).records(RECORD),
            &[Some(ALERT)],
        ),
        (
            "an extension twice",
            hello.clone().and(GREASE, b"").and(GREASE, b"").records(RECORD),
            &[Some(ALERT)],
        ),
        ("records of 1 byte", hello.records(1), &[Some(HANDSHAKE)]),
        (
            "12,000 bytes",
            hello.clone().and(GREASE, &[0; 12_000]).records(RECORD),
            &[Some(HANDSHAKE)],
        ),
        // With bytes that nobody reads a close takes the alert back.
        ("60,000 bytes", large.records(RECORD), &[Some(ALERT), None]),
        ("60,000 bytes in records of 1", large.records(1), &[Some(ALERT), None]),
        (
            "a record that is too long",
            record(HANDSHAKE, &vec![0; RECORD + 2_049]),
            &[Some(ALERT), None],
        ),
        (
            "empty records",
            record(HANDSHAKE, b"").repeat(10_000),
            &[Some(ALERT), None],
        ),
        ("warnings", [warnings, bytes.clone()].concat(), &[Some(ALERT), None]),
        ("a heartbeat", record(24, &[1, 0x40, 0]), &[Some(ALERT), None]),
        (
            "SSL 2",
            [&[0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10][..], &[1; 37]].concat(),
            &[Some(ALERT), None],
        ),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec(), &[Some(ALERT), None]),
    ] {
        let answer = answer(broker.address, &bytes, what).await;
        assert!(answers.contains(&answer), "{what}: {answer:?}");
    }
    let address = link(broker.address, NAME, client).await;
    Dial::new(address, "ann").connect().await.still_works().await;
}

/// More than a client has a reason for.
const KEY_UPDATES: usize = 200;

#[tokio::test]
async fn a_flood_of_new_keys_ends_its_connection_before_and_in_a_session() {
    let authority = Authority::new("ours");
    let home = Home::new();
    authority.issue(&home, "a", NAME, 30);
    let broker = Broker::start_at(
        home,
        "info",
        &CONFIG.replace("1000", "600000\nconnect_timeout_ms = 600000"),
    )
    .await;
    let client = authority.client(None);
    let upgrade = Dial::new(broker.address, "flood").request();
    for begin in ["", &upgrade] {
        let mut stream = connect(broker.address, NAME, &client).await.expect("a handshake");
        stream.write_all(begin.as_bytes()).await.expect("it is taken");
        for _ in 0..KEY_UPDATES {
            stream.get_mut().1.refresh_traffic_keys().expect("it is connected");
            // Not read meanwhile, though each asks for an answer.
            if stream.flush().await.is_err() {
                break;
            }
        }
        let mut said = Vec::new();
        // A reset is an end as well.
        drop(within(stream.read_to_end(&mut said), || "it goes on".into()).await);
    }
    let address = link(broker.address, NAME, client).await;
    Dial::new(address, "ann").connect().await.still_works().await;
}

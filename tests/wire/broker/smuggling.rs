//! Requests whose end two readers may see in different places. Each is answered once, with a refusal, and the connection ends:
//! what stands behind it is never answered.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Broker, http, within};

const CONFIG: &str = r#"
    server = { default_tenant = "t", header_timeout_ms = 1000 }
    [[tenants]]
    name = "t"
    anonymous = true
    default = "allow"
    allowed_origins = ["https://a.example"]
"#;

/// What would show that it was read as a request.
const SMUGGLED: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                        Sec-WebSocket-Key: c2x1aWNlIHRlc3QgbnVtYg==\r\n\r\n";

/// The lines of a good upgrade below its first.
const UPGRADE: &str = "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: c2x1aWNlIHRlc3QgbnVtYg==\r\n";

/// Lengths that two readers may take for others.
fn lengths() -> Vec<(&'static str, String)> {
    let length = SMUGGLED.len();
    vec![
        (
            "CL.TE",
            format!(
                "POST /ws HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
                5 + length
            ),
        ),
        (
            "TE.CL",
            format!(
                "POST /ws HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{length:x}\r\n{SMUGGLED}\r\n0\r\n\r\n"
            ),
        ),
        (
            "CL.TE of an upgrade",
            format!(
                "GET /ws HTTP/1.1\r\n{UPGRADE}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
            ),
        ),
        (
            "two lengths",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{SMUGGLED}"),
        ),
        (
            "two lengths in one",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}Content-Length: 0, {length}\r\n\r\n{SMUGGLED}"),
        ),
        (
            "the same length twice",
            format!(
                "GET /ws HTTP/1.1\r\n{UPGRADE}Content-Length: {length}\r\nContent-Length: {length}\r\n\r\n{SMUGGLED}"
            ),
        ),
        (
            "a length with a sign",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}Content-Length: +{length}\r\n\r\n{SMUGGLED}"),
        ),
        (
            "a negative length",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}Content-Length: -1\r\n\r\n{SMUGGLED}"),
        ),
        (
            "a length in hexadecimal",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}Content-Length: 0x{length:x}\r\n\r\n{SMUGGLED}"),
        ),
        (
            "a length that overflows",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}Content-Length: 18446744073709551616\r\n\r\n{SMUGGLED}"),
        ),
        (
            "a length without one",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}Content-Length:\r\n\r\n{SMUGGLED}"),
        ),
    ]
}

/// Codings that one of them may not know.
fn codings() -> Vec<(&'static str, String)> {
    let length = SMUGGLED.len();
    vec![
        (
            "chunked, not last",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}Transfer-Encoding: chunked, identity\r\n\r\n{SMUGGLED}"),
        ),
        (
            "identity",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}Transfer-Encoding: identity\r\n\r\n{SMUGGLED}"),
        ),
        (
            "a body that begins HTTP/2",
            format!(
                "POST /ws HTTP/1.1\r\n{UPGRADE}Content-Length: 6\r\nX-A: PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{SMUGGLED}"
            ),
        ),
        (
            "an unknown coding",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        (
            "chunked after a tab",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        (
            "chunked after a vertical tab",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        (
            "chunked twice",
            format!(
                "GET /ws HTTP/1.1\r\n{UPGRADE}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
            ),
        ),
        (
            "chunked in HTTP/1.0",
            format!("GET /ws HTTP/1.0\r\n{UPGRADE}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        (
            "chunks with extensions",
            format!(
                "POST /ws HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0;c=\"\n\"\r\n\r\n{SMUGGLED}"
            ),
        ),
        (
            "a chunk's length in decimal",
            format!(
                "POST /ws HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{length}\r\n{SMUGGLED}\r\n0\r\n\r\n"
            ),
        ),
        (
            "a chunk's length overflows",
            format!(
                "POST /ws HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{SMUGGLED}"
            ),
        ),
        (
            "trailers",
            format!("POST /ws HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\n\r\n{SMUGGLED}"),
        ),
    ]
}

/// Lines that one of them may end elsewhere.
fn lines() -> Vec<(&'static str, String)> {
    let length = SMUGGLED.len();
    vec![
        (
            "a folded line",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}X-A: b\r\n Content-Length: {length}\r\n\r\n{SMUGGLED}"),
        ),
        (
            "a folded coding",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        (
            "a folded first header",
            format!("GET /ws HTTP/1.1\r\n X-A: b\r\n{UPGRADE}\r\n{SMUGGLED}"),
        ),
        (
            "a space before a colon",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}Content-Length : {length}\r\n\r\n{SMUGGLED}"),
        ),
        (
            "a tab before a colon",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}Transfer-Encoding\t: chunked\r\n\r\n{SMUGGLED}"),
        ),
        (
            "a header without a colon",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}X-A\r\n\r\n{SMUGGLED}"),
        ),
        (
            "a header without a name",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}: b\r\n\r\n{SMUGGLED}"),
        ),
        (
            "NUL in a name",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}X\0A: b\r\n\r\n{SMUGGLED}"),
        ),
        (
            "NUL in a value",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}X-A: b\0c\r\n\r\n{SMUGGLED}"),
        ),
        (
            "CR in a value",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}X-A: b\rContent-Length: {length}\r\n\r\n{SMUGGLED}"),
        ),
        (
            "CR alone ends a line",
            format!("GET /ws HTTP/1.1\rHost: a\r\r{SMUGGLED}"),
        ),
        (
            "LF alone ends lines",
            format!("{}{SMUGGLED}", SMUGGLED.replace("\r\n", "\n")),
        ),
        (
            "LF alone ends a line",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}X-A: b\nX-C: d\r\n\r\n{SMUGGLED}"),
        ),
        (
            "LF alone behind an empty line",
            format!("\r\n{}{SMUGGLED}", SMUGGLED.replace("\r\n", "\n")),
        ),
        (
            "LF alone ends the head",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}\n{SMUGGLED}"),
        ),
    ]
}

/// First lines that one of them may read otherwise.
fn first_lines() -> Vec<(&'static str, String)> {
    let length = SMUGGLED.len();
    vec![
        ("two spaces", format!("GET  /ws HTTP/1.1\r\n{UPGRADE}\r\n{SMUGGLED}")),
        ("a tab", format!("GET\t/ws\tHTTP/1.1\r\n{UPGRADE}\r\n{SMUGGLED}")),
        (
            "a space in the path",
            format!("GET /ws /ws HTTP/1.1\r\n{UPGRADE}\r\n{SMUGGLED}"),
        ),
        (
            "NUL in the path",
            format!("GET /ws\0 HTTP/1.1\r\n{UPGRADE}\r\n{SMUGGLED}"),
        ),
        ("no version", format!("GET /ws\r\n{UPGRADE}\r\n{SMUGGLED}")),
        (
            "another version",
            format!("GET /ws HTTP/1.2\r\n{UPGRADE}\r\n{SMUGGLED}"),
        ),
        (
            "another protocol",
            format!("GET /ws SMUGGLE/1.1\r\n{UPGRADE}\r\n{SMUGGLED}"),
        ),
        (
            "another host in the target",
            format!("GET http://b/ws HTTP/1.1\r\n{UPGRADE}Content-Length: {length}\r\n\r\n{SMUGGLED}"),
        ),
        (
            "a method of its own",
            format!("GE(T /ws HTTP/1.1\r\n{UPGRADE}\r\n{SMUGGLED}"),
        ),
    ]
}

/// Whole requests, and what stands behind them.
fn behind() -> Vec<(&'static str, String)> {
    let length = SMUGGLED.len();
    vec![
        (
            "a body",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}Content-Length: {length}\r\n\r\n{SMUGGLED}"),
        ),
        (
            "a body that is waited for",
            format!("GET /ws HTTP/1.1\r\n{UPGRADE}Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n{SMUGGLED}"),
        ),
        (
            "a request behind a refused one",
            format!("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n{SMUGGLED}"),
        ),
        (
            "behind one that asks to be kept alive",
            format!("GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n{SMUGGLED}"),
        ),
        (
            "behind a refused upgrade",
            format!("GET /t/nobody/ws HTTP/1.1\r\n{UPGRADE}\r\n{SMUGGLED}"),
        ),
        (
            "behind HEAD",
            format!("HEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\n{SMUGGLED}"),
        ),
        (
            "behind CONNECT",
            format!("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n{SMUGGLED}"),
        ),
    ]
}

/// All of them.
fn rows() -> Vec<(&'static str, String)> {
    [lengths(), codings(), lines(), first_lines(), behind()].concat()
}

/// Everything that is answered until the connection ends.
async fn answers(broker: &Broker, request: &[u8]) -> String {
    let mut stream = http::dial(broker.address, None).await;
    stream.write_all(request).await.expect("the request is taken");
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let end = async { while stream.read_buf(&mut bytes).await.unwrap_or(0) > 0 {} };
    within(end, || format!("no end after {}", request.escape_ascii())).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn each_is_refused_once_and_nothing_behind_it_is_answered() {
    let broker = Broker::start(CONFIG).await;
    let mut wrong = Vec::new();
    for (what, request) in &rows() {
        let answer = answers(&broker, request.as_bytes()).await;
        let is_refused = answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4");
        let heads = answer.matches("HTTP/1.").count();
        if !is_refused || heads != 1 || answer.contains("101 Switching") {
            wrong.push(format!(
                "{what}: {heads} answers: {:.60}",
                answer.escape_debug().to_string()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    broker.connect("ann").await.still_works().await;
}

/// Requests that are answered, and keep their connection.
fn kept() -> [String; 3] {
    let connect = r#"{"requests":
        [{"type": "connect", "id": 1, "payload": {"version": 1}}]
    }"#;
    let length = connect.len();
    [
        "OPTIONS /poll HTTP/1.1\r\nHost: a\r\nOrigin: https://a.example\r\n\r\n".into(),
        format!("POST /poll HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{connect}"),
        format!(
            "POST /poll HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{connect}\r\n0\r\n\r\n"
        ),
    ]
}

/// A connection that goes on after an answer shows the next reader's end to whoever comes next on it.
#[tokio::test]
async fn nor_behind_a_request_that_was_answered() {
    let broker = Broker::start(CONFIG).await;
    let mut wrong = Vec::new();
    for first in kept() {
        for (what, request) in &rows() {
            for request in [request.clone(), request.replacen(" /ws HTTP", " /poll HTTP", 1)] {
                let answer = answers(&broker, format!("{first}{request}").as_bytes()).await;
                let heads: Vec<_> = answer
                    .match_indices("HTTP/1.")
                    .map(|(at, _)| &answer[at + 9..at + 10])
                    .collect();
                // One that is not kept is answered alone.
                if !matches!(heads.as_slice(), ["2"] | ["2", "4"]) || answer.contains("101 Switching") {
                    wrong.push(format!("{what}, {request:.10}, behind {first:.20}: {heads:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

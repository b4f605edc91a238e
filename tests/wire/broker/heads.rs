//! The head of the upgrade request: header lines, unreadable bytes, versions of HTTP, and the host.

use crate::support::{Broker, http};

const KEY: &str = "Sec-WebSocket-Key: c2x1aWNlIHRlc3QgbnVtYg==";

/// `acme` and `beta` by their hosts, `other` by its path, and by default `beta`.
const CONFIG: &str = r#"
    server = { default_tenant = "beta" }
    [[tenants]]
    name = "acme"
    hosts = ["acme.localhost", "[2001:db8::1]"]
    anonymous = true
    [[tenants]]
    name = "beta"
    anonymous = true
    allowed_origins = ["https://beta.example"]
    token_cookie = "sg_token"
    [[tenants]]
    name = "other"
    anonymous = true
    allowed_origins = ["*"]
"#;

/// A good upgrade request whose lines of the names in `lines` are these instead.
fn upgrade(path: &str, lines: &[&[u8]]) -> Vec<u8> {
    let good = [
        "Host: unknown.example",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        KEY,
    ];
    let name = |line: &[u8]| {
        line.split(|byte| *byte == b':')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    let others = good.iter().map(|line| line.as_bytes());
    let others = others.filter(|good| !lines.iter().any(|line| name(line) == name(good)));
    let mut request = format!("GET {path} HTTP/1.1").into_bytes();
    for line in others.chain(lines.iter().copied()) {
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(line);
    }
    request.extend_from_slice(b"\r\n\r\n");
    request
}

/// Each request is answered with its status, and a refusal with a sentence.
async fn answers(broker: &Broker, path: &str, rows: &[(&[&[u8]], u16)]) {
    for (lines, status) in rows {
        let response = http::send(broker.address, upgrade(path, lines)).await;
        let shown: Vec<_> = lines.iter().map(|line| line.escape_ascii().to_string()).collect();
        assert_eq!(response.status, *status, "{path} {shown:?}: {response:?}");
        assert!(
            *status == 101 || response.body.ends_with('\n'),
            "{shown:?}: {response:?}"
        );
    }
}

#[tokio::test]
async fn lines_of_one_name_are_one_list() {
    let broker = Broker::start(CONFIG).await;
    answers(
        &broker,
        "/ws",
        &[
            (&[b"Connection: keep-alive", b"Connection: Upgrade"], 101),
            (&[b"Connection: Upgrade", b"Connection: keep-alive"], 101),
            (&[b"Upgrade: h2c", b"Upgrade: websocket"], 101),
            (&[b"Upgrade: websocket", b"Upgrade: h2c"], 101),
            (
                &[
                    b"Sec-WebSocket-Protocol: other",
                    b"Sec-WebSocket-Protocol: sluicegate.v1.json",
                ],
                101,
            ),
            (
                &[b"Sec-WebSocket-Protocol: other", b"Sec-WebSocket-Protocol: another"],
                400,
            ),
            (&[b"Connection: keep-alive", b"Connection: close"], 426),
            (&[b"Upgrade: h2c", b"Upgrade: h3"], 426),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_is_no_list_comes_once() {
    let broker = Broker::start(CONFIG).await;
    let key = KEY.as_bytes();
    answers(
        &broker,
        "/ws",
        &[
            (&[b"Host: unknown.example", b"Host: unknown.example"], 400),
            (&[b"Host: acme.localhost", b"Host: unknown.example"], 400),
            (&[b"Origin: https://beta.example", b"Origin: https://beta.example"], 400),
            (&[b"Origin: https://beta.example", b"Origin: https://evil.example"], 400),
            (&[b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 13"], 400),
            (&[b"Sec-WebSocket-Version: 8", b"Sec-WebSocket-Version: 13"], 400),
            (&[b"Sec-WebSocket-Version: 13, 8"], 426),
            (&[key, key], 400),
            (&[b"Authorization: Bearer a", b"Authorization: Bearer a"], 400),
            (&[b"Authorization: Basic a", b"Authorization: Bearer a"], 400),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_upgrade_has_no_body() {
    let broker = Broker::start(CONFIG).await;
    answers(
        &broker,
        "/ws",
        &[
            (&[b"Content-Length: 0"], 101),
            (&[b"Content-Length: 5"], 400),
            (&[b"Transfer-Encoding: chunked"], 400),
            (&[b"Content-Length: 5", b"Expect: 100-continue"], 400),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_not_overlooked() {
    let broker = Broker::start(CONFIG).await;
    answers(
        &broker,
        "/ws",
        &[
            (&[b"Origin: https://beta.example\xff"], 403),
            (&["Origin: https://b\u{e9}ta.example".as_bytes()], 403),
            (&[b"Host: acme.localhost\xff"], 400),
            (&[b"Connection: Upgrade, \xff"], 400),
            (&[b"Connection: Upgrade", b"Connection: \xff"], 400),
            (&[b"Upgrade: websocket, \xff"], 400),
            (&[b"Sec-WebSocket-Version: 13\xff"], 400),
            (&[b"Sec-WebSocket-Key: c2x1aWNlIHRlc3QgbnVtYg=\xff"], 400),
            (&[b"Sec-WebSocket-Protocol: sluicegate.v1.json, \xff"], 400),
            (
                &[
                    b"Sec-WebSocket-Protocol: sluicegate.v1.json",
                    b"Sec-WebSocket-Protocol: bearer.\xff",
                ],
                400,
            ),
            (&[b"Authorization: Bearer \xff"], 400),
            (&[b"Origin: https://beta.example", b"Cookie: sg_token=\xff"], 400),
            (
                &[
                    b"Origin: https://beta.example",
                    b"Cookie: a=1",
                    b"Cookie: sg_token=\xff",
                ],
                400,
            ),
            // The gateway does not read these.
            (
                &[b"Origin: https://beta.example", b"Cookie: name=\xff; sg_token=x"],
                101,
            ),
            (&[b"Cookie: sg_token=\xff"], 101),
            (&[b"User-Agent: \xff"], 101),
        ],
    )
    .await;
    // `*` allows every origin, but a value that is no origin is refused.
    answers(&broker, "/t/other/ws", &[(&[b"Origin: https://b\xff"], 403)]).await;
}

#[tokio::test]
async fn a_host_has_one_tenant_however_it_is_spelt() {
    let broker = Broker::start(CONFIG).await;
    let acme: [&[u8]; 9] = [
        b"Host: acme.localhost",
        b"Host: acme.localhost.",
        b"Host: acme.localhost.:8080",
        b"Host: ACME.Localhost:8080",
        b"Host: acme.localhost:",
        b"Host: acme.localhost:0",
        b"Host: acme.localhost:65535",
        b"Host: [2001:DB8:0::1]",
        b"Host: [2001:db8::1]:8080",
    ];
    for host in acme {
        answers(&broker, "/t/acme/ws", &[(&[host], 101)]).await;
        answers(&broker, "/t/other/ws", &[(&[host], 404)]).await;
    }
    let no_host: [&[u8]; 16] = [
        b"Host:",
        b"Host: :8080",
        b"Host: .",
        b"Host: acme.localhost..",
        b"Host: acme..localhost",
        b"Host: acme.localhost:http",
        b"Host: acme.localhost:80a",
        b"Host: acme.localhost:+80",
        b"Host: acme.localhost:65536",
        b"Host: acme.localhost:80:80",
        b"Host: ann@acme.localhost",
        b"Host: %61cme.localhost",
        b"Host: acme.localhost, unknown.example",
        b"Host: 2001:db8::1",
        b"Host: [2001:db8::1",
        b"Host: http://acme.localhost",
    ];
    for host in no_host {
        answers(&broker, "/t/other/ws", &[(&[host], 400)]).await;
        answers(&broker, "/ws", &[(&[host], 400)]).await;
    }
    let no_host_line = format!(
        "GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n{KEY}\r\n\r\n"
    );
    assert_eq!(http::send(broker.address, no_host_line).await.status, 400);
}

/// RFC 9112 3.2.2.
#[tokio::test]
async fn a_host_in_the_target_counts_instead_of_the_header() {
    let broker = Broker::start(CONFIG).await;
    for (target, host, status) in [
        ("http://acme.localhost/t/acme/ws", "unknown.example", 101),
        ("http://ACME.localhost.:80/t/other/ws", "unknown.example", 404),
        ("http://unknown.example/t/other/ws", "acme.localhost", 101),
        ("http://acme.localhost..:80/t/other/ws", "unknown.example", 400),
        ("http://ann@acme.localhost/t/other/ws", "unknown.example", 400),
        ("http://%61cme.localhost/t/other/ws", "unknown.example", 400),
        ("http://acme.localhost:http/t/other/ws", "unknown.example", 400),
        ("http://acme.localhost:65536/t/other/ws", "unknown.example", 400),
        ("http://unknown.example/t/other/ws", "not a host", 400),
    ] {
        let host = format!("Host: {host}");
        let response = http::send(broker.address, upgrade(target, &[host.as_bytes()])).await;
        assert_eq!(response.status, status, "{target} {host}: {response:?}");
    }
}

#[tokio::test]
async fn http_1_0_has_no_upgrade_and_the_log_says_who_came_with_it() {
    let broker = Broker::start(CONFIG).await;
    for lines in [&[][..], &[&b"Host: acme.localhost"[..]]] {
        let request = upgrade("/ws", lines);
        let request = String::from_utf8(request)
            .expect("text")
            .replace("HTTP/1.1", "HTTP/1.0");
        let response = http::send(broker.address, &request).await;
        assert_eq!(response.status, 426, "{response:?}");
        assert!(response.body.contains("HTTP/1.1"), "{response:?}");
    }
    let without_host = format!("GET /ws HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{KEY}\r\n\r\n");
    assert_eq!(http::send(broker.address, without_host).await.status, 426);
    broker.log().wait_for(&["WARN", "HTTP/1.0", "127.0.0.1"]).await;
}

#[tokio::test]
async fn what_a_refused_client_sent_is_one_line_of_the_log() {
    let broker = Broker::start(CONFIG).await;
    let request = upgrade("/t/%0Anobody%1b[31m/ws", &[b"Origin: https://evil.example"]);
    assert_eq!(http::send(broker.address, request).await.status, 404);
    let line = broker
        .log()
        .wait_for(&["an upgrade was refused", "404", "there is no such tenant"])
        .await;
    assert!(line.contains("127.0.0.1"), "{line}");
}

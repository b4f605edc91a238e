//! Polls on connections that are kept: the broker knows most of them by their heads, and nobody can tell from its answers.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::http::{Response, dial, respond};
use crate::support::http_client::{Poller, ask, connect};
use crate::support::{Broker, PATIENCE, eventually, shared, within};

/// Polls until the broker knows the head: HTTP reads one, and then one more from its first byte.
const UNTIL_KNOWN: usize = 3;

/// A connection on which a session polls.
struct KeptConnection {
    stream: TcpStream,
    /// What names the session.
    session: String,
    /// Lines of headers of each poll, each with its end.
    lines: String,
}

impl KeptConnection {
    /// Begins a session on another connection, and polls here until the head is known.
    async fn open(broker: &Broker, lines: &str) -> Self {
        let mut poller = Poller::new(broker.address);
        poller.poll(&[connect(&[])]).await;
        let mut kept = Self {
            stream: dial(broker.address, None).await,
            session: poller.session.expect("it is open"),
            lines: lines.to_owned(),
        };
        for _ in 0..UNTIL_KNOWN {
            kept.send(&kept.poll()).await;
            let answer = kept.answer().await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        kept
    }

    /// A poll that finds nothing. All have the same length.
    fn poll(&self) -> String {
        self.poll_of(&self.session)
    }

    fn poll_of(&self, session: &str) -> String {
        self.request(&json!({ "session": session, "ack": 1, "wait_ms": 1 }).to_string())
    }

    fn request(&self, body: &str) -> String {
        let (lines, length) = (&self.lines, body.len());
        format!("POST /poll HTTP/1.1\r\nHost: a\r\n{lines}Content-Length: {length}\r\n\r\n{body}")
    }

    async fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.expect("it is taken");
    }

    async fn answer(&mut self) -> Response {
        let (answer, _) = respond(&mut self.stream).await;
        answer
    }

    /// What comes until the broker ends the connection.
    async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        // A reset is an end as well.
        let end = async { while self.stream.read_buf(&mut bytes).await.unwrap_or(0) > 0 {} };
        within(end, || "the connection goes on".into()).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// One with this setting of the server.
async fn broker(setting: &str) -> Broker {
    let config = format!(
        "server = {{ default_tenant = \"t\", {setting} }}\n\
         [[tenants]]\nname = \"t\"\nanonymous = true\ndefault = \"allow\"\n"
    );
    Broker::start(&config).await
}

/// A text in two parts, cut where `at` begins.
fn cut<'a>(text: &'a str, at: &str) -> [&'a str; 2] {
    let (first, second) = text.split_at(text.find(at).expect("it is there"));
    [first, second]
}

#[tokio::test]
async fn a_poll_is_answered_however_it_comes_and_whatever_came_before() {
    let broker = shared().await;
    let mut kept = KeptConnection::open(&broker, "").await;
    let poll = kept.poll();
    let other_head = poll.replacen("Host: a", "Host: a\r\nX-A: b", 1);
    let other_length =
        kept.request(&format!("{{\"session\":\"{}\",\"ack\":1,\"wait_ms\":01}}", kept.session).replace("01", "1 "));
    let options = "OPTIONS /poll HTTP/1.1\r\nHost: a\r\n\r\n";
    let ways: [(&str, Vec<&str>); 9] = [
        ("whole", vec![&poll]),
        ("within the head", cut(&poll, "Content").to_vec()),
        ("behind the head", cut(&poll, "{").to_vec()),
        ("within the body", cut(&poll, "wait_ms").to_vec()),
        ("an empty line before", vec!["\r\n", &poll]),
        ("another head", vec![&other_head]),
        ("another head, cut", cut(&other_head, "X-A").to_vec()),
        ("another length", vec![&other_length]),
        ("another request", vec![options]),
    ];
    for (what, parts) in &ways {
        // What comes next is answered as well, whether it is known or not.
        for parts in [parts, &vec![poll.as_str()]] {
            for part in parts {
                kept.send(part).await;
                tokio::task::yield_now().await;
            }
            let answer = kept.answer().await;
            assert!([200, 204].contains(&answer.status), "{what}: {answer:?}");
            if answer.status == 200 {
                let told: Value = serde_json::from_str(&answer.body).expect("an answer");
                assert_eq!((&told["seq"], &told["envelopes"]), (&json!(1), &json!([])), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn polls_that_come_at_once_are_answered_in_their_order() {
    let broker = shared().await;
    let mut kept = KeptConnection::open(&broker, "").await;
    let asks = json!({
        "session": kept.session, "ack": 1, "batch": 2, "wait_ms": 55_000, "requests": [ask("ping", 1, Value::Null)]
    });
    let asks = kept.request(&asks.to_string());
    let all = [asks, kept.poll(), kept.poll(), kept.request("nonsense"), kept.poll()].concat();
    kept.send(&all).await;
    let said = kept.rest().await;
    let statuses: Vec<_> = said
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &said[at + 9..at + 12])
        .collect();
    // The same answer comes again, because the client never says that it has it; and nothing behind a refusal.
    assert_eq!(statuses, ["200", "200", "200", "400"], "{said}");
    assert_eq!(said.matches("\"seq\":2,\"envelopes\":[{").count(), 3, "{said}");
}

#[tokio::test]
async fn what_is_refused_is_refused_behind_a_known_head_and_ends_the_connection() {
    let broker = shared().await;
    let text = |length: usize| "x".repeat(length);
    for (what, status) in [
        ("a wrong key", 401),
        ("no session", 410),
        ("no JSON", 400),
        ("an ack from the future", 400),
    ] {
        let mut kept = KeptConnection::open(&broker, "").await;
        let (name, key) = kept.session.split_once('.').expect("a name and a key");
        let poll = match what {
            "a wrong key" => kept.poll_of(&format!("{name}.{}", text(key.len()))),
            "no session" => kept.poll_of(&format!("{}.{key}", text(name.len()))),
            "no JSON" => kept.poll().replacen('{', "[", 1),
            _ => kept.poll().replacen("\"ack\":1", "\"ack\":9", 1),
        };
        kept.send(&poll).await;
        let said = kept.rest().await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {said}");
        assert!(
            said.to_ascii_lowercase().contains("\r\nconnection: close\r\n"),
            "{what}: {said}"
        );
        assert_eq!(said.matches("HTTP/1.").count(), 1, "{what}: {said}");
    }
}

#[tokio::test]
async fn a_session_may_begin_behind_a_known_head() {
    let broker = shared().await;
    let mut kept = KeptConnection::open(&broker, "").await;
    let mut begin = json!({ "wait_ms": 1, "requests": [connect(&[])] }).to_string();
    let body = kept.poll();
    let length = body.len() - body.find('{').expect("a body");
    begin = begin.replace("\"version\":1", "\"version\":1 ");
    begin.extend(std::iter::repeat_n(' ', length.saturating_sub(begin.len())));
    kept.send(&kept.request(&begin)).await;
    let answer = kept.answer().await;
    let told: Value = serde_json::from_str(&answer.body).expect("an answer");
    assert_eq!(
        (answer.status, &told["envelopes"][0]["type"]),
        (200, &json!("ack")),
        "{told}"
    );
    assert_ne!(told["session"], kept.session);
    kept.send(&kept.poll()).await;
    assert_eq!(kept.answer().await.status, 200, "and the other one goes on");
}

#[tokio::test]
async fn a_known_head_is_judged_anew_when_the_tenants_change() {
    let config = |settings: &str, origin: &str| {
        format!(
            "{settings}\n[[tenants]]\nname = \"t\"\nanonymous = true\ndefault = \"allow\"\nallowed_origins = [\"{origin}\"]\n\
             [[tenants]]\nname = \"u\"\nanonymous = true\ndefault = \"allow\"\nallowed_origins = [\"*\"]\n"
        )
    };
    let (t, u) = (
        "server = { default_tenant = \"t\" }",
        "server = { default_tenant = \"u\" }",
    );
    for (settings, origin, status) in [
        (t, "https://a.example", 200),
        (t, "https://b.example", 403),
        // The session is none of this tenant's.
        (u, "https://a.example", 410),
    ] {
        let broker = Broker::start(&config(t, "https://a.example")).await;
        let mut kept = KeptConnection::open(&broker, "Origin: https://a.example\r\n").await;
        broker.reload(&config(settings, origin)).await;
        kept.send(&kept.poll()).await;
        assert_eq!(kept.answer().await.status, status, "{settings}, {origin}");
    }
}

#[tokio::test]
async fn a_request_that_stays_half_is_told_so_and_silence_is_not() {
    let broker = broker("header_timeout_ms = 300").await;
    for (what, at, answer) in [
        ("nothing", "POST", ""),
        ("half of the head", "Content", "HTTP/1.1 408 "),
        ("the head", "{", "HTTP/1.1 408 "),
        ("half of the body", "wait_ms", "HTTP/1.1 408 "),
    ] {
        let mut kept = KeptConnection::open(&broker, "").await;
        let poll = kept.poll();
        kept.send(cut(&poll, at)[0]).await;
        let said = kept.rest().await;
        assert!(
            said.starts_with(answer) && said.is_empty() == answer.is_empty(),
            "{what}: {said}"
        );
    }
}

#[tokio::test]
async fn who_is_answered_and_says_nothing_more_is_closed_without_a_word() {
    let broker = broker("header_timeout_ms = 300").await;
    let mut kept = KeptConnection::open(&broker, "").await;
    let waits = json!({ "session": kept.session, "ack": 1, "wait_ms": 55_000 }).to_string();
    let waits = kept.request(&waits);
    // The second one is known, and waits for longer than a request may take.
    for is_known in [false, true] {
        kept.send(&waits).await;
        let mut other = KeptConnection {
            stream: dial(broker.address, None).await,
            session: kept.session.clone(),
            lines: String::new(),
        };
        // Whoever polls behind it ends it.
        let others = async {
            loop {
                other.send(&other.poll()).await;
                other.answer().await;
            }
        };
        let answer = tokio::select! {
            answer = kept.answer() => answer,
            () = others => unreachable!("they come for ever"),
        };
        assert!(answer.body.contains("\"envelopes\":[]"), "{is_known}: {answer:?}");
    }
    assert_eq!(kept.rest().await, "");
}

#[tokio::test]
async fn a_poll_says_how_its_connection_goes_on() {
    let broker = shared().await;
    for (what, from, to, is_kept) in [
        ("kept", "Host: a", "Host: a\r\nConnection: Keep-Alive", true),
        ("closed", "Host: a", "Host: a\r\nConnection: close", false),
        (
            "closed, among others",
            "Host: a",
            "Host: a\r\nConnection: x, close",
            false,
        ),
        ("HTTP/1.0", "HTTP/1.1", "HTTP/1.0", false),
    ] {
        let mut kept = KeptConnection::open(&broker, "").await;
        let poll = kept.poll().replacen(from, to, 1);
        for round in 0..UNTIL_KNOWN {
            kept.send(&poll).await;
            let answer = kept.answer().await;
            assert_eq!(answer.status, 200, "{what}, {round}: {answer:?}");
            assert_eq!(answer.header("connection"), (!is_kept).then_some("close"), "{what}");
            if !is_kept {
                assert_eq!(kept.rest().await, "", "{what}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn who_waits_to_be_asked_for_the_body_is_asked_each_time() {
    const ASKED: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    let broker = shared().await;
    let mut kept = KeptConnection::open(&broker, "").await;
    let poll = kept.poll().replacen("Host: a", "Host: a\r\nExpect: 100-continue", 1);
    let [head, body] = cut(&poll, "{");
    for _ in 0..UNTIL_KNOWN {
        kept.send(head).await;
        let mut asked = [0; ASKED.len()];
        let read = kept.stream.read_exact(&mut asked);
        within(read, || "nobody asks for the body".into())
            .await
            .expect("it is asked for");
        assert_eq!(asked, *ASKED);
        kept.send(body).await;
        assert_eq!(kept.answer().await.status, 200);
    }
}

#[tokio::test]
async fn who_hangs_up_while_a_poll_waits_leaves_a_place() {
    let broker = broker("max_connections = 3").await;
    // Its session has a place of its own.
    let mut kept = KeptConnection::open(&broker, "").await;
    let body = json!({ "session": kept.session, "ack": 1, "wait_ms": 55_000 }).to_string();
    kept.send(&kept.request(&body)).await;
    let is_full = async |broker: &Broker| broker.ask("GET", "/nowhere").status().await == 503;
    let third = eventually(PATIENCE, "the third place", async || {
        let stream = dial(broker.address, None).await;
        is_full(&broker).await.then_some(stream)
    })
    .await;
    drop(kept);
    eventually(PATIENCE, "a place", async || (!is_full(&broker).await).then_some(())).await;
    drop(third);
}

//! Polls on connections that are kept: the broker knows most of them by their heads, and nobody can tell from its answers.

use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use crate::support::http::dial;
use crate::support::http_client::{ask, connect};
use crate::support::kept_connection::{KeptConnection, UNTIL_KNOWN};
use crate::support::{Broker, PATIENCE, eventually, within};

/// One with this setting of the server.
async fn broker(setting: &str) -> Broker {
    let config = format!(
        "server = {{ default_tenant = \"t\", {setting} }}\n\
         [[tenants]]\nname = \"t\"\nanonymous = true\ndefault = \"allow\"\n"
    );
    Broker::start(&config).await
}

/// Sessions are on the shard of every connection, or mostly on another one.
const SHARDS: [&str; 2] = ["shards = 1", "shards = 8"];

/// A text in two parts, cut where `at` begins.
fn cut<'a>(text: &'a str, at: &str) -> [&'a str; 2] {
    let (first, second) = text.split_at(text.find(at).expect("it is there"));
    [first, second]
}

#[tokio::test]
async fn a_poll_is_answered_however_it_comes_and_whatever_came_before() {
    for shards in SHARDS {
        comes_in_every_way(&broker(shards).await).await;
    }
}

async fn comes_in_every_way(broker: &Broker) {
    let mut kept = KeptConnection::open(broker, "").await;
    let poll = kept.poll();
    let other_head = poll.replacen("Host: a", "Host: a\r\nX-A: b", 1);
    let other_length = kept.request(&json!({ "session": kept.session, "ack": 1, "wait_ms": 10 }).to_string());
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
    for shards in SHARDS {
        come_at_once(&broker(shards).await).await;
    }
}

async fn come_at_once(broker: &Broker) {
    let mut kept = KeptConnection::open(broker, "").await;
    let asks = json!({
        "session": kept.session, "ack": 1, "batch": 2, "wait_ms": 55_000, "requests": [ask("ping", 1, Value::Null)]
    });
    let asks = kept.request(&asks.to_string());
    let all = [
        asks,
        kept.long_poll(),
        kept.long_poll(),
        kept.request("nonsense"),
        kept.poll(),
    ]
    .concat();
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
    for shards in SHARDS {
        is_refused(&broker(shards).await).await;
    }
}

async fn is_refused(broker: &Broker) {
    let text = |length: usize| "x".repeat(length);
    for (what, status) in [
        ("a wrong key", 401),
        ("no session", 410),
        ("no JSON", 400),
        ("an ack from the future", 400),
    ] {
        let mut kept = KeptConnection::open(broker, "").await;
        let (name, key) = kept.session.split_once('.').expect("a name and a key");
        let poll = match what {
            "a wrong key" => kept.poll_of(&format!("{name}.{}", text(key.len()))),
            "no session" => kept.poll_of(&format!("{}.{key}", text(name.len()))),
            "no JSON" => kept.poll().replacen('{', "[", 1),
            // Its session may be late to look.
            _ => kept.long_poll().replacen("\"ack\":1", "\"ack\":9", 1),
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
    let broker = broker("shards = 1").await;
    let mut kept = KeptConnection::open(&broker, "").await;
    let mut begin = json!({ "wait_ms": 55_000, "requests": [connect(&[])] }).to_string();
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
    for shards in SHARDS {
        let broker = broker(&format!("{shards}, header_timeout_ms = 300")).await;
        for is_known in [false, true] {
            let mut kept = if is_known {
                KeptConnection::open(&broker, "").await
            } else {
                KeptConnection::fresh(&broker, "").await
            };
            kept.send(&kept.long_poll()).await;
            let answer = kept.ended_by_another(&broker).await;
            assert!(answer.body.contains("\"envelopes\":[]"), "{shards}: {answer:?}");
            assert_eq!(kept.rest().await, "", "{shards}");
        }
    }
}

#[tokio::test]
async fn a_poll_whose_time_is_over_gets_one_answer() {
    for shards in SHARDS {
        let broker = broker(shards).await;
        let mut kept = KeptConnection::open(&broker, "").await;
        let mut bob = broker.connect("bob").await;
        // Nobody waits when it comes.
        bob.subscribe("c")
            .await
            .publish("late")
            .await
            .expect_message("late")
            .await;
        kept.send(&[kept.long_poll(), kept.request("nonsense")].concat()).await;
        let said = kept.rest().await;
        assert_eq!(said.matches("HTTP/1.1 200 ").count(), 1, "{shards}: {said}");
        assert_eq!(said.matches("\"late\"").count(), 1, "{shards}: {said}");
    }
}

#[tokio::test]
async fn a_poll_says_how_its_connection_goes_on() {
    for shards in SHARDS {
        // A connection that should be closed and is not stays for longer than the test waits.
        let broker = broker(&format!("{shards}, header_timeout_ms = 60000")).await;
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
            let poll = kept.long_poll().replacen(from, to, 1);
            for round in 0..UNTIL_KNOWN {
                kept.send(&poll).await;
                let answer = kept.ended_by_another(&broker).await;
                assert_eq!(answer.status, 200, "{what}, {round}: {answer:?}");
                assert_eq!(answer.header("connection"), (!is_kept).then_some("close"), "{what}");
                if !is_kept {
                    assert_eq!(kept.rest().await, "", "{what}");
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn who_waits_to_be_asked_for_the_body_is_asked_each_time() {
    const ASKED: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    // Who is asked only when the head is late waits for longer than the test.
    let broker = broker("header_timeout_ms = 60000").await;
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
    for shards in SHARDS {
        for lines in ["", "Connection: close\r\n"] {
            // Nothing else is noticed in time.
            let settings = format!("{shards}, max_connections = 3, header_timeout_ms = 60000");
            let broker = broker(&settings).await;
            // Its session has a place of its own.
            let mut kept = KeptConnection::fresh(&broker, lines).await;
            kept.send(&kept.long_poll()).await;
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
    }
}

#[tokio::test]
async fn who_guessed_elsewhere_has_to_wait_behind_a_known_head() {
    for shards in SHARDS {
        let broker = broker(&format!(
            "{shards}, door = {{ failed_auth_per_minute_per_address = 20 }}"
        ))
        .await;
        let mut kept = KeptConnection::open(&broker, "").await;
        let mut guesser = kept.another(&broker).await;
        let key = guesser.session.split_once('.').expect("a key").1.to_owned();
        let guess = guesser.poll().replace(&key, &"x".repeat(key.len()));
        let guessing = async {
            loop {
                guesser.stream = dial(broker.address, None).await;
                guesser.send(&guess).await;
                let status = guesser.answer().await.status;
                if status != 401 {
                    return status;
                }
            }
        };
        assert_eq!(within(guessing, || "guesses are never refused".into()).await, 429);
        kept.send(&kept.poll()).await;
        let answer = kept.answer().await;
        assert!(
            answer.status == 429 && answer.header("retry-after").is_some(),
            "{shards}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_connection_on_which_a_session_polls_is_no_handshake_any_more() {
    let polls = async |shards| {
        // Five of an address may be between their accept and an accepted `connect`. None of them ends while the test waits.
        let door = "door = { handshakes_per_second_per_address = 1 }";
        let broker = broker(&format!("{shards}, header_timeout_ms = 60000, {door}")).await;
        let first = KeptConnection::fresh(&broker, "").await;
        let mut others = Vec::new();
        while others.len() < 7 {
            let other = eventually(PATIENCE, "another one", async || {
                let mut other = first.another(&broker).await;
                other.send(&other.poll()).await;
                (other.answer().await.status == 200).then_some(other)
            });
            others.push(other.await);
        }
    };
    let [one, several] = SHARDS;
    tokio::join!(polls(one), polls(several));
}

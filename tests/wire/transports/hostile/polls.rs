//! Posts that are no posts, have no end, or are too many.

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt as _;

use super::{poller, still_works};
use crate::support::drip::drip;
use crate::support::http_client::{EventReader, ask};
use crate::support::{Broker, PATIENCE, Value, eventually, http, json, shared, within};

#[tokio::test]
async fn bodies_that_are_no_posts_are_refused_and_the_session_goes_on() {
    let broker = shared().await;
    let mut ann = poller(&broker, &["hostile-polls"]).await;
    let events = EventReader::open(broker.address, None, "channels=hostile-posts", &[]).await;
    let many: Vec<Value> = (0..10_000).map(|id| ask("ping", id, json!({}))).collect();
    let many = json!({ "session": ann.session, "ack": ann.ack, "requests": many }).to_string();
    let polls = format!("{{\"requests\":[{}{{}}]}}", "{},".repeat(256));
    for (what, body, [poll, send]) in [
        ("10,000 requests", many.into_bytes(), [413, 413]),
        ("257 requests", polls.into_bytes(), [413, 400]),
        (
            "257 requests",
            format!("[{}{{}}]", "{},".repeat(256)).into_bytes(),
            [400, 413],
        ),
        ("nothing", Vec::new(), [400; 2]),
        ("half of it", b"{\"session\":".to_vec(), [400; 2]),
        ("deep", "[".repeat(100_000).into_bytes(), [400; 2]),
        (
            "deep in requests",
            format!("{{\"requests\":{}", "[".repeat(100_000)).into_bytes(),
            [400; 2],
        ),
        ("no text", b"{\"session\":\"\xff\xfe\"}".to_vec(), [400; 2]),
        ("NUL", b"\0".to_vec(), [400; 2]),
        ("MessagePack", b"\xdd\xff\xff\xff\xff".to_vec(), [400; 2]),
        ("too much", vec![b' '; 1_000_000], [413; 2]),
    ] {
        let polled = broker.ask("POST", "/poll").body(&body).answer().await;
        assert_eq!(polled.status, poll, "{what}: {polled:?}");
        let posting = broker.ask("POST", "/send").body(&body);
        let posted = posting
            .header("Sluicegate-Session", &events.credential())
            .answer()
            .await;
        assert_eq!(posted.status, send, "{what}: {posted:?}");
        still_works(&mut ann).await;
    }
    let mut bob = broker.connect("bob").await;
    bob.subscribe("hostile-polls").await.publish("still here").await;
    assert_eq!(ann.poll(&[]).await[0]["payload"], "still here");
}

#[tokio::test]
async fn numbers_that_a_client_makes_up_are_refused() {
    let broker = shared().await;
    let mut ann = poller(&broker, &[]).await;
    for numbers in [
        json!({ "ack": u64::MAX }),
        json!({ "ack": ann.ack + 1000 }),
        json!({ "ack": 1.5 }),
        json!({ "batch": u64::MAX, "requests": [ask("ping", 1, json!({}))] }),
        json!({ "batch": -1, "requests": [ask("ping", 1, json!({}))] }),
        json!({ "wait_ms": -1 }),
        json!({ "wait_ms": "long" }),
    ] {
        let mut body = json!({ "session": ann.session, "ack": ann.ack });
        let numbers = numbers.as_object().expect("fields");
        body.as_object_mut().expect("fields").extend(numbers.clone());
        let answer = ann.raw(&[], &body).await;
        assert_eq!(answer.status, 400, "{numbers:?}: {answer:?}");
        still_works(&mut ann).await;
    }
}

#[tokio::test]
async fn a_flood_of_polls_of_one_session_ends_in_answers() {
    let broker = shared().await;
    let mut ann = poller(&broker, &[]).await;
    let body = json!({ "session": ann.session, "ack": ann.ack, "wait_ms": 1 });
    let flood = join_all((0..50).map(|_| ann.raw(&[], &body)));
    for answer in within(flood, || "polls are not answered".into()).await {
        assert!([200, 429].contains(&answer.status), "{answer:?}");
        assert_eq!(
            answer.status == 429,
            answer.header("retry-after").is_some(),
            "{answer:?}"
        );
    }
    still_works(&mut ann).await;
}

#[tokio::test]
async fn a_body_that_is_announced_to_be_too_large_is_refused_before_it_comes() {
    let broker = shared().await;
    let events = EventReader::open(broker.address, None, "channels=hostile-announced", &[]).await;
    for path in ["/poll", "/send"] {
        let ask = broker
            .ask("POST", path)
            .header("Sluicegate-Session", &events.credential());
        let mut stream = ask.silent().await;
        let head = ask.head(1 << 30);
        stream.write_all(head.as_bytes()).await.expect("the head is taken");
        assert_eq!(http::respond(&mut stream).await.0.status, 413, "{path}");
    }
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let broker = Broker::start(
        r#"
        [server]
        default_tenant = "t"
        header_timeout_ms = 1000
        [[tenants]]
        name = "t"
        anonymous = true
        default = "allow"
        "#,
    )
    .await;
    let mut ann = poller(&broker, &[]).await;
    let session = ann.session.clone().expect("it is open");
    for (path, body) in [
        ("/poll", format!("{{\"session\":\"{session}\",\"requests\":[")),
        ("/send", "[".to_owned()),
    ] {
        let ask = broker.ask("POST", path).header("Sluicegate-Session", &session);
        let mut stream = ask.silent().await;
        let begin = ask.head(100_000) + &body;
        stream.write_all(begin.as_bytes()).await.expect("the head is taken");
        let otherwise = format!("the body of {path} is read for ever");
        let said = drip(stream, std::iter::repeat(b' '), otherwise).await;
        let said = String::from_utf8_lossy(&said);
        assert!(said.starts_with("HTTP/1.1 408 "), "{path}: {said}");
        let head = ask.head(0).replace("Content-Length: 0", "Transfer-Encoding: chunked");
        let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
        // Chunks that are too much together, and whose end is not waited for.
        let mut stream = ask.silent().await;
        let begin = head.clone() + &chunk.repeat(65);
        stream.write_all(begin.as_bytes()).await.expect("they are taken");
        assert_eq!(http::respond(&mut stream).await.0.status, 413, "{path}");
        // Chunks without end, as fast as they are taken.
        let mut stream = ask.silent().await;
        stream.write_all(head.as_bytes()).await.expect("the head is taken");
        let flood = async { while stream.write_all(chunk.as_bytes()).await.is_ok() {} };
        within(flood, || format!("chunks to {path} are read for ever")).await;
    }
    still_works(&mut ann).await;
}

#[tokio::test]
async fn a_flood_of_bodies_takes_as_much_room_as_it_leaves() {
    let tenant = |name: &str| format!("[[tenants]]\nname = \"{name}\"\nanonymous = true\n");
    let tenants = [tenant("flood"), tenant("other")].concat();
    let broker = Broker::start(&format!("server.header_timeout_ms = 60000\n{tenants}")).await;
    let body = vec![b'x'; 262_144];
    let ask = |tenant: &str| broker.ask("POST", &format!("/t/{tenant}/poll"));
    // All but the last byte of each.
    let begin = async || {
        let mut stream = ask("flood").silent().await;
        let head = ask("flood").head(body.len());
        stream.write_all(head.as_bytes()).await.expect("the head is taken");
        // Where there is no room, nobody reads it.
        drop(stream.write_all(&body[1..]).await);
        stream
    };
    let mut begun = join_all((0..120).map(|_| begin())).await;
    let asked = async |tenant: &str| ask(tenant).body(&body).answer().await;
    let refused = eventually(PATIENCE, "a node without room", async || {
        begun.push(begin().await);
        let answer = asked("flood").await;
        (answer.status != 400).then_some(answer)
    })
    .await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    assert_eq!(asked("other").await.status, 400, "it is read, and is no poll");
    drop(begun);
    eventually(PATIENCE, "room again", async || {
        (asked("flood").await.status == 400).then_some(())
    })
    .await;
}

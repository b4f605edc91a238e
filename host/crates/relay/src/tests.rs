//! Relays that are connected by nothing but this process, by a clock of their own.

mod stage;

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::codec::{self, RelayMessage};
use crate::{POST_BYTES, PostAnswer};
use stage::{Links, Stage, join, of_bytes, poll, send};

#[tokio::test(start_paused = true)]
async fn a_post_is_carried_out_elsewhere_and_its_answer_comes_back() {
    let mut stage = Stage::new();
    let answers = [
        PostAnswer::Done("[{}]".into()),
        PostAnswer::Gone,
        PostAnswer::Bad("no list".into()),
        PostAnswer::Busy {
            retry_after: Duration::from_secs(3),
        },
        PostAnswer::Unavailable,
    ];
    for answer in answers {
        for post in [send(), poll(Duration::from_secs(25))] {
            let handed_over = stage.hand_over(post.clone());
            let (arrived, reply) = stage.asked().await;
            assert_eq!(arrived, post);
            reply.send(answer.clone()).unwrap();
            assert_eq!(handed_over.await.unwrap(), (answer.clone(), Duration::ZERO));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn answers_find_their_posts_in_any_order() {
    let mut stage = Stage::new();
    let handed_over: Vec<_> = (0..10).map(|_| stage.hand_over(send())).collect();
    let mut replies = Vec::new();
    for _ in 0..10 {
        replies.push(stage.asked().await.1);
    }
    for (number, reply) in replies.into_iter().enumerate().rev() {
        reply.send(PostAnswer::Bad(number.to_string())).unwrap();
    }
    for (number, handed_over) in handed_over.into_iter().enumerate() {
        let (answer, _) = handed_over.await.unwrap();
        assert_eq!(answer, PostAnswer::Bad(number.to_string()));
    }
}

/// What happens to the other node or the way to it, and what a post is answered then, and after how long at most.
type Trouble = (&'static str, fn(&mut Links), PostAnswer, Duration);

const AT_ONCE: Duration = Duration::ZERO;
const SOON: Duration = Duration::from_secs(3);

fn kill(links: &mut Links) {
    links.listening.remove("b");
    links.processes.remove("b");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_handed_over_is_answered() {
    let troubles: [Trouble; 4] = [
        ("killed", kill, PostAnswer::Gone, SOON),
        (
            "its connection is lost",
            |links| drop(links.listening.remove("b")),
            PostAnswer::Unavailable,
            AT_ONCE,
        ),
        (
            "cut",
            |links| links.cut = HashSet::from(["a"]),
            PostAnswer::Unavailable,
            AT_ONCE,
        ),
        (
            "no answer could come",
            |links| links.listens_over = None,
            PostAnswer::Unavailable,
            AT_ONCE,
        ),
    ];
    for (what, happens, expected, within) in troubles {
        let stage = Stage::new();
        happens(&mut stage.network.0.lock());
        let (answer, after) = stage.hand_over(poll(Duration::from_secs(25))).await.unwrap();
        assert_eq!((answer, after <= within), (expected, true), "{what}: {after:?}");
    }
}

#[tokio::test]
async fn a_node_that_hears_no_posts_says_so() {
    let stage = Stage::new();
    assert_eq!(stage.a.hindrance(), None);
    stage.network.0.lock().listens_over = None;
    assert!(stage.a.hindrance().is_some());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_an_answer_hears_soon_that_none_will_come() {
    let troubles: [Trouble; 4] = [
        ("killed", kill, PostAnswer::Gone, SOON),
        (
            "cut",
            |links| links.cut = HashSet::from(["a"]),
            PostAnswer::Unavailable,
            SOON,
        ),
        (
            "its own connection is lost",
            |links| links.listens_over = None,
            PostAnswer::Unavailable,
            SOON,
        ),
        (
            "its own connection is another",
            |links| links.listens_over = Some(2),
            PostAnswer::Unavailable,
            SOON,
        ),
    ];
    for (what, happens, expected, within) in troubles {
        let mut stage = Stage::new();
        let handed_over = stage.hand_over(poll(Duration::from_secs(25)));
        let _unanswered = stage.asked().await;
        happens(&mut stage.network.0.lock());
        let (answer, after) = handed_over.await.unwrap();
        assert_eq!((answer, after <= within), (expected, true), "{what}: {after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_comes_also_where_the_way_back_is_lost_for_a_moment() {
    let mut stage = Stage::new();
    let handed_over = stage.hand_over(poll(Duration::from_secs(25)));
    let (_, reply) = stage.asked().await;
    stage.network.0.lock().cut.insert("b");
    reply.send(PostAnswer::Gone).unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    stage.network.0.lock().cut.clear();
    let (answer, after) = handed_over.await.unwrap();
    assert_eq!((answer, after <= 2 * SOON), (PostAnswer::Gone, true), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_there_and_silent_is_waited_for_and_no_longer() {
    for (post, within) in [
        (send(), 10),
        (poll(Duration::from_secs(25)), 30),
        (poll(Duration::ZERO), 5),
    ] {
        let mut stage = Stage::new();
        let handed_over = stage.hand_over(post);
        let (_, reply) = stage.asked().await;
        let (answer, after) = handed_over.await.unwrap();
        assert_eq!((answer, after.as_secs()), (PostAnswer::Unavailable, within));
        assert!(stage.a.waiting().is_empty(), "nothing is kept of it");
        tokio::task::yield_now().await;
        assert!(reply.is_closed(), "nor there");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_goes_away_leaves_nothing_behind() {
    let mut stage = Stage::new();
    let handed_over = stage.hand_over(send());
    let (_, reply) = stage.asked().await;
    handed_over.abort();
    drop(handed_over.await);
    assert!(stage.a.waiting().is_empty());
    reply.send(PostAnswer::Gone).unwrap();
    let handed_over = stage.hand_over(of_bytes("acme", POST_BYTES));
    stage.asked().await.1.send(PostAnswer::Gone).unwrap();
    assert_eq!(handed_over.await.unwrap().0, PostAnswer::Gone, "its place is free");
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_is_bounded_and_others_are_not_held_up() {
    let mut stage = Stage::new();
    let large = stage.hand_over(of_bytes("acme", POST_BYTES));
    let (_, reply) = stage.asked().await;
    let (answer, _) = stage.hand_over(of_bytes("acme", 1)).await.unwrap();
    assert!(matches!(answer, PostAnswer::Busy { .. }), "{answer:?}");
    let other = stage.hand_over(of_bytes("other", 1));
    stage.asked().await.1.send(PostAnswer::Gone).unwrap();
    assert_eq!(other.await.unwrap().0, PostAnswer::Gone);
    let (answer, _) = stage.hand_over(of_bytes("other", POST_BYTES + 1)).await.unwrap();
    assert!(matches!(answer, PostAnswer::Bad(_)), "{answer:?}");

    // Another node's room is of no use to it: what comes from several is bounded again.
    let (c, _) = join(&stage.network, "c");
    let answer = c.hand_over("b", of_bytes("acme", 1)).await;
    assert!(matches!(answer, PostAnswer::Busy { .. }), "{answer:?}");
    reply.send(PostAnswer::Gone).unwrap();
    assert_eq!(large.await.unwrap().0, PostAnswer::Gone);

    // Also what is sent elsewhere, where nobody answers.
    let (messages, _unread) = mpsc::channel(8);
    stage.network.0.lock().listening.insert("silent".into(), messages);
    let a = stage.a.clone();
    let silent = tokio::spawn(async move { a.hand_over("silent", of_bytes("third", POST_BYTES)).await });
    while stage.a.waiting().is_empty() {
        tokio::task::yield_now().await;
    }
    let (answer, _) = stage.hand_over(of_bytes("third", 1)).await.unwrap();
    assert!(matches!(answer, PostAnswer::Busy { .. }), "{answer:?}");
    silent.abort();
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_too_large_is_not_sent() {
    let mut stage = Stage::new();
    for (bytes, is_sent) in [(POST_BYTES, true), (POST_BYTES + 1, false)] {
        let body = Bytes::from(vec![b' '; bytes]);
        let handed_over = stage.hand_over(send());
        stage.asked().await.1.send(PostAnswer::Done(body.clone())).unwrap();
        let expected = if is_sent {
            PostAnswer::Done(body)
        } else {
            PostAnswer::Unavailable
        };
        let (answer, after) = handed_over.await.unwrap();
        assert!(answer == expected && after == AT_ONCE, "{bytes}");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_is_sent_to_a_node_it_goes_on() {
    let mut stage = Stage::new();
    let handed_over = stage.hand_over(send());
    let (_, reply) = stage.asked().await;
    let post = codec::write_post(1, "a", &send());
    let answer = codec::write_answer(1, &PostAnswer::Gone);
    for message in [
        Vec::new(),
        vec![0],
        vec![0xff; 1000],
        post[..post.len() - 1].to_vec(),
        answer[..answer.len() - 1].to_vec(),
        codec::write_answer(u64::MAX, &PostAnswer::Gone),
        codec::write_post(1, "nobody", &send()),
    ] {
        for node in ["a", "b"] {
            stage.inject(node, message.clone()).await;
        }
    }
    let (arrived, _unanswered) = stage.asked().await;
    assert_eq!(arrived, send(), "of nobody, who gets no answer");
    reply.send(PostAnswer::Done("[]".into())).unwrap();
    assert_eq!(handed_over.await.unwrap().0, PostAnswer::Done("[]".into()));
}

#[tokio::test(start_paused = true)]
async fn a_post_of_a_later_version_is_answered() {
    let stage = Stage::new();
    let (messages, mut arrived) = mpsc::channel(8);
    stage.network.0.lock().listening.insert("later".into(), messages);
    let mut post = codec::write_post(5, "later", &send());
    post[0] += 1;
    stage.inject("b", post).await;
    let expected = RelayMessage::Answer {
        number: 5,
        answer: PostAnswer::Unavailable,
    };
    assert_eq!(codec::read(arrived.recv().await.unwrap()), Some(expected));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_nobody_hears_for_a_moment_is_not_gone() {
    let stage = Stage::new();
    kill(&mut stage.network.0.lock());
    let handed_over = stage.hand_over(send());
    tokio::time::sleep(Duration::from_millis(600)).await;
    stage.network.0.lock().processes.insert("b".into());
    assert_eq!(handed_over.await.unwrap().0, PostAnswer::Unavailable);
}

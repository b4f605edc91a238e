//! What waits for one connection is bounded in bytes, whatever it is.

use super::*;
use crate::transport::ClientStream;
use crate::transport::memory::MemoryStream;
use backplane::{MemoryUse, TenantFootprint};

const OUTBOX: usize = 65_536;

/// A connection whose client reads nothing.
fn unread() -> Rc<ClientConnection> {
    let stream = ClientStream::Memory(MemoryStream::new(0));
    ClientConnection::new(
        1,
        "s1".into(),
        ConnectionShape::websocket(stream, protocol::Codec::Json, None),
        OUTBOX,
        &Arc::default(),
    )
}

fn channel(n: usize) -> Topic {
    Topic {
        tenant: "acme".into(),
        channel: Channel::parse(&format!("c{n}")).unwrap(),
    }
}

fn sized(topic: &Topic, bytes: usize, offset: u64) -> Envelope {
    let data = Bytes::from(vec![b'1'; bytes]);
    let publication = Publication::new(topic.clone(), "id".into(), data, Some(at(offset)), None, vec![]);
    Envelope::Message(Arc::new(publication))
}

#[test]
fn conflated_messages_stay_inside_the_outbox_and_who_cannot_have_the_newest_is_told() {
    let (mut hub, client) = (TestHub::default(), unread());
    let settings = settings(Overflow::Conflate, true);
    let topics: Vec<_> = (0..100).map(channel).collect();
    for (n, topic) in (0..).zip(&topics) {
        hub.insert(topic, &settings, &client, n);
        hub.release(topic, client.id, None, None);
        hub.deliver(&[sized(topic, 10, 1)]);
    }
    for topic in &topics {
        hub.deliver(&[sized(topic, 10_000, 2)]);
        assert!(client.waiting_bytes() <= OUTBOX, "{}", client.waiting_bytes());
    }
    let ended = client.take_signals().ended;
    assert!(ended.iter().all(|(_, code)| *code == codes::INSUFFICIENT_STATE));
    let told: Vec<_> = ended.iter().map(|(channel, _)| channel).collect();
    assert!((90..100).contains(&told.len()), "{}", told.len());
    assert!(
        !told.contains(&&topics[0].channel),
        "what fitted is replaced by the newest"
    );
}

#[test]
fn what_is_held_while_histories_are_read_is_bounded_for_the_connection() {
    let (mut hub, client) = (TestHub::default(), unread());
    let settings = settings(Overflow::Disconnect, true);
    let topics: Vec<_> = (0..4).map(channel).collect();
    for (n, topic) in (0..).zip(&topics) {
        hub.insert(topic, &settings, &client, n);
    }
    for offset in 1..=6 {
        hub.deliver(&[sized(&topics[0], 5000, offset), sized(&topics[1], 5000, offset)]);
    }
    assert!(!client.has_signals());
    hub.deliver(&[sized(&topics[2], 5000, 1)]);
    let ended = client.take_signals().ended;
    let expected = (topics[2].channel.clone(), codes::INSUFFICIENT_STATE);
    assert_eq!(ended, [expected], "all of them together are bounded");
    hub.remove(&topics[0], client.id);
    for offset in 1..=5 {
        hub.deliver(&[sized(&topics[3], 5000, offset)]);
    }
    assert!(!client.has_signals(), "what is not held any more has left its room");
    for topic in &topics {
        hub.remove(topic, client.id);
    }
    assert!(client.hold(OUTBOX), "nothing is held any more");
}

#[test]
fn what_waits_counts_for_the_tenant_until_it_is_written_or_given_up() {
    let footprint = Arc::<TenantFootprint>::default();
    let waiting = || footprint.bytes(MemoryUse::Outboxes);
    let connection = |id, room| {
        let stream = MemoryStream::new(room);
        let client = ClientConnection::new(
            id,
            "s".into(),
            ConnectionShape::websocket(ClientStream::Memory(stream.clone()), protocol::Codec::Json, None),
            OUTBOX,
            &footprint,
        );
        (stream, client)
    };
    let mut hub = TestHub::default();
    let (_, reads) = connection(1, usize::MAX);
    let (far_end, slow) = connection(2, 100);
    let (_, gone) = connection(3, 0);
    for client in [&reads, &slow, &gone] {
        hub.insert(&channel(0), &settings(Overflow::Drop, true), client, 0);
        hub.release(&channel(0), client.id, None, None);
    }
    for offset in 1..=3 {
        hub.deliver(&[sized(&channel(0), 5000, offset)]);
        hub.flush();
        assert_eq!(waiting(), slow.waiting_bytes() + gone.waiting_bytes());
        assert!(
            waiting() > 9_000,
            "also of those whose socket takes no more: {}",
            waiting()
        );
    }
    gone.abandon();
    assert_eq!(waiting(), slow.waiting_bytes());
    far_end.receive();
    slow.unblock();
    assert_eq!(waiting(), slow.waiting_bytes());
    hub.remove(&channel(0), slow.id);
    drop(slow);
    assert_eq!(waiting(), 0, "nothing is left of a connection that is gone");
}

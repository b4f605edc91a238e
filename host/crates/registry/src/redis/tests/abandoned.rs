//! Places of a process that was killed.

use super::*;

/// The instances that are said to be connected.
struct Connected(Mutex<Option<Vec<String>>>);

impl Peers for Connected {
    fn connected(&self) -> ClusterReply<'_, Option<Vec<String>>> {
        let connected = self.0.lock().clone();
        Box::pin(async { connected })
    }
}

fn connected(instances: &[&str]) -> Arc<Connected> {
    let instances = instances.iter().map(|name| (*name).to_owned()).collect();
    Arc::new(Connected(Mutex::new(Some(instances))))
}

#[tokio::test]
async fn the_clients_of_a_process_that_is_gone_find_their_places_elsewhere_at_once() {
    for (limits, user, full) in [
        (limits(3, 100), None, LimitReached::Tenant),
        (limits(100, 3), Some("ann"), LimitReached::User),
    ] {
        let server = TestServer::start();
        let killed = node(&server, "killed").await;
        for session in 0..3 {
            killed.admit(request(session, user), &limits).await.unwrap();
        }
        let turned_away = Err(AdmissionError::Limit(full));
        for (peers, expected) in [
            (connected(&["killed~1", "b~1"]), turned_away),
            (Arc::new(Connected(Mutex::new(None))), turned_away),
            (connected(&["b~1"]), Ok(())),
        ] {
            let other = node_among(&server, "b", peers).await;
            let arrived = join_all((10..13).map(|session| other.admit(request(session, user), &limits))).await;
            assert_eq!(arrived, [expected; 3]);
        }
        let one_more = node(&server, "c").await.admit(request(20, user), &limits).await;
        assert_eq!(one_more, turned_away, "no more than there are places");
    }
}

#[tokio::test]
async fn who_is_thought_to_be_gone_and_is_not_takes_its_places_again() {
    let server = TestServer::start();
    let limits = limits(1, 1);
    let there = node(&server, "there").await;
    there.admit(request(1, Some("ann")), &limits).await.unwrap();
    let other = node_among(&server, "b", connected(&["b~1"])).await;
    assert_eq!(other.admit(request(2, Some("ann")), &limits).await, Ok(()));
    let renewal = there.renewal(&there.sessions.lock().admitted()[0]);
    there.servers.call(&renewal).await.unwrap();
    other.release(&request(2, Some("ann")).session);
    while !other.sessions.lock().unreleased.is_empty() {
        other.released.notified().await;
    }
    let third = node(&server, "c").await;
    let full = Err(AdmissionError::Limit(LimitReached::Tenant));
    assert_eq!(third.admit(request(3, Some("ann")), &limits).await, full);
}

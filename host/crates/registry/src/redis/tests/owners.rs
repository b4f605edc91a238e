//! Which node has a session, in memory and over Redis.

use super::*;
use crate::session_owner::{OpenClaim, Owned, OwnerUnknown, SESSION_BYTES, SecretHash, SessionOwner};
use crate::{Registry, Seat};
use SessionOwner::{Here, Instance};

const KEY: SecretHash = [7; 32];
const OTHER_KEY: SecretHash = [8; 32];

async fn seat(registry: &Arc<Registry>, session: usize, key: Option<SecretHash>) -> Seat {
    let request = AdmissionRequest {
        key,
        ..request(session, None)
    };
    registry.admit(request, &limits(10, 10)).await.unwrap()
}

async fn registry(server: &TestServer, name: &str) -> Arc<Registry> {
    Arc::new(Registry::of(&format!("{name}~1"), node(server, name).await))
}

/// What `asks` is told, where the sessions are those of `has`.
async fn whoever_brings_the_key_finds_the_session(has: &Arc<Registry>, asks: &Arc<Registry>, owner: SessionOwner) {
    let seats = [
        seat(has, 1, Some(KEY)).await,
        seat(has, 2, Some(OTHER_KEY)).await,
        seat(has, 3, None).await,
    ];
    let almost = {
        let mut key = KEY;
        key[31] ^= 1;
        key
    };
    let long = "s".repeat(10_000);
    let cases = [
        ("acme", "s1", KEY, Owned::By(owner.clone())),
        ("acme", "s2", OTHER_KEY, Owned::By(owner)),
        ("acme", "s1", almost, Owned::ByAnotherKey),
        ("acme", "s1", [0; 32], Owned::ByAnotherKey),
        ("acme", "s1", OTHER_KEY, Owned::ByAnotherKey),
        ("other", "s1", KEY, Owned::ByNobody),
        ("acme", "s3", KEY, Owned::ByNobody),
        ("acme", "s4", KEY, Owned::ByNobody),
        ("acme", "", KEY, Owned::ByNobody),
        ("acme", "s1\n", KEY, Owned::ByNobody),
        ("acme", &long, KEY, Owned::ByNobody),
    ];
    for (tenant, session, key, expected) in cases {
        let told = asks.owner(tenant, session, &key).await;
        assert_eq!(told, Ok(expected), "{session} of {tenant} with {key:?}");
    }
    drop(seats);
}

async fn what_is_opened_twice_is_one_session(first: &Registry, second: &Registry, owner: SessionOwner) {
    let acme: Arc<str> = "acme".into();
    let [one, two]: [Arc<str>; 2] = ["one".into(), "two".into()];
    let theirs = |owner| OpenClaim::Theirs {
        owner,
        session: one.clone(),
    };
    for _ in 0..2 {
        assert_eq!(first.claim_open(&acme, &KEY, &one).await, Ok(OpenClaim::Mine));
    }
    assert_eq!(first.claim_open(&acme, &KEY, &two).await, Ok(theirs(Here)));
    assert_eq!(second.claim_open(&acme, &KEY, &two).await, Ok(theirs(owner)));
    assert_eq!(second.claim_open(&acme, &OTHER_KEY, &two).await, Ok(OpenClaim::Mine));
    let other = "other".into();
    assert_eq!(second.claim_open(&other, &KEY, &two).await, Ok(OpenClaim::Mine));
}

#[tokio::test]
async fn in_memory_and_over_redis_the_same_is_told() {
    let single = Arc::new(Registry::default());
    whoever_brings_the_key_finds_the_session(&single, &single, Here).await;
    what_is_opened_twice_is_one_session(&single, &single, Here).await;
    let server = TestServer::start();
    let [a, b] = [registry(&server, "a").await, registry(&server, "b").await];
    let of_a = || Instance("a~1".into());
    whoever_brings_the_key_finds_the_session(&a, &b, of_a()).await;
    what_is_opened_twice_is_one_session(&a, &b, of_a()).await;
}

#[tokio::test]
async fn a_session_that_left_has_no_owner() {
    let single = Arc::new(Registry::default());
    drop(seat(&single, 1, Some(KEY)).await);
    assert_eq!(single.owner("acme", "s1", &KEY).await, Ok(Owned::ByNobody));
    let server = TestServer::start();
    let [a, b] = [registry(&server, "a").await, registry(&server, "b").await];
    drop(seat(&a, 1, Some(KEY)).await);
    while b.owner("acme", "s1", &KEY).await != Ok(Owned::ByNobody) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_key_is_renewed_with_its_session() {
    let server = TestServer::start();
    let a = node(&server, "a").await;
    let keyed = AdmissionRequest {
        key: Some(KEY),
        ..request(1, None)
    };
    a.admit(keyed.clone(), &limits(10, 10)).await.unwrap();
    let mut forget = redis_client::cmd("DEL");
    let name = a.connection(&keyed);
    forget.arg(&name);
    a.servers.run(name.as_bytes(), &forget).await.unwrap();
    let b = node(&server, "b").await;
    a.renew_once().await;
    assert_eq!(b.owner("acme", "s1", &KEY).await, Ok(Owned::By(Instance("a~1".into()))));
}

#[tokio::test]
async fn claims_are_bounded_in_redis_too_and_all_of_it_ends() {
    let server = TestServer::start();
    let node = node(&server, "a").await;
    let fill = "for n = 1, 16384 do redis.call('SET', 'sg:{acme}:open:' .. n, 'a~1\\ns', 'PX', 60000) \
                redis.call('ZADD', 'sg:{acme}:opens', 99999999999990000 + n, n) end return redis.status_reply('OK')";
    let mut eval = redis_client::cmd("EVAL");
    eval.arg(fill).arg(0);
    node.servers.run(b"", &eval).await.unwrap();
    let acme: Arc<str> = "acme".into();
    assert_eq!(node.claim_open(&acme, &KEY, &"s1".into()).await, Ok(OpenClaim::Mine));
    assert_eq!(keys(&node, "sg:{acme}:open:*").await, 16_384);
    assert_eq!(keys(&node, "sg:{acme}:open:1").await, 0, "the oldest gives way");
    let endless = "local n = 0 for _, key in ipairs(redis.call('KEYS', '*')) do if redis.call('PTTL', key) < 0 then n = n + 1 end end \
                   return n";
    let mut eval = redis_client::cmd("EVAL");
    eval.arg(endless).arg(0);
    assert_eq!(node.servers.run(b"", &eval).await.unwrap(), Value::Int(0));
}

#[tokio::test]
async fn without_redis_it_is_not_said_that_there_is_no_owner() {
    let server = TestServer::start();
    let [a, b] = [registry(&server, "a").await, registry(&server, "b").await];
    let _seat = seat(&a, 1, Some(KEY)).await;
    drop(server);
    assert_eq!(
        a.owner("acme", "s1", &KEY).await,
        Ok(Owned::By(Here)),
        "its node goes on"
    );
    assert!(matches!(b.owner("acme", "s1", &KEY).await, Err(OwnerUnknown(_))));
    let long = "s".repeat(SESSION_BYTES + 1);
    assert_eq!(
        b.owner("acme", &long, &KEY).await,
        Ok(Owned::ByNobody),
        "no node gave it such an id"
    );
    let claim = b.claim_open(&"acme".into(), &KEY, &"s1".into()).await;
    assert!(matches!(claim, Err(OwnerUnknown(_))), "{claim:?}");
}

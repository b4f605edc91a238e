//! What a broker of one node never shows: nodes that are silent, buses that are down, calls that take too long.
//! The bus is a stand-in, the clock the test's.

mod audit;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::key::CALLS;
use super::*;
use crate::control::{Bus, ChannelEntry, NodeReport, Order, Report};
use crate::doorkeeper::Doorkeeper;
use crate::gateway::Directory;
use crate::gateway::http::call as ask_router;
use crate::gateway::state::{AcceptState, Gateway};
use crate::observe::{AuditLog, Metrics};
use backplane::memory::MemoryBackplane;
use backplane::{Reply, Unavailable};
use tenant_store::{Claims, MemoryTenantStore, PushedTenant, StoreLimits};
use tickets::{MemoryTicketStore, Tickets};

use crate::pushed::{PushProblems, PushedTenants, RulesReply, TenantRules};

const KEY: &str = "a-key-of-at-least-thirty-two-bytes";
const OTHER_KEY: &str = "another-key-of-thirty-two-bytes-or-more";

/// How a stand-in answers.
#[derive(Clone, Copy)]
enum Mood {
    /// Two nodes; the second is silent.
    OneSilent,
    /// Two nodes that have a channel each and one together.
    Two,
    /// Nobody is reached.
    Down,
    /// For ever about to.
    Stuck,
    /// After a second.
    Slow,
    /// There is no room for another ban.
    Full,
}

struct StandIn {
    mood: Mood,
    done: Arc<AtomicUsize>,
}

impl Bus for StandIn {
    fn ask(&self, order: Order) -> Reply<'_, Vec<NodeReport>> {
        let report = |node: &str, result| NodeReport {
            node: node.into(),
            result,
        };
        Box::pin(async move {
            match self.mood {
                Mood::OneSilent => Ok(vec![
                    report("a", Ok(Report::Done { affected: 2 })),
                    report("b", Err("it is silent".into())),
                ]),
                Mood::Two => {
                    assert!(matches!(order, Order::Channels { limit: 2, .. }), "{order:?}");
                    let entry = |channel: &str| ChannelEntry {
                        channel: channel.into(),
                        subscribers: 1,
                    };
                    let channels = |names: [&str; 2]| Report::Channels {
                        channels: names.map(entry).into(),
                    };
                    Ok(vec![
                        report("a", Ok(channels(["1", "2"]))),
                        report("b", Ok(channels(["2", "3"]))),
                    ])
                }
                Mood::Down => Err(Unavailable("no bus".into())),
                Mood::Full => Ok(vec![
                    report("a", Ok(Report::Done { affected: 1 })),
                    report("b", Ok(Report::BansFull { limit: 7 })),
                ]),
                Mood::Stuck => std::future::pending().await,
                Mood::Slow => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    self.done.fetch_add(1, Ordering::Relaxed);
                    Ok(vec![report("a", Ok(Report::Done { affected: 1 }))])
                }
            }
        })
    }
}

/// Rules of a node where nobody pushes anything.
struct NoRules;

impl TenantRules for NoRules {
    fn is_configured(&self, name: &str) -> bool {
        name == "acme"
    }

    fn check(self: Arc<Self>, _: String, _: String) -> RulesReply<'static, Result<Claims, PushProblems>> {
        Box::pin(async { Ok(Claims::default()) })
    }

    fn masked(&self, text: &str) -> String {
        text.to_owned()
    }

    fn install(self: Arc<Self>, _: Vec<PushedTenant>) -> RulesReply<'static, ()> {
        Box::pin(async {})
    }

    fn hindrance(&self, _: &str) -> Option<String> {
        None
    }
}

fn api(mood: Mood) -> (Router, Arc<AtomicUsize>) {
    api_with(mood, AuditLog::default())
}

fn api_with(mood: Mood, audit: AuditLog) -> (Router, Arc<AtomicUsize>) {
    let (api, done) = api_of(mood, audit);
    (router(api, &CurrentPages::default()), done)
}

fn api_of(mood: Mood, audit: AuditLog) -> (Arc<Api>, Arc<AtomicUsize>) {
    let keys = [("ops", KEY), ("other", OTHER_KEY)].map(|(name, key)| {
        let hash = Sha256::digest(key)
            .iter()
            .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        format!(
            "[[admin.keys]]\nname = \"{name}\"\nsha256 = \"{hash}\"\n\
             scopes = [\"publish\", \"read\", \"connections\", \"ban\"]\n"
        )
    });
    let text = format!("tenants = [{{ name = \"acme\" }}]\n{}", keys.concat());
    let config = config::parse(Path::new("t.toml"), &text).unwrap();
    let metrics = Metrics::new();
    let gateway = Arc::new(Gateway {
        registry: Arc::default(),
        tickets: Tickets::new(Arc::<MemoryTicketStore>::default()),
        relay: None,
        bodies: relay::PostRoom::new(crate::gateway::BODIES_BYTES),
        sessions: Arc::default(),
        proxies: ArcSwap::default(),
        doorkeeper: Doorkeeper::new(config.server.door, metrics.clone()),
        health: None,
        health_connections: 0.into(),
        directory: Directory::new(config.tenants.iter(), None),
        max_connections: 1,
        connections: 0.into(),
        header_timeout: Duration::from_secs(1),
        tls: None,
        closed: false.into(),
        accepting: watch::Sender::new(AcceptState::Now),
        arrivals: Arc::default(),
        demo: false,
        metrics,
    });
    let done = Arc::new(AtomicUsize::new(0));
    let bus = Arc::new(StandIn {
        mood,
        done: done.clone(),
    });
    let backplane = MemoryBackplane::new(Vec::new(), gateway.metrics.backplane.clone());
    let (pushed, _) = PushedTenants::new(
        Arc::new(MemoryTenantStore::new(StoreLimits::default())),
        Arc::new(NoRules),
    );
    let api = Api::new(bus, backplane, Arc::default(), pushed, gateway, audit, &config);
    (api, done)
}

fn request(method: &str, path: &str, body: Body) -> Request {
    request_with(KEY, method, path, body)
}

fn request_with(key: &str, method: &str, path: &str, body: Body) -> Request {
    Request::builder()
        .method(method)
        .uri(format!("{PREFIX}/tenants/acme{path}"))
        .header(AUTHORIZATION, format!("Bearer {key}"))
        .body(body)
        .unwrap()
}

async fn answer(router: &Router, request: Request) -> (u16, Option<String>, Value) {
    let response = ask_router(router.clone(), request).await.unwrap();
    let retry = response.headers().get("retry-after");
    let retry = retry.map(|value| value.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, retry, serde_json::from_slice(&body).unwrap())
}

fn kick() -> Request {
    request("POST", "/users/ann/disconnect", Body::empty())
}

#[tokio::test]
async fn who_did_not_answer_is_named_with_what_was_done_elsewhere() {
    let (router, _) = api(Mood::OneSilent);
    let (status, _, problem) = answer(&router, kick()).await;
    assert_eq!((status, &problem["code"]), (504, &json!("nodes_unreachable")));
    assert_eq!(problem["nodes"], json!([{ "node": "b", "error": "it is silent" }]));
    assert_eq!(problem["done"], json!([{ "node": "a", "affected": 2 }]));
    // A list with a part missing is no list.
    let (status, _, problem) = answer(&router, request("GET", "/channels", Body::empty())).await;
    assert_eq!((status, problem["nodes"].as_array().map(Vec::len)), (504, Some(2)));
}

#[tokio::test]
async fn lists_are_of_all_nodes() {
    let (router, _) = api(Mood::Two);
    let (status, _, page) = answer(&router, request("GET", "/channels?limit=2", Body::empty())).await;
    let expected = json!({
        "channels": [{ "channel": "1", "subscribers": 1 }, { "channel": "2", "subscribers": 2 }],
        "next": "2",
    });
    assert_eq!((status, page), (200, expected));
}

#[tokio::test]
async fn a_ban_that_finds_no_room_is_told_with_the_setting_that_gives_more() {
    let (router, _) = api(Mood::Full);
    for path in ["/users/ann/ban", "/addresses/192.0.2.1/ban"] {
        let ban = request("PUT", path, Body::from(r#"{"seconds":60}"#));
        let (status, _, problem) = answer(&router, ban).await;
        assert_eq!((status, &problem["code"]), (409, &json!("too_many_bans")));
        assert!(
            problem["detail"].as_str().unwrap().contains("limits.bans allows (7)"),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn a_bus_that_is_down_is_worth_another_try() {
    let (router, _) = api(Mood::Down);
    let (status, retry, problem) = answer(&router, kick()).await;
    assert_eq!((status, &problem["code"]), (503, &json!("backplane_unavailable")));
    assert_eq!(retry.as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_call_does_not_wait_for_ever_and_gives_its_place_back() {
    let (router, _) = api(Mood::Stuck);
    let stuck: Vec<_> = (0..CALLS)
        .map(|_| {
            let router = router.clone();
            tokio::spawn(async move { answer(&router, kick()).await })
        })
        .collect();
    // The others run up to where they are stuck.
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let (status, retry, problem) = answer(&router, kick()).await;
    assert_eq!((status, &problem["code"]), (503, &json!("busy")));
    assert_eq!(retry.as_deref(), Some("1"));
    // Neither another key nor nobody has anything to do with it.
    let (status, ..) = answer(
        &router,
        request_with(OTHER_KEY, "POST", "/users/ann/disconnect", Body::empty()),
    )
    .await;
    assert_eq!(status, 504, "it had a place, and this bus answers nobody");
    for call in stuck {
        let (status, _, problem) = call.await.unwrap();
        assert_eq!((status, &problem["code"]), (504, &json!("deadline")));
    }
    let (status, ..) = answer(&router, kick()).await;
    assert_eq!(status, 504, "there is room again");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let (router, _) = api(Mood::Down);
    let never = futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
    let begin = tokio::time::Instant::now();
    let (status, _, problem) = answer(&router, request("POST", "/publish", Body::from_stream(never))).await;
    assert_eq!((status, &problem["code"]), (408, &json!("slow_body")));
    assert_eq!(begin.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_was_begun_is_done_even_if_the_caller_hangs_up() {
    let (router, done) = api(Mood::Slow);
    let hung_up = tokio::time::timeout(Duration::from_millis(500), answer(&router, kick()));
    assert!(hung_up.await.is_err());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(done.load(Ordering::Relaxed), 1);
}

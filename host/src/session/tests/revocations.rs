//! Tokens that are revoked before, while and after a session connects or refreshes with them: none is missed.

use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::Semaphore;

use super::support::{Stage, begin};
use crate::session::context::Context;
use crate::session::outcome::Outcome;
use crate::shard::{Listing, Whom};
use config::Limits;
use protocol::codes;
use registry::{
    AdmissionError, AdmissionRequest, BanEntry, BanKind, BanOrder, BanSubject, Cluster, ClusterReply, NotRecorded,
    OpenClaim, OrderStamp, Owned, OwnerUnknown, Registry, SecretHash, TokenClaims,
};

/// A cluster that knows nothing, and takes its time to say so.
struct SlowCluster(Arc<Semaphore>);

impl SlowCluster {
    async fn answer(&self) -> Result<(), AdmissionError> {
        self.0.acquire().await.expect("it stays open").forget();
        Ok(())
    }
}

impl Cluster for SlowCluster {
    fn admit(&self, _: AdmissionRequest, _: &Limits) -> ClusterReply<'_, Result<(), AdmissionError>> {
        Box::pin(self.answer())
    }

    fn check_token<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        _: &'a TokenClaims,
    ) -> ClusterReply<'a, Result<(), AdmissionError>> {
        Box::pin(self.answer())
    }

    fn replace_token(&self, _: &Arc<str>, _: &TokenClaims) {}

    fn release(&self, _: &Arc<str>) {}

    fn record<'a>(&'a self, _: &'a BanOrder, _: usize) -> ClusterReply<'a, Result<Option<OrderStamp>, NotRecorded>> {
        Box::pin(async { Ok(None) })
    }

    fn bans<'a>(
        &'a self,
        _: BanKind,
        _: &'a str,
        _: Option<&'a BanEntry>,
        _: usize,
    ) -> ClusterReply<'a, Result<Vec<BanEntry>, NotRecorded>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn owner<'a>(&'a self, _: &'a str, _: &'a str, _: &'a SecretHash) -> ClusterReply<'a, Result<Owned, OwnerUnknown>> {
        Box::pin(async { Ok(Owned::ByNobody) })
    }

    fn claim_open<'a>(
        &'a self,
        _: &'a str,
        _: &'a SecretHash,
        _: &'a Arc<str>,
    ) -> ClusterReply<'a, Result<OpenClaim, OwnerUnknown>> {
        Box::pin(async { Ok(OpenClaim::Mine) })
    }

    fn announce(&self) {}

    fn hand_over(&self) {}

    fn close(&self) -> ClusterReply<'_, ()> {
        Box::pin(async {})
    }
}

fn slow_stage() -> (Stage, Arc<Semaphore>) {
    let cluster = Arc::new(Semaphore::new(0));
    let registry = Registry::of("n1", Arc::new(SlowCluster(cluster.clone())));
    (Stage::with_registry(Arc::new(registry)), cluster)
}

/// What a node does with an order: it remembers, and then the shards look for who is there. Gives how many were.
fn revoke(stage: &Stage, subject: BanSubject) -> u64 {
    let order = stage.ban(subject);
    stage
        .shard
        .cut_off_for_tests("acme", &Whom::from(&order), codes::CLOSE_NOT_AUTHENTICATED)
}

fn token(jti: &str) -> BanSubject {
    BanSubject::Token(jti.into())
}

fn tokens_of(user: &str) -> BanSubject {
    BanSubject::TokensOf(user.into())
}

/// A session in its shard's list.
fn open(stage: &Stage) -> (Rc<Context>, Listing) {
    let context = stage.context();
    let listing = stage.shard.list(&context.client, &context.caller);
    (context, listing)
}

/// Goes on until it waits.
fn go_on(outcome: &mut Outcome) -> bool {
    std::future::poll_fn(|cx| outcome.poll(cx)).now_or_never().is_some()
}

fn begin_connect(context: &Rc<Context>, token: &str) -> Outcome {
    begin(context, "connect", &format!("{{\"version\":1,\"token\":\"{token}\"}}"))
}

#[tokio::test]
async fn a_revocation_amid_a_connect_refuses_it() {
    for (subject, is_refused) in [
        (token("stolen"), true),
        (tokens_of("ann"), true),
        (token("other"), false),
        (tokens_of("bob"), false),
    ] {
        let (stage, cluster) = slow_stage();
        let (context, _listing) = open(&stage);
        let mut connect = begin_connect(&context, "ann/stolen");
        assert!(!go_on(&mut connect), "the cluster is asked");
        let found = revoke(&stage, subject.clone());
        assert_eq!(found, 0, "there is nobody yet");
        cluster.add_permits(1);
        let refused = connect.answer().await.err().map(|refusal| refusal.code);
        assert_eq!(refused, is_refused.then_some(4401), "{subject}");
        assert_eq!(context.is_connected(), !is_refused, "{subject}");
        assert_eq!(context.tenant.metrics.revoked.get(), u64::from(is_refused));
    }
}

#[tokio::test]
async fn a_revocation_amid_a_refresh_refuses_it_and_leaves_what_was() {
    for (subject, code) in [
        (token("new"), Some(4401)),
        (token("other"), None),
        (tokens_of("bob"), None),
    ] {
        let (stage, cluster) = slow_stage();
        let (context, _listing) = open(&stage);
        cluster.add_permits(1);
        begin_connect(&context, "ann/old").answer().await.unwrap();
        let mut refresh = begin(&context, "refresh", "{\"token\":\"ann/new\"}");
        assert!(!go_on(&mut refresh), "the cluster is asked");
        assert_eq!(revoke(&stage, subject.clone()), 0, "the new token has no session yet");
        cluster.add_permits(1);
        let refused = refresh.answer().await.err().map(|refusal| refusal.code);
        assert_eq!(refused, code, "{subject}");
        // The session is found by the token that it has now.
        let (has, has_not) = if code.is_some() { ("old", "new") } else { ("new", "old") };
        assert_eq!(revoke(&stage, token(has_not)), 0, "{subject}");
        assert_eq!(revoke(&stage, token(has)), 1, "{subject}");
    }
}

#[tokio::test]
async fn sessions_are_found_by_what_was_accepted() {
    let stage = Stage::new("");
    let sessions: Vec<_> = (0..5).map(|_| open(&stage)).collect();
    for (token, (context, _)) in ["ann/a", "ann/b", "bob/a", "bob", "ann/c"].iter().zip(&sessions) {
        begin_connect(context, token).answer().await.unwrap();
    }
    assert_eq!(revoke(&stage, token("nobody")), 0);
    assert_eq!(revoke(&stage, token("a")), 2);
    assert_eq!(revoke(&stage, token("a")), 0, "they are gone");
    assert_eq!(revoke(&stage, tokens_of("ann")), 2);
    assert_eq!(revoke(&stage, tokens_of("bob")), 1);
    assert_eq!(sessions[0].0.tenant.metrics.ended_by_revocation.get(), 5);
    for (user, code) in [
        ("ann/b", Some(4401)),
        ("bob", Some(4401)),
        ("eve/a", Some(4401)),
        ("eve/b", None),
    ] {
        let refused = begin_connect(&stage.context(), user).answer().await.err();
        assert_eq!(refused.map(|refusal| refusal.code), code, "{user}");
    }
}

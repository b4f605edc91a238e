//! The registry of one node, and what it does with a cluster's answers about bans.

use std::net::{IpAddr, Ipv4Addr};

use super::*;

const REMOTE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn request(tenant: &str, user: Option<&str>) -> AdmissionRequest {
    AdmissionRequest {
        tenant: tenant.into(),
        user: user.map(Arc::from),
        token: TokenClaims::default(),
        remote: REMOTE,
        session: "s".into(),
        transport: "websocket",
        key: None,
    }
}

#[tokio::test]
async fn holds_tenants_and_users_to_their_limits() {
    let registry = Arc::new(Registry::default());
    let limits = Limits {
        connections: 3,
        connections_per_user: 2,
        ..Limits::default()
    };
    let admit = |tenant, user| registry.admit(request(tenant, user), &limits);
    let first = admit("acme", Some("ann")).await.unwrap();
    let _second = admit("acme", Some("ann")).await.unwrap();
    let over = admit("acme", Some("ann")).await.err();
    assert_eq!(over, Some(AdmissionError::Limit(LimitReached::User)));
    let _third = admit("acme", None).await.unwrap();
    let over = admit("acme", None).await.err();
    assert_eq!(over, Some(AdmissionError::Limit(LimitReached::Tenant)));
    assert!(admit("other", Some("ann")).await.is_ok(), "tenants do not share");
    drop(first);
    assert!(admit("acme", Some("ann")).await.is_ok());
}

#[tokio::test]
async fn forgets_whom_nobody_needs() {
    let registry = Arc::new(Registry::default());
    let seat = registry.admit(request("acme", Some("ann")), &Limits::default()).await;
    drop(seat);
    assert!(registry.tenants.lock().is_empty());
}

#[tokio::test]
async fn who_is_banned_gets_no_place_until_the_ban_is_lifted() {
    for banned in [Some("ann"), None] {
        let registry = Arc::new(Registry::default());
        let subject = request("acme", banned).subject();
        registry
            .ban(&"acme".into(), subject.clone(), Duration::from_mins(1))
            .1
            .unwrap();
        let limits = Limits::default();
        for (tenant, user) in [
            ("acme", Some("ann")),
            ("acme", Some("bob")),
            ("acme", None),
            ("other", banned),
        ] {
            let refused = registry.admit(request(tenant, user), &limits).await.err();
            let is_refused = matches!(refused, Some(AdmissionError::Banned(left)) if left > Duration::from_secs(50));
            assert_eq!(is_refused, (tenant, user) == ("acme", banned), "{user:?} of {tenant}");
        }
        let listed = registry.bans(BanKind::Bans, "acme", None, 10).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].by, &listed[0].subject), (BannedBy::Plugin, &subject));
        let mut lift = order(&registry, BanChange::Lift);
        lift.subject = subject;
        assert_eq!(registry.apply(&lift), Ok(true));
        assert!(registry.admit(request("acme", banned), &limits).await.is_ok());
        assert_eq!(registry.bans(BanKind::Bans, "acme", None, 10).await, Ok(Vec::new()));
    }
}

fn order(registry: &Registry, change: BanChange) -> BanOrder {
    BanOrder {
        tenant: "acme".into(),
        subject: BanSubject::User("ann".into()),
        stamp: registry.stamp(),
        change,
        given: Instant::now(),
    }
}

/// A cluster that knows of one order about every user.
struct Recorded(Mutex<OrderStamp>);

impl Cluster for Recorded {
    fn admit(&self, _: AdmissionRequest, _: &Limits) -> ClusterReply<'_, Result<(), AdmissionError>> {
        Box::pin(async { Ok(()) })
    }

    fn check_token<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        _: &'a TokenClaims,
    ) -> ClusterReply<'a, Result<(), AdmissionError>> {
        Box::pin(async { Ok(()) })
    }

    fn replace_token(&self, _: &Arc<str>, _: &TokenClaims) {}

    fn release(&self, _: &Arc<str>) {}

    fn bans<'a>(
        &'a self,
        _: BanKind,
        _: &'a str,
        _: Option<&'a BanEntry>,
        _: usize,
    ) -> ClusterReply<'a, Result<Vec<BanEntry>, NotRecorded>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn record<'a>(
        &'a self,
        order: &'a BanOrder,
        _: usize,
    ) -> ClusterReply<'a, Result<Option<OrderStamp>, NotRecorded>> {
        Box::pin(async {
            let mut newest = self.0.lock();
            if order.stamp < *newest {
                return Ok(Some(newest.clone()));
            }
            *newest = order.stamp.clone();
            Ok(None)
        })
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

#[tokio::test]
async fn a_fresh_order_wins_over_one_of_a_clock_that_is_ahead_and_a_late_one_does_not() {
    let ahead = OrderStamp {
        time_ms: now_ms() + 3_600_000,
        sequence: 0,
        instance: "ahead".into(),
    };
    for (age, wins) in [(Duration::ZERO, true), (Duration::from_secs(30), false)] {
        let recorded = Arc::new(Recorded(Mutex::new(ahead.clone())));
        let registry = Registry::of("here", recorded.clone());
        let mut lift = order(&registry, BanChange::Lift);
        lift.given -= age;
        registry.record(&mut lift).await.unwrap();
        assert_eq!(*recorded.0.lock() == lift.stamp, wins, "an order of {age:?} ago");
        assert!(registry.stamp() > ahead, "what is ordered next is later in any case");
    }
}

fn token(jti: &str, issued_ms: Option<u64>) -> TokenClaims {
    TokenClaims {
        jti: Some(jti.into()),
        issued_ms,
    }
}

#[tokio::test]
async fn a_revoked_token_gets_no_place_and_others_do() {
    let registry = Arc::new(Registry::default());
    let revoke = |subject| {
        let mut revocation = order(&registry, BanChange::Replace(Duration::from_mins(1)));
        revocation.subject = subject;
        registry.apply(&revocation).unwrap();
        revocation
    };
    revoke(BanSubject::Token("stolen".into()));
    let moment = revoke(BanSubject::TokensOf("ann".into())).stamp.time_ms;
    let cases = [
        ("acme", "bob", token("stolen", Some(moment)), true),
        ("acme", "bob", token("kept", None), false),
        ("other", "bob", token("stolen", None), false),
        ("acme", "ann", token("kept", Some(moment - 1)), true),
        ("acme", "ann", token("kept", Some(moment)), false),
        ("acme", "ann", token("kept", None), true),
        ("acme", "ann", TokenClaims::default(), true),
        ("acme", "ann", token("stolen", Some(moment)), true),
        ("other", "ann", TokenClaims::default(), false),
    ];
    for (tenant, user, token, is_revoked) in cases {
        let request = AdmissionRequest {
            token: token.clone(),
            ..request(tenant, Some(user))
        };
        let refused = registry.admit(request, &Limits::default()).await.err();
        let expected = is_revoked.then_some(AdmissionError::Revoked);
        assert_eq!(refused, expected, "{user} of {tenant} with {token:?}");
        let everywhere = registry
            .check_token_everywhere(tenant, Some(&user.into()), &token)
            .await;
        assert_eq!(everywhere.err(), expected, "{user} of {tenant} with {token:?}");
    }
    let no_user = registry.check_token("acme", None, &TokenClaims::default());
    assert_eq!(no_user, Ok(()), "who has no user is revoked by the token alone");
    assert!(registry.bans(BanKind::Bans, "acme", None, 10).await.unwrap().is_empty());
    let listed = registry.bans(BanKind::Revocations, "acme", None, 10).await.unwrap();
    assert_eq!(listed.len(), 2);
    let mut lift = order(&registry, BanChange::Lift);
    lift.subject = BanSubject::Token("stolen".into());
    assert_eq!(registry.apply(&lift), Ok(true));
    assert_eq!(registry.check_token("acme", None, &token("stolen", None)), Ok(()));
}

#[tokio::test]
async fn bans_and_revocations_have_a_limit_each() {
    let registry = Registry::default();
    let limits = Limits {
        bans: 2,
        revocations: 3,
        ..Limits::default()
    };
    registry.limit_bans([("acme".into(), &limits)].into_iter());
    let give = |subject| {
        let mut given = order(&registry, BanChange::Replace(Duration::from_mins(1)));
        given.subject = subject;
        registry.apply(&given).map_err(|full| full.to_string())
    };
    for n in 0..3 {
        give(BanSubject::Token(format!("t{n}").into())).unwrap();
    }
    for n in 0..2 {
        give(BanSubject::User(format!("u{n}").into())).unwrap();
    }
    for (subject, setting) in [
        (BanSubject::TokensOf("ann".into()), "limits.revocations allows (3)"),
        (BanSubject::User("ann".into()), "limits.bans allows (2)"),
    ] {
        let full = give(subject).unwrap_err();
        assert!(full.contains(setting), "{full}");
    }
}

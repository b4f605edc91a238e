//! Revoked tokens, as every node finds them in Redis.

use super::*;
use crate::Registry;

#[tokio::test]
async fn a_token_that_is_revoked_is_refused_by_a_node_that_never_heard_of_it() {
    let server = TestServer::start();
    let (told, other) = (node(&server, "a").await, node(&server, "b").await);
    let registry = Registry::of("a", told.clone());
    let revoke = async |subject: BanSubject, change| {
        let mut revocation = BanOrder {
            tenant: "acme".into(),
            subject,
            stamp: registry.stamp(),
            change,
            given: Instant::now(),
        };
        registry.record(&mut revocation).await.unwrap();
        revocation.stamp.time_ms
    };
    let minute = BanChange::Replace(Duration::from_mins(1));
    revoke(BanSubject::Token("stolen".into()), minute).await;
    let moment = revoke(BanSubject::TokensOf("ann".into()), minute).await;
    let token = |jti: Option<&str>, issued_ms| TokenClaims {
        jti: jti.map(Arc::from),
        issued_ms,
    };
    let cases = [
        (Some("bob"), token(Some("stolen"), Some(moment)), true),
        (None, token(Some("stolen"), None), true),
        (Some("bob"), token(Some("kept"), None), false),
        (None, TokenClaims::default(), false),
        (Some("ann"), token(None, Some(moment - 1)), true),
        (Some("ann"), token(None, Some(moment)), false),
        (Some("ann"), TokenClaims::default(), true),
    ];
    for (n, (user, token, is_revoked)) in cases.into_iter().enumerate() {
        let expected = if is_revoked {
            Err(AdmissionError::Revoked)
        } else {
            Ok(())
        };
        let checked = other.check_token("acme", user, &token).await;
        assert_eq!(checked, expected, "{user:?} with {token:?}");
        let request = AdmissionRequest {
            token: token.clone(),
            ..request(n, user)
        };
        let admitted = other.admit(request, &Limits::default()).await;
        assert_eq!(admitted, expected, "{user:?} with {token:?}");
    }
    assert!(other.bans(BanKind::Bans, "acme", None, 10).await.unwrap().is_empty());
    assert_eq!(
        other.bans(BanKind::Revocations, "acme", None, 10).await.unwrap().len(),
        2
    );
    revoke(BanSubject::Token("stolen".into()), BanChange::Lift).await;
    let checked = other.check_token("acme", None, &token(Some("stolen"), None)).await;
    assert_eq!(checked, Ok(()));
}

#[tokio::test]
async fn a_node_that_was_away_hears_of_a_revocation_when_it_renews() {
    let server = TestServer::start();
    let registry = Registry::of("a", node(&server, "a").await);
    let (away, mut missed) = start(&server, "b", Arc::new(Unknown)).await;
    let issued = now_ms();
    let token = |jti: &str| TokenClaims {
        jti: Some(jti.into()),
        issued_ms: Some(issued),
    };
    let sessions = ["ann", "bob", "eve", "carl"].map(|user| AdmissionRequest {
        token: token(user),
        session: user.into(),
        ..request(0, Some(user))
    });
    for request in &sessions {
        away.admit(request.clone(), &Limits::default()).await.unwrap();
    }
    let mut ordered = Vec::new();
    for subject in [
        BanSubject::Token("ann".into()),
        BanSubject::TokensOf("bob".into()),
        BanSubject::Token("eve".into()),
    ] {
        let mut order = BanOrder {
            tenant: "acme".into(),
            subject,
            // By a clock that is later than the tokens.
            stamp: OrderStamp {
                time_ms: issued + 1_000,
                ..registry.stamp()
            },
            change: BanChange::Replace(Duration::from_mins(1)),
            given: Instant::now(),
        };
        registry.record(&mut order).await.unwrap();
        ordered.push((order.subject, order.stamp));
    }
    // This one goes on by another token.
    away.replace_token(&"eve".into(), &token("new"));
    ordered.pop();
    away.renew_once().await;
    let mut heard = Vec::new();
    while let Ok(order) = missed.try_recv() {
        assert!(order.left(Instant::now()) > Duration::from_secs(50), "{order:?}");
        // A round of the node's own may have heard the same.
        let order = (order.subject, order.stamp);
        if !heard.contains(&order) {
            heard.push(order);
        }
    }
    assert_eq!(heard, ordered);
}

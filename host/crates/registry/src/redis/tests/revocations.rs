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

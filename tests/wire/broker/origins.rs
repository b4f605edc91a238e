//! Browsers: which pages may connect, and whose cookie is a token.

use crate::support::{Broker, token};

async fn broker() -> Broker {
    Broker::start(&format!(
        r#"
        [plugins.authorize]
        file = "plugins/authorize.wasm"

        [[tenants]]
        name = "some"
        token_cookie = "sluice_token"
        allowed_origins = ["https://acme.example", "http://localhost:3000"]
        chain = [{{ plugin = "authorize", deadline_ms = 200, config = {{ keys = [{{ alg = "HS256", secret = "{}" }}] }} }}]

        [[tenants]]
        name = "all"
        anonymous = true
        allowed_origins = ["*"]
        "#,
        token::SECRET
    ))
    .await
}

#[tokio::test]
async fn an_origin_that_is_not_allowed_is_refused_with_403() {
    let broker = broker().await;
    for origin in [
        "https://evil.example",
        "http://acme.example",
        "https://acme.example:8443",
        "https://acme.example.evil.example",
        "https://evilacme.example",
        "null",
    ] {
        let dial = broker.dial("ann").tenant("some").header("Origin", origin);
        assert_eq!(dial.refused().await.status, 403, "{origin}");
    }
}

#[tokio::test]
async fn allowed_origins_and_requests_without_one_pass() {
    let broker = broker().await;
    let token = token::of("ann");
    for origin in ["https://acme.example", "http://localhost:3000"] {
        let dial = broker.dial("ann").tenant("some").token(&token).header("Origin", origin);
        dial.connect().await.close().await;
    }
    broker.dial("ann").tenant("some").token(&token).connect().await;
    broker
        .dial("ann")
        .tenant("all")
        .header("Origin", "https://any.example")
        .connect()
        .await;
}

#[tokio::test]
async fn a_cookie_is_a_token_only_with_an_allowed_origin() {
    let broker = broker().await;
    let cookie = format!("theme=dark; sluice_token={}; x=y", token::of("ann-by-cookie"));
    let dial = || broker.dial("ann").tenant("some").header("Cookie", &cookie);
    let ann = dial().header("Origin", "https://acme.example").connect().await;
    assert_eq!(ann.welcome["user"], "ann-by-cookie");

    assert_eq!(
        dial().header("Origin", "https://evil.example").refused().await.status,
        403
    );
    // Every browser page sends an origin, so this is a form of another site or a program. Its cookie does not count.
    let (_, mut refused) = dial().connect_refused(4401).await;
    refused.expect_close(4502).await;
}

#[tokio::test]
async fn a_token_is_found_among_the_cookies_however_they_come() {
    let broker = broker().await;
    let good = token::of("ann-by-cookie");
    for cookies in [
        vec!["theme=dark".to_owned(), format!("sluice_token={good}")],
        vec![format!("sluice_token=\"{good}\"")],
        vec![format!("sluice_token={good}\t ; theme=dark")],
        vec![format!("sluice_token=; sluice_token=\"\"; sluice_token={good}")],
        vec![format!("name=J\u{fc}rgen; sluice_token={good}")],
    ] {
        let mut dial = broker
            .dial("ann")
            .tenant("some")
            .header("Origin", "https://acme.example");
        for cookie in &cookies {
            dial = dial.header("Cookie", cookie);
        }
        assert_eq!(dial.connect().await.welcome["user"], "ann-by-cookie", "{cookies:?}");
    }
}

#[tokio::test]
async fn only_the_named_cookie_is_a_token() {
    let broker = broker().await;
    let cookie = format!("other={}", token::of("ann-by-other-cookie"));
    let dial = broker.dial("ann").tenant("some").header("Cookie", &cookie);
    dial.header("Origin", "https://acme.example")
        .connect_refused(4401)
        .await;
}

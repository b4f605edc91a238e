//! Tokens: which are accepted, and how the others are refused.

use crate::support::{Broker, Value, json, token};

const KID_SECRET: &str = "the-secret-of-the-key-with-an-id-0815";

/// A tenant per kind of key; `anonymous` has no chain at all.
async fn broker() -> Broker {
    Broker::start(&format!(
        r#"
        [plugins.authorize]
        file = "plugins/authorize.wasm"

        [[tenants]]
        name = "anonymous"
        anonymous = true

        [[tenants]]
        name = "hs"
        chain = [{{ plugin = "authorize", deadline_ms = 200, config = {{ leeway_seconds = 0, keys = [{{ alg = "HS256", secret = "{secret}" }}] }} }}]

        [[tenants]]
        name = "kid"
        chain = [{{ plugin = "authorize", deadline_ms = 200, config = {{ keys = [{{ alg = "HS256", secret = "{KID_SECRET}", kid = "k1" }}] }} }}]

        [[tenants]]
        name = "strict"
        chain = [{{ plugin = "authorize", deadline_ms = 200, config = {{ issuer = "https://issuer.example", audience = "sluice", keys = [{{ alg = "HS256", secret = "{secret}" }}] }} }}]

        [[tenants]]
        name = "rs"
        chain = [{{ plugin = "authorize", deadline_ms = 2000, config = {{ keys = [{{ alg = "RS256", public_pem = """{rs}""" }}] }} }}]

        [[tenants]]
        name = "es"
        chain = [{{ plugin = "authorize", deadline_ms = 2000, config = {{ keys = [{{ alg = "ES256", public_pem = """{es}""" }}] }} }}]

        [[tenants]]
        name = "ed"
        chain = [{{ plugin = "authorize", deadline_ms = 2000, config = {{ keys = [{{ alg = "EdDSA", public_pem = """{ed}""" }}] }} }}]
        "#,
        secret = token::SECRET,
        rs = token::rs256_public_pem(),
        es = token::es256_public_pem(),
        ed = token::eddsa_public_pem(),
    ))
    .await
}

fn claims() -> Value {
    json!({ "sub": "ann", "exp": token::seconds(3600) })
}

async fn accepted(broker: &Broker, tenant: &str, token: &str) {
    let mut ann = broker.dial("ann").tenant(tenant).token(token).connect().await;
    assert_eq!(ann.welcome["user"], "ann", "{}", ann.welcome);
    ann.still_works().await;
}

/// Refused with this error, then closed with 4502; the next connection with a good token is accepted.
async fn refused(broker: &Broker, tenant: &str, token: &str, code: u16) {
    let (error, mut ann) = broker
        .dial("ann")
        .tenant(tenant)
        .token(token)
        .connect_refused(code)
        .await;
    assert!(!error.to_string().contains(token), "the token is not told back");
    ann.expect_close(4502).await.expect_end().await;
}

#[tokio::test]
async fn a_good_token_of_each_algorithm_is_accepted() {
    let broker = broker().await;
    accepted(&broker, "hs", &token::with(&claims())).await;
    accepted(&broker, "rs", &token::rs256(&claims())).await;
    accepted(&broker, "es", &token::es256(&claims())).await;
    accepted(&broker, "ed", &token::eddsa(&claims())).await;
}

#[tokio::test]
async fn an_anonymous_tenant_needs_no_token() {
    let broker = broker().await;
    let ann = broker.dial("ann").tenant("anonymous").connect().await;
    assert_eq!(ann.welcome.get("user"), None);
}

#[tokio::test]
async fn a_missing_token_is_refused() {
    let broker = broker().await;
    let (_, mut ann) = broker.dial("ann").tenant("hs").connect_refused(4401).await;
    ann.expect_close(4502).await;
}

#[tokio::test]
async fn garbage_is_refused() {
    let broker = broker().await;
    let good = token::with(&claims());
    let (text, signature) = good.rsplit_once('.').unwrap();
    let (header, body) = text.split_once('.').unwrap();
    let long = "x".repeat(30_000);
    for garbage in [
        "x",
        "a.b",
        "a.b.c",
        "...",
        "👋.👋.👋",
        text,
        &format!("{good}."),
        &format!("{good}.{signature}"),
        &format!("{header}..{signature}"),
        &format!(".{body}.{signature}"),
        &format!("{header} .{body}.{signature}"),
        &long,
    ] {
        refused(&broker, "hs", garbage, 4401).await;
    }
    accepted(&broker, "hs", &good).await;
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let broker = broker().await;
    let expired = token::with(&json!({ "sub": "ann", "exp": token::seconds(-10) }));
    refused(&broker, "hs", &expired, 4410).await;
    let long_ago = token::with(&json!({ "sub": "ann", "exp": 1 }));
    refused(&broker, "hs", &long_ago, 4410).await;
}

#[tokio::test]
async fn the_leeway_is_for_clocks_that_differ() {
    let broker = broker().await;
    let just_expired = |key: &[u8]| {
        let header = json!({ "alg": "HS256", "kid": "k1" });
        token::hs256(key, &header, &json!({ "sub": "ann", "exp": token::seconds(-10) }))
    };
    accepted(&broker, "kid", &just_expired(KID_SECRET.as_bytes())).await;
    refused(&broker, "hs", &just_expired(token::SECRET.as_bytes()), 4410).await;
}

#[tokio::test]
async fn a_token_that_is_not_valid_yet_is_refused() {
    let broker = broker().await;
    let early = json!({ "sub": "ann", "exp": token::seconds(3600), "nbf": token::seconds(1800) });
    refused(&broker, "hs", &token::with(&early), 4401).await;
}

#[tokio::test]
async fn a_forged_signature_is_refused() {
    let broker = broker().await;
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    refused(
        &broker,
        "hs",
        &token::hs256(b"another secret", &header, &claims()),
        4401,
    )
    .await;
    let mine = token::with(&claims());
    let others = token::with(&json!({ "sub": "root", "exp": token::seconds(3600) }));
    let (text, _) = others.rsplit_once('.').unwrap();
    let (_, signature) = mine.rsplit_once('.').unwrap();
    refused(&broker, "hs", &format!("{text}.{signature}"), 4401).await;
    for (tenant, token) in [
        ("rs", token::rs256(&claims())),
        ("es", token::es256(&claims())),
        ("ed", token::eddsa(&claims())),
    ] {
        let (_, signature) = token.rsplit_once('.').unwrap();
        let (header, _) = token.split_once('.').unwrap();
        let (_, body) = text.split_once('.').unwrap();
        refused(&broker, tenant, &format!("{header}.{body}.{signature}"), 4401).await;
    }
}

#[tokio::test]
async fn alg_none_is_refused() {
    let broker = broker().await;
    for tenant in ["hs", "rs", "es", "ed"] {
        refused(&broker, tenant, &token::unsigned(&claims()), 4401).await;
    }
    // The same with a signature, and with spellings of `none` that lenient parsers accept.
    for alg in ["none", "None", "NONE", ""] {
        let token = token::hs256(token::SECRET.as_bytes(), &json!({ "alg": alg }), &claims());
        refused(&broker, "hs", &token, 4401).await;
    }
}

#[tokio::test]
async fn key_confusion_is_refused() {
    let broker = broker().await;
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    for (tenant, pem) in [
        ("rs", token::rs256_public_pem()),
        ("es", token::es256_public_pem()),
        ("ed", token::eddsa_public_pem()),
    ] {
        for secret in [pem.as_str(), pem.trim_end(), &format!("{pem}\n")] {
            let confused = token::hs256(secret.as_bytes(), &header, &claims());
            refused(&broker, tenant, &confused, 4401).await;
        }
    }
}

#[tokio::test]
async fn another_algorithm_than_the_keys_own_is_refused() {
    let broker = broker().await;
    for alg in ["HS384", "HS512", "RS256", "ES256", "EdDSA", "PS256", "hs256"] {
        let token = token::hs256(token::SECRET.as_bytes(), &json!({ "alg": alg }), &claims());
        refused(&broker, "hs", &token, 4401).await;
    }
    refused(&broker, "es", &token::rs256(&claims()), 4401).await;
    refused(&broker, "rs", &token::eddsa(&claims()), 4401).await;
}

#[tokio::test]
async fn issuer_and_audience_must_be_right_where_the_tenant_says_so() {
    let broker = broker().await;
    let with = |issuer: Value, audience: Value| {
        let claims = json!({ "sub": "ann", "exp": token::seconds(3600), "iss": issuer, "aud": audience });
        token::with(&claims)
    };
    let right = json!("https://issuer.example");
    accepted(&broker, "strict", &with(right.clone(), json!("sluice"))).await;
    accepted(&broker, "strict", &with(right.clone(), json!(["other", "sluice"]))).await;
    for (issuer, audience) in [
        (json!("https://other.example"), json!("sluice")),
        (right.clone(), json!("other")),
        (right.clone(), json!([])),
        (right.clone(), json!(null)),
        (json!(null), json!("sluice")),
        (json!(["https://issuer.example", "x"]), json!("x")),
    ] {
        refused(&broker, "strict", &with(issuer, audience), 4401).await;
    }
    refused(&broker, "strict", &token::with(&claims()), 4401).await;
}

#[tokio::test]
async fn an_unknown_key_id_is_refused() {
    let broker = broker().await;
    let with_kid = |kid: &str| token::hs256(KID_SECRET.as_bytes(), &json!({ "alg": "HS256", "kid": kid }), &claims());
    accepted(&broker, "kid", &with_kid("k1")).await;
    refused(&broker, "kid", &with_kid("k2"), 4401).await;
}

#[tokio::test]
async fn claims_of_the_wrong_kind_are_refused() {
    let broker = broker().await;
    for claims in [
        json!({ "sub": 7, "exp": token::seconds(3600) }),
        json!({ "sub": "ann", "exp": "tomorrow" }),
        json!({ "sub": "", "exp": token::seconds(3600) }),
        json!({ "sub": "x".repeat(256), "exp": token::seconds(3600) }),
        json!([]),
        json!("ann"),
    ] {
        refused(&broker, "hs", &token::with(&claims), 4401).await;
    }
}

#[tokio::test]
async fn white_space_around_a_token_is_not_part_of_it() {
    let broker = broker().await;
    let good = token::with(&claims());
    for token in [format!("{good}\n"), format!("{good}\r\n"), format!(" {good}")] {
        accepted(&broker, "hs", &token).await;
    }
}

#[tokio::test]
async fn a_refusal_names_the_claim() {
    let broker = broker().await;
    for (claims, message) in [
        (
            json!({ "sub": "ann", "exp": "tomorrow" }),
            "exp is not a number of seconds since 1970, but text",
        ),
        (
            json!({ "sub": "ann", "exp": token::seconds(3600), "aud": ["a", 7] }),
            "aud[1] is not a string, but 7",
        ),
    ] {
        let ann = broker.dial("ann").tenant("hs").token(&token::with(&claims));
        let (error, _) = ann.connect_refused(4401).await;
        assert_eq!(error["message"], message, "{error}");
    }
}

#[tokio::test]
async fn a_token_of_another_tenant_is_refused() {
    let broker = broker().await;
    refused(&broker, "kid", &token::with(&claims()), 4401).await;
    refused(&broker, "es", &token::with(&claims()), 4401).await;
}

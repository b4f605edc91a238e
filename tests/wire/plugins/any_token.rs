//! What a client brings to `authorize` is answered to that client: it is never a fault, which would keep others out.

use crate::support::{Broker, json, token};

/// A tenant whose keys are a set of RSA keys, one with a shared secret. A verification inside of the guest takes some 2 ms a
/// key: all keys of the set would run past the deadline.
async fn broker() -> Broker {
    Broker::start(&format!(
        r#"
        [plugins.authorize]
        file = "plugins/authorize.wasm"

        [[tenants]]
        name = "rs"
        chain = [{{ plugin = "authorize", deadline_ms = 20, config = {{ keys = [{{ jwks = '{set}' }}] }} }}]

        [[tenants]]
        name = "hs"
        chain = [{{ plugin = "authorize", deadline_ms = 200, config = {{ require_exp = false, keys = [{{ alg = "HS256", secret = "{secret}" }}] }} }}]
        "#,
        set = token::rs256_jwks(24),
        secret = token::SECRET,
    ))
    .await
}

async fn refused(broker: &Broker, tenant: &str, token: &str) {
    let dial = broker.dial("eve").tenant(tenant).token(token);
    let (error, mut eve) = dial.connect_refused(4401).await;
    assert_eq!(error["plugin"], "authorize", "{error}");
    eve.expect_close(4502).await.expect_end().await;
}

async fn accepted(broker: &Broker, tenant: &str, token: &str) {
    let mut ann = broker.dial("ann").tenant(tenant).token(token).connect().await;
    assert_eq!(ann.welcome["user"], "ann", "{}", ann.welcome);
    ann.still_works().await;
}

async fn nothing_faulted(broker: &Broker) {
    let faults = broker.metrics().await.sum("sluicegate_plugin_faults_total", &[]);
    assert!(faults.is_none_or(|faults| faults == 0.0), "{faults:?} faults");
}

#[tokio::test]
async fn forged_tokens_without_a_key_id_keep_nobody_out() {
    let broker = broker().await;
    let claims = json!({ "sub": "ann", "exp": token::seconds(3600) });
    let forged = token::forged(&json!({ "alg": "RS256" }), &claims);
    let good = token::rs256_with(&json!({ "alg": "RS256", "kid": "ours" }), &claims);
    for _ in 0..20 {
        refused(&broker, "rs", &forged).await;
        accepted(&broker, "rs", &good).await;
    }
    nothing_faulted(&broker).await;
}

#[tokio::test]
async fn a_signed_token_of_any_kind_is_an_answer_to_its_client() {
    let broker = broker().await;
    let nested = format!(r#"{{"sub":"ann","x":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let long = format!(r#"{{"sub":"ann","x":"{}"}}"#, "x".repeat(17_000));
    let longest = format!(r#"{{"sub":"ann","x":"{}"}}"#, "x".repeat(40_000));
    for claims in [
        br#"{"sub":"ann","x":"\ud800"}"#.as_slice(),
        br#"{"sub":"ann","x":["\udc00\ud800"]}"#,
        br#"{"sub":"ann","\udead":1}"#,
        br#"{"sub":"ann","x":1e400}"#,
        br#"{"sub":"ann","exp":1e400}"#,
        nested.as_bytes(),
        br#"{"sub":"a\nb"}"#,
        br#"{"sub":"\u0000"}"#,
        br#"{"sub":"\u009f"}"#,
        b"{\"sub\":\"a\x7fb\"}",
        b"{\"sub\":\"a\nb\"}",
        b"\x0c{\"sub\":\"ann\"}",
        b"\xff\xfe\x00",
        br#"{"sub":"ann","sub":"ann"}"#,
        br#"{"sub":"ann","exp":"1"}"#,
        long.as_bytes(),
        longest.as_bytes(),
    ] {
        refused(&broker, "hs", &token::with_text(claims)).await;
    }
    for token in [
        "\0",
        "\u{202e}.\u{7f}.\n",
        "\u{10ffff}",
        &"a.".repeat(20_000),
        &".".repeat(60_000),
    ] {
        refused(&broker, "hs", token).await;
    }
    accepted(&broker, "hs", &token::of("ann")).await;
    nothing_faulted(&broker).await;
}

#[tokio::test]
async fn what_else_a_client_chooses_is_no_fault_either() {
    let broker = broker().await;
    let dial = || broker.dial("ann").tenant("hs").token(&token::of("ann"));
    for data in [
        json!("\u{0}\u{85}\u{202e}"),
        json!("x".repeat(50_000)),
        json!(1e308),
        json!([[[[]]]]),
    ] {
        dial().with("data", data).connect().await.still_works().await;
    }
    dial()
        .header("x-odd", "a\tb\"\\ %00")
        .connect()
        .await
        .still_works()
        .await;
    // Names as a user may have them, which fill the patterns of rules and stand in what others see.
    for sub in ["*", "a:b", "{user}", "\u{202e}ann", "\u{fffd}", "a b", &"é".repeat(127)] {
        let token = token::with(&json!({ "sub": sub }));
        let mut eve = broker.dial("eve").tenant("hs").token(&token).connect().await;
        assert_eq!(eve.welcome["user"], sub);
        eve.fails("subscribe", json!({ "channel": "c" }), 4403).await;
        eve.fails("publish", json!({ "channel": "c", "data": 1 }), 4403).await;
    }
    nothing_faulted(&broker).await;
}

#[tokio::test]
async fn a_refresh_with_any_token_is_answered_and_the_session_stays() {
    let broker = broker().await;
    let mut ann = broker.dial("ann").tenant("hs").token(&token::of("ann")).connect().await;
    for claims in [
        br#"{"sub":"ann","x":"\ud800"}"#.as_slice(),
        br#"{"sub":"ann","x":1e400}"#,
        br#"{"sub":"ann\u0000"}"#,
    ] {
        ann.fails("refresh", json!({ "token": token::with_text(claims) }), 4401)
            .await;
    }
    ann.ask("refresh", json!({ "token": token::of("ann") })).await;
    ann.still_works().await;
    nothing_faulted(&broker).await;
}

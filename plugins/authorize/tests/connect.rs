//! Tokens at the door, the bad ones first: every way in that is not a good token of a configured key.

mod support;

use serde_json::{Value, json};
use sluicegate_plugin::{
    ConnectVerdict,
    testing::{Handshake, Host, START_MS, Session},
};
use support::{EC, ED, NOW, RSA, RSA_PSS, SECRET, accepted, hs256, refused, sign, start};

use authorize::Authorize;

fn host() -> Host<Authorize> {
    start(json!({"keys": [{"alg": "HS256", "secret": SECRET}]}))
}

#[test]
fn text_that_is_no_token_is_refused() {
    let mut host = host();
    let good = hs256(&json!({"sub": "ann", "exp": NOW + 60}));
    let cut = &good[..good.len() - 1];
    let long = format!("{good}{}", "A".repeat(40_000));
    for token in [
        "",
        ".",
        "..",
        "a.b.c",
        "....",
        "é.é.é",
        "e30.e30.",
        cut,
        &format!("{good}."),
        &long,
    ] {
        assert_eq!(refused(&mut host, token), (4401, "invalid_token".into()), "{token}");
    }
}

#[test]
fn a_token_that_is_too_long_is_not_even_decoded() {
    let claims = json!({"sub": "ann", "exp": NOW + 60});
    let padded = |bytes: usize| json!({"alg": "HS256", "padding": "x".repeat(bytes)});
    let token = |bytes| support::hs256_with(SECRET.as_bytes(), &padded(bytes), &claims);
    accepted(&mut host(), &token(1_000));
    assert_eq!(refused(&mut host(), &token(30_000)).0, 4401);
}

#[test]
fn a_good_signature_under_another_algorithms_name_is_refused() {
    let claims = json!({"sub": "ann", "exp": NOW + 60});
    for alg in ["none", "HS512", "RS256", "hs256"] {
        let token = support::hs256_with(SECRET.as_bytes(), &json!({"alg": alg}), &claims);
        assert_eq!(refused(&mut host(), &token).0, 4401, "{alg}");
    }
}

#[test]
fn no_token_is_left_to_others() {
    let verdict = host().connect(&Handshake::without_token(), &Session::anonymous());
    assert_eq!(verdict, ConnectVerdict::Abstain);
}

#[test]
fn none_is_no_algorithm() {
    let claims = json!({"sub": "ann", "exp": NOW + 60});
    for alg in ["none", "None", "NONE", ""] {
        for signature in ["", "AAAA"] {
            let token = support::unsigned(&json!({"alg": alg, "typ": "JWT"}), &claims, signature);
            assert_eq!(refused(&mut host(), &token).0, 4401, "{alg}");
        }
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    // The classic confusion: HS256 over the PEM that everybody may know.
    let claims = json!({"sub": "admin", "exp": NOW + 60});
    for pem in [RSA.public, EC.public, ED.public] {
        for alg in [&RSA, &EC, &ED] {
            let mut host = start(json!({"keys": [{"alg": alg.name, "public_pem": alg.public}]}));
            let token = support::hs256_with(pem.as_bytes(), &json!({"alg": "HS256"}), &claims);
            assert_eq!(refused(&mut host, &token).0, 4401);
            let token = support::hs256_with(pem.as_bytes(), &json!({"alg": alg.name}), &claims);
            assert_eq!(refused(&mut host, &token).0, 4401);
        }
    }
}

#[test]
fn a_key_is_only_for_its_algorithm() {
    let claims = json!({"sub": "ann", "exp": NOW + 60});
    let both = json!({"keys": [
        {"alg": "HS256", "secret": SECRET}, {"alg": "RS256", "public_pem": RSA.public},
    ]});
    assert_eq!(
        accepted(&mut start(both.clone()), &hs256(&claims)).user.as_deref(),
        Some("ann")
    );
    assert_eq!(
        accepted(&mut start(both.clone()), &sign(&RSA, None, &claims))
            .user
            .as_deref(),
        Some("ann")
    );
    assert_eq!(refused(&mut start(both.clone()), &sign(&EC, None, &claims)).0, 4401);
    let longer = support::hs512_with(SECRET.as_bytes(), &claims);
    assert_eq!(refused(&mut start(both), &longer).0, 4401);
}

#[test]
fn each_algorithm_is_accepted_and_its_forgery_refused() {
    let claims = json!({"sub": "ann", "exp": NOW + 60, "role": "admin"});
    for key in [&RSA, &RSA_PSS, &EC, &ED] {
        let mut host = start(json!({"keys": [{"alg": key.name, "public_pem": key.public}]}));
        let token = sign(key, None, &claims);
        assert_eq!(accepted(&mut host, &token).user.as_deref(), Some("ann"), "{}", key.name);
        assert_eq!(
            refused(&mut host, &support::with_claims(&token, &json!({"sub": "bob"}))).0,
            4401
        );
        assert_eq!(refused(&mut host, &support::with_signature(&token, "")).0, 4401);
    }
}

#[test]
fn a_token_of_another_secret_is_refused() {
    let token = support::hs256_with(
        b"another secret of 32 bytes......",
        &json!({"alg": "HS256"}),
        &json!({}),
    );
    assert_eq!(refused(&mut host(), &token).0, 4401);
}

#[test]
fn without_keys_every_token_is_refused() {
    let token = hs256(&json!({"sub": "ann", "exp": NOW + 60}));
    assert_eq!(refused(&mut start(json!({})), &token).0, 4401);
}

#[test]
fn a_token_that_names_an_unknown_key_is_refused() {
    let keys = json!({"keys": [
        {"alg": "HS256", "secret": SECRET, "kid": "one"},
        {"alg": "RS256", "public_pem": RSA.public, "kid": "two"},
    ]});
    let claims = json!({"sub": "ann", "exp": NOW + 60});
    let named = |kid: &str| support::hs256_with(SECRET.as_bytes(), &json!({"alg": "HS256", "kid": kid}), &claims);
    for kid in ["three", "two", ""] {
        assert_eq!(refused(&mut start(keys.clone()), &named(kid)).0, 4401, "{kid}");
    }
    accepted(&mut start(keys.clone()), &named("one"));
    accepted(&mut start(keys), &hs256(&claims));
}

#[test]
fn extensions_that_must_be_understood_are_refused() {
    let header = json!({"alg": "HS256", "crit": ["b64"], "b64": false});
    let token = support::hs256_with(SECRET.as_bytes(), &header, &json!({"exp": NOW + 60}));
    assert_eq!(refused(&mut host(), &token).0, 4401);
}

#[test]
fn claims_of_the_wrong_shape_are_refused() {
    let long = "x".repeat(256);
    for claims in [
        json!([]),
        json!(["ann", null, null, NOW + 60, null]),
        json!("ann"),
        json!({"sub": 7, "exp": NOW + 60}),
        json!({"sub": "", "exp": NOW + 60}),
        json!({"sub": long, "exp": NOW + 60}),
        json!({"sub": "ann", "exp": "tomorrow"}),
        json!({"sub": "ann", "exp": (NOW + 60).to_string()}),
        json!({"sub": "ann", "exp": NOW + 60, "big": "x".repeat(17_000)}),
    ] {
        assert_eq!(refused(&mut host(), &hs256(&claims)).0, 4401, "{claims}");
    }
    let twice = support::hs256_text(r#"{"sub":"ann","sub":"bob","exp":99999999999}"#);
    assert_eq!(refused(&mut host(), &twice).0, 4401);
}

#[test]
fn a_refusal_names_the_claim() {
    let mut host = start(json!({
        "keys": [{"alg": "HS256", "secret": SECRET}], "issuer": "https://id.example", "audience": "chat",
    }));
    let good = json!({"sub": "ann", "iss": "https://id.example", "aud": "chat", "nbf": NOW, "exp": NOW + 60});
    for (claim, value, message) in [
        ("aud", json!(["chat", 7]), "aud[1] is not a string, but 7"),
        (
            "aud",
            json!({}),
            "aud is not a string or a list of strings, but an object",
        ),
        (
            "aud",
            json!("mail"),
            "aud does not name the audience that is served here",
        ),
        ("iss", json!(true), "iss is not a string, but true"),
        ("iss", Value::Null, "iss is not the issuer whose tokens are taken here"),
        ("sub", json!(7), "sub is not a string, but 7"),
        ("sub", json!(""), "sub must have 1 to 255 bytes, not 0"),
        (
            "exp",
            json!("tomorrow"),
            "exp is not a number of seconds since 1970, but text",
        ),
        (
            "exp",
            Value::Null,
            "exp is missing: the token does not say when it ends",
        ),
        (
            "nbf",
            json!([]),
            "nbf is not a number of seconds since 1970, but a list",
        ),
        (
            "nbf",
            json!(NOW + 3600),
            "nbf is in the future: the token is not valid yet",
        ),
    ] {
        let mut claims = good.clone();
        claims[claim] = value;
        let verdict = host.connect(&Handshake::with_token(&hs256(&claims)), &Session::anonymous());
        let ConnectVerdict::Deny(denial) = verdict else {
            panic!("{claim}: {verdict:?}")
        };
        assert_eq!(denial.message.as_deref(), Some(message));
    }
    accepted(&mut host, &hs256(&good));
}

#[test]
fn white_space_around_a_token_is_not_part_of_it() {
    let token = hs256(&json!({"sub": "ann", "exp": NOW + 60}));
    for around in ["\n", "\r\n", " ", "\t"] {
        accepted(&mut host(), &format!("{token}{around}"));
        accepted(&mut host(), &format!("{around}{token}"));
    }
    let (header, rest) = token.split_once('.').unwrap();
    for inside in ["\n", " "] {
        assert_eq!(refused(&mut host(), &format!("{header}{inside}.{rest}")).0, 4401);
    }
}

#[test]
fn a_token_without_an_end_needs_the_operators_word() {
    for claims in [json!({"sub": "ann"}), json!({"sub": "ann", "exp": null})] {
        assert_eq!(refused(&mut host(), &hs256(&claims)).0, 4401);
        let mut host = start(json!({"keys": [{"alg": "HS256", "secret": SECRET}], "require_exp": false}));
        assert_eq!(accepted(&mut host, &hs256(&claims)).expires_ms, None);
    }
}

#[test]
fn a_token_ends_with_the_leeway() {
    let mut host = host();
    let token = hs256(&json!({"sub": "ann", "exp": NOW}));
    assert_eq!(accepted(&mut host, &token).expires_ms, Some(START_MS + 30_000));
    host.advance_ms(29_999);
    accepted(&mut host, &token);
    host.advance_ms(1);
    assert_eq!(refused(&mut host, &token), (4410, "token_expired".into()));
}

#[test]
fn an_expired_token_of_an_unknown_key_is_not_called_expired() {
    let old = support::hs256_with(
        b"another secret of 32 bytes......",
        &json!({"alg": "HS256"}),
        &json!({"exp": 1}),
    );
    assert_eq!(refused(&mut host(), &old).0, 4401);
}

#[test]
fn a_token_begins_with_the_leeway() {
    let mut host = host();
    let token = hs256(&json!({"sub": "ann", "nbf": NOW + 31, "exp": NOW + 600}));
    assert_eq!(refused(&mut host, &token).0, 4401);
    host.advance_ms(1000);
    accepted(&mut host, &token);
}

#[test]
fn times_beyond_reason_do_not_wrap() {
    let mut host = host();
    assert_eq!(refused(&mut host, &hs256(&json!({"sub": "a", "exp": 1e300}))).0, 4401);
    let last = json!({"sub": "a", "exp": 99_999_999_999_u64});
    assert_eq!(
        accepted(&mut host, &hs256(&last)).expires_ms,
        Some(99_999_999_999_000 + 30_000)
    );
    assert_eq!(refused(&mut host, &hs256(&json!({"sub": "a", "exp": -1e300}))).0, 4410);
    let fraction = support::hs256_text(&format!(r#"{{"sub":"a","exp":{NOW}.5}}"#));
    assert_eq!(accepted(&mut host, &fraction).expires_ms, Some(START_MS + 30_500));
}

#[test]
fn times_that_cannot_be_meant_are_refused_and_logged() {
    let settings = json!({
        "keys": [{"alg": "HS256", "secret": SECRET}], "require_exp": false, "max_session_seconds": 3_600,
    });
    let in_ms = NOW * 1000 + 60_000;
    for (claims, why) in [
        (json!({"sub": "a", "exp": in_ms}), "exp is in milliseconds"),
        (
            json!({"sub": "a", "exp": in_ms as f64 + 0.25}),
            "exp is in milliseconds",
        ),
        (
            json!({"sub": "a", "nbf": NOW * 1000, "exp": NOW + 60}),
            "nbf is in milliseconds",
        ),
        (json!({"sub": "a", "exp": NOW + 3_600 + 31}), "max_session_seconds"),
        (json!({"sub": "a", "exp": 99_999_999_999_u64}), "max_session_seconds"),
    ] {
        let mut host = start(settings.clone());
        assert_eq!(
            refused(&mut host, &hs256(&claims)),
            (4401, "invalid_token".into()),
            "{claims}"
        );
        assert!(host.log_lines().iter().any(|line| line.contains(why)), "{claims}");
        // A stranger's token says nothing to the operator.
        let mut host = start(settings.clone());
        let forged = support::hs256_with(b"another secret of 32 bytes......", &json!({"alg": "HS256"}), &claims);
        refused(&mut host, &forged);
        assert!(host.log_lines().is_empty(), "{claims}");
    }
    let ends = |claims: &Value| accepted(&mut start(settings.clone()), &hs256(claims)).expires_ms;
    // The issuer's clock may be ahead by the leeway.
    let longest = json!({"sub": "a", "exp": NOW + 3_600 + 30});
    assert_eq!(ends(&longest), Some(START_MS + 3_660_000));
    assert_eq!(ends(&json!({"sub": "a"})), Some(START_MS + 3_600_000));
}

#[test]
fn issuer_and_audience_must_be_ours_when_configured() {
    let settings = json!({
        "keys": [{"alg": "HS256", "secret": SECRET}], "issuer": "https://id.example", "audience": "chat",
    });
    let token = |iss: Value, aud: Value| hs256(&json!({"sub": "a", "exp": NOW + 60, "iss": iss, "aud": aud}));
    let ours = || json!("https://id.example");
    for (iss, aud) in [
        (json!("https://id.example.evil"), json!("chat")),
        (Value::Null, json!("chat")),
        (ours(), json!("mail")),
        (ours(), json!(["mail", "chat2"])),
        (ours(), json!([])),
        (ours(), Value::Null),
    ] {
        assert_eq!(refused(&mut start(settings.clone()), &token(iss, aud)).0, 4401);
    }
    accepted(&mut start(settings.clone()), &token(ours(), json!("chat")));
    accepted(&mut start(settings), &token(ours(), json!(["mail", "chat"])));
}

#[test]
fn all_claims_go_to_the_session_as_they_were() {
    let text = format!(
        r#"{{"sub":"ann","n":1.10,"exp":{},"deep":{{"b":1,"a":[2]}}}}"#,
        NOW + 60
    );
    assert_eq!(accepted(&mut host(), &support::hs256_text(&text)).claims, text);
}

#[test]
fn a_refresh_is_checked_like_a_connect() {
    let old = hs256(&json!({"sub": "ann", "exp": NOW - 600}));
    let verdict = host().connect(&Handshake::with_token(&old).as_refresh(), &Session::of("ann"));
    assert!(matches!(verdict, ConnectVerdict::Deny(denial) if denial.code == 4410));
}

//! Whatever a client brings there is a verdict, and one that the broker takes: the simulated broker panics on any other.

mod support;

use authorize::{Authorize, fuzz};
use proptest::prelude::*;
use serde_json::json;
use sluicegate_plugin::{
    ConnectVerdict,
    testing::{Handshake, Host, Session},
};
use support::{NOW, SECRET, hs256_of, start};

const HEADER: &str = r#"{"alg":"HS256"}"#;

fn host() -> Host<Authorize> {
    start(json!({
        "keys": [{"alg": "HS256", "secret": SECRET}],
        "issuer": "us", "audience": "chat", "require_exp": false,
    }))
}

/// The refusal of a token that is signed well, with its message.
fn refused(claims: impl AsRef<[u8]>) -> (u16, String) {
    let verdict = host().connect(&Handshake::with_token(&hs256_of(HEADER, claims)), &Session::anonymous());
    match verdict {
        ConnectVerdict::Deny(denial) => (denial.code, denial.message.unwrap_or_default()),
        other => panic!("{other:?}"),
    }
}

/// Claims that are well but for what is put into them.
fn claims(more: &str) -> String {
    format!(r#"{{"sub":"ann","iss":"us","aud":"chat","exp":{}{more}}}"#, NOW + 60)
}

#[test]
fn a_signed_token_of_any_kind_is_answered() {
    let nested = |depth: usize| format!(r#","x":{}{}"#, "[".repeat(depth), "]".repeat(depth));
    for (more, message) in [
        (r#","x":"\ud800""#.to_owned(), "half of a surrogate pair"),
        (r#","x":["\udc00"]"#.to_owned(), "half of a surrogate pair"),
        (r#","\ud800":1"#.to_owned(), "half of a surrogate pair"),
        (r#","x":1e400"#.to_owned(), "a number beyond 1e308"),
        (r#","x":{"y":[-1e400]}"#.to_owned(), "a number beyond 1e308"),
        (format!(r#","x":{}"#, "9".repeat(400)), "a number beyond 1e308"),
        (nested(200), "more than 127 objects and lists"),
        (nested(127), "more than 127 objects and lists"),
        ("\n,\"x\":\"\n\"".to_owned(), "this is no JSON"),
        (format!(r#","x":"{}""#, "x".repeat(17_000)), "over 16 KiB"),
    ] {
        let (code, said) = refused(claims(&more));
        assert_eq!(code, 4401, "{more}");
        assert!(said.contains(message), "{more}: {said}");
    }
    for sub in [
        r#""a\nb""#,
        r#""\u0000""#,
        r#""\u007f""#,
        r#""\u0085""#,
        "\"\u{9f}\"",
        r#""""#,
    ] {
        let (code, said) = refused(format!(r#"{{"sub":{sub},"iss":"us","aud":"chat"}}"#));
        assert_eq!(code, 4401, "{sub}");
        assert!(said.starts_with("sub "), "{sub}: {said}");
    }
    for claims in [
        &b"\xff\xfe{}"[..],
        b"{\"sub\":\"\xc3\x28\"}",
        b"\x0c{\"sub\":\"ann\"}",
        b"\xef\xbb\xbf{}",
        b"",
        b"null",
        b"{}\0",
    ] {
        assert_eq!(refused(claims).0, 4401, "{claims:?}");
    }
}

#[test]
fn a_session_at_the_bounds_is_one_that_the_broker_takes() {
    let nested = format!(r#","x":{}{}"#, "[".repeat(126), "]".repeat(126));
    let longest = format!(r#","x":"{}""#, "x".repeat(16 * 1024 - claims("").len() - 7));
    for more in [
        nested,
        longest,
        r#","x":"\ud83d\ude00\uffff\u0000""#.to_owned(),
        r#","x":[1e308,-1e308,1e-400,0e999999,123456789012345678901234567890]"#.to_owned(),
        r#","x":1,"x":2,"":{"":[]}"#.to_owned(),
        r#","$serde_json::private::RawValue":"x","$serde_json::private::Number":"y""#.to_owned(),
    ] {
        let token = hs256_of(HEADER, claims(&more));
        let verdict = host().connect(&Handshake::with_token(&token), &Session::anonymous());
        assert!(matches!(verdict, ConnectVerdict::Accept(_)), "{more}: {verdict:?}");
    }
    let spaced = hs256_of(HEADER, format!(" \n\t{}\r\n ", claims("")));
    let verdict = host().connect(&Handshake::with_token(&spaced), &Session::anonymous());
    assert!(matches!(verdict, ConnectVerdict::Accept(_)), "{verdict:?}");
}

#[test]
fn a_header_of_any_kind_is_answered() {
    let deep = format!(r#"{{"alg":"HS256","x":{}"#, "[".repeat(20_000));
    for header in [
        r#"{"alg":"HS256","x":"\ud800"}"#,
        r#"{"alg":"HS256","x":1e400}"#,
        r#"{"alg":"HS\u0000256"}"#,
        r#"{"alg":"HS256","kid":"\n"}"#,
        r#"{"alg":"HS256","alg":"none"}"#,
        r#"{"alg":["HS256"]}"#,
        "\u{c}{\"alg\":\"HS256\"}",
        "[]",
        "",
        &deep,
    ] {
        let token = hs256_of(header, claims(""));
        let verdict = host().connect(&Handshake::with_token(&token), &Session::anonymous());
        match verdict {
            ConnectVerdict::Deny(denial) => assert_eq!(denial.code, 4401, "{header}"),
            // A name with a control character is a name like any other, and this key has none.
            ConnectVerdict::Accept(_) => assert!(header.contains("kid"), "{header}"),
            ConnectVerdict::Abstain => panic!("{header}"),
        }
    }
}

/// A JSON value, and what is nearly one.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<f64>().prop_map(|number| number.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        ("[0-9]{1,30}", -400..400_i32).prop_map(|(digits, power)| format!("{digits}e{power}")),
        any::<String>().prop_map(|text| json!(text).to_string()),
        "[ -~]{0,8}".prop_map(|text| format!("\"{text}\"")),
        "(\\\\u[0-9a-fA-F]{4}){0,4}".prop_map(|text| format!("\"{text}\"")),
        Just("\"admin\"".to_owned()),
        any::<String>(),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(","))),
            members(inner),
        ]
    })
}

fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "sub", "iss", "aud", "exp", "nbf", "role", "team", "n", "b", "alg", "kid", "crit"
        ])
        .prop_map(|name| format!("\"{name}\"")),
        any::<String>().prop_map(|text| json!(text).to_string()),
        "(\\\\u[0-9a-f]{4}){0,2}".prop_map(|text| format!("\"{text}\"")),
    ];
    let member = (name, value).prop_map(|(name, value)| format!("{name}:{value}"));
    prop::collection::vec(member, 0..8).prop_map(|members| format!("{{{}}}", members.join(",")))
}

fn input() -> impl Strategy<Value = Vec<u8>> {
    let text = (any::<String>(), members(value()), members(value()))
        .prop_map(|(channel, header, claims)| format!("{channel}\0{header}\0{claims}").into_bytes());
    let cut = (text, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut bytes, place, byte)| {
        // One byte in eight cases is another one.
        if byte < 32 {
            let at = place.index(bytes.len());
            bytes[at] = byte.wrapping_mul(9);
        }
        bytes
    });
    prop_oneof![4 => cut, 1 => prop::collection::vec(any::<u8>(), 0..300)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn whatever_comes_there_is_a_verdict_that_the_broker_takes(bytes in input()) {
        fuzz::token_reader(&bytes);
    }
}

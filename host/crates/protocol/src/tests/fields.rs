//! Every field of every request against every kind of JSON value: what is taken, and what is said of the rest.

use bytes::Bytes;

use crate::{Body, Refused, codes, read};

/// JSON values of every kind, with the numbers at which readers stumble.
const VALUES: [&str; 16] = [
    "null",
    "true",
    "\"text\"",
    "7",
    "7.0",
    "1e3",
    "-0.0",
    "1.5",
    "-1",
    "1e400",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "[]",
    "{}",
    "[1]",
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Text,
    Whole,
    Flag,
    List,
    Object,
    Any,
}
use Kind::{Any, Flag, List, Object, Text, Whole};

/// Type, payload with `@` where the value goes, path of the field, what it must be, whether it may be left out.
const FIELDS: [(&str, &str, &str, Kind, bool); 27] = [
    ("connect", r#"{"version":1,"token":@}"#, "token", Text, true),
    ("connect", r#"{"version":1,"client":@}"#, "client", Object, true),
    (
        "connect",
        r#"{"version":1,"client":{"name":@}}"#,
        "client.name",
        Text,
        true,
    ),
    ("connect", r#"{"version":1,"subscribe":@}"#, "subscribe", List, true),
    (
        "connect",
        r#"{"version":1,"subscribe":[@]}"#,
        "subscribe[0]",
        Object,
        false,
    ),
    (
        "connect",
        r#"{"version":1,"subscribe":[{"channel":"c"},{"channel":@}]}"#,
        "subscribe[1].channel",
        Text,
        false,
    ),
    (
        "connect",
        r#"{"version":1,"subscribe":[{"channel":"c","since":{"epoch":"e","offset":@}}]}"#,
        "subscribe[0].since.offset",
        Whole,
        false,
    ),
    ("connect", r#"{"version":1,"data":@}"#, "data", Any, true),
    ("subscribe", r#"{"channel":@}"#, "channel", Text, false),
    ("subscribe", r#"{"channel":"c","since":@}"#, "since", Object, true),
    (
        "subscribe",
        r#"{"channel":"c","since":{"epoch":@,"offset":1}}"#,
        "since.epoch",
        Text,
        false,
    ),
    (
        "subscribe",
        r#"{"channel":"c","since":{"epoch":"e","offset":@}}"#,
        "since.offset",
        Whole,
        false,
    ),
    ("subscribe", r#"{"channel":"c","presence":@}"#, "presence", Flag, true),
    ("unsubscribe", r#"{"channel":@}"#, "channel", Text, false),
    ("publish", r#"{"channel":@,"data":1}"#, "channel", Text, false),
    ("publish", r#"{"channel":"c","data":@}"#, "data", Any, false),
    ("publish", r#"{"channel":"c","data":1,"key":@}"#, "key", Text, true),
    (
        "publish",
        r#"{"channel":"c","data":1,"ephemeral":@}"#,
        "ephemeral",
        Flag,
        true,
    ),
    ("publish", r#"{"channel":"c","data":1,"echo":@}"#, "echo", Flag, true),
    ("presence", r#"{"channel":@}"#, "channel", Text, false),
    ("history", r#"{"channel":@}"#, "channel", Text, false),
    ("history", r#"{"channel":"c","limit":@}"#, "limit", Whole, true),
    ("history", r#"{"channel":"c","since":@}"#, "since", Object, true),
    (
        "history",
        r#"{"channel":"c","since":{"epoch":@,"offset":1}}"#,
        "since.epoch",
        Text,
        false,
    ),
    (
        "history",
        r#"{"channel":"c","since":{"epoch":"e","offset":@}}"#,
        "since.offset",
        Whole,
        false,
    ),
    ("history", r#"{"channel":"c","reverse":@}"#, "reverse", Flag, true),
    ("refresh", r#"{"token":@}"#, "token", Text, false),
];

fn ask(kind: &str, payload: &str) -> Result<Body, String> {
    let text = Bytes::from(format!(r#"{{"type":"{kind}","id":1,"payload":{payload}}}"#));
    match read(&text) {
        Ok(request) => Ok(request.body),
        Err(Refused::Request { code, message, .. }) => {
            assert_eq!(code, codes::BAD_REQUEST, "{payload}");
            Err(message)
        }
        Err(Refused::NotAnEnvelope(why)) => panic!("{payload}: {why}"),
    }
}

/// What an error says that came.
fn named(value: &str) -> &str {
    match value.as_bytes()[0] {
        b'"' => "text",
        b'[' => "a list",
        b'{' => "an object",
        _ => value,
    }
}

fn expected(kind: Kind, optional: bool, value: &str) -> Option<String> {
    if optional && value == "null" {
        return None;
    }
    let must_be = |what: &str| Some(format!("must be {what}, not {}", named(value)));
    match (kind, value.as_bytes()[0]) {
        (Any, _) | (Text, b'"') | (Object, b'{') => None,
        (List, b'[') if value == "[]" => None,
        (List, b'[') => Some("[0]".to_owned()),
        (Flag, _) if matches!(value, "true" | "false") => None,
        (Whole, _) if ["7", "7.0", "1e3", "-0.0", "9007199254740993", "18446744073709551615"].contains(&value) => None,
        (Whole, _) if ["-1", "1e400", "18446744073709551616"].contains(&value) => {
            must_be("a whole number from 0 to 18446744073709551615")
        }
        (Text, _) => must_be("text"),
        (Whole, _) => must_be("a whole number"),
        (Flag, _) => must_be("true or false"),
        (List, _) => must_be("a list"),
        (Object, _) => must_be("an object"),
    }
}

#[test]
fn every_field_says_what_it_must_be_and_what_came() {
    for (kind, payload, path, field, optional) in FIELDS {
        for value in VALUES {
            let payload = payload.replace('@', value);
            let answer = ask(kind, &payload).map(drop);
            let expected = match expected(field, optional, value) {
                // An empty object is no position and no subscription; what is missing in it is said.
                None if value == "{}" && field == Object && path.ends_with("since") => {
                    Err(format!("\"{path}.epoch\": is missing"))
                }
                None if value == "{}" && field == Object && path.starts_with("subscribe") => {
                    Err(format!("\"{path}.channel\": is missing"))
                }
                None => Ok(()),
                Some(item) if item == "[0]" => Err(format!("\"{path}[0]\": must be an object, not 1")),
                Some(problem) => Err(format!("\"{path}\": {problem}")),
            };
            assert_eq!(answer, expected, "{kind} {payload}");
        }
    }
}

#[test]
fn every_field_that_must_be_there_is_missed() {
    for (kind, payload, path, field, optional) in FIELDS {
        if path.ends_with(']') {
            continue;
        }
        let name = path.rsplit('.').next().unwrap();
        let without = payload.replace(&format!("\"{name}\":@"), "\"other\":1");
        let answer = ask(kind, &without).map(drop);
        if optional {
            assert_eq!(answer, Ok(()), "{without}");
        } else {
            assert_eq!(answer, Err(format!("\"{path}\": is missing")), "{field:?} {without}");
        }
    }
}

#[test]
fn the_version_is_a_number_like_any_other() {
    for version in ["1", "1.0", "1e0", "10e-1"] {
        assert!(
            ask("connect", &format!(r#"{{"version":{version}}}"#)).is_ok(),
            "{version}"
        );
    }
    for (payload, error) in [
        (r#"{"version":2}"#, "\"version\": this broker speaks version 1, not 2"),
        (r#"{"version":1.5}"#, "\"version\": must be a whole number, not 1.5"),
        (r#"{"version":"1"}"#, "\"version\": must be a whole number, not text"),
        ("{}", "\"version\": is missing"),
    ] {
        assert_eq!(ask("connect", payload).unwrap_err(), error);
    }
}

#[test]
fn numbers_are_read_exactly() {
    for (written, offset) in [
        ("9007199254740993", 9_007_199_254_740_993),
        ("9007199254740993.0", 9_007_199_254_740_993),
        ("1e+14", 100_000_000_000_000),
        ("18446744073709551615", u64::MAX),
    ] {
        let payload = format!(r#"{{"channel":"c","since":{{"epoch":"e","offset":{written}}}}}"#);
        let Ok(Body::Subscribe(subscribe)) = ask("subscribe", &payload) else {
            panic!("{written}")
        };
        assert_eq!(subscribe.since.unwrap().offset, offset, "{written}");
    }
}

#[test]
fn a_payload_is_an_object() {
    for kind in [
        "connect",
        "subscribe",
        "unsubscribe",
        "publish",
        "presence",
        "history",
        "refresh",
    ] {
        for (payload, came) in [
            ("7", "7"),
            ("\"text\"", "text"),
            ("[\"c\",1]", "a list"),
            ("true", "true"),
        ] {
            let error = format!("\"payload\": must be an object, not {came}");
            assert_eq!(ask(kind, payload).unwrap_err(), error, "{kind}");
        }
    }
}

#[test]
fn a_field_given_twice_is_an_error() {
    for (kind, payload, path) in [
        ("subscribe", r#"{"channel":"a","x":1,"x":2,"channel":"b"}"#, "channel"),
        ("history", r#"{"channel":"a","limit":1,"limit":1}"#, "limit"),
        (
            "history",
            r#"{"channel":"a","since":{"epoch":"e","offset":1,"offset":2}}"#,
            "since.offset",
        ),
    ] {
        assert_eq!(ask(kind, payload).unwrap_err(), format!("\"{path}\": is given twice"));
    }
}

#[test]
fn text_may_be_escaped() {
    let Ok(Body::Unsubscribe(channel)) = ask("unsubscribe", r#"{"ch\u0061nnel":"r\u00e4ume:\"1\""}"#) else {
        panic!("refused")
    };
    assert_eq!(channel.as_str(), "räume:\"1\"");
    let error = ask("unsubscribe", r#"{"channel":"\ud800"}"#).unwrap_err();
    assert!(error.starts_with("\"channel\": "), "{error}");
}

#[test]
fn an_id_is_short_because_each_reply_repeats_it() {
    let envelope = |bytes: usize| {
        let id = format!("\"{}\"", "i".repeat(bytes - 2));
        read(&Bytes::from(format!("{{\"type\":\"ping\",\"id\":{id}}}")))
            .map(|request| request.id.as_json() == id.as_bytes())
    };
    assert_eq!(envelope(256), Ok(true));
    let too_long = Refused::NotAnEnvelope("an id has at most 256 bytes".into());
    assert_eq!(envelope(257), Err(too_long));
}

#[test]
fn what_is_no_envelope_is_told_what_it_is() {
    for (text, why) in [
        ("[\"ping\",1]", "not an envelope: must be an object, not a list"),
        ("hello", "not an envelope: must be an object, not invalid JSON"),
        ("", "not an envelope: must be an object, not nothing"),
        (r#"{"type":7,"id":1}"#, "not an envelope: \"type\": must be text, not 7"),
        (r#"{"id":1}"#, "not an envelope: \"type\": is missing"),
        (
            r#"{"type":"ping","type":"ping","id":1}"#,
            "not an envelope: \"type\": is given twice",
        ),
    ] {
        let refused = read(&Bytes::from(text)).unwrap_err();
        assert_eq!(refused, Refused::NotAnEnvelope(why.to_owned()), "{text}");
    }
}

//! What rules do to messages, byte by byte.

mod support;

use serde_json::json;
use support::{changed, one, passes};

#[test]
fn untouched_messages_pass_byte_for_byte() {
    let rule = json!({"channels": "room:*", "mask": ["/card"], "remove": ["/debug"], "words": {"heck": "****"}});
    for text in [
        "{ \"n\" : 1.10e+2,\n \"big\":123456789012345678901234567890, \"z\":1,\"a\":2 }",
        "[\"/card\", {\"x\":{\"card\":1}}]",
        "\"checkered\"",
        "null",
        "{\"heck\":1}",
        "{\"card \":1,\"Card\":2}",
    ] {
        assert!(passes(&rule, "room:1", text), "{text}");
    }
    assert!(passes(&rule, "other:1", r#"{"card":1,"debug":2,"t":"heck"}"#));
}

#[test]
fn only_the_touched_part_changes() {
    let rule = json!({"channels": "**", "mask": ["/card", "/user/email"], "remove": ["/debug"]});
    let text =
        "{ \"n\": 1.10, \"card\": {\"no\": [1]}, \"debug\": {}, \"user\": {\"email\":\"a@b\", \"id\":1e5 }, \"z\":0}";
    let expected = "{ \"n\": 1.10, \"card\": \"***\", \"user\": {\"email\":\"***\", \"id\":1e5 }, \"z\":0}";
    assert_eq!(changed(&rule, text), expected);
}

#[test]
fn a_key_said_twice_or_with_escapes_does_not_hide() {
    let rule = json!({"channels": "**", "mask": ["/card"], "remove": ["/debug"]});
    assert_eq!(
        changed(&rule, r#"{"card":1,"card":2}"#),
        r#"{"card":"***","card":"***"}"#
    );
    assert_eq!(
        changed(&rule, r#"{"\u0063ard":1,"debu\u0067":2}"#),
        r#"{"\u0063ard":"***"}"#
    );
    assert_eq!(changed(&rule, r#"{"debug":1,"a":2,"debug":3}"#), r#"{"a":2}"#);
}

#[test]
fn removing_leaves_the_right_commas() {
    let rule = |pointers: &[&str]| json!({"channels": "**", "remove": pointers});
    for (text, expected) in [
        ("{\"a\":1}", "{}"),
        ("{ \"a\":1 }", "{  }"),
        ("{\"a\":1,\"c\":3}", "{\"c\":3}"),
        ("{\"c\":3,\"a\":1}", "{\"c\":3}"),
        ("{\"c\":3, \"a\":1 , \"d\":4}", "{\"c\":3 , \"d\":4}"),
        ("{\"a\":1,\"b\":2}", "{}"),
        ("{\"a\":1,\"b\":2,\"c\":3}", "{\"c\":3}"),
        ("{\"c\":3,\"a\":1,\"b\":2}", "{\"c\":3}"),
        ("{\"a\":1,\"c\":3,\"b\":2}", "{\"c\":3}"),
    ] {
        assert_eq!(changed(&rule(&["/a", "/b"]), text), expected, "{text}");
    }
    assert_eq!(changed(&rule(&["/0", "/2"]), "[1,2,3,4]"), "[2,4]");
    assert_eq!(changed(&rule(&["/l/1"]), r#"{"l":[1,{"x":2}]}"#), r#"{"l":[1]}"#);
}

#[test]
fn a_pointer_reaches_only_what_it_names() {
    let rule = json!({"channels": "**", "mask": ["/a/0", "/b~1c", "/m~0n", "/list/1/x", "/"]});
    assert_eq!(changed(&rule, r#"{"a":[1,2]}"#), r#"{"a":["***",2]}"#);
    assert_eq!(changed(&rule, r#"{"a":{"0":1,"00":2}}"#), r#"{"a":{"0":"***","00":2}}"#);
    assert_eq!(
        changed(&rule, r#"{"b/c":1,"m~n":2,"":3}"#),
        r#"{"b/c":"***","m~n":"***","":"***"}"#
    );
    assert_eq!(
        changed(&rule, r#"{"list":[{"x":1},{"x":2}]}"#),
        r#"{"list":[{"x":1},{"x":"***"}]}"#
    );
    for text in [r#"{"a":[]}"#, r#"{"a":7}"#, r#"{"list":[[],[]]}"#, "[[0]]", "7"] {
        assert!(passes(&rule, "c", text), "{text}");
    }
}

#[test]
fn the_whole_message_can_be_masked_or_set() {
    assert_eq!(
        changed(&json!({"channels": "**", "mask": [""]}), " {\"a\":1} "),
        " \"***\" "
    );
    assert_eq!(
        changed(&json!({"channels": "**", "set": {"": {"v": 1}}}), "7"),
        r#"{"v":1}"#
    );
}

#[test]
fn set_replaces_adds_and_makes_the_way() {
    let rule = json!({"channels": "**", "set": {"/server": "acme", "/meta/by/name": [1, null]}});
    assert_eq!(
        changed(&rule, "{}"),
        r#"{"meta":{"by":{"name":[1,null]}},"server":"acme"}"#
    );
    assert_eq!(
        changed(&rule, r#"{"server":"evil","server":"evil","meta":{"x":1}}"#),
        r#"{"server":"acme","server":"acme","meta":{"x":1,"by":{"name":[1,null]}}}"#
    );
    assert_eq!(
        changed(&rule, r#"{"a":1 }"#),
        r#"{"a":1,"meta":{"by":{"name":[1,null]}},"server":"acme" }"#
    );
    // Something else is in the way: it stays, the rest is set.
    assert_eq!(changed(&rule, r#"{"meta":7}"#), r#"{"meta":7,"server":"acme"}"#);
    for text in ["7", "[]", "\"x\""] {
        assert!(passes(&rule, "c", text), "{text}");
    }
    let list = json!({"channels": "**", "set": {"/1": "x"}});
    assert_eq!(changed(&list, "[1,2]"), r#"[1,"x"]"#);
    assert!(passes(&list, "c", "[1]"));
}

#[test]
fn set_keeps_the_value_as_the_operator_wrote_it() {
    let text = r#"{"rules":[{"channels":"**","set":{"/a\"b":{"z":1.10,"a":12345678901234567890123}}}]}"#;
    let mut host = support::Host::start_text(text).unwrap();
    let verdict = host.publish(&support::ann(), "c", "{}");
    assert_eq!(
        support::text(verdict),
        r#"{"a\"b":{"z":1.10,"a":12345678901234567890123}}"#
    );
}

#[test]
fn a_value_that_is_already_so_is_no_change() {
    let rule = json!({"channels": "**", "mask": ["/card"], "set": {"/server": "acme"}});
    assert!(passes(&rule, "c", r#"{"card":"***","server":"acme"}"#));
}

#[test]
fn words_change_in_string_values_alone() {
    let rule = json!({"channels": "**", "words": {"heck": "****", "darn": "d\"n", "buy now": ""}});
    assert_eq!(
        changed(&rule, r#"{"heck":["What the HECK!",{"t":"heck darn checkered"}]}"#),
        r#"{"heck":["What the ****!",{"t":"**** d\"n checkered"}]}"#
    );
    assert_eq!(changed(&rule, r#""\u0068eck \n\t\u00e9""#), r#""**** \n\t\u00e9""#);
    assert_eq!(
        changed(&rule, r#"{"a":"so Buy Now.","b":1.10}"#),
        r#"{"a":"so .","b":1.10}"#
    );
    for text in [r#""hecks""#, r#""日本語 é""#, r#"{"heck":1}"#, "true"] {
        assert!(passes(&rule, "c", text), "{text}");
    }
}

#[test]
fn rules_work_one_after_the_other() {
    let mut host = support::host(json!([
        {"channels": "**", "set": {"/note": "heck"}},
        {"channels": "room:*", "words": {"heck": "****"}},
        {"channels": "room:*", "schema": {"required": ["note"]}},
    ]));
    assert_eq!(
        support::text(host.publish(&support::ann(), "room:1", "{}")),
        r#"{"note":"****"}"#
    );
    assert_eq!(
        support::text(host.publish(&support::ann(), "other", "{}")),
        r#"{"note":"heck"}"#
    );
}

#[test]
fn depth_needs_no_stack() {
    let deep = format!("{{\"x\":{}{},\"card\":1}}", "[".repeat(200_000), "]".repeat(200_000));
    let rule = json!({"channels": "**", "mask": ["/card"], "set": {"/s": 1}, "words": {"heck": "*"}});
    let out = changed(&rule, &deep);
    assert_eq!(out, deep.replace("\"card\":1", "\"card\":\"***\",\"s\":1"));
}

#[test]
fn what_is_not_json_is_denied_not_passed() {
    let rule = json!({"channels": "**", "mask": ["/card"]});
    for data in [&b"{\"card\":"[..], b"", b"{\"card\" 1}", b"\"\xff\""] {
        let denial = support::denied(one(&rule).publish(&support::ann(), "c", data));
        assert_eq!((denial.code, denial.reason.as_str()), (4422, "not_json"));
    }
}

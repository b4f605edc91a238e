use alloc::format;
use alloc::string::{String, ToString};

use super::*;

fn fault(text: &str) -> Option<(usize, JsonFault)> {
    check_object(text, 4).err().map(|bad| (bad.at, bad.fault))
}

#[test]
fn what_rfc_8259_allows_is_taken() {
    for text in [
        "{}",
        " \t\r\n{ } \n",
        r#"{"a":1}"#,
        r#"{"a":[],"b":{},"a":"twice"}"#,
        r#"{ "" : [ true , false , null , "é\u00e9\"\\\/\b\f\n\r\t" ] }"#,
        r#"{"pair":"\ud83d\ude00\uD83D\uDE00","not a character but a unit":"\uffff\u0000"}"#,
        r#"{"n":[0,-0,0.0,10,1e5,1E+5,1e-999999999999,-1.5e-3,1e308,-1e308,0e999999999999]}"#,
        r#"{"n":123456789012345678901234567890.000000000000000000000000000001}"#,
        r#"{"a":{"b":[[1]]}}"#,
    ] {
        assert_eq!(fault(text), None, "{text}");
    }
}

#[test]
fn what_readers_differ_about_or_refuse_is_told_by_its_place() {
    for (text, at, what) in [
        ("", 0, JsonFault::NoObject),
        ("[]", 0, JsonFault::NoObject),
        ("\u{c}{}", 0, JsonFault::NoObject),
        ("\u{feff}{}", 0, JsonFault::NoObject),
        ("{} {}", 3, JsonFault::NoObject),
        ("{}\0", 2, JsonFault::NoObject),
        ("{", 1, JsonFault::Syntax),
        ("{a:1}", 1, JsonFault::Syntax),
        (r#"{"a"}"#, 4, JsonFault::Syntax),
        (r#"{"a":}"#, 5, JsonFault::Syntax),
        (r#"{"a":1,}"#, 7, JsonFault::Syntax),
        (r#"{"a":[1,]}"#, 8, JsonFault::Syntax),
        (r#"{"a":[1 2]}"#, 8, JsonFault::Syntax),
        (r#"{"a":truth}"#, 5, JsonFault::Syntax),
        (r#"{"a":NaN}"#, 5, JsonFault::Syntax),
        (r#"{"a":01}"#, 6, JsonFault::Syntax),
        (r#"{"a":+1}"#, 5, JsonFault::Syntax),
        (r#"{"a":1.}"#, 7, JsonFault::Syntax),
        (r#"{"a":1e}"#, 7, JsonFault::Syntax),
        (r#"{"a":-}"#, 6, JsonFault::Syntax),
        ("{\"a\":\"\n\"}", 6, JsonFault::Syntax),
        ("{\"a\":\"\u{1f}\"}", 6, JsonFault::Syntax),
        (r#"{"a":"\x"}"#, 6, JsonFault::Syntax),
        (r#"{"a":"\u12"}"#, 6, JsonFault::Syntax),
        (r#"{"a":"\u12é"}"#, 6, JsonFault::Syntax),
        (r#"{"a":"open"#, 10, JsonFault::Syntax),
        (r#"{"a":"\"#, 6, JsonFault::Syntax),
        (r#"{"a":"\ud800"}"#, 6, JsonFault::Surrogate),
        (r#"{"a":"\ud800\ud800"}"#, 6, JsonFault::Surrogate),
        (r#"{"a":"\ud800\n"}"#, 6, JsonFault::Surrogate),
        (r#"{"a":"\udc00\ud800"}"#, 6, JsonFault::Surrogate),
        (r#"{"\ud800":1}"#, 2, JsonFault::Surrogate),
        (r#"{"a":1e400}"#, 5, JsonFault::Number),
        (r#"{"a":-1e400}"#, 5, JsonFault::Number),
        (r#"{"a":1.1e308}"#, 5, JsonFault::Number),
        (r#"{"a":1e99999999999999999999}"#, 5, JsonFault::Number),
        (r#"{"a":[[[[]]]]}"#, 8, JsonFault::Depth(4)),
        (r#"{"a":{"b":{"c":{"d":{}}}}}"#, 20, JsonFault::Depth(4)),
    ] {
        assert_eq!(fault(text), Some((at, what)), "{text}");
    }
}

#[test]
fn long_numbers_and_deep_texts_are_read_once() {
    let digits = "9".repeat(300);
    assert_eq!(fault(&format!("{{\"a\":{digits}}}")), None);
    assert_eq!(
        fault(&format!("{{\"a\":{}}}", "9".repeat(16_000))),
        Some((5, JsonFault::Number))
    );
    let deep = format!("{{\"a\":{}", "[".repeat(100_000));
    assert_eq!(check_object(&deep, 127).unwrap_err().fault, JsonFault::Depth(127));
}

#[test]
fn errors_are_told_in_words() {
    for (text, said) in [
        ("7", "this is no JSON object alone at byte 0"),
        ("{\"a\":1e400}", "a number beyond 1e308 at byte 5"),
        ("{\"a\":\"\\udead\"}", "half of a surrogate pair at byte 6"),
        ("{", "this is no JSON at byte 1"),
        (
            "{\"a\":[[[[1]]]]}",
            "more than 4 objects and lists inside of each other at byte 8",
        ),
    ] {
        let error: String = check_object(text, 4).unwrap_err().to_string();
        assert_eq!(error, said);
    }
}

//! Which bytes a JSON text becomes, and which text they become again.

use super::*;

#[test]
fn every_kind_of_value_has_its_shortest_form_and_comes_back() {
    // The text, its bytes, and the text again where that is another one.
    for (text, bytes, again) in [
        ("null", "c0", ""),
        ("true", "c3", ""),
        (" false ", "c2", "false"),
        ("0", "00", ""),
        ("127", "7f", ""),
        ("128", "cc80", ""),
        ("255", "ccff", ""),
        ("256", "cd0100", ""),
        ("65536", "ce00010000", ""),
        ("4294967296", "cf0000000100000000", ""),
        ("18446744073709551615", "cfffffffffffffffff", ""),
        ("-1", "ff", ""),
        ("-32", "e0", ""),
        ("-33", "d0df", ""),
        ("-128", "d080", ""),
        ("-129", "d1ff7f", ""),
        ("-32769", "d2ffff7fff", ""),
        ("-2147483649", "d3ffffffff7fffffff", ""),
        ("-9223372036854775808", "d38000000000000000", ""),
        // Written as a float, it is one.
        ("1.0", "cb3ff0000000000000", ""),
        ("1e2", "cb4059000000000000", "100.0"),
        ("0.1", "cb3fb999999999999a", ""),
        ("-0", "cb8000000000000000", "-0.0"),
        ("-0.0e7", "cb8000000000000000", "-0.0"),
        ("0e99999999999999999999", "cb0000000000000000", "0.0"),
        ("5e-324", "cb0000000000000001", ""),
        ("1.7976931348623157e308", "cb7fefffffffffffff", ""),
        // No integer of 64 bits, but a float of the same value.
        ("100000000000000000000", "cb4415af1d78b58c40", "1e20"),
        // No float of the same value, but an integer of 64 bits.
        ("9007199254740993.0", "cf0020000000000001", "9007199254740993"),
        ("9007199254740993e0", "cf0020000000000001", "9007199254740993"),
        ("-900719925474099.3e1", "d3ffdfffffffffffff", "-9007199254740993"),
        ("\"\"", "a0", ""),
        ("\"ü\"", "a2c3bc", ""),
        (r#""\u00fc\n\ud83d\ude00""#, "a7c3bc0af09f9880", "\"ü\\n😀\""),
        ("[]", "90", ""),
        ("{}", "80", ""),
        ("[ 1 , [ ] ]", "920190", "[1,[]]"),
        (r#"{"a":{"b":null}}"#, "81a16181a162c0", ""),
        // Twice stays twice.
        (r#"{"a":1,"a":2}"#, "82a16101a16102", ""),
    ] {
        let again = if again.is_empty() { text } else { again };
        assert_eq!(hex(&packed(text)), bytes, "{text}");
        assert_eq!(unpacked(&packed(text)), again, "{text}");
    }
}

#[test]
fn a_number_that_fits_nothing_keeps_its_text() {
    for text in [
        "1e400",
        "-1e400",
        "1e-400",
        // A float of exactly this value has a shortest text that says another one.
        "18446744073709551616",
        "-9223372036854775809",
        "123456789012345678901234567890",
        "0.1000000000000000055511151231257827",
        "3.14159265358979323846264338327950288",
        "1e99999999999999999999",
        "18446744073709551615.5",
    ] {
        let bytes = packed(text);
        assert_eq!(
            bytes[bytes.len() - text.len() - 1],
            1,
            "{text}: the type of the extension"
        );
        assert_eq!(&bytes[bytes.len() - text.len()..], text.as_bytes());
        assert_eq!(unpacked(&bytes), text);
    }
    // Each of the lengths that have a form of their own, and a long one.
    for digits in [21, 30, 40, 300, 70_000] {
        let text = "7".repeat(digits);
        assert_eq!(unpacked(&packed(&text)), text);
    }
}

#[test]
fn what_others_may_write_longer_is_read() {
    for (bytes, text) in [
        (&[0xcd, 0, 7][..], "7"),
        (&[0xd3, 0, 0, 0, 0, 0, 0, 0, 7], "7"),
        (&[0xd0, 0xff], "-1"),
        (&[0xca, 0x3f, 0x80, 0, 0], "1.0"),
        (&[0xca, 0x3d, 0xcc, 0xcc, 0xcd], "0.10000000149011612"),
        (&[0xd9, 1, b'a'], "\"a\""),
        (&[0xdb, 0, 0, 0, 1, b'a'], "\"a\""),
        (&[0xdc, 0, 1, 0xc0], "[null]"),
        (&[0xdf, 0, 0, 0, 1, 0xa1, b'a', 0xc0], "{\"a\":null}"),
        (&[0xc7, 2, 1, b'4', b'2'], "42"),
        (&[0xd4, 1, b'4'], "4"),
        (&[0xa3, 0, b'"', 0x1f], "\"\\u0000\\\"\\u001f\""),
    ] {
        assert_eq!(unpacked(bytes), text);
    }
}

#[test]
fn headers_grow_where_there_is_more_than_a_byte_can_tell() {
    for entries in [15, 16, 17, 255, 256, 65_535, 65_536] {
        let list = format!("[{}]", vec!["[0]"; entries].join(","));
        assert_eq!(unpacked(&packed(&list)), list);
        let map = (0..entries)
            .map(|key| format!("\"{key}\":{{}}"))
            .collect::<Vec<_>>()
            .join(",");
        // Large ones in large ones, and something behind them.
        let map = format!("[{{{map}}},{list},{{{map}}},1]");
        assert_eq!(unpacked(&packed(&map)), map, "{entries}");
    }
}

#[test]
fn half_of_a_surrogate_pair_is_the_replacement_character() {
    for (text, again) in [
        (r#""\ud800""#, "\"\u{fffd}\""),
        (r#""\udc00x""#, "\"\u{fffd}x\""),
        (r#""\ud800\ud83d\ude00""#, "\"\u{fffd}😀\""),
        (r#""\ud800\n""#, "\"\u{fffd}\\n\""),
        (r#""\ud800A""#, "\"\u{fffd}A\""),
    ] {
        assert_eq!(unpacked(&packed(text)), again);
    }
}

#[test]
fn binary_stands_in_one_place_or_none() {
    let bytes = b"\x82\xa1a\x01\xa1b\x81\xa1c\xc4\x03xyz";
    let read = to_json(bytes, Some(&["b", "c"])).unwrap();
    assert_eq!(read.text, r#"{"a":1,"b":{"c":null}}"#);
    assert_eq!(&bytes[read.binary.unwrap()], b"xyz");
    for path in [None, Some(&["b"][..]), Some(&["c"]), Some(&["b", "c", "d"]), Some(&[])] {
        let error = to_json(bytes, path).unwrap_err();
        assert_eq!(error.path, "b.c", "{path:?}");
    }
}

//! What is refused, and that it costs no more than its bytes.

use super::*;
use crate::{BadMessagePack, DEPTH, ListItems, PackFault, first_fields, list_items};

#[test]
fn everything_that_is_wrong_is_told_with_its_place() {
    let deep = [&[0x91; DEPTH][..], &[0xc0]].concat();
    assert!(to_json(&deep, None).is_ok());
    let deeper = [&vec![0x91; 100_000][..], &[0xc0]].concat();
    let place = "[0]".repeat(43);
    let deeper_path = format!("{}…", &place[..128]);
    for (bytes, path, fault) in [
        (&b""[..], "", PackFault::Truncated),
        (b"\xc1", "", PackFault::Reserved),
        (b"\xc0\xc0", "", PackFault::Trailing),
        // 4 GiB of everything that has a length.
        (b"\xdb\xff\xff\xff\xff", "", PackFault::Truncated),
        (b"\xc6\xff\xff\xff\xffxx", "", PackFault::Truncated),
        (b"\xc9\xff\xff\xff\xff\x01", "", PackFault::Truncated),
        (b"\xdd\xff\xff\xff\xff\xc0", "", PackFault::Truncated),
        (b"\xdf\xff\xff\xff\xff\xa0\xc0", "", PackFault::Truncated),
        (b"\x92\xc0", "", PackFault::Truncated),
        // A pair takes two values.
        (b"\x82\xa1a\xc0", "", PackFault::Truncated),
        (b"\xcf\0", "", PackFault::Truncated),
        (b"\x81\x01\xc0", "", PackFault::KeyNotText),
        (b"\x81\xc0\xc0", "", PackFault::KeyNotText),
        (b"\x81\xc4\x01a\xc0", "", PackFault::KeyNotText),
        (b"\x81\xa1a\x81\x01\xc0", "a", PackFault::KeyNotText),
        (b"\x82\xa1a\xc0\x01\xc0", "", PackFault::KeyNotText),
        (b"\x81\xa1\xff\xc0", "", PackFault::NotUtf8),
        (b"\x93\x01\x02\xa2\xc3\x28", "[2]", PackFault::NotUtf8),
        (
            b"\x81\xa1a\x92\x01\xcb\x7f\xf8\0\0\0\0\0\0",
            "a[1]",
            PackFault::NotFinite,
        ),
        (b"\xcb\xff\xf0\0\0\0\0\0\0", "", PackFault::NotFinite),
        (b"\xca\x7f\x80\0\0", "", PackFault::NotFinite),
        (b"\x81\xa2\n\"\x91\xc4\0", "\\n\\\"[0]", PackFault::Binary),
        // A timestamp.
        (b"\xd6\xff\0\0\0\0", "", PackFault::Extension(-1)),
        (b"\xc7\0\x02", "", PackFault::Extension(2)),
        (b"\xc7\0\x01", "", PackFault::NotANumber),
        (b"\xd4\x01x", "", PackFault::NotANumber),
        (b"\xd5\x0101", "", PackFault::NotANumber),
        (b"\xc7\x03\x011,2", "", PackFault::NotANumber),
        (b"\xd5\x01 1", "", PackFault::NotANumber),
        (b"\xd5\x01\xff\xff", "", PackFault::NotANumber),
        (&deeper, &deeper_path, PackFault::TooDeep),
    ] {
        let expected = BadMessagePack {
            path: path.to_owned(),
            fault,
        };
        let error = to_json(bytes, None).unwrap_err();
        assert_eq!(error, expected, "{:02x?}", &bytes[..bytes.len().min(16)]);
        assert!(!error.to_string().contains(char::is_control), "{error}");
    }
}

#[test]
fn what_is_no_json_is_refused_where_it_goes_wrong() {
    for (text, at) in [
        ("", 0),
        ("nul", 0),
        ("1 2", 2),
        ("01", 1),
        ("1.", 0),
        ("1.e1", 0),
        (".5", 0),
        ("-", 0),
        ("+1", 0),
        ("1e", 0),
        ("1e+", 0),
        ("NaN", 0),
        ("[1,]", 3),
        ("[1", 2),
        ("[1}", 2),
        ("{\"a\":1]", 6),
        ("{\"a\" 1}", 5),
        ("{1:1}", 1),
        ("{\"a\":1,}", 7),
        ("\"a", 2),
        ("\"\n\"", 1),
        ("\"\\x\"", 2),
        ("\"\\u12g4\"", 3),
        ("\"\\u12", 3),
        ("\"\\ud800\\u12\"", 9),
        ("]", 0),
    ] {
        let error = from_json(text, &mut Vec::new()).unwrap_err();
        assert_eq!(error.at, at, "{text:?}");
    }
}

#[test]
fn a_list_is_taken_apart_if_it_is_not_too_long() {
    let items = |bytes| list_items(bytes, 3);
    let all: Vec<&[u8]> = vec![b"\x01", b"\x91\xc0", b"\xa1a"];
    assert_eq!(items(b"\x93\x01\x91\xc0\xa1a"), Ok(ListItems::All(all)));
    assert_eq!(items(b"\x90"), Ok(ListItems::All(Vec::new())));
    assert_eq!(items(b"\x94\x01\x02\x03\x04"), Ok(ListItems::TooMany(4)));
    assert_eq!(items(b"\x80"), Ok(ListItems::NoList));
    for bytes in [&b"\xdd\xff\xff\xff\xff\xc0"[..], b"", b"\x92\xc0"] {
        assert_eq!(items(bytes), Err(PackFault::Truncated));
    }
    assert_eq!(items(b"\x91\xc0\xc0"), Err(PackFault::Trailing));
}

#[test]
fn json_is_converted_however_deep_it_is() {
    let depth = 500_000;
    let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let bytes = packed(&text);
    assert_eq!(bytes.len(), depth);
    assert_eq!(to_json(&bytes, None).unwrap_err().fault, PackFault::TooDeep);
}

#[test]
fn fields_are_found_beside_what_cannot_be_converted() {
    let bytes = b"\x86\x01\xc1";
    assert_eq!(first_fields(bytes, &["id"]), Err(PackFault::Truncated));
    // An integer key, NaN, a timestamp, bad UTF-8, and something 100,000 deep.
    let mut bytes =
        b"\x86\x01\xcb\x7f\xf8\0\0\0\0\0\0\xa2id\x07\xa1t\xd6\xff\0\0\0\0\xa1\xff\xa1\xff\xa2id\x08\xa1d".to_vec();
    bytes.extend(vec![0x91; 100_000]);
    bytes.push(0xc0);
    let found = first_fields(&bytes, &["id", "type", "t"]).unwrap();
    assert_eq!(found, [Some(&[7][..]), None, Some(&b"\xd6\xff\0\0\0\0"[..])]);
    bytes.push(0xc0);
    assert_eq!(first_fields(&bytes, &["id"]), Err(PackFault::Trailing));
    assert_eq!(first_fields(b"\x93\x01\x02\x03", &["id"]), Ok([None]));
    assert_eq!(
        first_fields(b"\x82\xa2id\x07\xa1t\xdd\xff\xff\xff\xff", &["id"]),
        Err(PackFault::Truncated)
    );
}

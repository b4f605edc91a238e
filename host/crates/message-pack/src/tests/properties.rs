//! Properties of both ways, against `serde_json` and `rmpv`.

use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::*;
use crate::PackFault;

/// Numbers of all kinds, as somebody may write them.
fn number_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|value| value.to_string()),
        any::<u64>().prop_map(|value| value.to_string()),
        any::<f64>()
            .prop_filter("JSON has no others", |value| value.is_finite())
            .prop_map(|value| format!("{value:?}")),
        "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
    ]
}

fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just(" true".to_owned()),
        Just("false\n".to_owned()),
        number_text(),
        any::<String>().prop_map(|text| Value::String(text).to_string()),
        r#""(\\u[dD][89a-fA-F][0-9a-f]{2}|\\u[0-9a-c]{4}|a|\\n)*""#,
    ];
    leaf.prop_recursive(5, 200, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(|items| format!("[{}]", items.join(" ,"))),
            prop::collection::vec(("\"[a-z]{0,3}\"", inner), 0..20).prop_map(|items| {
                let items = items.into_iter().map(|(key, value)| format!("{key}: {value}"));
                format!("{{{}}}", items.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

/// A number's digits without zeros at either end, and its power of ten: slow, and not the way of the crate.
fn normal(text: &str) -> (bool, String, i64) {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let exponent: i64 = exponent.trim_start_matches('+').parse().unwrap();
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    let significant = digits.trim_matches('0').to_owned();
    if significant.is_empty() {
        return (negative, significant, 0);
    }
    let power = exponent - i64::try_from(fraction.len()).unwrap() + i64::try_from(zeros).unwrap();
    (negative, significant, power)
}

fn others_bytes(bytes: &[u8]) -> Option<rmpv::Value> {
    let mut rest = bytes;
    let value = rmpv::decode::read_value(&mut rest).ok()?;
    rest.is_empty().then_some(value)
}

proptest! {
    #[test]
    fn a_number_is_equal_after_both_ways(text in number_text()) {
        let again = unpacked(&packed(&text));
        prop_assert_eq!(normal(&again), normal(&text), "{} and {}", text, again);
    }

    #[test]
    fn what_came_back_once_comes_back_the_same(text in json_text()) {
        let once = unpacked(&packed(&text));
        prop_assert_eq!(unpacked(&packed(&once)), once.clone());
        serde_json::from_str::<IgnoredAny>(&once).unwrap();
    }

    #[test]
    fn another_reader_sees_the_same_value(text in json_text()) {
        let bytes = packed(&text);
        let value = others_bytes(&bytes).expect("MessagePack");
        let mut again = Vec::new();
        rmpv::encode::write_value(&mut again, &value).unwrap();
        // It writes the shortest forms as well.
        prop_assert_eq!(hex(&again), hex(&bytes));
        prop_assert_eq!(unpacked(&again), unpacked(&bytes));
    }

    #[test]
    fn json_is_what_other_readers_take_for_it(text in json_text(), cut in any::<prop::sample::Index>(), byte in "[ -~]") {
        let at = text.floor_char_boundary(cut.index(text.len() + 1));
        for broken in [text[..at].to_owned(), format!("{}{byte}{}", &text[..at], &text[at..])] {
            let is_json = serde_json::from_str::<IgnoredAny>(&broken).is_ok();
            prop_assert_eq!(from_json(&broken, &mut Vec::new()).is_ok(), is_json, "{}", broken);
        }
    }

    #[test]
    fn what_is_taken_is_json_and_bounded(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        match to_json(&bytes, None) {
            Ok(read) => {
                prop_assert!(others_bytes(&bytes).is_some());
                serde_json::from_str::<IgnoredAny>(&read.text).unwrap();
                prop_assert!(read.text.len() <= 6 * bytes.len(), "{}", read.text);
                prop_assert_eq!(unpacked(&packed(&read.text)), read.text);
            }
            Err(error) => {
                prop_assert!(error.path.len() <= 131, "{}", error.path);
                let is_one_value = others_bytes(&bytes).is_some();
                prop_assert!(!is_one_value || !matches!(error.fault, PackFault::Truncated | PackFault::Trailing));
            }
        }
    }
}

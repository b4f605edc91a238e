use sluicegate_contract::codes;
use sluicegate_contract::limits::CLAIMS_BYTES;

use super::*;

fn raw(code: u16, reason: &str, penalty: types::Penalty) -> types::Denial {
    types::Denial {
        code,
        reason: reason.into(),
        message: None,
        retry_after_ms: None,
        penalty,
    }
}

#[test]
fn denial_codes_are_those_of_the_contract() {
    let ok = |code, penalty| denial(raw(code, "no", penalty)).is_ok();
    for code in codes::SHARED.into_iter().chain([4600, 4700, 4800, 4899]) {
        assert!(ok(code, types::Penalty::None), "{code}");
    }
    for code in [0, 1000, 4300, 4399, 4400, 4404, 4503, 4599, 4900, u16::MAX] {
        assert!(!ok(code, types::Penalty::None), "{code}");
    }
    assert!(ok(4300, types::Penalty::Disconnect));
    assert!(ok(4399, types::Penalty::Disconnect));
    assert!(!ok(4300, types::Penalty::Ban(1)));
}

#[test]
fn reasons_are_snake_case_words() {
    let longest = "a".repeat(64);
    let too_long = "a".repeat(65);
    for reason in ["no", "rate_limited", "a1_2", &longest] {
        assert!(codes::is_reason(reason), "{reason}");
    }
    for reason in ["", "No", "no way", "no-way", "_no", "1st", "näh", "a\n", &too_long] {
        assert!(!codes::is_reason(reason), "{reason}");
    }
}

#[test]
fn a_message_is_short_and_on_one_line() {
    let said = |message: &str| {
        let mut raw = raw(4403, "no", types::Penalty::None);
        raw.message = Some(message.into());
        denial(raw).is_ok()
    };
    assert!(said("Not you."));
    assert!(said(&"a".repeat(256)));
    assert!(!said(&"a".repeat(257)));
    assert!(!said("a\u{7}"));
}

#[test]
fn claims_are_a_json_object() {
    assert_eq!(claims("").unwrap(), "{}");
    assert_eq!(claims(r#"{"a":1}"#).unwrap(), r#"{"a":1}"#);
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(500), "]".repeat(500));
    let long = format!("{{\"a\":\"{}\"}}", "a".repeat(CLAIMS_BYTES));
    for bad in ["[]", "1", "{", "{} {}", "null", &deep, &long] {
        assert!(claims(bad).is_err(), "{bad}");
    }
}

#[test]
fn users_have_a_length_and_no_control_characters() {
    let named = |user: &str| {
        identity(types::Identity {
            user: Some(user.into()),
            claims: String::new(),
            expires_ms: None,
        })
        .is_ok()
    };
    assert!(named("ann"));
    assert!(named(&"a".repeat(255)));
    for bad in ["", "a\nb", &"a".repeat(256)] {
        assert!(!named(bad), "{bad}");
    }
}

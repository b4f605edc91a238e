//! How a plugin gets its settings: JSON from the operator's file into the plugin's own type, with the
//! place of the mistake in every error. Knows nothing of what a setting means.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use sluicegate_contract::json::explain;

/// The type of a plugin's settings. Made by [`settings!`](crate::settings), not by hand.
pub trait Settings: DeserializeOwned + 'static {
    /// JSON Schema of the settings; embedded in the component for the broker and its tools.
    const SCHEMA: &'static str;
}

/// For a plugin without settings; any key the operator gives is refused.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

impl Settings for NoSettings {
    const SCHEMA: &'static str = r#"{"type":"object","additionalProperties":false}"#;
}

/// Reads settings from JSON text.
///
/// # Errors
/// What is wrong and where, such as ``rules[0].allow: unknown variant `read`…``.
pub(crate) fn parse<S: Settings>(config: &str) -> Result<S, String> {
    let text = if config.trim().is_empty() { "{}" } else { config };
    // From the text itself: what a setting takes as any JSON stays as the operator wrote it.
    let as_written = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text));
    let error = match as_written {
        Ok(settings) => return Ok(settings),
        Err(error) => error,
    };
    let mut settings: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if !write_whole_numbers_as_integers(&mut settings) {
        return Err(in_words(&error));
    }
    serde_path_to_error::deserialize(settings).map_err(|error| in_words(&error))
}

/// The place of a mistake and what is wrong there, in the words of JSON and without a line number.
fn in_words(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let path = error.path().to_string();
    let cause = error.inner().to_string();
    let cause = cause.rsplit_once(" at line ").map_or(&*cause, |(cause, _)| cause);
    let cause = explain(cause);
    if path == "." {
        cause.into_owned()
    } else {
        format!("{path}: {cause}")
    }
}

/// JSON has one kind of number: `10.0` is a whole number, also for a setting that is read as an integer. Whether there
/// was one.
fn write_whole_numbers_as_integers(value: &mut Value) -> bool {
    /// Up to here (2^53 − 1) no other whole number is read as the same float.
    const EXACT_IN_FLOATS: f64 = 9_007_199_254_740_991.0;
    match value {
        Value::Number(number) if number.is_f64() => {
            let float = number
                .as_f64()
                .filter(|float| float.fract() == 0.0 && float.abs() <= EXACT_IN_FLOATS);
            let Some(float) = float else { return false };
            #[allow(clippy::cast_possible_truncation, reason = "a whole number under 2^53")]
            let whole = float as i64;
            *number = whole.into();
            true
        }
        Value::Array(items) => items
            .iter_mut()
            .map(write_whole_numbers_as_integers)
            .fold(false, |any, one| any | one),
        Value::Object(members) => members
            .values_mut()
            .map(write_whole_numbers_as_integers)
            .fold(false, |any, one| any | one),
        _ => false,
    }
}

/// Says that a type is a plugin's settings, with the schema that the plugin's `build.rs` rendered:
/// `sluicegate_plugin::settings!(Settings);`.
///
/// The build script is three lines, see `sluicegate_plugin_build::settings_schema`.
#[macro_export]
macro_rules! settings {
    ($settings:ty) => {
        impl $crate::Settings for $settings {
            const SCHEMA: &'static str =
                ::core::include_str!(::core::concat!(::core::env!("OUT_DIR"), "/settings-schema.json"));
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(default)]
        list: Vec<u8>,
    }

    impl Settings for Sample {
        const SCHEMA: &'static str = "{}";
    }

    #[test]
    fn errors_name_the_place_and_no_line() {
        assert_eq!(
            parse::<Sample>(r#"{"list": [1, "x"]}"#).unwrap_err(),
            "list[1]: must be a whole number from 0 to 255, not text"
        );
        for (value, came) in [
            ("1.5", "1.5"),
            ("null", "null"),
            ("true", "true"),
            ("[]", "a list"),
            ("300", "300"),
            ("-1.0", "-1"),
        ] {
            assert_eq!(
                parse::<Sample>(&format!(r#"{{"list": [{value}]}}"#)).unwrap_err(),
                format!("list[0]: must be a whole number from 0 to 255, not {came}")
            );
        }
        assert_eq!(
            parse::<Sample>(r#"{"list": {}}"#).unwrap_err(),
            "list: must be a list, not an object"
        );
        assert_eq!(
            parse::<Sample>(r#"{"lst": 1}"#).unwrap_err(),
            "lst: unknown field `lst`, expected `list`"
        );
    }

    #[test]
    fn a_whole_number_may_be_written_in_many_ways() {
        let sample = parse::<Sample>(r#"{"list": [10, 10.0, 1e1, -0.0]}"#).unwrap();
        assert_eq!(sample.list, [10, 10, 10, 0]);
    }

    #[test]
    fn no_settings_refuses_any_key_and_takes_nothing() {
        assert!(parse::<NoSettings>("{}").is_ok());
        assert!(parse::<NoSettings>("").is_ok());
        assert!(
            parse::<NoSettings>(r#"{"a": 1}"#)
                .unwrap_err()
                .contains("unknown field `a`")
        );
    }
}

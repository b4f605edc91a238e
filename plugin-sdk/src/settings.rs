//! How a plugin gets its settings: JSON from the operator's file into the plugin's own type, with the
//! place of the mistake in every error. Knows nothing of what a setting means.

use serde::{Deserialize, de::DeserializeOwned};

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
    let mut reader = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let whole = error.into_inner().to_string();
        // The operator wrote TOML: a position in the JSON made from it would mislead.
        let cause = whole
            .rsplit_once(" at line ")
            .map_or(whole.as_str(), |(cause, _)| cause);
        if path == "." {
            cause.to_owned()
        } else {
            format!("{path}: {cause}")
        }
    })
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
        #[allow(dead_code, reason = "only its reading is tested")]
        list: Vec<u8>,
    }

    impl Settings for Sample {
        const SCHEMA: &'static str = "{}";
    }

    #[test]
    fn errors_name_the_place_and_no_line() {
        assert_eq!(
            parse::<Sample>(r#"{"list": [1, "x"]}"#).unwrap_err(),
            "list[1]: invalid type: string \"x\", expected u8"
        );
        assert_eq!(
            parse::<Sample>(r#"{"lst": 1}"#).unwrap_err(),
            "lst: unknown field `lst`, expected `list`"
        );
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

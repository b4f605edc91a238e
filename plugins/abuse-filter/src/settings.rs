//! The settings as the operator writes them. Knows their shape, not what makes them work together.

use schemars::JsonSchema;
use serde::Deserialize;

/// Settings of the plugin `abuse_filter`. What is not given is not looked at.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Patterns of the channels whose messages are looked at and counted; all unless given.
    pub channels: Option<Vec<String>>,
    /// How many messages a user may publish.
    pub per_user: Option<Rate>,
    /// How often a user may send the same message to a channel.
    pub duplicates: Option<Duplicates>,
    /// How many links a message may hold.
    pub links_per_message: Option<u32>,
    /// Words that no string of a message may hold, keys included; whole and in any case.
    #[serde(default)]
    pub blocked_words: Vec<String>,
    /// The largest message, in bytes of JSON.
    pub max_payload_bytes: Option<u32>,
    /// What happens to a message that offends by its content.
    #[serde(default)]
    pub action: Action,
    /// What happens to a user who goes on offending.
    pub strikes: Option<Strikes>,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Messages a second, in the long run.
    pub rate: f64,
    /// Messages at once.
    pub burst: u32,
}

/// A fixed window that opens with the first of some equal messages.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Duplicates {
    /// How long the window is, in seconds.
    pub window_seconds: u32,
    /// How many equal messages pass in it.
    pub max: u32,
}

impl Default for Duplicates {
    fn default() -> Self {
        Self {
            window_seconds: 30,
            max: 3,
        }
    }
}

/// What happens to a message that offends by its content.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The publisher is told.
    #[default]
    Deny,
    /// The publisher believes that it was sent.
    Discard,
}

/// What happens to a user who goes on offending. Every denied or discarded message is one strike.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Strikes {
    /// How long strikes are counted together, in seconds from the first.
    pub window_seconds: u32,
    /// From this strike on the connection is closed. 0: never.
    pub disconnect_at: u32,
    /// From this strike on the user is banned. 0: never.
    pub ban_at: u32,
    /// For how long, in seconds.
    pub ban_seconds: u32,
}

impl Default for Strikes {
    fn default() -> Self {
        Self {
            window_seconds: 60,
            disconnect_at: 5,
            ban_at: 10,
            ban_seconds: 300,
        }
    }
}

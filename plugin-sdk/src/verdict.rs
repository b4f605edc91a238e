//! What hooks answer. Plain data; knows nothing of who asks.

use sluicegate_contract::limits::DENIAL_MESSAGE_BYTES;
use sluicegate_contract::text::on_one_line;

/// Who a connection is, from now until `expires_ms`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The user's id, 1 to 255 bytes. `None`: accepted without a name.
    pub user: Option<String>,
    /// A JSON object of at most 16 KiB, shown to every later hook; `""` means `{}`.
    pub claims: String,
    /// When the session ends unless it is refreshed, in milliseconds since the Unix epoch.
    pub expires_ms: Option<u64>,
}

impl Identity {
    /// An identity with a name, no claims and no end.
    #[must_use]
    pub fn of(user: impl Into<String>) -> Self {
        Self {
            user: Some(user.into()),
            ..Self::default()
        }
    }
}

/// What a subscriber may do in the channel besides listening. The default grants nothing more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Counts as this plugin's allow for every later publish on the channel.
    pub publish: bool,
    /// May ask who is present.
    pub presence: bool,
    /// May read and recover history.
    pub history: bool,
    /// When the subscription ends, in milliseconds since the Unix epoch.
    pub expires_ms: Option<u64>,
}

/// What else happens to a client that is denied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Penalty {
    /// Nothing.
    #[default]
    None,
    /// Its connection is closed.
    Disconnect,
    /// Its connection is closed, and its user is refused for so many seconds.
    Ban(u32),
}

/// A refusal, as the client will see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// One of 4401, 4403, 4410, 4413, 4422, 4429, 4430, 4451; or the plugin's own: 4600 to 4899 (a
    /// connection closed with 4800 to 4899 does not come back), or 4300 to 4399 together with
    /// [`Penalty::Disconnect`] (it does come back). Any other code is a fault.
    pub code: u16,
    /// A `snake_case_word` of at most 64 bytes: what programs look at.
    pub reason: String,
    /// For a person, at most 256 bytes.
    pub message: Option<String>,
    /// When trying again makes sense, in milliseconds from now.
    pub retry_after_ms: Option<u64>,
    /// What else happens to the client.
    pub penalty: Penalty,
}

impl Denial {
    /// A refusal without message, retry time or penalty.
    #[must_use]
    pub fn new(code: u16, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self {
            code,
            reason,
            message: None,
            retry_after_ms: None,
            penalty: Penalty::None,
        }
    }

    /// Adds words for a person, cut to 256 bytes at a character's end. What a client wrote may stand in them: characters
    /// that no message may hold, and such as hide, become escapes (`\u{a}`).
    #[must_use]
    pub fn message(mut self, text: impl Into<String>) -> Self {
        self.message = Some(on_one_line(&text.into(), DENIAL_MESSAGE_BYTES));
        self
    }

    /// Adds when trying again makes sense, in milliseconds from now.
    #[must_use]
    pub fn retry_after_ms(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }

    /// Adds what else happens to the client.
    #[must_use]
    pub fn penalty(mut self, penalty: Penalty) -> Self {
        self.penalty = penalty;
        self
    }
}

/// The answer to a connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectVerdict {
    /// Not mine to say.
    Abstain,
    /// It may be, and this is who it is.
    Accept(Identity),
    /// It may not be.
    Deny(Denial),
}

/// The answer to a subscribe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscribeVerdict {
    /// Not mine to say.
    Abstain,
    /// It may listen, and do what is granted.
    Allow(Grant),
    /// It may not.
    Deny(Denial),
}

/// The answer to a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishVerdict {
    /// Not mine to say.
    Abstain,
    /// It may pass as it is.
    Allow,
    /// Goes on with this data in place of the client's. It must be JSON. Not an allow.
    Replace(Vec<u8>),
    /// Ends here: the publisher is told that all went well, and nobody receives it.
    Discard,
    /// It may not pass.
    Deny(Denial),
}

impl From<Denial> for ConnectVerdict {
    fn from(denial: Denial) -> Self {
        Self::Deny(denial)
    }
}

impl From<Denial> for SubscribeVerdict {
    fn from(denial: Denial) -> Self {
        Self::Deny(denial)
    }
}

impl From<Denial> for PublishVerdict {
    fn from(denial: Denial) -> Self {
        Self::Deny(denial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let denial = Denial::new(4422, "no").message("é".repeat(200));
        assert_eq!(denial.message.unwrap().len(), DENIAL_MESSAGE_BYTES);
        let denial = Denial::new(4422, "no").message(format!("x{}", "é".repeat(200)));
        assert_eq!(denial.message.unwrap().len(), DENIAL_MESSAGE_BYTES - 1);
    }

    #[test]
    fn a_message_holds_no_control_characters_whatever_it_was_made_of() {
        let denial = Denial::new(4422, "no").message("a key \"x\ny\u{85}\0\"");
        assert_eq!(denial.message.as_deref(), Some(r#"a key "x\u{a}y\u{85}\u{0}""#));
        let long = Denial::new(4422, "no").message("\n".repeat(300));
        assert_eq!(long.message.unwrap().len(), 255, "51 of five bytes each");
    }
}

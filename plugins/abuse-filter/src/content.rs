//! What a message must not be, by its text alone: too large, full of links, with blocked words. Knows no user
//! and no time.

use sluicegate_plugin::{json, words::WordList};

/// How a message offends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence {
    /// More bytes than allowed.
    TooLarge,
    /// It is not text in UTF-8. The broker rules this out.
    NotText,
    /// A blocked word.
    BlockedWord,
    /// More links than allowed.
    TooManyLinks,
    /// The same again, too often.
    Duplicate,
}

impl Offence {
    /// What programs look at.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "payload_too_large",
            Self::NotText => "not_text",
            Self::BlockedWord => "blocked_word",
            Self::TooManyLinks => "too_many_links",
            Self::Duplicate => "duplicate_message",
        }
    }

    /// The words for a person. Which word was blocked is not told: that would help to get round it.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::TooLarge => "the message is too large for this channel",
            Self::NotText => "the message is not text",
            Self::BlockedWord => "the message holds a word that is not allowed",
            Self::TooManyLinks => "the message holds too many links",
            Self::Duplicate => "the same message was sent too often",
        }
    }
}

/// The rules on content, made ready at the start.
pub struct Content {
    max_bytes: usize,
    max_links: Option<u32>,
    blocked: WordList,
    any_blocked: bool,
}

impl Content {
    /// Makes the rules ready.
    ///
    /// # Errors
    /// A blocked word that is none.
    pub fn check(max_bytes: Option<u32>, max_links: Option<u32>, words: &[String]) -> Result<Self, String> {
        Ok(Self {
            max_bytes: max_bytes.map_or(usize::MAX, |max| max as usize),
            max_links,
            blocked: WordList::new(words).map_err(|e| format!("blocked_words: {e}"))?,
            any_blocked: !words.is_empty(),
        })
    }

    /// The first offence of a message, if there is one.
    #[must_use]
    pub fn offence(&self, data: &[u8]) -> Option<Offence> {
        if data.len() > self.max_bytes {
            return Some(Offence::TooLarge);
        }
        if !self.any_blocked && self.max_links.is_none() {
            return None;
        }
        let Ok(json) = std::str::from_utf8(data) else {
            return Some(Offence::NotText);
        };
        if self.any_blocked && self.blocked.may_occur(json) && self.holds_blocked(json) {
            return Some(Offence::BlockedWord);
        }
        let max = self.max_links?;
        (links(json) > max).then_some(Offence::TooManyLinks)
    }

    fn holds_blocked(&self, json: &str) -> bool {
        json::strings(json).any(|text| self.blocked.hits(&json[text.content]).next().is_some())
    }
}

/// How many links the strings of a message hold: each `://` behind a letter, and each `www.` that begins a
/// word and is not part of such a link.
#[must_use]
pub fn links(json: &str) -> u32 {
    if !may_link(json.as_bytes()) {
        return 0;
    }
    json::strings(json)
        .map(|text| links_in(&json::unescape(&json[text.content])))
        .sum()
}

/// Whether a closer look is worth it: most messages hold none of the signs that every link needs, plain or as
/// the escapes `\/` and `\uXXXX`.
fn may_link(bytes: &[u8]) -> bool {
    let mut from = 0;
    while let Some(at) = json::find_any(bytes, from, *b"/.\\") {
        let before = at.checked_sub(1).map_or(0, |before| bytes[before].to_ascii_lowercase());
        let after = bytes.get(at + 1).copied().unwrap_or(0);
        let sign = match bytes[at] {
            b'/' => after == b'/',
            b'.' => before == b'w',
            _ => after == b'/' || after == b'u',
        };
        if sign {
            return true;
        }
        // Behind a backslash stands one character of its escape, such as another backslash.
        from = at + if bytes[at] == b'\\' { 2 } else { 1 };
    }
    false
}

fn links_in(text: &str) -> u32 {
    let bytes = text.as_bytes();
    let mut count = 0;
    for at in 0..bytes.len() {
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let scheme = bytes[at..].starts_with(b"://") && before.is_some_and(|b| b.is_ascii_alphanumeric());
        let bare = bytes
            .get(at..at + 4)
            .is_some_and(|four| four.eq_ignore_ascii_case(b"www."))
            && !before.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'/' || b >= 0x80);
        count += u32::from(scheme || bare);
    }
    count
}

//! A string of the config. In messages it shows itself if it stands in the file itself, else where it comes from.

use std::fmt;
use std::ops::Deref;

#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    content: &'a str,
    /// The words that stand for it in messages, if it stands elsewhere.
    origin: Option<&'a str>,
}

// === impl Text ===

impl<'a> Text<'a> {
    /// One that stands where it is read.
    pub(super) fn written(content: &'a str) -> Self {
        Self { content, origin: None }
    }

    /// One that stands elsewhere: `origin` says where.
    pub(super) fn taken(content: &'a str, origin: &'a str) -> Self {
        Self {
            content,
            origin: Some(origin),
        }
    }

    /// The string, which is not for messages.
    pub(super) fn get(self) -> &'a str {
        self.content
    }
}

impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        self.content
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin {
            Some(origin) => f.write_str(origin),
            None => fmt::Debug::fmt(self.content, f),
        }
    }
}

//! The offers in `Sec-WebSocket-Extensions` (RFC 6455 9.1), whoever wrote them. Knows no extension.

use std::borrow::Cow;

/// An extension that a client offers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ExtensionOffer<'a> {
    pub(super) name: &'a str,
    /// Names, and the values of those that have one, in the order of the header.
    pub(super) parameters: Vec<(&'a str, Option<Cow<'a, str>>)>,
}

/// The offers in their order, or none where the header breaks its grammar. Elements of the list may be empty.
pub(super) fn offers(header: &str) -> Option<Vec<ExtensionOffer<'_>>> {
    let mut scanner = Scanner { rest: header };
    let mut offers = Vec::new();
    loop {
        while scanner.take(',') {}
        if scanner.rest.is_empty() {
            return Some(offers);
        }
        let name = scanner.token()?;
        let mut parameters = Vec::new();
        while scanner.take(';') {
            let name = scanner.token()?;
            let value = if scanner.take('=') {
                Some(scanner.value()?)
            } else {
                None
            };
            parameters.push((name, value));
        }
        offers.push(ExtensionOffer { name, parameters });
        if !scanner.rest.is_empty() && !scanner.rest.starts_with(',') {
            return None;
        }
    }
}

/// What is not read yet. Each step leaves out the white space around it.
struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn take(&mut self, separator: char) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(separator);
        self.rest = rest.unwrap_or(self.rest);
        self.skip_space();
        rest.is_some()
    }

    fn token(&mut self) -> Option<&'a str> {
        let end = self.rest.bytes().position(|byte| !is_token(byte));
        let (token, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        self.skip_space();
        (!token.is_empty()).then_some(token)
    }

    /// A token, which may be in quotes.
    fn value(&mut self) -> Option<Cow<'a, str>> {
        let Some(quoted) = self.rest.strip_prefix('"') else {
            return self.token().map(Cow::Borrowed);
        };
        let mut value = String::new();
        let mut characters = quoted.chars();
        loop {
            match characters.next()? {
                '"' => break,
                '\\' => value.push(characters.next()?),
                character => value.push(character),
            }
        }
        self.rest = characters.as_str();
        self.skip_space();
        let is_valid = !value.is_empty() && value.bytes().all(is_token);
        is_valid.then_some(Cow::Owned(value))
    }
}

/// RFC 9110 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

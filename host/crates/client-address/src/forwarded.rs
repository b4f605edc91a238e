//! One element of the header `Forwarded` (RFC 7239 4): `for="[2001:db8::1]:4711";proto=https`.

use std::net::IpAddr;

use super::node;

/// The address in an element's `for`. None if it has none, more than one, or is malformed, and for a client whose
/// address a proxy hides or does not know.
pub(crate) fn address(element: &str) -> Option<IpAddr> {
    let mut found = None;
    let mut rest = element;
    loop {
        let (name, value, after) = pair(rest)?;
        if name.eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
        rest = after.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            break;
        }
        rest = rest.strip_prefix(';')?.trim_start_matches([' ', '\t']);
    }
    node::address(&found?)
}

/// The first pair of a name and a value, and what follows.
fn pair(text: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = text.split_once('=')?;
    if !is_token(name) {
        return None;
    }
    if let Some(quoted) = rest.strip_prefix('"') {
        let (value, rest) = unquote(quoted)?;
        return Some((name, value, rest));
    }
    let end = rest.find([';', ' ', '\t']).unwrap_or(rest.len());
    let (value, rest) = rest.split_at(end);
    // Strictly, an address with a port or in brackets is to be quoted. Some proxies leave the quotes out.
    let is_plain = !value.is_empty() && !value.contains(['"', '\\']);
    is_plain.then(|| (name, value.to_owned(), rest))
}

/// What a quoted string says, from after its first quote, and what follows the last.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    loop {
        match chars.next()? {
            (at, '"') => return Some((value, &text[at + 1..])),
            (_, '\\') => value.push(chars.next()?.1),
            (_, other) => value.push(other),
        }
    }
}

/// RFC 9110 5.6.2.
fn is_token(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_part)
}

//! The headers that the gateway judges a request by, read as RFC 9110 (5.3) has them: the lines of one name are one
//! list, and what is no list comes once. A header that cannot be read is an error, never an absent header.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;

/// Why a header cannot be judged.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum HeaderError {
    #[error("the request has the header {0} more than once; send it once")]
    Repeated(HeaderName),
    #[error("the header {0} has bytes that are not printable ASCII; send it without them")]
    Unreadable(HeaderName),
}

/// The value of a header that comes once at most.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, HeaderError> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next().map(|line| text(line, name)).transpose()?;
    match lines.next() {
        Some(_) => Err(HeaderError::Repeated(name.clone())),
        None => Ok(first),
    }
}

/// The value of a header that is a list: its lines, joined with commas.
pub(super) fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<Cow<'a, str>>, HeaderError> {
    let mut joined: Option<Cow<'a, str>> = None;
    for line in headers.get_all(name) {
        let line = text(line, name)?;
        joined = Some(match joined {
            None => line.into(),
            Some(before) => format!("{before}, {line}").into(),
        });
    }
    Ok(joined)
}

fn text<'a>(value: &'a HeaderValue, name: &HeaderName) -> Result<&'a str, HeaderError> {
    value.to_str().map_err(|_| HeaderError::Unreadable(name.clone()))
}

#[cfg(test)]
mod tests {
    use axum::http::header::{CONNECTION, HOST};

    use super::*;

    fn headers(name: &HeaderName, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn lines_of_one_name_are_one_list() {
        for (lines, joined) in [
            (&[][..], None),
            (&["Upgrade"], Some("Upgrade")),
            (&["keep-alive", "Upgrade", ""], Some("keep-alive, Upgrade, ")),
        ] {
            let headers = headers(&CONNECTION, lines);
            assert_eq!(list(&headers, &CONNECTION).unwrap().as_deref(), joined);
        }
    }

    #[test]
    fn what_is_no_list_comes_once() {
        assert_eq!(single(&headers(&HOST, &[]), &HOST), Ok(None));
        assert_eq!(single(&headers(&HOST, &["a"]), &HOST), Ok(Some("a")));
        let twice = headers(&HOST, &["a", "a"]);
        assert_eq!(single(&twice, &HOST), Err(HeaderError::Repeated(HOST)));
    }

    #[test]
    fn what_cannot_be_read_is_not_absent() {
        let unreadable = HeaderError::Unreadable(HOST);
        assert_eq!(single(&headers(&HOST, &["\u{e9}"]), &HOST), Err(unreadable.clone()));
        assert_eq!(list(&headers(&HOST, &["a", "\u{e9}"]), &HOST), Err(unreadable));
    }
}

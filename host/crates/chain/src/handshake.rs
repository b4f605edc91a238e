//! How a connection was opened, and what it brings to `connect` and to each refresh.

use std::fmt;
use std::sync::Arc;

/// What a connect hook may ask about.
#[derive(Clone, Default)]
pub struct Handshake {
    /// From the payload, else from the upgrade request.
    pub token: Option<String>,
    /// `client.name` of the connect payload.
    pub client_name: Option<String>,
    /// `data` of the connect payload: JSON text.
    pub data: Option<String>,
    /// A token refresh on an open session.
    pub is_refresh: bool,
    /// The request that opened the connection.
    pub upgrade: Arc<Upgrade>,
}

/// The upgrade request of a connection, without what is secret in it.
#[derive(Clone, Debug, Default)]
pub struct Upgrade {
    /// Without those that carry tokens.
    pub headers: Headers,
    /// The browser page's origin.
    pub origin: Option<Box<str>>,
    /// Without the query.
    pub path: Box<str>,
}

/// The headers of a request in one piece of memory: `name:value` lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Box<str>);

impl Headers {
    /// The first value of the header `name`, in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut headers = self.0.lines().filter_map(|line| line.split_once(':'));
        headers
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Bytes of names and values, each with its delimiter.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// Those that fit into so many bytes, in their order.
    #[must_use]
    pub fn within(&self, bytes: usize) -> Self {
        let headers = self.0.lines().filter_map(|line| line.split_once(':'));
        let mut left = bytes;
        headers
            .filter(|(name, value)| {
                let takes = name.len() + value.len() + 2;
                let fits = takes <= left;
                left -= if fits { takes } else { 0 };
                fits
            })
            .collect()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Headers {
    /// Names and values without line breaks, names without a colon: as HTTP has them.
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(headers: I) -> Self {
        let mut lines = String::new();
        for (name, value) in headers {
            lines.extend([name, ":", value, "\n"]);
        }
        Self(lines.into_boxed_str())
    }
}

impl fmt::Debug for Handshake {
    /// Without the token and the data: they are nobody's but the plugins'.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("origin", &self.upgrade.origin)
            .field("path", &self.upgrade.path)
            .field("client_name", &self.client_name)
            .field("is_refresh", &self.is_refresh)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_in_any_case_and_the_first_counts() {
        let headers: Headers = [("user-agent", "a: b"), ("x", ""), ("x", "2")].into_iter().collect();
        assert_eq!(headers.get("User-Agent"), Some("a: b"));
        assert_eq!(headers.get("X"), Some(""));
        assert_eq!(headers.get("agent"), None);
    }

    #[test]
    fn what_does_not_fit_is_left_out_whole() {
        let headers: Headers = [("a", "1"), ("long", "123456"), ("b", "2")].into_iter().collect();
        assert_eq!(headers.bytes(), 4 + 12 + 4);
        let kept = headers.within(8);
        assert_eq!(
            (kept.get("a"), kept.get("long"), kept.get("b")),
            (Some("1"), None, Some("2"))
        );
        assert_eq!(headers.within(20), headers);
    }
}

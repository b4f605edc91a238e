//! Which web pages may connect. Pure; origins as RFC 6454 has them.

/// The origins a tenant allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    any: bool,
    listed: Vec<Origin>,
}

/// Scheme and host in lower case; the scheme's own port is written out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origins {
    /// Whether a request with this `Origin` header may pass.
    pub fn allows(&self, origin: &str) -> bool {
        self.any || Origin::parse(origin).is_some_and(|origin| self.listed.contains(&origin))
    }

    /// Whether every page may pass.
    pub fn allows_any(&self) -> bool {
        self.any
    }

    /// Adds `*` or an origin; false if `text` is neither.
    pub(super) fn add(&mut self, text: &str) -> bool {
        if text == "*" {
            self.any = true;
            return true;
        }
        let origin = Origin::parse(text);
        let good = origin.is_some();
        self.listed.extend(origin);
        good
    }
}

impl Origin {
    /// `scheme://host[:port]` and nothing after it. `null`, which pages without an origin send, is none.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let (host, port) = match authority.rsplit_once(':') {
            // A colon within an IPv6 address's brackets starts no port.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        if !is_scheme(scheme) || !is_host(host) {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let port = match port {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
            Some(_) => return None,
            None => default_port(&scheme),
        };
        Some(Self {
            scheme,
            host: host.to_ascii_lowercase(),
            port,
        })
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// A name in its ASCII form, an IPv4 address, or an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix('[') {
        return inner
            .strip_suffix(']')
            .is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok());
    }
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(texts: &[&str]) -> Origins {
        let mut origins = Origins::default();
        for text in texts {
            assert!(origins.add(text), "{text}");
        }
        origins
    }

    #[test]
    fn allows_the_listed_ones_only() {
        let origins = origins(&[
            "https://acme.example",
            "http://localhost:3000",
            "https://[::1]:8443",
            "app://local",
        ]);
        let allowed = [
            "https://acme.example",
            "https://ACME.example",
            "https://acme.example:443",
            "http://localhost:3000",
            "https://[::1]:8443",
            "app://local",
        ];
        for origin in allowed {
            assert!(origins.allows(origin), "{origin}");
        }
        let refused = [
            "http://acme.example",
            "https://acme.example:8443",
            "https://acme.example.evil.example",
            "https://evil.example/https://acme.example",
            "https://evil.example?https://acme.example",
            "https://user@acme.example",
            "https://sub.acme.example",
            "https://acme.example/",
            "https://acme.example:+443",
            "https://acme.example:",
            "http://localhost",
            "null",
            "*",
            "",
        ];
        for origin in refused {
            assert!(!origins.allows(origin), "{origin}");
        }
    }

    #[test]
    fn none_listed_allows_none_and_a_star_all() {
        assert!(!Origins::default().allows("https://acme.example"));
        assert!(origins(&["*"]).allows("https://acme.example"));
        assert!(origins(&["*"]).allows("null"));
    }

    #[test]
    fn takes_no_half_origins() {
        for text in [
            "acme.example",
            "https://",
            "https://*.acme.example",
            "https://acme.example/",
            "://a",
            "null",
            "https://a:99999",
            "https://[::1",
        ] {
            assert!(!Origins::default().add(text), "{text}");
        }
    }
}

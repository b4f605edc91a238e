//! Which host a request means (RFC 9112 3.2): the one in its target if it has one there, else its `Host`.

use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::{StatusCode, Version};

use super::headers;
use super::refusal::HttpRefusal;
use config::canonical_host;

/// The host in its one spelling; none in a request of HTTP/1.0 that names no host.
pub(super) fn host(request: &Request) -> Result<Option<String>, HttpRefusal> {
    let in_header = match headers::single(request.headers(), &HOST)? {
        Some(value) => Some(without_port(value)?),
        None if request.version() < Version::HTTP_11 => None,
        None => return Err(bad("the request has no Host header, which HTTP/1.1 needs")),
    };
    match request.uri().authority() {
        Some(authority) => without_port(authority.as_str()).map(Some),
        None => Ok(in_header),
    }
}

/// The host in `host[:port]`. A port has digits, or none after the colon.
fn without_port(text: &str) -> Result<String, HttpRefusal> {
    // The colons of an IPv6 address are within its brackets.
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (text, ""),
    };
    if !port.bytes().all(|byte| byte.is_ascii_digit()) || (!port.is_empty() && port.parse::<u16>().is_err()) {
        return Err(bad(format!(
            "the port of the request's host is {port:?}, and must be 0 to 65535"
        )));
    }
    canonical_host(host).ok_or_else(|| {
        bad(format!(
            "the request's host is {host:?}, and must be a name or an address in ASCII"
        ))
    })
}

fn bad(sentence: impl Into<String>) -> HttpRefusal {
    HttpRefusal::new(StatusCode::BAD_REQUEST, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_goes_and_a_bad_one_is_refused() {
        for (text, host) in [
            ("acme.example", "acme.example"),
            ("ACME.example.:8080", "acme.example"),
            ("acme.example:", "acme.example"),
            ("acme.example:0", "acme.example"),
            ("acme.example:065535", "acme.example"),
            ("[::1]", "[::1]"),
            ("[0::1]:80", "[::1]"),
            ("127.0.0.1:1", "127.0.0.1"),
        ] {
            assert_eq!(without_port(text).unwrap(), host, "{text}");
        }
        for text in [
            "",
            ":80",
            ".",
            ".:80",
            "acme.example:http",
            "acme.example:80a",
            "acme.example:+80",
            "acme.example:-1",
            "acme.example:65536",
            "acme.example:80:80",
            "acme.example..",
            "acme.example, other.example",
            "acme.example other.example",
            "ann@acme.example",
            "%61cme.example",
            "::1",
            "[::1",
            "[::1]80",
            "http://acme.example",
        ] {
            assert!(without_port(text).is_err(), "{text}");
        }
    }
}

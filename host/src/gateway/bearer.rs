//! Where an upgrade request may carry its token, and which subprotocol it is answered with.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL};

use crate::protocol::SUBPROTOCOL_JSON;
use crate::wire::handshake::tokens;

/// What a client offers as a subprotocol to carry its token: browsers can set no header.
const BEARER_PREFIX: &str = "bearer.";

/// The subprotocols of a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Offer {
    /// The one to answer with; none when none was offered.
    pub chosen: Option<&'static str>,
    /// The token among them.
    pub token: Option<String>,
}

/// Reads the offered subprotocols. `Err`: only ones this broker does not speak.
pub(super) fn offer(headers: &HeaderMap) -> Result<Offer, String> {
    let mut offer = Offer::default();
    let mut unknown = Vec::new();
    for value in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
        for word in tokens(value.to_str().unwrap_or_default()) {
            if let Some(token) = word.strip_prefix(BEARER_PREFIX) {
                offer.token.get_or_insert_with(|| token.to_owned());
            } else if word == SUBPROTOCOL_JSON {
                offer.chosen = Some(SUBPROTOCOL_JSON);
            } else {
                unknown.push(word);
            }
        }
    }
    if offer.chosen.is_none() && !unknown.is_empty() {
        return Err(format!(
            "this broker speaks {SUBPROTOCOL_JSON}, not {}",
            unknown.join(", ")
        ));
    }
    Ok(offer)
}

/// The token of `Authorization: Bearer …`.
pub(super) fn header_token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// The token in the cookie `name`. Only for a request whose origin was found to be allowed: a browser
/// sends cookies for any page that asks.
pub(super) fn cookie_token(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers
        .get_all(COOKIE)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    let mut cookies = lines.flat_map(|line| line.split(';'));
    cookies.find_map(|cookie| {
        let (key, value) = cookie.trim().split_once('=')?;
        (key == name && !value.is_empty()).then(|| value.trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_token_among_subprotocols_is_never_the_answer() {
        let both = headers(&[("sec-websocket-protocol", "bearer.abc, sluicegate.v1.json")]);
        let expected = Offer {
            chosen: Some(SUBPROTOCOL_JSON),
            token: Some("abc".into()),
        };
        assert_eq!(offer(&both), Ok(expected));
        assert_eq!(
            offer(&headers(&[("sec-websocket-protocol", "bearer.abc")]))
                .unwrap()
                .chosen,
            None
        );
    }

    #[test]
    fn only_unknown_subprotocols_are_refused() {
        assert_eq!(offer(&headers(&[])), Ok(Offer::default()));
        assert!(offer(&headers(&[("sec-websocket-protocol", "graphql-ws")])).is_err());
        let mixed = headers(&[
            ("sec-websocket-protocol", "graphql-ws"),
            ("sec-websocket-protocol", "sluicegate.v1.json"),
        ]);
        assert_eq!(offer(&mixed).unwrap().chosen, Some(SUBPROTOCOL_JSON));
    }

    #[test]
    fn tokens_in_headers() {
        assert_eq!(
            header_token(&headers(&[("authorization", "bearer  x.y ")])).as_deref(),
            Some("x.y")
        );
        assert_eq!(header_token(&headers(&[("authorization", "Basic x")])), None);
        let cookies = headers(&[("cookie", "a=1; sg_token=x.y; b=2")]);
        assert_eq!(cookie_token(&cookies, "sg_token").as_deref(), Some("x.y"));
        assert_eq!(cookie_token(&cookies, "g_token"), None);
    }
}

//! Where an upgrade request may carry its token, and which subprotocol it is answered with. White space around a token
//! is not part of it, and an empty token is none.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL};
use thiserror::Error;
use wire::handshake::tokens;

use super::headers::{HeaderError, list, single};
use protocol::{Codec, SUBPROTOCOL_JSON, SUBPROTOCOL_MESSAGE_PACK};

/// The subprotocol that carries a token: browsers can set no header.
const BEARER_PREFIX: &str = "bearer.";

/// The subprotocols that there are.
const SUBPROTOCOLS: [&str; 2] = [SUBPROTOCOL_JSON, SUBPROTOCOL_MESSAGE_PACK];

/// The subprotocols that a request offers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Offer {
    /// The one to answer with, the first of the client's list that is known here; none when none was offered.
    pub chosen: Option<&'static str>,
    /// The token among them.
    pub token: Option<String>,
}

/// Only subprotocols were offered that this broker does not speak.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("this broker speaks {SUBPROTOCOL_JSON} and {SUBPROTOCOL_MESSAGE_PACK}, not {0}")]
pub(super) struct UnknownSubprotocols(String);

/// Reads the value of `Sec-WebSocket-Protocol`.
pub(super) fn offer(value: &str) -> Result<Offer, UnknownSubprotocols> {
    let mut offer = Offer::default();
    let mut unknown = Vec::new();
    for word in tokens(value) {
        if let Some(token) = word.strip_prefix(BEARER_PREFIX) {
            offer.token = offer.token.or_else(|| present(token));
        } else if let Some(known) = SUBPROTOCOLS.iter().find(|known| word == **known) {
            offer.chosen.get_or_insert(known);
        } else {
            unknown.push(word);
        }
    }
    if offer.chosen.is_none() && !unknown.is_empty() {
        return Err(UnknownSubprotocols(unknown.join(", ")));
    }
    Ok(offer)
}

/// How envelopes are encoded in this subprotocol, or without one.
pub(super) fn codec(chosen: Option<&str>) -> Codec {
    match chosen {
        Some(SUBPROTOCOL_MESSAGE_PACK) => Codec::MessagePack,
        _ => Codec::Json,
    }
}

/// The lines of `Sec-WebSocket-Protocol` as one value.
pub(super) fn offered(headers: &HeaderMap) -> Result<String, HeaderError> {
    Ok(list(headers, &SEC_WEBSOCKET_PROTOCOL)?.unwrap_or_default().into_owned())
}

/// The token of `Authorization: Bearer TOKEN`. Other schemes may be a proxy's, and are left alone.
pub(super) fn header_token(headers: &HeaderMap) -> Result<Option<String>, HeaderError> {
    let value = single(headers, &AUTHORIZATION)?.unwrap_or_default().trim();
    let (scheme, token) = value.split_once([' ', '\t']).unwrap_or((value, ""));
    Ok(present(token).filter(|_| scheme.eq_ignore_ascii_case("bearer")))
}

/// The token in the cookie `name`: the first that is not empty. Only for a request whose origin was found to be
/// allowed: a browser sends cookies for any page that asks. Cookies of other names are not read and may
/// contain any bytes.
pub(super) fn cookie_token(headers: &HeaderMap, name: &str) -> Result<Option<String>, HeaderError> {
    let lines = headers.get_all(COOKIE).into_iter();
    let cookies = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    for cookie in cookies {
        let cookie = cookie.trim_ascii();
        let Some(value) = cookie
            .strip_prefix(name.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"="))
        else {
            continue;
        };
        let value = str::from_utf8(value)
            .ok()
            .filter(|value| value.is_ascii())
            .ok_or(HeaderError::Unreadable(COOKIE))?;
        if let Some(token) = present(value.trim().trim_matches('"')) {
            return Ok(Some(token));
        }
    }
    Ok(None)
}

fn present(token: &str) -> Option<String> {
    let token = token.trim();
    (!token.is_empty()).then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn a_token_among_subprotocols_is_never_the_answer() {
        let expected = Offer {
            chosen: Some(SUBPROTOCOL_JSON),
            token: Some("abc".into()),
        };
        assert_eq!(offer("bearer.abc, sluicegate.v1.json"), Ok(expected));
        assert_eq!(offer("bearer.abc").unwrap().chosen, None);
    }

    #[test]
    fn the_first_of_the_clients_list_that_is_known_is_chosen() {
        for (offered, chosen) in [
            ("sluicegate.v1.msgpack", Some(Codec::MessagePack)),
            ("sluicegate.v1.msgpack, sluicegate.v1.json", Some(Codec::MessagePack)),
            ("sluicegate.v1.json, sluicegate.v1.msgpack", Some(Codec::Json)),
            (
                "graphql-ws, bearer.abc, sluicegate.v1.msgpack",
                Some(Codec::MessagePack),
            ),
            ("bearer.abc", None),
        ] {
            let offer = offer(offered).unwrap();
            assert_eq!(offer.chosen.map(|chosen| codec(Some(chosen))), chosen, "{offered}");
        }
        assert_eq!(codec(None), Codec::Json);
    }

    #[test]
    fn an_empty_token_among_subprotocols_is_none() {
        assert_eq!(offer("bearer.").unwrap(), Offer::default());
        assert_eq!(offer("bearer., bearer.abc").unwrap().token.as_deref(), Some("abc"));
    }

    #[test]
    fn only_unknown_subprotocols_are_refused() {
        assert_eq!(offer(""), Ok(Offer::default()));
        assert_eq!(offer("graphql-ws"), Err(UnknownSubprotocols("graphql-ws".into())));
        let mixed = headers(&[
            ("sec-websocket-protocol", "graphql-ws"),
            ("sec-websocket-protocol", "sluicegate.v1.json"),
        ]);
        assert_eq!(offer(&offered(&mixed).unwrap()).unwrap().chosen, Some(SUBPROTOCOL_JSON));
    }

    #[test]
    fn the_token_of_a_header() {
        for (value, token) in [
            ("bearer  x.y ", Some("x.y")),
            ("Bearer\tx.y\t", Some("x.y")),
            ("Bearer x.y", Some("x.y")),
            ("Bearer", None),
            ("Bearer  ", None),
            ("Basic x", None),
            ("", None),
        ] {
            let found = header_token(&headers(&[("authorization", value)])).unwrap();
            assert_eq!(found.as_deref(), token, "{value:?}");
        }
        let twice = headers(&[("authorization", "Bearer x"), ("authorization", "Bearer x")]);
        assert_eq!(header_token(&twice), Err(HeaderError::Repeated(AUTHORIZATION)));
        let odd = headers(&[("authorization", "Bearer \u{fc}")]);
        assert_eq!(header_token(&odd), Err(HeaderError::Unreadable(AUTHORIZATION)));
    }

    #[test]
    fn the_token_of_a_cookie() {
        for (lines, token) in [
            (&["a=1; sg_token=x.y; b=2"][..], Some("x.y")),
            (&["a=1", "sg_token=x.y"], Some("x.y")),
            (&["sg_token=\"x.y\" "], Some("x.y")),
            (&["sg_token=\" x.y\t\""], Some("x.y")),
            (&["sg_token=; sg_token=x.y"], Some("x.y")),
            (&["sg_token=\"\""], None),
            (&["name=J\u{fc}rgen; sg_token=x.y"], Some("x.y")),
            (&["not_sg_token=x.y; sg_token_not=x.y; sg_token"], None),
        ] {
            let pairs: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
            assert_eq!(
                cookie_token(&headers(&pairs), "sg_token").unwrap().as_deref(),
                token,
                "{lines:?}"
            );
        }
        let odd = headers(&[("cookie", "sg_token=\u{fc}")]);
        assert_eq!(cookie_token(&odd, "sg_token"), Err(HeaderError::Unreadable(COOKIE)));
    }
}

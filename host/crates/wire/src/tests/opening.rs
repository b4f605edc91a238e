//! RFC 6455 4.2: the opening handshake.

use super::super::handshake::{HandshakeError, UpgradeRequest, accept, accept_key, tokens};

const GOOD: UpgradeRequest<'_> = UpgradeRequest {
    is_http_1_1: true,
    method: "GET",
    upgrade: Some("websocket"),
    connection: Some("Upgrade"),
    version: Some("13"),
    key: Some("dGhlIHNhbXBsZSBub25jZQ=="),
};

/// The example of RFC 6455 1.3.
#[test]
fn section_1_3_the_accept_key() {
    assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(accept(&GOOD), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned()));
}

#[test]
fn section_4_2_1_headers_are_lists_of_words_in_any_case() {
    for connection in ["upgrade", "keep-alive, Upgrade", "UPGRADE ,keep-alive", ",,Upgrade,"] {
        assert!(
            accept(&UpgradeRequest {
                connection: Some(connection),
                ..GOOD
            })
            .is_ok(),
            "{connection}"
        );
    }
    for upgrade in ["WebSocket", "h2c, websocket"] {
        assert!(
            accept(&UpgradeRequest {
                upgrade: Some(upgrade),
                ..GOOD
            })
            .is_ok(),
            "{upgrade}"
        );
    }
}

#[test]
fn section_4_2_1_what_is_refused() {
    let bad = [
        (
            UpgradeRequest {
                is_http_1_1: false,
                ..GOOD
            },
            HandshakeError::HttpVersion,
            426,
        ),
        (UpgradeRequest { method: "POST", ..GOOD }, HandshakeError::Method, 405),
        (
            UpgradeRequest { upgrade: None, ..GOOD },
            HandshakeError::NotAnUpgrade,
            426,
        ),
        (
            UpgradeRequest {
                upgrade: Some("websockets"),
                ..GOOD
            },
            HandshakeError::NotAnUpgrade,
            426,
        ),
        (
            UpgradeRequest {
                connection: None,
                ..GOOD
            },
            HandshakeError::NotAnUpgrade,
            426,
        ),
        (
            UpgradeRequest {
                connection: Some("keep-alive"),
                ..GOOD
            },
            HandshakeError::NotAnUpgrade,
            426,
        ),
        (UpgradeRequest { version: None, ..GOOD }, HandshakeError::Version, 426),
        (
            UpgradeRequest {
                version: Some("8"),
                ..GOOD
            },
            HandshakeError::Version,
            426,
        ),
        (
            UpgradeRequest {
                version: Some("13, 8"),
                ..GOOD
            },
            HandshakeError::Version,
            426,
        ),
    ];
    for (request, error, status) in bad {
        assert_eq!(accept(&request), Err(error), "{request:?}");
        assert_eq!(error.status(), status);
    }
}

#[test]
fn section_4_2_1_the_key_is_16_bytes() {
    let bad = [
        "",
        "==",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25jZWQ=",
        "dGhlIHNhbXBsZSBub25jZWRk",
        "dGhlIHNhbXBsZSBub2 jZQ==",
        "dGhlIHNhbXBsZSBub2-jZQ==",
        "dGhlIHNhbXBsZSBub25=ZQ==",
        "dGhlIHNhbXBsZSBub2\u{fc}ZQ==",
        "dGhlIHNhbXBsZSBub25jZQ==dGhlIHNhbXBsZSBub25jZQ==",
    ];
    for key in bad {
        assert_eq!(
            accept(&UpgradeRequest { key: Some(key), ..GOOD }),
            Err(HandshakeError::Key),
            "{key}"
        );
    }
    assert_eq!(accept(&UpgradeRequest { key: None, ..GOOD }), Err(HandshakeError::Key));
    assert_eq!(HandshakeError::Key.status(), 400);
    // The last four bits are not zero; see `is_key`.
    assert!(
        accept(&UpgradeRequest {
            key: Some("dGhlIHNhbXBsZSBub25jZZ=="),
            ..GOOD
        })
        .is_ok()
    );
}

#[test]
fn tokens_of_a_list() {
    let list: Vec<_> = tokens(" sluicegate.v1.json,bearer.abc , ,\tother").collect();
    assert_eq!(list, ["sluicegate.v1.json", "bearer.abc", "other"]);
}

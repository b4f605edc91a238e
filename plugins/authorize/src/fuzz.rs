//! What a fuzzer drives, natively: the whole plugin in the SDK's simulated broker, which panics where the real one would
//! call a fault. Whatever bytes come, there must be a verdict. Not in the component.

use std::cell::RefCell;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;
use sluicegate_plugin::testing::{Handshake, Host, Session};
use sluicegate_plugin::{ConnectVerdict, crypto};

use crate::Authorize;

const SECRET: &str = "a secret that the fuzzer knows ok";

thread_local! {
    static PLUGIN: RefCell<Host<Authorize>> = RefCell::new(start());
}

fn start() -> Host<Authorize> {
    let settings = json!({
        "keys": [{"alg": "HS256", "secret": SECRET}],
        "require_exp": false,
        "rules": [
            {"channels": "room:*", "allow": ["subscribe"], "when": {"role": "admin", "n": 1, "b": true}},
            {"channels": "inbox:{user}", "allow": ["subscribe", "publish"]},
            {"channels": "team:{claim:team}:**", "allow": ["publish"], "when": {"team": "a"}},
        ],
    });
    Host::start(settings).expect("good settings")
}

/// Bytes up to the first NUL are the channel, then up to the next the header of a token, the rest are its claims. They
/// come signed, unsigned and as they are; and as the claims of a session that asks to subscribe and publish.
///
/// # Panics
/// When the plugin does, or answers what the broker would not take.
pub fn token_reader(bytes: &[u8]) {
    let mut parts = bytes.splitn(3, |byte| *byte == 0);
    let channel = parts.next().unwrap_or_default();
    let header = parts.next().unwrap_or_default();
    let claims = parts.next().unwrap_or_default();
    PLUGIN.with_borrow_mut(|plugin| {
        let mut connect = |token: &str| plugin.connect(&Handshake::with_token(token), &Session::anonymous());
        connect(&String::from_utf8_lossy(bytes));
        connect(&signed(header, claims));
        connect(&format!("{}.", signed(header, claims)));
        // Of a good token there is only what its claims say.
        let verdict = connect(&signed(br#"{"alg":"HS256"}"#, claims));
        let ConnectVerdict::Accept(identity) = verdict else {
            return;
        };
        let session = identity.user.as_deref().map_or_else(Session::anonymous, Session::of);
        let session = session.with_claims_text(&identity.claims);
        let channel = String::from_utf8_lossy(channel);
        for channel in [&*channel, "room:1", "inbox:ann", "team:a:1"] {
            plugin.subscribe(&session, channel);
            plugin.publish(&session, channel, b"1");
        }
    });
}

fn signed(header: &[u8], claims: &[u8]) -> String {
    let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let message = format!("{}.{}", part(header), part(claims));
    let signature = crypto::hmac_sha256(SECRET.as_bytes(), message.as_bytes());
    format!("{message}.{}", part(&signature))
}

//! The interface `message`: what a guest is given of a binary channel.

use bytes::Bytes;

use super::*;
use chain::{Asked, Chain, ChainStep, Defaults, FaultRules, PublishDecision, PublishQuestion};
use protocol::names::Channel;

const BYTES: &[u8] = b"\x00not JSON\xff";

/// What a chain of one guest makes of a message, or the code of its refusal.
fn passed(guest: &str, content: Content, data: &'static [u8]) -> Result<Bytes, u16> {
    let stage = Stage::new();
    let mut slot = stage.slot(guest);
    wait_for_instance(&mut slot);
    let step = ChainStep {
        plugin: "p".into(),
        hooks: [HookKind::Publish].into_iter().collect(),
        on_fault: FaultRules::default(),
        hook: Box::new(slot),
    };
    let defaults = Defaults {
        anonymous: true,
        allow: true,
        message_bytes: 64,
    };
    let channel = Channel::parse("room:1").unwrap();
    let question = PublishQuestion::new(channel, content, Bytes::from_static(data), true);
    match Chain::new(vec![step], defaults).ask(question, &caller(), &mut || false) {
        Asked::Answered(Ok(PublishDecision::Pass(permit))) => {
            let message = permit.redeem();
            assert_eq!(message.content, content);
            Ok(message.data)
        }
        Asked::Answered(Err(denied)) => Err(denied.code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_asks_what_a_message_is_gets_bytes_as_they_are() {
    let inverted = Bytes::from_static(b"\xffnot JSON\xff");
    assert_eq!(passed("message-content", Content::Binary, BYTES), Ok(inverted));
    assert_eq!(passed("message-content", Content::Binary, b""), Ok(Bytes::new()));
    assert_eq!(passed("message-content", Content::Json, b"[1]"), Ok("[1]".into()));
}

#[test]
fn who_does_not_gets_json_text_as_promised_and_answers_by_it() {
    // It replaces by what it was given, which has to be a string in base64 then.
    assert_eq!(
        passed("publish-echo", Content::Binary, BYTES),
        Ok(Bytes::from_static(BYTES))
    );
    assert_eq!(
        passed("publish-allow", Content::Binary, BYTES),
        Ok(Bytes::from_static(BYTES))
    );
    assert_eq!(passed("bad-json", Content::Binary, BYTES), Err(4503), "a fault");
}

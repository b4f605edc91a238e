//! The interface `message` in the simulated broker.
#![cfg(not(target_family = "wasm"))]

use serde_json::json;
use sluicegate_plugin::message::{self, Content};
use sluicegate_plugin::testing::{Host, Session};
use sluicegate_plugin::{NoSettings, Plugin, PublishHook, PublishVerdict, SetupError};

/// Replaces bytes by the same backwards.
struct Backwards;

impl Plugin for Backwards {
    type Settings = NoSettings;

    fn new(_: NoSettings) -> Result<Self, SetupError> {
        Ok(Self)
    }
}

impl PublishHook for Backwards {
    fn on_publish(&mut self, _: &sluicegate_plugin::Session<'_>, _: &str, data: &[u8]) -> PublishVerdict {
        match message::content() {
            Content::Json => PublishVerdict::Allow,
            Content::Binary => PublishVerdict::Replace(data.iter().rev().copied().collect()),
        }
    }
}

#[test]
fn a_plugin_learns_what_a_message_is() {
    let mut host = Host::<Backwards>::start(json!({})).unwrap();
    let ann = Session::of("ann");
    let verdict = host.publish_bytes(&ann, "bytes", [0, 1, 255]);
    assert_eq!(verdict, PublishVerdict::Replace(vec![255, 1, 0]));
    assert_eq!(host.publish(&ann, "text", "{}"), PublishVerdict::Allow);
}

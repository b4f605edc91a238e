//! The smallest useful plugin: nobody listens to the channel `staff`.
use sluicegate_plugin::{Denial, NoSettings, Plugin, Session, SetupError, SubscribeHook, SubscribeVerdict};
/// Refuses `staff`.
pub(crate) struct Deny;
impl Plugin for Deny {
    type Settings = NoSettings;
    fn new(_: NoSettings) -> Result<Self, SetupError> {
        Ok(Self)
    }
}
impl SubscribeHook for Deny {
    fn on_subscribe(&mut self, _: &Session<'_>, channel: &str) -> SubscribeVerdict {
        match channel {
            "staff" => Denial::new(4403, "staff_only").into(),
            _ => SubscribeVerdict::Abstain,
        }
    }
}
sluicegate_plugin::register!(Deny: subscribe);

//! Sluicegate plugin: masks, removes, sets and checks parts of messages on publish. Glue only: what decides is
//! in [`rules`].

use sluicegate_plugin::{Denial, Plugin, PublishHook, PublishVerdict, Session, SetupError, info};

use crate::{
    rules::{Refusal, Rules},
    settings::Settings,
};

pub mod edit;
pub mod pointer;
pub mod rules;
pub mod schema;
pub mod settings;
mod unique;

/// The plugin, its settings checked.
pub struct Transform {
    rules: Rules,
}

impl Plugin for Transform {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, SetupError> {
        Ok(Self {
            rules: Rules::check(&settings)?,
        })
    }
}

impl PublishHook for Transform {
    fn on_publish(&mut self, _: &Session<'_>, channel: &str, data: &[u8]) -> PublishVerdict {
        match self.rules.apply(channel, data) {
            // Never an allow: who may publish is for others to say.
            Ok(None) => PublishVerdict::Abstain,
            Ok(Some(changed)) => PublishVerdict::Replace(changed),
            Err(Refusal::Schema(violation)) => {
                info!("a message to {channel} breaks the schema: {violation}");
                Denial::new(4422, "schema_violation").message(violation).into()
            }
            Err(Refusal::TooComplex(setting)) => {
                info!("a message to {channel} is too large to be checked against the schema ({setting})");
                let message = format!("too large to be checked against the schema of this channel ({setting})");
                Denial::new(4413, "too_large").message(message).into()
            }
            Err(Refusal::Grows) => {
                info!("a message to {channel} would grow too much (max_growth_bytes)");
                let message = "rules would make too much of this message (max_growth_bytes); send less";
                Denial::new(4413, "too_large").message(message).into()
            }
            Err(Refusal::NotJson) => Denial::new(4422, "not_json").into(),
        }
    }
}

sluicegate_plugin::settings!(Settings);
sluicegate_plugin::register!(Transform: publish);

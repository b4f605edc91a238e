//! Sluicegate plugin: limits rates, stops repeats, links and words, bans who goes on. Glue only: it says in
//! which order the rules are asked, and what an offence leads to.

use sluicegate_plugin::{
    Denial, Penalty, Plugin, PublishHook, PublishVerdict, Session, SetupError, channel::Pattern, limiter, warn,
};

use crate::{
    content::{Content, Offence},
    repeats::Repeats,
    settings::{Action, Rate, Settings},
    strikes::Strikes,
};

pub mod content;
pub mod repeats;
pub mod settings;
pub mod strikes;
pub mod who;

/// The plugin, its settings checked.
pub struct AbuseFilter {
    /// Only these channels, or all.
    channels: Option<Vec<Pattern>>,
    rate: Option<Rate>,
    repeats: Option<Repeats>,
    content: Content,
    action: Action,
    strikes: Option<Strikes>,
}

impl Plugin for AbuseFilter {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, SetupError> {
        if let Some(Rate { rate, burst }) = settings.per_user {
            if !(rate.is_finite() && rate > 0.0) {
                return Err("per_user.rate: must be over 0".into());
            }
            if burst == 0 {
                return Err("per_user.burst: must be at least 1".into());
            }
        }
        if let Some(duplicates) = settings.duplicates
            && (duplicates.window_seconds == 0 || duplicates.max == 0)
        {
            return Err("duplicates: window_seconds and max must be at least 1".into());
        }
        Ok(Self {
            channels: settings.channels.as_deref().map(patterns).transpose()?,
            rate: settings.per_user,
            repeats: settings.duplicates.map(Repeats::new),
            content: Content::check(
                settings.max_payload_bytes,
                settings.links_per_message,
                &settings.blocked_words,
            )?,
            action: settings.action,
            strikes: settings.strikes.map(Strikes::check).transpose()?,
        })
    }
}

fn patterns(texts: &[String]) -> Result<Vec<Pattern>, String> {
    // Nothing to look at is a mistake in the settings, and one that nobody would notice.
    if texts.is_empty() {
        return Err("channels: at least one pattern".into());
    }
    let check = |text: &String| {
        let pattern = Pattern::parse(text).map_err(|e| format!("channels: {e}"))?;
        if pattern.holes().next().is_some() {
            return Err("channels: this plugin fills nothing into its patterns".to_owned());
        }
        Ok(pattern)
    };
    texts.iter().map(check).collect()
}

fn named(session: &Session<'_>) -> String {
    who::who(session.user().as_deref(), || session.remote_address())
}

impl PublishHook for AbuseFilter {
    fn on_publish(&mut self, session: &Session<'_>, channel: &str, data: &[u8]) -> PublishVerdict {
        let matches = |pattern: &Pattern| pattern.matches(channel);
        if !self
            .channels
            .as_ref()
            .is_none_or(|channels| channels.iter().any(matches))
        {
            return PublishVerdict::Abstain;
        }
        let needs_name = self.rate.is_some() || self.repeats.is_some();
        let name = needs_name.then(|| named(session));
        // The rate first: what is denied for its content costs its sender all the same.
        if let (Some(name), Some(Rate { rate, burst })) = (&name, self.rate)
            && let Err(empty) = limiter::take(name, rate, burst, 1)
        {
            let denial = Denial::new(4429, "rate_limited")
                .message("too many messages")
                .retry_after_ms(empty.retry_after_ms.unwrap_or(1000));
            return denial.penalty(self.strike(session, Some(name))).into();
        }
        let offence = self
            .content
            .offence(data)
            .or_else(|| self.repeated(name.as_deref(), channel, data));
        let Some(offence) = offence else {
            return PublishVerdict::Abstain;
        };
        let penalty = self.strike(session, name.as_deref());
        // A discard carries no penalty: who has earned one is told after all.
        if self.action == Action::Discard && penalty == Penalty::None {
            return PublishVerdict::Discard;
        }
        Denial::new(4422, offence.reason())
            .message(offence.message())
            .penalty(penalty)
            .into()
    }
}

impl AbuseFilter {
    fn repeated(&mut self, name: Option<&str>, channel: &str, data: &[u8]) -> Option<Offence> {
        match self.repeats.as_mut()?.too_often(name?, channel, data) {
            Ok(too_often) => too_often.then_some(Offence::Duplicate),
            // A store that does not answer silences nobody, and lets nobody go on for ever: what is seen here counts.
            Err((too_often, error)) => {
                warn!("a repeat was counted here only: {error}");
                too_often.then_some(Offence::Duplicate)
            }
        }
    }

    fn strike(&self, session: &Session<'_>, name: Option<&str>) -> Penalty {
        let Some(strikes) = &self.strikes else {
            return Penalty::None;
        };
        match name {
            Some(name) => strikes.strike(name),
            None => strikes.strike(&named(session)),
        }
    }
}

sluicegate_plugin::settings!(Settings);
sluicegate_plugin::register!(AbuseFilter: publish);

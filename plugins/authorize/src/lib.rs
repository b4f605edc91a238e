//! Sluicegate plugin: verifies JSON Web Tokens on connect, grants channels by rules. Glue only: what decides
//! is in [`token`] and [`rules`].

use std::cell::OnceCell;

use sluicegate_plugin::{
    ConnectHook, ConnectVerdict, Denial, Grant, Handshake, Plugin, PublishHook, PublishVerdict, Session, SetupError,
    SubscribeHook, SubscribeVerdict, clock, effects, warn,
};

use crate::{
    keys::Keys,
    rules::{Facts, Rules},
    settings::{Action, Settings},
    token::{Refusal, Verifier},
};

pub mod claims;
#[cfg(not(target_family = "wasm"))]
pub mod fuzz;
mod key_set;
pub mod keys;
pub mod registered;
pub mod rules;
pub mod settings;
pub mod token;

/// The plugin, its settings checked.
pub struct Authorize {
    verifier: Verifier,
    rules: Rules,
    cache_ms: u32,
}

/// The longest `leeway_seconds` and `cache_seconds`.
pub const MAX_SECONDS: u32 = 3600;
/// The longest `max_session_seconds`: ten years.
pub const MAX_SESSION_SECONDS: u64 = 315_360_000;

impl Plugin for Authorize {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, SetupError> {
        let checked = Keys::check(settings.keys)?;
        for warning in &checked.warnings {
            warn!("{warning}");
        }
        if settings.leeway_seconds > u64::from(MAX_SECONDS) {
            return Err(format!("leeway_seconds: at most {MAX_SECONDS}").into());
        }
        if settings.cache_seconds > MAX_SECONDS {
            return Err(format!("cache_seconds: at most {MAX_SECONDS}").into());
        }
        if settings
            .max_session_seconds
            .is_some_and(|seconds| !(1..=MAX_SESSION_SECONDS).contains(&seconds))
        {
            return Err(format!("max_session_seconds: 1 to {MAX_SESSION_SECONDS}").into());
        }
        Ok(Self {
            verifier: Verifier {
                keys: checked.keys,
                issuer: settings.issuer,
                audience: settings.audience,
                leeway_seconds: settings.leeway_seconds,
                require_exp: settings.require_exp,
                max_session_seconds: settings.max_session_seconds,
            },
            rules: Rules::check(settings.rules)?,
            cache_ms: settings.cache_seconds * 1000,
        })
    }
}

impl Authorize {
    /// What a session may say where depends on its claims and on the rules alone, and the broker forgets
    /// verdicts when either changes: so a busy publisher need not be asked about with every message.
    fn remember(&self) {
        if self.cache_ms > 0 {
            effects::cache(self.cache_ms);
        }
    }
}

fn not_allowed() -> Denial {
    Denial::new(4403, "permission_denied")
}

impl ConnectHook for Authorize {
    fn on_connect(&mut self, handshake: &Handshake<'_>, _: &Session<'_>) -> ConnectVerdict {
        // Without a token the tenant's `anonymous` setting decides, or a later plugin.
        let Some(token) = handshake.token() else {
            return ConnectVerdict::Abstain;
        };
        match self.verifier.verify(&token, clock::now_ms()) {
            Ok(identity) => ConnectVerdict::Accept(identity),
            Err(refusal) => {
                if let Refusal::Misissued(why) = refusal {
                    warn!("a token that a configured key signed is refused: {why}");
                }
                Denial::from(refusal).into()
            }
        }
    }
}

impl SubscribeHook for Authorize {
    fn on_subscribe(&mut self, session: &Session<'_>, channel: &str) -> SubscribeVerdict {
        let allowed = self.rules.allowed(&Asked::of(session), channel);
        if !allowed.has(Action::Subscribe) {
            return not_allowed().into();
        }
        SubscribeVerdict::Allow(Grant {
            publish: allowed.has(Action::Publish),
            presence: allowed.has(Action::Presence),
            history: allowed.has(Action::History),
            expires_ms: None,
        })
    }
}

impl PublishHook for Authorize {
    fn on_publish(&mut self, session: &Session<'_>, channel: &str, _: &[u8]) -> PublishVerdict {
        if self.rules.allows(Action::Publish, &Asked::of(session), channel) {
            self.remember();
            PublishVerdict::Allow
        } else {
            not_allowed().into()
        }
    }
}

/// The session's facts, each fetched from the broker when first asked for.
struct Asked<'s> {
    session: &'s Session<'s>,
    user: OnceCell<Option<String>>,
    claims: OnceCell<String>,
}

impl<'s> Asked<'s> {
    fn of(session: &'s Session<'s>) -> Self {
        Self {
            session,
            user: OnceCell::new(),
            claims: OnceCell::new(),
        }
    }
}

impl Facts for Asked<'_> {
    fn user(&self) -> Option<&str> {
        self.user.get_or_init(|| self.session.user()).as_deref()
    }

    fn claims(&self) -> &str {
        self.claims.get_or_init(|| self.session.claims())
    }
}

sluicegate_plugin::settings!(Settings);
sluicegate_plugin::register!(Authorize: connect, subscribe, publish);

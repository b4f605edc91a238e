//! Counts offences, closes connections and keeps bans, all in the store that the instances share. Knows no
//! message.

use sluicegate_plugin::{Denial, Penalty, clock, kv, warn};

use crate::settings;

/// Counts offences of users.
pub struct Strikes(settings::Strikes);

impl Strikes {
    /// Checks the settings.
    ///
    /// # Errors
    /// A window or ban of no length.
    pub fn check(settings: settings::Strikes) -> Result<Self, String> {
        if settings.window_seconds == 0 {
            return Err("strikes.window_seconds: must be at least 1".into());
        }
        if settings.ban_at > 0 && settings.ban_seconds == 0 {
            return Err("strikes.ban_seconds: must be at least 1".into());
        }
        Ok(Self(settings))
    }

    /// Counts one offence of `who` and says what follows.
    #[must_use]
    pub fn strike(&self, who: &str) -> Penalty {
        let window_ms = u64::from(self.0.window_seconds) * 1000;
        let count = match kv::increment(&format!("strikes:{who}"), 1, Some(window_ms)) {
            Ok(count) => count,
            // The message is refused all the same; only what should follow is lost.
            Err(error) => {
                warn!("a strike was not counted: {error}");
                return Penalty::None;
            }
        };
        let reached = |at: u32| at > 0 && count >= i64::from(at);
        if reached(self.0.ban_at) {
            self.ban(who);
            Penalty::Ban(self.0.ban_seconds)
        } else if reached(self.0.disconnect_at) {
            Penalty::Disconnect
        } else {
            Penalty::None
        }
    }

    fn ban(&self, who: &str) {
        let ms = u64::from(self.0.ban_seconds) * 1000;
        let ends = clock::now_ms().saturating_add(ms);
        if let Err(error) = kv::set(&ban_key(who), ends.to_string().as_bytes(), Some(ms)) {
            warn!("a ban was not stored: {error}");
        }
    }

    /// The refusal of someone who is banned now.
    #[must_use]
    pub fn banned(&self, who: &str) -> Option<Denial> {
        let stored = match kv::get(&ban_key(who)) {
            Ok(stored) => stored?,
            // A store that does not answer must not lock everybody out.
            Err(error) => {
                warn!("bans could not be read: {error}");
                return None;
            }
        };
        let ends: u64 = std::str::from_utf8(&stored).ok()?.parse().ok()?;
        let left = ends.checked_sub(clock::now_ms()).filter(|left| *left > 0)?;
        Some(
            Denial::new(4451, "banned")
                .message("banned for a while")
                .retry_after_ms(left),
        )
    }
}

fn ban_key(who: &str) -> String {
    format!("ban:{who}")
}

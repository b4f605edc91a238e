//! Counts offences, in the store that the instances share, and says what follows. The broker carries it out, a ban
//! too: this plugin keeps none. Knows no message.

use sluicegate_plugin::{Penalty, kv, warn};

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
            // So many offend at once that nobody else can be counted. Who cannot be counted would offend for free.
            Err(error @ kv::Error::Full) => {
                warn!("a strike was not counted, so its sender is disconnected: {error}");
                return self.uncounted();
            }
            // The message is refused all the same; only what should follow is lost.
            Err(error) => {
                warn!("a strike was not counted: {error}");
                return Penalty::None;
            }
        };
        let reached = |at: u32| at > 0 && count >= i64::from(at);
        if reached(self.0.ban_at) {
            Penalty::Ban(self.0.ban_seconds)
        } else if reached(self.0.disconnect_at) {
            Penalty::Disconnect
        } else {
            Penalty::None
        }
    }

    /// What follows an offence that cannot be counted.
    fn uncounted(&self) -> Penalty {
        if self.0.disconnect_at > 0 || self.0.ban_at > 0 {
            Penalty::Disconnect
        } else {
            Penalty::None
        }
    }
}

//! Runs one plugin: starts it from settings, calls its hooks, reads back what it did beside deciding.

use std::{
    cell::{Ref, RefCell, RefMut},
    rc::Rc,
};

use serde_json::Value;

use super::{Handshake, Session, fault, state, state::State};
use crate::{
    ConnectHook, ConnectVerdict, DisconnectHook, Plugin, PublishHook, PublishVerdict, SubscribeHook, SubscribeVerdict,
    kv, log::Level, settings,
};

/// One plugin in a pretended broker of its own. Its clock stands still at [`START_MS`](super::START_MS) until
/// the test moves it; store and limiter are empty and granted.
pub struct Host<P> {
    plugin: P,
    state: Rc<RefCell<State>>,
}

impl<P: Plugin> Host<P> {
    /// Starts the plugin with these settings, as the chain entry's `config` table gives them.
    ///
    /// # Errors
    /// What the operator would read: settings of the wrong shape, or the plugin's own refusal.
    #[allow(clippy::needless_pass_by_value, reason = "reads well with json!")]
    pub fn start(config: Value) -> Result<Self, String> {
        Self::start_text(&config.to_string())
    }

    /// The same from JSON text exactly as written.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_text(config: &str) -> Result<Self, String> {
        let state = Rc::new(RefCell::new(State::default()));
        let plugin = state::enter(&state, || {
            P::new(settings::parse(config)?).map_err(|error| error.reason().to_owned())
        })?;
        Ok(Self { plugin, state })
    }

    /// Drops the instance and makes a new one, as the broker does after a fault or an idle time: what the
    /// plugin kept in itself is gone, store and limiter stay.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn restart(&mut self, config: Value) -> Result<(), String> {
        let text = config.to_string();
        self.plugin = state::enter(&self.state, || {
            P::new(settings::parse(&text)?).map_err(|error| error.reason().to_owned())
        })?;
        drop(config);
        Ok(())
    }

    /// The plugin itself.
    pub fn plugin(&mut self) -> &mut P {
        &mut self.plugin
    }

    /// Moves the clock forward.
    pub fn advance_ms(&mut self, ms: u64) {
        self.state_mut().now_ms += ms;
    }

    /// What the clock shows, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.state().now_ms
    }

    /// Everything logged since the start, with levels.
    #[must_use]
    pub fn log(&self) -> Vec<(Level, String)> {
        self.state().log.clone()
    }

    /// Everything logged since the start, the text alone.
    #[must_use]
    pub fn log_lines(&self) -> Vec<String> {
        self.state().log.iter().map(|(_, line)| line.clone()).collect()
    }

    /// The tags of the last call, in the order of their keys.
    #[must_use]
    pub fn tags(&self) -> Vec<(String, String)> {
        self.state().tags.clone().into_iter().collect()
    }

    /// For how long the last verdict may be reused, if the plugin said so.
    #[must_use]
    pub fn cached_ms(&self) -> Option<u32> {
        self.state().cached_ms
    }

    /// What the plugin counted under this name since the start.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.state().counts.get(name).copied().unwrap_or(0)
    }

    /// The keys that are in the store now, sorted.
    #[must_use]
    pub fn kv_keys(&self) -> Vec<String> {
        self.state().kv_keys()
    }

    /// The value under a key of the store.
    #[must_use]
    pub fn kv_get(&self, key: &str) -> Option<Vec<u8>> {
        self.state_mut().kv_get(key).ok().flatten()
    }

    /// Makes every call on the store fail with this error, or work again.
    pub fn break_kv(&mut self, error: Option<kv::Error>) {
        self.state_mut().kv_error = error;
    }

    fn state(&self) -> Ref<'_, State> {
        self.state.borrow()
    }

    fn state_mut(&self) -> RefMut<'_, State> {
        self.state.borrow_mut()
    }

    fn call<T>(&mut self, hook: impl FnOnce(&mut P) -> T) -> T {
        {
            let mut state = self.state_mut();
            state.tags.clear();
            state.cached_ms = None;
        }
        state::enter(&self.state, || hook(&mut self.plugin))
    }
}

impl<P: ConnectHook> Host<P> {
    /// Asks the connect hook.
    ///
    /// # Panics
    /// On an answer that would be a fault in the broker.
    pub fn connect(&mut self, handshake: &Handshake, session: &Session) -> ConnectVerdict {
        let verdict = self.call(|p| p.on_connect(&crate::Handshake::new(handshake), &crate::Session::new(session)));
        fault::unless_connect(&verdict);
        verdict
    }
}

impl<P: SubscribeHook> Host<P> {
    /// Asks the subscribe hook.
    ///
    /// # Panics
    /// On an answer that would be a fault in the broker.
    pub fn subscribe(&mut self, session: &Session, channel: &str) -> SubscribeVerdict {
        let verdict = self.call(|p| p.on_subscribe(&crate::Session::new(session), channel));
        if let SubscribeVerdict::Deny(denial) = &verdict {
            fault::unless_denial(denial);
        }
        verdict
    }
}

impl<P: PublishHook> Host<P> {
    /// Asks the publish hook about a message of this JSON text.
    ///
    /// # Panics
    /// On a denial that would be a fault in the broker.
    pub fn publish(&mut self, session: &Session, channel: &str, data: impl AsRef<[u8]>) -> PublishVerdict {
        let verdict = self.call(|p| p.on_publish(&crate::Session::new(session), channel, data.as_ref()));
        if let PublishVerdict::Deny(denial) = &verdict {
            fault::unless_denial(denial);
        }
        verdict
    }
}

#[cfg(feature = "message")]
impl<P: PublishHook> Host<P> {
    /// Asks the publish hook about these bytes in a binary channel, as a broker asks a plugin that calls
    /// [`message::content`](crate::message::content).
    ///
    /// # Panics
    /// On a denial that would be a fault in the broker.
    pub fn publish_bytes(&mut self, session: &Session, channel: &str, bytes: impl AsRef<[u8]>) -> PublishVerdict {
        self.state_mut().content = crate::message::Content::Binary;
        let verdict = self.publish(session, channel, bytes);
        self.state_mut().content = crate::message::Content::Json;
        verdict
    }
}

impl<P: DisconnectHook> Host<P> {
    /// Tells the disconnect hook.
    pub fn disconnect(&mut self, session: &Session, code: u16) {
        self.call(|p| p.on_disconnect(&crate::Session::new(session), code));
    }
}

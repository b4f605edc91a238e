//! `refresh`: a new token for the same user.

use std::sync::Arc;

use super::Session;
use super::connect::check_expiry;
use super::refusal::Refusal;
use crate::chain::Handshake;
use crate::protocol::{RequestId, codes, write};
use crate::wall_clock::now_ms;

impl Session {
    pub(super) fn refresh(&mut self, id: &RequestId, token: String) -> Result<(), Refusal> {
        let mut handshake = Handshake::clone(&self.handshake);
        handshake.token = Some(token);
        handshake.is_refresh = true;
        let identity = self.tenant.chain().connect(&Arc::new(handshake), &self.caller)?;
        check_expiry(&identity)?;
        if identity.user != self.caller.user() {
            return Err(Refusal::new(
                codes::PERMISSION_DENIED,
                "a refresh cannot change who the user is",
            ));
        }
        self.clock.expire_at(identity.expires_ms);
        self.send(&write::refreshed(id, now_ms(), identity.expires_ms));
        self.caller.identify(identity);
        self.set_alarm();
        Ok(())
    }
}

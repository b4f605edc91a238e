//! Who asks a hook, as far as faults are counted for someone: a session, an address, a user. Knows no plugin.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::LazyLock;

use address_block::AddressBlock;
use chain::{Caller, Handshake, HookKind};

/// The seed is the process's own, so that nobody outside can make two keys meet.
static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Whom faults are counted for, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientKey(u64);

/// One call of a hook, seen from who caused it. Costs nothing until a key is asked for.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub hook: HookKind,
    pub caller: &'a Caller,
    /// Of a connection that is not open yet; a refresh is of a session like any other.
    handshake: Option<&'a Handshake>,
}

// === impl ClientKey ===

impl ClientKey {
    fn of(what: &str, parts: &[&[u8]]) -> Self {
        Self(KEYS.hash_one((what, parts)))
    }

    #[cfg(test)]
    pub(super) fn numbered(number: usize) -> Self {
        Self::of("number", &[&number.to_be_bytes()])
    }

    /// One of so many places.
    pub(super) fn place(self, places: usize) -> usize {
        #[allow(clippy::cast_possible_truncation, reason = "any part of a hash is as good")]
        let number = self.0 as usize;
        number % places
    }
}

// === impl Asking ===

impl<'a> Asking<'a> {
    pub(super) fn connect(caller: &'a Caller, handshake: &'a Handshake) -> Self {
        Self {
            hook: HookKind::Connect,
            caller,
            handshake: (!handshake.is_refresh).then_some(handshake),
        }
    }

    pub(super) fn in_session(hook: HookKind, caller: &'a Caller) -> Self {
        Self {
            hook,
            caller,
            handshake: None,
        }
    }

    /// Whether it asks to be connected.
    pub(super) fn is_new(&self) -> bool {
        self.handshake.is_some()
    }

    /// The session and hook; of a connection that is not open yet, its address and what it shows as a token.
    pub(super) fn session(&self) -> ClientKey {
        let hook = self.hook.name().as_bytes();
        match self.handshake {
            Some(handshake) => {
                let token = handshake.token.as_deref().unwrap_or_default();
                ClientKey::of("connect", &[&block(self.caller.remote), token.as_bytes()])
            }
            None => ClientKey::of("session", &[self.caller.session.as_bytes(), hook]),
        }
    }

    pub(super) fn address(&self) -> ClientKey {
        ClientKey::of("address", &[&block(self.caller.remote)])
    }

    /// The user; without one, or before it is known, the address. So many connections of one client are one.
    pub(super) fn user_or_address(&self) -> ClientKey {
        match self.caller.user().filter(|_| !self.is_new()) {
            Some(user) => ClientKey::of("user", &[user.as_bytes()]),
            None => self.address(),
        }
    }
}

/// What an address counts as, in bytes.
fn block(address: IpAddr) -> Vec<u8> {
    match AddressBlock::from(address).first() {
        IpAddr::V4(first) => first.octets().to_vec(),
        IpAddr::V6(first) => first.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chain::Identity;

    use super::*;

    fn caller(session: &str, address: &str, user: Option<&str>) -> Caller {
        let caller = Caller::new(session.into(), "acme".into(), address.parse().unwrap(), "websocket");
        caller.identify(Identity {
            user: user.map(Arc::from),
            ..Identity::default()
        });
        caller
    }

    #[test]
    fn one_client_behind_many_addresses_of_its_own_is_one() {
        let key = |address| Asking::in_session(HookKind::Publish, &caller("s", address, None)).address();
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }

    #[test]
    fn a_session_is_told_from_others_of_its_address_and_hook_by_hook() {
        let (one, two) = (caller("s1", "192.0.2.1", None), caller("s2", "192.0.2.1", None));
        let key = |hook, caller| Asking::in_session(hook, caller).session();
        assert_ne!(key(HookKind::Publish, &one), key(HookKind::Publish, &two));
        assert_ne!(key(HookKind::Publish, &one), key(HookKind::Subscribe, &one));
        assert_eq!(key(HookKind::Publish, &one), key(HookKind::Publish, &one));
    }

    #[test]
    fn before_a_session_is_open_its_token_tells_it_from_others() {
        let handshake = |token: &str, is_refresh| Handshake {
            token: Some(token.into()),
            is_refresh,
            ..Handshake::default()
        };
        let (one, two) = (caller("s1", "192.0.2.1", None), caller("s2", "192.0.2.1", None));
        let (a, b) = (handshake("a", false), handshake("b", false));
        assert_eq!(Asking::connect(&one, &a).session(), Asking::connect(&two, &a).session());
        assert_ne!(Asking::connect(&one, &a).session(), Asking::connect(&one, &b).session());
        let refresh = handshake("c", true);
        let (first, second) = (Asking::connect(&one, &refresh), Asking::connect(&two, &refresh));
        assert!(first.session() != second.session() && !first.is_new());
    }

    #[test]
    fn many_connections_of_a_user_or_an_address_are_one() {
        let key = |session, address, user| {
            Asking::in_session(HookKind::Publish, &caller(session, address, user)).user_or_address()
        };
        assert_eq!(key("s1", "192.0.2.1", Some("ann")), key("s2", "192.0.2.2", Some("ann")));
        assert_ne!(key("s1", "192.0.2.1", Some("ann")), key("s1", "192.0.2.1", Some("bob")));
        assert_eq!(key("s1", "192.0.2.1", None), key("s2", "192.0.2.1", None));
        assert_ne!(key("s1", "192.0.2.1", None), key("s1", "192.0.2.1", Some("192.0.2.1")));
    }
}

//! Who is at the door in a test: a session and a handshake made of plain values. Knows no plugin.

use std::{cell::RefCell, collections::BTreeMap};

use serde_json::Value;

/// A connection as a hook will see it; made with [`Session::of`] or [`Session::anonymous`] and changed with
/// the methods that take `self`.
#[derive(Clone, Debug)]
pub struct Session {
    id: String,
    tenant: String,
    user: Option<String>,
    claims: String,
    remote_address: String,
    transport: String,
    connected_ms: u64,
    attributes: RefCell<BTreeMap<String, String>>,
}

impl Session {
    /// A WebSocket session without a name: tenant `acme`, address `192.0.2.1`, no claims.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            id: "s-1".into(),
            tenant: "acme".into(),
            user: None,
            claims: "{}".into(),
            remote_address: "192.0.2.1".into(),
            transport: "websocket".into(),
            connected_ms: 0,
            attributes: RefCell::default(),
        }
    }

    /// The same with a user's name.
    #[must_use]
    pub fn of(user: &str) -> Self {
        Self {
            user: Some(user.into()),
            ..Self::anonymous()
        }
    }

    /// With these claims.
    #[must_use]
    pub fn with_claims(self, claims: &Value) -> Self {
        self.with_claims_text(&claims.to_string())
    }

    /// With claims exactly as written, which need not be JSON.
    #[must_use]
    pub fn with_claims_text(mut self, claims: &str) -> Self {
        claims.clone_into(&mut self.claims);
        self
    }

    /// With this session id.
    #[must_use]
    pub fn with_id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        self
    }

    /// In this tenant.
    #[must_use]
    pub fn in_tenant(mut self, tenant: &str) -> Self {
        tenant.clone_into(&mut self.tenant);
        self
    }

    /// From this address.
    #[must_use]
    pub fn from_address(mut self, address: &str) -> Self {
        address.clone_into(&mut self.remote_address);
        self
    }

    /// Over `sse` or `poll`.
    #[must_use]
    pub fn over(mut self, transport: &str) -> Self {
        transport.clone_into(&mut self.transport);
        self
    }

    /// Connected for so many milliseconds.
    #[must_use]
    pub fn connected_for(mut self, ms: u64) -> Self {
        self.connected_ms = ms;
        self
    }

    /// An attribute that the plugin, or the test, set.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<String> {
        self.attributes.borrow().get(key).cloned()
    }

    /// Sets an attribute, as another plugin of the chain would.
    ///
    /// # Panics
    /// Over the contract's limits (32 attributes, keys of 64 bytes, values of 1,024): a fault in the broker.
    pub fn set_attribute(&self, key: &str, value: &str) {
        let mut attributes = self.attributes.borrow_mut();
        attributes.insert(key.to_owned(), value.to_owned());
        assert!(
            attributes.len() <= 32,
            "more than 32 attributes on a session are a fault"
        );
        assert!(key.len() <= 64, "an attribute's key over 64 bytes is a fault: {key}");
        assert!(
            value.len() <= 1024,
            "an attribute's value over 1,024 bytes is a fault: {key}"
        );
    }

    pub(crate) fn id(&self) -> String {
        self.id.clone()
    }

    pub(crate) fn tenant(&self) -> String {
        self.tenant.clone()
    }

    pub(crate) fn user(&self) -> Option<String> {
        self.user.clone()
    }

    pub(crate) fn claims(&self) -> String {
        self.claims.clone()
    }

    pub(crate) fn remote_address(&self) -> String {
        self.remote_address.clone()
    }

    pub(crate) fn transport(&self) -> String {
        self.transport.clone()
    }

    pub(crate) fn connected_ms(&self) -> u64 {
        self.connected_ms
    }
}

/// The opening of a connection as a connect hook will see it.
#[derive(Clone, Debug)]
pub struct Handshake {
    token: Option<String>,
    headers: BTreeMap<String, String>,
    path: String,
    client_name: Option<String>,
    data: Option<String>,
    is_refresh: bool,
}

impl Default for Handshake {
    fn default() -> Self {
        Self::without_token()
    }
}

impl Handshake {
    /// One that brings nothing, to the path `/ws`.
    #[must_use]
    pub fn without_token() -> Self {
        Self {
            token: None,
            headers: BTreeMap::new(),
            path: "/ws".into(),
            client_name: None,
            data: None,
            is_refresh: false,
        }
    }

    /// One that brings this token.
    #[must_use]
    pub fn with_token(token: &str) -> Self {
        Self {
            token: Some(token.into()),
            ..Self::without_token()
        }
    }

    /// With this header; `origin` is one too.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_ascii_lowercase(), value.to_owned());
        self
    }

    /// To this path.
    #[must_use]
    pub fn to_path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// With this `client.name`.
    #[must_use]
    pub fn from_client(mut self, name: &str) -> Self {
        self.client_name = Some(name.to_owned());
        self
    }

    /// With this `data` in the `connect` payload.
    #[must_use]
    pub fn with_data(mut self, data: &Value) -> Self {
        self.data = Some(data.to_string());
        self
    }

    /// As a token refresh of an open session.
    #[must_use]
    pub fn as_refresh(mut self) -> Self {
        self.is_refresh = true;
        self
    }

    pub(crate) fn token(&self) -> Option<String> {
        self.token.clone()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        let hidden = ["authorization", "cookie", "sec-websocket-protocol"].contains(&name.as_str());
        if hidden { None } else { self.headers.get(&name).cloned() }
    }

    pub(crate) fn origin(&self) -> Option<String> {
        self.header("origin")
    }

    pub(crate) fn path(&self) -> String {
        self.path.clone()
    }

    pub(crate) fn client_name(&self) -> Option<String> {
        self.client_name.clone()
    }

    pub(crate) fn data(&self) -> Option<String> {
        self.data.clone()
    }

    pub(crate) fn is_refresh(&self) -> bool {
        self.is_refresh
    }
}

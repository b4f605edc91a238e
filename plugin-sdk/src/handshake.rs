//! The opening of a connection, as a connect hook sees it. Knows nothing of what the token means.

use crate::broker;

/// The opening of a connection, or a token refresh on an open one. Lives for one call.
pub struct Handshake<'a>(&'a broker::Handshake);

impl<'a> Handshake<'a> {
    pub(crate) fn new(raw: &'a broker::Handshake) -> Self {
        Self(raw)
    }

    /// The token the client brought, from the `connect` or `refresh` payload, the `Authorization` header,
    /// the `bearer.` subprotocol or the tenant's cookie. `None`: it brought none.
    #[must_use]
    pub fn token(&self) -> Option<String> {
        self.0.token()
    }

    /// The value of an HTTP header of the upgrade request, by its name in any case. The headers that
    /// carry tokens (`authorization`, `cookie`, `sec-websocket-protocol`) are not shown.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        self.0.header(name)
    }

    /// The `Origin` of the browser page, if there was one.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        self.0.origin()
    }

    /// The path of the upgrade request, without its query.
    #[must_use]
    pub fn path(&self) -> String {
        self.0.path()
    }

    /// `client.name` of the `connect` payload.
    #[must_use]
    pub fn client_name(&self) -> Option<String> {
        self.0.client_name()
    }

    /// `data` of the `connect` payload: JSON text.
    #[must_use]
    pub fn data(&self) -> Option<String> {
        self.0.data()
    }

    /// True when this is a token refresh of an open session.
    #[must_use]
    pub fn is_refresh(&self) -> bool {
        self.0.is_refresh()
    }
}

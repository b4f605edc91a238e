//! The gateway: sockets, HTTP, and the upgrade to WebSocket. Decides which tenant a request means and whether it is
//! accepted; the session handles the connection's messages.
//!
//! The files use each other in one direction: the accept loops the routes, the routes the upgrade, the upgrade the
//! readers of single headers.

mod accept;
mod admin;
mod admin_connections;
mod api;
mod bearer;
mod connection;
mod demo;
mod directory;
mod headers;
mod http;
mod listen;
mod patient_stream;
mod readiness;
mod refusal;
mod routes;
mod state;
mod target;
mod upgrade;

pub(crate) use accept::accept;
pub(crate) use admin::{AdminRoutes, router as admin_router, serve as serve_admin};
pub(crate) use api::Api;
pub(crate) use directory::Directory;
pub(crate) use listen::{bind_admin, bind_shards};
pub(crate) use readiness::Readiness;
pub(crate) use state::Gateway;

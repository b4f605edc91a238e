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
mod body_length;
mod connection;
mod cors;
mod demo;
mod directory;
mod entry;
mod handshake;
mod head_lines;
mod headers;
mod health;
mod http;
mod http_date;
mod keep_open;
mod lazy_timer;
mod listen;
mod listener_tls;
mod open_pages;
mod over_http;
mod patient_stream;
mod peer;
mod poll_connection;
mod poll_socket;
mod proxy_header;
mod query;
mod readiness;
mod refusal;
mod routes;
mod shard_step;
mod socket;
mod state;
mod target;
mod ticket_use;
mod turned_away;
mod unix_socket;
mod upgrade;

pub(crate) use accept::accept;
pub(crate) use admin::{AdminRoutes, router as admin_router, serve as serve_admin};
pub(crate) use api::{Api, close as close_api};
pub(crate) use directory::Directory;
pub(crate) use listen::{ClientListeners, ShardListener, bind_admin};
pub(crate) use listener_tls::ListenerTls;
pub(crate) use open_pages::CurrentPages;
pub(crate) use readiness::Readiness;
pub(crate) use state::{AcceptState, BODIES_BYTES, Gateway};
pub(crate) use unix_socket::SocketFile;

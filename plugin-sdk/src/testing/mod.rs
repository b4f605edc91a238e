//! A broker of pretence: runs a plugin's hooks natively in `cargo test`, with a clock that the test owns.
//!
//! [`Host`] starts the plugin from settings and calls its hooks; [`Session`] and [`Handshake`] are what the
//! hooks see. What the plugin logged, tagged, cached and counted is read back from the host.
//!
//! ```
//! use serde_json::json;
//! use sluicegate_plugin::testing::{Host, Session};
//! # use sluicegate_plugin as sg;
//! # struct Greeter;
//! # impl sg::Plugin for Greeter {
//! #     type Settings = sg::NoSettings;
//! #     fn new(_: sg::NoSettings) -> Result<Self, sg::SetupError> { Ok(Self) }
//! # }
//! # impl sg::PublishHook for Greeter {
//! #     fn on_publish(&mut self, session: &sg::Session, _: &str, _: &[u8]) -> sg::PublishVerdict {
//! #         sg::info!("hello {}", session.user().unwrap_or_default());
//! #         sg::effects::tag("seen", "yes");
//! #         sg::PublishVerdict::Allow
//! #     }
//! # }
//! let mut host = Host::<Greeter>::start(json!({})).unwrap();
//! let ann = Session::of("ann");
//! assert_eq!(host.publish(&ann, "room:1", r#""hi""#), sg::PublishVerdict::Allow);
//! assert_eq!(host.log_lines(), ["hello ann"]);
//! assert_eq!(host.tags(), [("seen".to_owned(), "yes".to_owned())]);
//! ```

mod fault;
mod host;
mod people;
pub(crate) mod state;

pub use host::Host;
pub use people::{Handshake, Session};
pub use state::START_MS;

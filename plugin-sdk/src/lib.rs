//! Write rules for the Sluicegate broker in Rust.
//!
//! A plugin is a type that implements [`Plugin`] and the hooks it has ([`ConnectHook`], [`SubscribeHook`],
//! [`PublishHook`], [`DisconnectHook`]), and one line of [`register!`]. Built for `wasm32-wasip2` it is a
//! component that exports those hooks alone and imports what it calls, so the operator grants nothing that
//! is not used. Natively the same crate is tested with [`testing`].
//!
//! | module | what it gives | grant |
//! |---|---|---|
//! | [`log`] and the macros | lines in the broker's log; panics arrive there by themselves | – |
//! | [`clock`] | the time of day | – |
//! | [`effects`] | tags on a message, reuse of a verdict | – |
//! | [`kv`] | a small shared store | `kv` |
//! | [`limiter`] | shared token buckets | `limiter` |
//! | [`metrics`] | counters on `/metrics` | `metrics` |
//! | [`channel`], [`json`], [`words`] | channel patterns, JSON text without a tree, word lists | – |
//! | `message` | whether a message is JSON or bytes; with the feature `message`, a draft of contract 0.2 | – |
//! | `crypto` | keys that verify signatures, hashes; with the feature `crypto`, a draft of contract 0.2 | – |
//! | [`check`], [`limits`] | what a verdict must be, and how much of everything a plugin may use and say | – |

#![warn(missing_docs)]

#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;
#[cfg_attr(target_family = "wasm", path = "broker/wasm.rs")]
#[cfg_attr(not(target_family = "wasm"), path = "broker/native.rs")]
mod broker;
pub mod clock;
#[cfg(feature = "crypto")]
pub mod crypto;
pub mod effects;
mod handshake;
pub mod json;
pub mod kv;
pub mod limiter;
pub mod log;
#[cfg(feature = "message")]
pub mod message;
pub mod metrics;
mod plugin;
mod register;
mod session;
mod settings;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod verdict;
pub mod words;

/// Channel patterns, as the broker's config has them too.
pub use sluicegate_contract::channel;
/// Bytes as text in base 16.
pub use sluicegate_contract::hex;
/// How much of everything plugins may use and say.
pub use sluicegate_contract::limits;
/// Text that repeats what a client sent, made fit for a log or an answer.
pub use sluicegate_contract::text;
/// What a user, claims and a denial must be: for plugins that take them from a client.
pub use sluicegate_contract::verdict as check;

pub use handshake::Handshake;
pub use plugin::{ConnectHook, DisconnectHook, Plugin, PublishHook, SetupError, SubscribeHook};
#[doc(hidden)]
pub use register::__private;
pub use session::Session;
pub use settings::{NoSettings, Settings};
pub use verdict::{ConnectVerdict, Denial, Grant, Identity, Penalty, PublishVerdict, SubscribeVerdict};

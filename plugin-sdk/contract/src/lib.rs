//! What the Sluicegate broker and its plugins both keep to. The SDK re-exports what plugins need of it; the
//! broker checks by the same items, so the two cannot differ. No dependencies and no `std`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`channel`] | channel names, and the patterns that say which channels a rule is for |
//! | [`codes`] | the codes with which a plugin may deny |
//! | [`hex`] | bytes as text in base 16 |
//! | [`limits`] | how much of everything plugins may use and say |
//! | [`json`] | JSON text checked in place, whole numbers and kinds of values, and errors in the words of JSON |
//! | [`key_algorithm`] | what a key of the interface `crypto` may be for |
//! | [`text`] | text that repeats what a client sent |
//! | [`verdict`] | what a user, claims and a denial must be |

#![no_std]
#![warn(missing_docs)]

extern crate alloc;

pub mod channel;
pub mod codes;
pub mod hex;
pub mod json;
pub mod key_algorithm;
pub mod limits;
pub mod text;
pub mod verdict;

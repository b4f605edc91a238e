//! What the Sluicegate broker and its plugins both keep to. The SDK re-exports what plugins need of it; the
//! broker checks by the same items, so the two cannot differ. No dependencies and no `std`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`json`] | whole numbers and kinds of values in JSON text, and errors in the words of JSON |

#![no_std]
#![warn(missing_docs)]

extern crate alloc;

pub mod json;

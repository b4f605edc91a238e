//! Every field of every request against every kind of JSON value.

mod fields;
mod message_pack_envelopes;

//! What must hold whatever bytes come: one function for each fuzz target. Each panics where something does not hold. The
//! programs in `fuzz/fuzz_targets/` call them with what a fuzzer finds, the tests here with the corpus in `fuzz/corpus/`.

mod config_file;
mod envelopes;
mod frames;
mod message_pack_values;
mod messages;
mod proxied;
mod verdicts;

pub use config_file::config;
pub use envelopes::envelope_reader;
pub use frames::wire_decoder;
pub use message_pack_values::message_pack;
pub use messages::pointer_and_words;
pub use proxied::{client_address, proxy_header};
pub use verdicts::verdict_conversion;

/// Channel, header and claims of a token, with a NUL between them: a verdict, and one that the broker takes.
pub use authorize::fuzz::token_reader;

/// Takes any bytes and panics if a property does not hold.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Target); 9] = [
    ("wire_decoder", wire_decoder),
    ("envelope_reader", envelope_reader),
    ("config", config),
    ("verdict_conversion", verdict_conversion),
    ("pointer_and_words", pointer_and_words),
    ("token_reader", token_reader),
    ("proxy_header", proxy_header),
    ("client_address", client_address),
    ("message_pack", message_pack),
];

/// The first byte and the rest; of nothing, nothing.
fn split_first(data: &[u8]) -> (usize, &[u8]) {
    data.split_first()
        .map_or((0, data), |(first, rest)| (usize::from(*first), rest))
}

/// Text for a person that may repeat what came: it stays on its line.
#[track_caller]
fn one_line(text: &str) {
    let hidden = text.chars().find(|c| c.is_control());
    assert_eq!(hidden, None, "a control character in {text:?}");
}

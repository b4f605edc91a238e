//! The bytes of a file as text.

use std::path::Path;

use super::problem::{Place, Problem};

/// The text that `bytes` of the file at `path` are.
pub(super) fn text<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, Problem> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        Place::file(path).at_line(line).problem("is not UTF-8")
    })
}

//! The way to a value, for an error and for what is allowed in one place only.

use std::fmt::Write as _;

/// Bytes of a path that is told; the rest is left out.
const SHOWN_BYTES: usize = 128;

/// A step from a map or a list to what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathStep<'a> {
    Key(&'a str),
    Place(u32),
}

/// The steps as text: `payload.data[2]`.
pub(super) fn shown<'a>(steps: impl Iterator<Item = PathStep<'a>>) -> String {
    let mut path = String::new();
    for step in steps {
        if path.len() > SHOWN_BYTES {
            break;
        }
        match step {
            PathStep::Key(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                // Who sent it chose it.
                let shown = &key[..key.floor_char_boundary(SHOWN_BYTES)];
                path.extend(shown.escape_debug());
            }
            PathStep::Place(place) => write!(path, "[{place}]").expect("a string takes everything"),
        }
    }
    if path.len() > SHOWN_BYTES {
        path.truncate(path.floor_char_boundary(SHOWN_BYTES));
        path.push('…');
    }
    path
}

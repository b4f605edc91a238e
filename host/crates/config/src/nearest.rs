//! What was likely meant by a name that is not known.

/// Bytes of a name that is compared with the known ones: comparing takes the square of them.
const COMPARED_BYTES: usize = 256;

/// The known name that is most like `name`. Jaro-Winkler weighs the beginning, so that `drain` finds
/// `drain_seconds`; the number of edits would find any other short key.
pub(super) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > COMPARED_BYTES {
        return None;
    }
    let likeness = |candidate: &str| strsim::jaro_winkler(name, candidate);
    known.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

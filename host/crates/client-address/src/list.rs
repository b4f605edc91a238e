//! A list of a header's value, read from its end: the last entry is the nearest proxy's, and all before may be forged.

/// The entries of a line in their reverse order, without the white space around them. A comma within quotes divides
/// nothing if `has_quotes`. Quotes are counted from the end, so that an open quote, which a stranger may have written
/// before, cannot swallow what the proxy added.
pub(crate) struct FromTheEnd<'a> {
    /// None after the first entry of the line.
    rest: Option<&'a str>,
    has_quotes: bool,
}

// === impl FromTheEnd ===

impl<'a> FromTheEnd<'a> {
    pub(crate) fn new(line: &'a str, has_quotes: bool) -> Self {
        Self {
            rest: Some(line),
            has_quotes,
        }
    }

    /// Where the comma before the last entry is.
    fn divider(&self, line: &str) -> Option<usize> {
        if !self.has_quotes {
            return line.rfind(',');
        }
        let bytes = line.as_bytes();
        let mut is_quoted = false;
        for (at, byte) in bytes.iter().enumerate().rev() {
            match byte {
                // The first quote from the end closes a text. One within it has a backslash before it.
                b'"' if !(is_quoted && is_escaped(&bytes[..at])) => is_quoted = !is_quoted,
                b',' if !is_quoted => return Some(at),
                _ => {}
            }
        }
        None
    }
}

/// Whether an odd number of backslashes is at the end.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

impl<'a> Iterator for FromTheEnd<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let line = self.rest?;
        let divider = self.divider(line);
        self.rest = divider.map(|at| &line[..at]);
        let entry = divider.map_or(line, |at| &line[at + 1..]);
        Some(entry.trim_matches([' ', '\t']))
    }
}

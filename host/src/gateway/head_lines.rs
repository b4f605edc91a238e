//! The lines of a request's head, looked at as their bytes come: each ends with CR and LF. A reader may take LF alone for the
//! end of a line (RFC 9112 2.2). Who does sees other headers than a proxy in front that takes it for a part of a value.

/// How far the head of a connection's first request was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum HeadLines {
    /// At the beginning of a line; a head may have empty lines before it.
    #[default]
    Begin,
    /// Within a line.
    Amid,
    /// Behind CR, which ends an empty line or another.
    Ending { is_empty: bool },
    /// The head is over.
    Done,
    /// A line ended with LF alone.
    Broken,
}

impl HeadLines {
    /// Looks at the next bytes.
    pub(super) fn look(&mut self, bytes: &[u8]) {
        for byte in bytes {
            *self = match (*self, byte) {
                (Self::Done | Self::Broken, _) => return,
                (Self::Ending { is_empty: true }, b'\n') => Self::Done,
                (Self::Ending { is_empty: false }, b'\n') => Self::Begin,
                (_, b'\n') => Self::Broken,
                (Self::Begin, b'\r') => Self::Ending { is_empty: true },
                (_, b'\r') => Self::Ending { is_empty: false },
                _ => Self::Amid,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_both() {
        for (bytes, expected) in [
            (&b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\nbody"[..], HeadLines::Done),
            (b"GET / HTTP/1.1\r\n\r\n\n", HeadLines::Done),
            (b"GET / HTTP/1.1\r\nHost: a\r\n", HeadLines::Begin),
            (b"GET / HTTP/1.1\r\nHost: a", HeadLines::Amid),
            (b"GET / HTTP/1.1\nHost: a\r\n\r\n", HeadLines::Broken),
            (b"GET / HTTP/1.1\r\nHost: a\n\r\n", HeadLines::Broken),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\n", HeadLines::Broken),
            (b"GET / HTTP/1.1\r\nHost: a\r \n", HeadLines::Broken),
            (b"\nGET / HTTP/1.1\r\n", HeadLines::Broken),
        ] {
            let mut whole = HeadLines::default();
            whole.look(bytes);
            let mut bytewise = HeadLines::default();
            bytes.iter().for_each(|byte| bytewise.look(std::slice::from_ref(byte)));
            assert_eq!((whole, bytewise), (expected, expected), "{}", bytes.escape_ascii());
        }
    }
}

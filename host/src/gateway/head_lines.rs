//! The lines of a request's head, looked at as their bytes come: each ends with CR and LF. A reader may take LF alone for the
//! end of a line (RFC 9112 2.2). Who does sees other headers than a proxy in front that takes it for a part of a value.

/// How far the head of a request was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum HeadLines {
    /// Nothing but empty lines came, which a head may have before it.
    #[default]
    Before,
    /// Behind CR, which ends one of these.
    EndingBefore,
    /// At the beginning of a line.
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
    /// Looks at the next bytes. Returns how many of them are of the head.
    pub(super) fn look(&mut self, bytes: &[u8]) -> usize {
        for (count, byte) in bytes.iter().enumerate() {
            *self = match (*self, byte) {
                (Self::Done | Self::Broken, _) => return count,
                (Self::EndingBefore, b'\n') => Self::Before,
                (Self::Ending { is_empty: true }, b'\n') => Self::Done,
                (Self::Ending { is_empty: false }, b'\n') => Self::Begin,
                (_, b'\n') => Self::Broken,
                (Self::Before, b'\r') => Self::EndingBefore,
                (Self::Begin, b'\r') => Self::Ending { is_empty: true },
                (_, b'\r') => Self::Ending { is_empty: false },
                _ => Self::Amid,
            };
        }
        bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_both() {
        for (bytes, behind, expected) in [
            (
                &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
                &b"body\nbody"[..],
                HeadLines::Done,
            ),
            (b"GET / HTTP/1.1\r\n\r\n", b"\n", HeadLines::Done),
            (b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", b"\n", HeadLines::Done),
            (b"GET / HTTP/1.1\r\nHost: a\r\n", b"", HeadLines::Begin),
            (b"GET / HTTP/1.1\r\nHost: a", b"", HeadLines::Amid),
            (b"\r\n", b"", HeadLines::Before),
            (b"GET / HTTP/1.1\n", b"Host: a\r\n\r\n", HeadLines::Broken),
            (b"GET / HTTP/1.1\r\nHost: a\n", b"\r\n", HeadLines::Broken),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\n", b"", HeadLines::Broken),
            (b"GET / HTTP/1.1\r\nHost: a\r \n", b"", HeadLines::Broken),
            (b"\n", b"GET / HTTP/1.1\r\n", HeadLines::Broken),
            (b"\r\n\n", b"GET / HTTP/1.1\r\n", HeadLines::Broken),
            (b"\r\nGET / HTTP/1.1\n", b"\r\n", HeadLines::Broken),
            (b"\r\rGET / HTTP/1.1\n", b"", HeadLines::Broken),
        ] {
            let all = [bytes, behind].concat();
            let mut whole = HeadLines::default();
            let count = whole.look(&all);
            let mut bytewise = HeadLines::default();
            let each: usize = all.iter().map(|byte| bytewise.look(std::slice::from_ref(byte))).sum();
            let shown = all.escape_ascii();
            assert_eq!((whole, bytewise), (expected, expected), "{shown}");
            assert_eq!((count, each), (bytes.len(), bytes.len()), "{shown}");
        }
    }
}

//! The body of a response in chunks (RFC 9112 7.1), taken apart as it comes: proxies send what has no length so.

/// What came so far and is not taken apart.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    unread: Vec<u8>,
    /// Bytes of the chunk that are to come.
    left: usize,
    is_over: bool,
}

impl Chunks {
    /// Takes bytes; returns those of the body.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.unread.extend_from_slice(bytes);
        let mut body = Vec::new();
        while !self.is_over {
            if self.left > 0 {
                let now = self.left.min(self.unread.len());
                body.extend(self.unread.drain(..now));
                self.left -= now;
                if self.left > 0 {
                    break;
                }
            }
            let Some(size) = self.take_size() else { break };
            self.left = size;
            self.is_over = size == 0;
        }
        body
    }

    /// The line with the size of the next chunk, behind the end of the one before; none if it is not whole.
    fn take_size(&mut self) -> Option<usize> {
        let start = if self.unread.starts_with(b"\r\n") { 2 } else { 0 };
        let length = self.unread[start..].windows(2).position(|pair| pair == b"\r\n")?;
        let line = str::from_utf8(&self.unread[start..start + length]).expect("a chunk size in text");
        let size = usize::from_str_radix(line.trim(), 16).expect("a chunk size in hex");
        self.unread.drain(..start + length + 2);
        Some(size)
    }

    /// Whether the last chunk came.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }
}

#[test]
fn the_harness_reads_chunks_however_they_come() {
    let sent = b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n";
    for at_once in 1..=sent.len() {
        let mut chunks = Chunks::default();
        let body: Vec<u8> = sent.chunks(at_once).flat_map(|bytes| chunks.take(bytes)).collect();
        assert_eq!(
            (body.as_slice(), chunks.is_over()),
            (&b"abc0123456789"[..], true),
            "{at_once}"
        );
    }
}

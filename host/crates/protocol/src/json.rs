//! JSON text of which large parts are shared with others and never copied.

use bytes::Bytes;

/// What is shorter than this many bytes is copied: a part of its own would cost more.
const SHARED_BYTES: usize = 1024;

/// JSON text in parts.
#[derive(Clone, Debug, Default)]
pub struct Json {
    /// What was written here.
    text: Vec<u8>,
    /// What stands in it, in its order.
    shared: Vec<Shared>,
}

/// A text that is shared, and before which byte of the written text it stands.
#[derive(Clone, Debug)]
struct Shared {
    at: usize,
    piece: Piece,
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Text(Bytes),
    /// What stands here is not known yet: it comes while the text is sent.
    Later,
}

impl Json {
    /// Nothing yet, with room for `bytes` of it.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self {
            text: Vec::with_capacity(bytes),
            shared: Vec::new(),
        }
    }

    /// Bytes of the text, as far as it is known.
    pub fn len(&self) -> usize {
        self.text.len() + self.shared.iter().map(|shared| shared.piece.len()).sum::<usize>()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.shared.is_empty()
    }

    /// The whole text in one piece, if it is.
    pub fn into_text(self) -> Result<Vec<u8>, Self> {
        if self.shared.is_empty() {
            Ok(self.text)
        } else {
            Err(self)
        }
    }

    /// The text as pieces that stand one behind the other; none is empty.
    pub fn into_pieces(self) -> impl Iterator<Item = Piece> {
        let text = Bytes::from(self.text);
        let end = Shared {
            at: text.len(),
            piece: Piece::Text(Bytes::new()),
        };
        let mut from = 0;
        let pieces = self.shared.into_iter().chain([end]).flat_map(move |shared| {
            let before = text.slice(from..shared.at);
            from = shared.at;
            [Piece::Text(before), shared.piece]
        });
        pieces.filter(|piece| *piece == Piece::Later || piece.len() > 0)
    }

    /// The same of a text of which nothing comes later.
    pub fn into_parts(self) -> impl Iterator<Item = Bytes> {
        self.into_pieces().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text),
            Piece::Later => None,
        })
    }

    /// The whole text, copied: for tests and small texts.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut whole = Vec::with_capacity(self.len());
        for part in self.clone().into_parts() {
            whole.extend_from_slice(&part);
        }
        whole
    }

    pub(crate) fn push(&mut self, byte: u8) {
        self.text.push(byte);
    }

    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(bytes);
    }

    pub(crate) fn writer(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Appends texts with commas between them: those that are worth it without a copy, the others copied once.
    pub(crate) fn extend_list(&mut self, texts: &[Bytes]) {
        let copied = texts.iter().filter(|text| text.len() < SHARED_BYTES);
        self.text.reserve(copied.map(|text| text.len() + 1).sum());
        for (index, text) in texts.iter().enumerate() {
            if index > 0 {
                self.push(b',');
            }
            self.extend_shared(text);
        }
    }

    /// Appends another text. What is large in it is not copied.
    pub(crate) fn append(&mut self, other: Self) {
        for piece in other.into_pieces() {
            match piece {
                Piece::Text(text) => self.extend_shared(&text),
                Piece::Later => self.extend_later(),
            }
        }
    }

    /// Leaves room for what comes later.
    pub(crate) fn extend_later(&mut self) {
        self.shared.push(Shared {
            at: self.text.len(),
            piece: Piece::Later,
        });
    }

    fn extend_shared(&mut self, text: &Bytes) {
        if text.len() < SHARED_BYTES {
            self.extend(text);
        } else {
            self.shared.push(Shared {
                at: self.text.len(),
                piece: Piece::Text(text.clone()),
            });
        }
    }
}

/// A text in one piece.
impl From<Vec<u8>> for Json {
    fn from(text: Vec<u8>) -> Self {
        Self {
            text,
            shared: Vec::new(),
        }
    }
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Later => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_later_keeps_its_place() {
        let large = Bytes::from(vec![b'l'; SHARED_BYTES]);
        let mut inner = Json::default();
        inner.extend(b"[");
        inner.extend_later();
        inner.extend(b"]");
        let mut outer = Json::default();
        outer.extend_list(std::slice::from_ref(&large));
        outer.append(inner.clone());
        outer.extend_later();
        let text = |text: &'static [u8]| Piece::Text(Bytes::from_static(text));
        let expected = [Piece::Text(large), text(b"["), Piece::Later, text(b"]"), Piece::Later];
        assert_eq!(outer.into_pieces().collect::<Vec<_>>(), expected);
        assert_eq!((inner.len(), inner.to_vec()), (2, b"[]".to_vec()));
        assert!(inner.into_text().is_err());
    }

    #[test]
    fn large_texts_are_shared_and_small_ones_copied_whatever_they_stand_in() {
        let (small, large) = (Bytes::from(vec![b's'; 10]), Bytes::from(vec![b'l'; SHARED_BYTES]));
        let mut inner = Json::default();
        inner.extend(b"[");
        inner.extend_list(&[small.clone(), large.clone(), small.clone(), large.clone()]);
        inner.extend(b"]");
        let expected = [&b"["[..], &small, b",", &large, b",", &small, b",", &large, b"]"].concat();
        assert_eq!((inner.to_vec(), inner.len()), (expected.clone(), expected.len()));
        let mut outer = Json::default();
        outer.extend(b"{");
        outer.append(inner);
        outer.extend(b"}");
        assert_eq!(outer.to_vec(), [b"{", &expected[..], b"}"].concat());
        let shared = outer.into_parts().filter(|part| part.as_ptr() == large.as_ptr());
        assert_eq!(shared.count(), 2, "no byte of a large text is copied");
    }

    #[test]
    fn a_text_without_shared_parts_is_one_piece() {
        let mut json = Json::with_capacity(8);
        assert!(json.is_empty());
        json.extend(b"{}");
        assert_eq!(json.into_text().unwrap(), b"{}");
    }
}

//! An envelope, or a part of one, of which large parts are shared with others and never copied.

use bytes::Bytes;
use message_pack::write::FIXED_ENTRIES;

use super::codec::Codec;

/// What is shorter than this many bytes is copied: a part of its own would cost more.
const SHARED_BYTES: usize = 1024;

/// What is encoded, in parts.
#[derive(Clone, Debug, Default)]
pub struct Encoded {
    codec: Codec,
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

impl Encoded {
    /// Nothing yet, with room for `bytes` of it.
    pub(crate) fn with_capacity(codec: Codec, bytes: usize) -> Self {
        Self {
            codec,
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

    /// The whole in one piece, if it is.
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

    /// What was encoded elsewhere, in one piece.
    pub fn whole(codec: Codec, text: Vec<u8>) -> Self {
        Self {
            codec,
            text,
            shared: Vec::new(),
        }
    }

    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Appends the header of an empty map or list of MessagePack, and says where it is.
    pub(crate) fn open(&mut self, empty: u8) -> usize {
        self.text.push(empty);
        self.text.len() - 1
    }

    /// Says in the header how many entries followed. `write` writes one that is longer than a byte.
    pub(crate) fn close(&mut self, header: usize, entries: usize, write: fn(&mut Vec<u8>, usize)) {
        match u8::try_from(entries) {
            Ok(few) if entries <= FIXED_ENTRIES => self.text[header] |= few,
            _ => {
                let mut longer = Vec::with_capacity(5);
                write(&mut longer, entries);
                let growth = longer.len() - 1;
                self.text.splice(header..=header, longer);
                let behind = self.shared.iter_mut().filter(|shared| shared.at > header);
                behind.for_each(|shared| shared.at += growth);
            }
        }
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

    /// Appends the items of a list: those that are worth it without a copy, the others copied once.
    pub(crate) fn extend_list(&mut self, texts: &[Bytes]) {
        let copied = texts.iter().filter(|text| text.len() < SHARED_BYTES);
        self.text.reserve(copied.map(|text| text.len() + 1).sum());
        for (index, text) in texts.iter().enumerate() {
            if index > 0 && self.codec == Codec::Json {
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
        let mut inner = Encoded::default();
        inner.extend(b"[");
        inner.extend_later();
        inner.extend(b"]");
        let mut outer = Encoded::default();
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
        let mut inner = Encoded::default();
        inner.extend(b"[");
        inner.extend_list(&[small.clone(), large.clone(), small.clone(), large.clone()]);
        inner.extend(b"]");
        let expected = [&b"["[..], &small, b",", &large, b",", &small, b",", &large, b"]"].concat();
        assert_eq!((inner.to_vec(), inner.len()), (expected.clone(), expected.len()));
        let mut outer = Encoded::default();
        outer.extend(b"{");
        outer.append(inner);
        outer.extend(b"}");
        assert_eq!(outer.to_vec(), [b"{", &expected[..], b"}"].concat());
        let shared = outer.into_parts().filter(|part| part.as_ptr() == large.as_ptr());
        assert_eq!(shared.count(), 2, "no byte of a large text is copied");
    }

    #[test]
    fn a_header_that_grows_moves_what_stands_behind_it_and_nothing_else() {
        use message_pack::write::{FIXED_LIST, FIXED_MAP, list_header, map_header};
        let large = Bytes::from(vec![b'l'; SHARED_BYTES]);
        let mut wide = Encoded::with_capacity(Codec::MessagePack, 8);
        let list = wide.open(FIXED_LIST);
        // Before the map that grows, within it, and behind it.
        wide.extend_shared(&large);
        let map = wide.open(FIXED_MAP);
        wide.extend(&[7]);
        wide.extend_shared(&large);
        wide.extend_later();
        wide.close(map, FIXED_ENTRIES + 1, map_header);
        wide.extend_shared(&large);
        wide.close(list, 3, list_header);
        let shared = Piece::Text(large);
        let text = |text: &'static [u8]| Piece::Text(Bytes::from_static(text));
        let expected = [
            text(&[FIXED_LIST | 3]),
            shared.clone(),
            text(&[0xde, 0, 16, 7]),
            shared.clone(),
            Piece::Later,
            shared,
        ];
        assert_eq!(wide.into_pieces().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_text_without_shared_parts_is_one_piece() {
        let mut json = Encoded::with_capacity(Codec::Json, 8);
        assert!(json.is_empty());
        json.extend(b"{}");
        assert_eq!(json.into_text().unwrap(), b"{}");
    }
}

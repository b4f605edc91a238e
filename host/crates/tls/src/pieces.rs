//! Slices of any length, cut and joined to what one record holds.

use std::io::IoSlice;

use crate::scratch::RECORD;

/// What is left of slices that are encrypted record by record.
pub(crate) struct Pieces<'a> {
    slices: &'a [IoSlice<'a>],
    /// Bytes of the first that are encrypted.
    begun: usize,
}

impl<'a> Pieces<'a> {
    pub(crate) fn of(slices: &'a [IoSlice<'a>]) -> Self {
        Self { slices, begun: 0 }
    }

    /// The next bytes, a record of them at most. Several slices are gathered in `plain`.
    pub(crate) fn next_record<'b>(&mut self, plain: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        plain.clear();
        while let Some((first, others)) = self.slices.split_first() {
            let rest = &first[self.begun..];
            let count = rest.len().min(RECORD - plain.len());
            let is_alone = plain.is_empty() && (count == RECORD || others.is_empty());
            if count == rest.len() {
                self.slices = others;
                self.begun = 0;
            } else {
                self.begun += count;
            }
            if is_alone {
                return &rest[..count];
            }
            plain.extend_from_slice(&rest[..count]);
            if plain.len() == RECORD {
                break;
            }
        }
        plain
    }
}

//! The closer look at one string, which finds what the quick pass only suspects.

use std::ops::Range;

use super::{SEED, WordList, mix};
use crate::json::{self, Chars};

/// Letters that are folded at once. So few in tests that their short texts have seams too.
const CHUNK: usize = if cfg!(test) { 3 } else { 1024 };

/// Where a word was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its place in the list given to [`WordList::new`].
    pub word: usize,
    /// Its place in the string between its quotes, escapes as written.
    pub range: Range<usize>,
}

/// A letter of folded text, and the bytes that say it.
struct Letter {
    c: char,
    /// Whether it is part of a word.
    word: bool,
    from: usize,
    to: usize,
}

/// The words in a string; made by [`WordList::hits`].
pub struct Hits<'a> {
    list: &'a WordList,
    chars: Chars<'a>,
    /// The letters around `at`: behind it as many as the longest word has, before it at least so many and one, as far
    /// as the text goes.
    window: Vec<Letter>,
    /// Everything before this is done with.
    at: usize,
    /// No word begins before this: the one before ends there.
    free_from: usize,
}

impl<'a> Hits<'a> {
    pub(super) fn new(list: &'a WordList, raw: &'a str) -> Self {
        Self {
            list,
            chars: json::chars(raw),
            window: Vec::new(),
            at: 0,
            free_from: 0,
        }
    }

    /// Sees to it that whatever begins at `at` is whole in the window, up to one letter more than the longest word has.
    fn fill(&mut self) {
        let longest = self.list.longest;
        if self.window.len() > self.at + longest {
            return;
        }
        let done = self.at.saturating_sub(longest);
        self.window.drain(..done);
        self.at -= done;
        self.free_from = self.free_from.saturating_sub(done);
        let wanted = self.at + longest + CHUNK.max(longest);
        let window = &mut self.window;
        while window.len() < wanted {
            let Some((c, range)) = self.chars.next() else {
                return;
            };
            let (from, to) = (range.start, range.end);
            self.list
                .folds
                .each(c, |c, word| window.push(Letter { c, word, from, to }));
        }
    }

    /// Where the word ends if it stands whole at `from`.
    fn ends(&self, word: usize, from: usize) -> Option<usize> {
        let folded = &self.list.words[word].folded;
        let to = from + folded.len();
        let place = self.window.get(from..to)?;
        if !place.iter().zip(folded).all(|(letter, c)| letter.c == *c) {
            return None;
        }
        let goes_on = place.last()?.word && self.window.get(to).is_some_and(|letter| letter.word);
        (!goes_on).then_some(to)
    }

    /// Goes to the end of the run of letters at `at`. Its hash; none if it is longer than any word.
    fn run(&mut self) -> Option<u64> {
        let start = self.at;
        let mut hash = SEED;
        while let Some(letter) = self.window.get(self.at).filter(|letter| letter.word) {
            hash = mix(hash, letter.c);
            self.at += 1;
            if self.at - start > self.list.longest {
                self.skip_run();
                return None;
            }
        }
        Some(hash)
    }

    fn skip_run(&mut self) {
        loop {
            self.fill();
            match self.window.get(self.at) {
                Some(letter) if letter.word => self.at += 1,
                _ => return,
            }
        }
    }
}

impl Iterator for Hits<'_> {
    type Item = Hit;

    fn next(&mut self) -> Option<Hit> {
        loop {
            self.fill();
            if !self.window.get(self.at)?.word {
                self.at += 1;
                continue;
            }
            let start = self.at;
            let Some(hash) = self.run() else {
                continue;
            };
            let found = self.list.with_run(hash).into_iter().flatten().find_map(|index| {
                let from = start.checked_sub(self.list.words[*index].run)?;
                let to = self.ends(*index, from)?;
                (from >= self.free_from).then_some((*index, from, to))
            });
            if let Some((word, from, to)) = found {
                self.free_from = to;
                self.at = self.at.max(to);
                let range = self.window[from].from..self.window[to - 1].to;
                return Some(Hit { word, range });
            }
        }
    }
}

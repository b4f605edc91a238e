//! Lists of words, looked for whole and in any case within JSON strings. Knows neither what a hit means nor
//! any language.
//!
//! A word ends where no letter or digit follows, so `heck` is found in `what the heck!` and in `heck_yes`,
//! not in `checkered`. Case goes by Unicode: `STRASSE` and `straße` are one word. Escapes are read, so
//! `\u0068eck` is `heck`; soft hyphens, zero-width characters and combining accents laid over a word do not
//! hide it. Other look-alikes (`h3ck`, Cyrillic `е`) are other words.

use std::{collections::HashMap, error::Error, fmt, ops::Range};

use crate::json;

/// A word without a letter or digit cannot be found as a whole word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAWord(pub String);

impl fmt::Display for NotAWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` has no letter or digit, so it is no word", self.0)
    }
}

impl Error for NotAWord {}

/// Where a word was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its place in the list given to [`WordList::new`].
    pub word: usize,
    /// Its place in the string between its quotes, escapes as written.
    pub range: Range<usize>,
}

struct Word {
    folded: Vec<char>,
    /// Where in `folded` the first run of letters and digits begins.
    run: usize,
}

/// Words made ready to be looked for. The cost of a search does not grow with the number of words.
pub struct WordList {
    words: Vec<Word>,
    /// The hash of a word's first run → the words that have it, longest first.
    by_run: HashMap<u64, Vec<usize>>,
    /// One bit per hash; most runs of most texts end here.
    sieve: Vec<u64>,
}

const SEED: u64 = 0xcbf2_9ce4_8422_2325;

fn mix(hash: u64, c: u32) -> u64 {
    (hash ^ u64::from(c)).wrapping_mul(0x0000_0100_0000_01b3)
}

/// For each byte: a letter or digit in lower case, 0 for what ends a word, 1 for what needs a closer look.
const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_alphanumeric() {
            class[byte] = b.to_ascii_lowercase();
        } else if b >= 0x80 || b == b'\\' {
            class[byte] = 1;
        }
        byte += 1;
    }
    class
};

impl WordList {
    /// Makes a list ready.
    ///
    /// # Errors
    /// [`NotAWord`] names the first that is none.
    pub fn new<W: AsRef<str>>(list: impl IntoIterator<Item = W>) -> Result<Self, NotAWord> {
        let mut words: Vec<Word> = Vec::new();
        let mut by_run: HashMap<u64, Vec<usize>> = HashMap::new();
        for text in list {
            let text = text.as_ref();
            let folded: Vec<char> = text.chars().flat_map(fold).collect();
            let run = folded.iter().position(|c| c.is_alphanumeric());
            let run = run.ok_or_else(|| NotAWord(text.to_owned()))?;
            let hash = folded[run..]
                .iter()
                .take_while(|c| c.is_alphanumeric())
                .fold(SEED, |hash, c| mix(hash, u32::from(*c)));
            by_run.entry(hash).or_default().push(words.len());
            words.push(Word { folded, run });
        }
        for same in by_run.values_mut() {
            same.sort_by_key(|word| std::cmp::Reverse(words[*word].folded.len()));
        }
        let mut sieve = vec![0; words.len().next_power_of_two().max(16)];
        for hash in by_run.keys() {
            let (slot, bit) = Self::place(&sieve, *hash);
            sieve[slot] |= bit;
        }
        Ok(Self { words, by_run, sieve })
    }

    fn place(sieve: &[u64], hash: u64) -> (usize, u64) {
        let mixed = hash ^ (hash >> 29);
        #[allow(clippy::cast_possible_truncation, reason = "masked to the sieve's length")]
        let slot = (mixed >> 6) as usize & (sieve.len() - 1);
        (slot, 1 << (mixed & 63))
    }

    fn with_run(&self, hash: u64) -> Option<&[usize]> {
        let (slot, bit) = Self::place(&self.sieve, hash);
        if self.sieve[slot] & bit == 0 {
            return None;
        }
        self.by_run.get(&hash).map(Vec::as_slice)
    }

    /// True if a word may be somewhere in this JSON text; false if it surely is not. One quick pass over the
    /// bytes; escapes and letters beyond ASCII always need the closer look of [`hits`](Self::hits).
    #[must_use]
    pub fn may_occur(&self, json: &str) -> bool {
        if self.words.is_empty() {
            return false;
        }
        let mut hash = SEED;
        for byte in json.bytes() {
            match CLASS[usize::from(byte)] {
                0 => {
                    if hash != SEED && self.with_run(hash).is_some() {
                        return true;
                    }
                    hash = SEED;
                }
                1 => return true,
                lower => hash = mix(hash, u32::from(lower)),
            }
        }
        hash != SEED && self.with_run(hash).is_some()
    }

    /// Every word in a string, given what stands between its quotes; left to right, none overlapping.
    #[must_use]
    pub fn hits(&self, raw: &str) -> Vec<Hit> {
        if raw.bytes().all(|b| CLASS[usize::from(b)] != 1) {
            return self.search(raw.as_bytes());
        }
        let mut letters = Vec::with_capacity(raw.len());
        for (c, range) in json::chars(raw) {
            letters.extend(fold(c).map(|folded| (folded, range.clone())));
        }
        self.search(letters.as_slice())
    }

    fn search<L: Letters + ?Sized>(&self, text: &L) -> Vec<Hit> {
        let mut hits = Vec::new();
        let mut free_from = 0;
        let mut at = 0;
        while at < text.len() {
            let start = at;
            let mut hash = SEED;
            while at < text.len() && text.at(at).is_alphanumeric() {
                hash = mix(hash, u32::from(text.at(at)));
                at += 1;
            }
            if at == start {
                at += 1;
                continue;
            }
            let found = self.with_run(hash).into_iter().flatten().find_map(|index| {
                let from = start.checked_sub(self.words[*index].run)?;
                let to = self.ends(*index, text, from)?;
                (from >= free_from).then_some((*index, from, to))
            });
            if let Some((word, from, to)) = found {
                hits.push(Hit {
                    word,
                    range: text.range(from).start..text.range(to - 1).end,
                });
                free_from = to;
                at = at.max(to);
            }
        }
        hits
    }

    /// Where the word ends if it stands whole at `from`.
    fn ends<L: Letters + ?Sized>(&self, word: usize, text: &L, from: usize) -> Option<usize> {
        let folded = &self.words[word].folded;
        let to = from + folded.len();
        if to > text.len() || !folded.iter().enumerate().all(|(i, c)| text.at(from + i) == *c) {
            return None;
        }
        let open = folded.last()?.is_alphanumeric() && to < text.len() && text.at(to).is_alphanumeric();
        (!open).then_some(to)
    }
}

/// Text as single letters in folded case, each with its place.
trait Letters {
    fn len(&self) -> usize;
    fn at(&self, index: usize) -> char;
    fn range(&self, index: usize) -> Range<usize>;
}

/// ASCII without escapes: letters are bytes.
impl Letters for [u8] {
    fn len(&self) -> usize {
        self.len()
    }

    fn at(&self, index: usize) -> char {
        char::from(self[index].to_ascii_lowercase())
    }

    fn range(&self, index: usize) -> Range<usize> {
        index..index + 1
    }
}

impl Letters for [(char, Range<usize>)] {
    fn len(&self) -> usize {
        self.len()
    }

    fn at(&self, index: usize) -> char {
        self[index].0
    }

    fn range(&self, index: usize) -> Range<usize> {
        self[index].1.clone()
    }
}

/// The case-folded letters of a character: through upper case, so that `ß`, `ſ`, `ς` and the Kelvin sign meet
/// the letters they stand for. What cannot be seen folds to nothing.
fn fold(c: char) -> impl Iterator<Item = char> {
    let hidden = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{300}'..='\u{36f}');
    // ASCII needs no table; CJK, Hangul and emoji have no case, and asking the tables costs.
    let caseless = matches!(c, '\u{2e80}'..='\u{a63f}' | '\u{ac00}'..='\u{faff}' | '\u{1f000}'..);
    let simple = c.is_ascii() || caseless;
    let alone = (simple && !hidden).then(|| c.to_ascii_lowercase());
    let folded = (!simple && !hidden).then(|| c.to_uppercase().flat_map(char::to_lowercase));
    // An upper-case letter may come apart into a letter and an accent (`İ`): the accent hides nothing either.
    let folded = folded
        .into_iter()
        .flatten()
        .filter(|c| !('\u{300}'..='\u{36f}').contains(c));
    alone.into_iter().chain(folded)
}

#[cfg(test)]
mod tests;

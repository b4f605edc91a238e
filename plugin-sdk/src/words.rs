//! Lists of words, looked for whole and in any case within JSON strings. Knows neither what a hit means nor
//! any language.
//!
//! A word ends where no letter or digit follows, so `heck` is found in `what the heck!` and in `heck_yes`,
//! not in `checkered`. Case goes by Unicode: `STRASSE` and `straße` are one word. Escapes are read, so
//! `\u0068eck` is `heck`; soft hyphens, zero-width characters and combining accents laid over a word do not
//! hide it. Other look-alikes (`h3ck`, Cyrillic `е`) are other words.

use std::{collections::HashMap, error::Error, fmt};

use crate::json;

mod hits;

pub use hits::{Hit, Hits};

/// A word without a letter or digit cannot be found as a whole word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAWord(pub String);

impl fmt::Display for NotAWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` has no letter or digit, so it is no word", self.0)
    }
}

impl Error for NotAWord {}

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
    /// Letters of the longest word.
    longest: usize,
    /// For each first byte of a run, which second ones (0: none) some word has.
    begins: [u128; 128],
    /// The runs of a short list of plain words, for messages that are plain too.
    plain: Option<Vec<PlainRun>>,
    folds: Folds,
}

/// Words that are looked for one by one in plain text: more of them than this cost more than one pass for all.
const PLAIN_WORDS: usize = 4;

/// The letters and digits of English, the rarest first.
const RARITY: &[u8] = b"zqxjkv0123456789bpygfwmucldrhsnioate";

/// A word's first run, and its letter that most texts have least of.
struct PlainRun {
    /// In lower case.
    letters: Vec<u8>,
    rarest: usize,
}

impl PlainRun {
    fn of(word: &Word) -> Option<Self> {
        let run = word.folded[word.run..].iter().take_while(|c| c.is_alphanumeric());
        let letters: Vec<u8> = run
            .map(|c| u8::try_from(*c).ok().filter(u8::is_ascii))
            .collect::<Option<_>>()?;
        let rarity = |letter: &u8| RARITY.iter().position(|known| known == letter);
        let rarest = (0..letters.len()).min_by_key(|at| rarity(&letters[*at]))?;
        Some(Self { letters, rarest })
    }

    fn is_in(&self, text: &[u8]) -> bool {
        let letter = self.letters[self.rarest];
        let mut from = self.rarest;
        while let Some(at) = json::find_any(text, from, [letter, letter.to_ascii_uppercase()]) {
            let start = at - self.rarest;
            let end = start + self.letters.len();
            let place = text.get(start..end);
            let goes_on = |at: usize| text.get(at).is_some_and(u8::is_ascii_alphanumeric);
            let whole = !goes_on(end) && !start.checked_sub(1).is_some_and(goes_on);
            if whole && place.is_some_and(|place| place.eq_ignore_ascii_case(&self.letters)) {
                return true;
            }
            from = at + 1;
        }
        false
    }
}

const SEED: u64 = 0xcbf2_9ce4_8422_2325;

fn mix(hash: u64, c: char) -> u64 {
    (hash ^ u64::from(c)).wrapping_mul(0x0000_0100_0000_01b3)
}

/// For each byte: a letter or digit in lower case, 0 for what ends a word, 1 for what begins an escape or a
/// character beyond ASCII.
const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[allow(clippy::cast_possible_truncation, reason = "under 256")]
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
                .fold(SEED, |hash, c| mix(hash, *c));
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
        let mut begins = [0; 128];
        for Word { folded, run } in &words {
            let second = folded.get(run + 1).filter(|c| c.is_alphanumeric());
            let (first, second) = (u32::from(folded[*run]), second.map_or(0, |c| u32::from(*c)));
            // What is beyond ASCII is looked at closely anyway.
            if first < 128 && second < 128 {
                begins[first as usize] |= 1_u128 << second;
            }
        }
        let plain = (words.len() <= PLAIN_WORDS).then(|| words.iter().map(PlainRun::of).collect());
        Ok(Self {
            plain: plain.flatten(),
            longest: words.iter().map(|word| word.folded.len()).max().unwrap_or(0),
            words,
            by_run,
            sieve,
            begins,
            folds: Folds::new(),
        })
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

    /// True if a word may be in this JSON text, whole or what stands between a string's quotes; false if it
    /// surely is not. One pass that keeps nothing: most messages need no more.
    #[must_use]
    pub fn may_occur(&self, json: &str) -> bool {
        if self.words.is_empty() {
            return false;
        }
        let bytes = json.as_bytes();
        if let Some(plain) = &self.plain
            && json::is_plain(bytes)
        {
            return plain.iter().any(|run| run.is_in(bytes));
        }
        let class = |at: usize| bytes.get(at).map_or(0, |byte| CLASS[usize::from(*byte)]);
        let mut at = 0;
        while at < bytes.len() {
            let first = class(at);
            if first == 0 {
                at += 1;
            } else if first > 1 && !self.begins_word(first, class(at + 1)) {
                while class(at) > 1 {
                    at += 1;
                }
                // A run that goes on with letters beyond ASCII is no word either; it ends where they do.
                if class(at) == 1 {
                    (_, at) = self.run(json, at);
                }
            } else {
                let hash;
                (hash, at) = self.run(json, at);
                if hash.is_none_or(|hash| hash != SEED && self.with_run(hash).is_some()) {
                    return true;
                }
            }
        }
        false
    }

    /// Whether some word's run begins with these two bytes, by their [`CLASS`]. Most runs of most texts end
    /// here, before anything is multiplied.
    fn begins_word(&self, first: u8, second: u8) -> bool {
        second == 1 || self.begins[usize::from(first)] & (1 << (second & 127)) != 0
    }

    /// The hash of the run of letters at `at`, and where it is over. No hash: a character came apart into
    /// letters and what ends a word, which is for the closer look.
    fn run(&self, json: &str, mut at: usize) -> (Option<u64>, usize) {
        let bytes = json.as_bytes();
        let mut hash = SEED;
        while let Some(byte) = bytes.get(at) {
            match CLASS[usize::from(*byte)] {
                0 => return (Some(hash), at + 1),
                1 => {
                    let (c, length) = json::char_at(json, at);
                    let (mut ended, mut mixed) = (false, false);
                    self.folds.each(c, |c, word| {
                        mixed |= word && ended;
                        ended |= !word;
                        hash = if word { mix(hash, c) } else { hash };
                    });
                    at += length;
                    if ended {
                        return ((!mixed).then_some(hash), at);
                    }
                }
                lower => {
                    hash = mix(hash, char::from(lower));
                    at += 1;
                }
            }
        }
        (Some(hash), at)
    }

    /// Every word in a string, given what stands between its quotes; left to right, none overlapping. Found one by one,
    /// so that the longest string takes no more memory than a short one.
    #[must_use]
    pub fn hits<'a>(&'a self, raw: &'a str) -> Hits<'a> {
        Hits::new(self, if self.may_occur(raw) { raw } else { "" })
    }
}

/// The case-folded letters of a character: through upper case, so that `ß`, `ſ`, `ς` and the Kelvin sign meet
/// the letters they stand for. What cannot be seen folds to nothing.
fn fold(c: char) -> impl Iterator<Item = char> {
    let hidden = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}');
    let folded = (!hidden).then(|| c.to_uppercase().flat_map(char::to_lowercase));
    // Also where an upper-case letter comes apart into a letter and an accent (`İ`).
    folded
        .into_iter()
        .flatten()
        .filter(|c| !('\u{300}'..='\u{36f}').contains(c))
}

/// [`fold`] for every message: answers for the letters of Europe, and for writing without case, are at hand,
/// because Unicode's own tables cost tens of nanoseconds a letter.
struct Folds(Vec<Folded>);

#[derive(Clone, Copy)]
struct Folded {
    /// The one letter that the character folds to; none: ask [`fold`].
    one: Option<char>,
    word: bool,
}

impl Folds {
    /// Latin, Greek and Cyrillic.
    const END: u32 = 0x530;

    fn new() -> Self {
        let table = (0..Self::END).filter_map(char::from_u32).map(|c| {
            let mut letters = fold(c);
            let one = letters.next().filter(|_| letters.next().is_none());
            Folded {
                one,
                word: one.is_some_and(char::is_alphanumeric),
            }
        });
        Self(table.collect())
    }

    /// Calls back with each folded letter, and whether it is part of a word.
    #[inline]
    fn each(&self, c: char, mut letter: impl FnMut(char, bool)) {
        if let Some(Folded { one: Some(one), word }) = self.0.get(c as usize) {
            return letter(*one, *word);
        }
        if matches!(c, '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
        {
            return letter(c, true);
        }
        fold(c).for_each(|c| letter(c, c.is_alphanumeric()));
    }
}

#[cfg(test)]
mod tests;

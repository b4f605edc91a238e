//! Channel names, and the patterns that say which channels a rule is for: the one language of the broker's config
//! and of plugins. Knows no rule.
//!
//! Segments end at `:`. `*` stands for any characters within a segment, and alone for a segment that is not
//! empty; `**` as the last segment stands for any rest. `{user}` and `{claim:NAME}` are holes: filled from the
//! session, each within one segment. What fills a hole is compared letter by letter, so a `:` or `*` in it never
//! widens the match. All else is literal.

use alloc::borrow::{Cow, ToOwned};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use crate::limits::{CHANNEL_BYTES, PATTERN_BYTES};

/// Why a text is no channel name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// The name has no bytes.
    Empty,
    /// The name has more than [`CHANNEL_BYTES`] bytes.
    TooLong,
    /// The name holds white space or a control character.
    Character,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a channel name may not be empty"),
            Self::TooLong => write!(f, "a channel name has at most {CHANNEL_BYTES} bytes"),
            Self::Character => f.write_str("a channel name may not hold spaces or control characters"),
        }
    }
}

impl Error for NameError {}

/// Checks a channel's name: 1 to 255 bytes of UTF-8 without spaces and control characters.
///
/// # Errors
/// Which rule it breaks.
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        Err(NameError::Empty)
    } else if name.len() > CHANNEL_BYTES {
        Err(NameError::TooLong)
    } else if has_other_characters(name) {
        Err(NameError::Character)
    } else {
        Ok(())
    }
}

fn has_other_characters(text: &str) -> bool {
    text.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// What a pattern leaves open until it is asked for a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Hole {
    /// `{user}`: the session's user.
    User,
    /// `{claim:NAME}`: a claim of the session.
    Claim(String),
}

/// Why text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// It is empty.
    Empty,
    /// It has more than [`PATTERN_BYTES`] bytes without the names of claims.
    TooLong,
    /// It holds white space or a control character, which no channel does, so it could never match.
    Character,
    /// `**` stands elsewhere than as the whole last segment.
    RestNotLast,
    /// A `{` without `}`, a `}` without `{`, or a hole that is neither `{user}` nor `{claim:NAME}`.
    UnknownHole(String),
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a pattern may not be empty"),
            Self::TooLong => write!(f, "a pattern has at most {PATTERN_BYTES} bytes"),
            Self::Character => f.write_str("a pattern may not hold spaces or control characters"),
            Self::RestNotLast => f.write_str("`**` may only be the whole last segment of a pattern, as in `room:**`"),
            Self::UnknownHole(text) => {
                write!(
                    f,
                    "`{text}` in a pattern: only {{user}} and {{claim:NAME}} can be filled in"
                )
            }
        }
    }
}

impl Error for PatternError {}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Hole(Hole),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Text(String),
    Any,
    /// The pieces between stars; one piece alone must be all of the segment.
    Pieces(Vec<Vec<Part>>),
}

/// A checked channel pattern; see the [module](self) for its signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    segments: Vec<Segment>,
    rest: bool,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        let outside_braces = || text.split(['{', '}']).step_by(2);
        if outside_braces().map(str::len).sum::<usize>() > PATTERN_BYTES {
            return Err(PatternError::TooLong);
        }
        if outside_braces().any(has_other_characters) {
            return Err(PatternError::Character);
        }
        let mut segments = Vec::new();
        let (text, rest) = match text.strip_suffix("**") {
            Some("") => return Ok(Self { segments, rest: true }),
            Some(before) => (before.strip_suffix(':').ok_or(PatternError::RestNotLast)?, true),
            None => (text, false),
        };
        for segment in split_segments(text) {
            segments.push(read_segment(segment)?);
        }
        Ok(Self { segments, rest })
    }

    /// Whether the pattern is for this channel. A pattern with holes is for none.
    #[must_use]
    pub fn matches(&self, channel: &str) -> bool {
        self.matches_with(channel, |_| None)
    }

    /// Whether the pattern is for this channel, with its holes filled by `fill`; a hole that gets nothing or
    /// empty text matches nothing. `fill` is asked only when the segments before the hole fit.
    pub fn matches_with<'f>(&self, channel: &str, mut fill: impl FnMut(&Hole) -> Option<Cow<'f, str>>) -> bool {
        let mut left = Some(channel);
        for segment in &self.segments {
            let Some(text) = left else { return false };
            let (head, tail) = text.split_once(':').map_or((text, None), |(h, t)| (h, Some(t)));
            let fits = match segment {
                Segment::Text(literal) => literal == head,
                Segment::Any => !head.is_empty(),
                Segment::Pieces(pieces) => fits_pieces(pieces, head, &mut fill),
            };
            if !fits {
                return false;
            }
            left = tail;
        }
        // The segments used up all of the channel, or something is left and the pattern takes any rest.
        left.is_some() == self.rest
    }

    /// The holes, in their order.
    pub fn holes(&self) -> impl Iterator<Item = &Hole> {
        let pieces = self.segments.iter().filter_map(|segment| match segment {
            Segment::Pieces(pieces) => Some(pieces),
            _ => None,
        });
        pieces.flatten().flatten().filter_map(|part| match part {
            Part::Hole(hole) => Some(hole),
            Part::Text(_) => None,
        })
    }
}

/// Splits at `:`, but not within braces: `{claim:NAME}` is one piece.
fn split_segments(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.split(move |c| {
        match c {
            '{' => inside = true,
            '}' => inside = false,
            _ => {}
        }
        c == ':' && !inside
    })
}

fn read_segment(text: &str) -> Result<Segment, PatternError> {
    if text == "*" {
        return Ok(Segment::Any);
    }
    if text.contains("**") {
        return Err(PatternError::RestNotLast);
    }
    if !text.contains(['*', '{', '}']) {
        return Ok(Segment::Text(text.to_owned()));
    }
    let pieces = split_stars(text).map(read_piece);
    Ok(Segment::Pieces(pieces.collect::<Result<_, _>>()?))
}

/// Splits at `*`, but not within braces: a claim's name may hold one.
fn split_stars(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.split(move |c| {
        match c {
            '{' => inside = true,
            '}' => inside = false,
            _ => {}
        }
        c == '*' && !inside
    })
}

fn read_piece(mut text: &str) -> Result<Vec<Part>, PatternError> {
    let mut parts = Vec::new();
    while !text.is_empty() {
        let unknown = |hole: &str| PatternError::UnknownHole(hole.to_owned());
        let (before, hole) = text.split_once('{').map_or((text, None), |(b, h)| (b, Some(h)));
        if before.contains('}') {
            return Err(unknown("}"));
        }
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        let Some(hole) = hole else { break };
        let (name, after) = hole.split_once('}').ok_or_else(|| unknown("{"))?;
        parts.push(Part::Hole(match (name, name.strip_prefix("claim:")) {
            ("user", _) => Hole::User,
            (_, Some(claim)) if !claim.is_empty() && !claim.contains('{') => Hole::Claim(claim.to_owned()),
            _ => return Err(unknown(&format!("{{{name}}}"))),
        }));
        text = after;
    }
    Ok(parts)
}

fn fits_pieces<'f>(pieces: &[Vec<Part>], segment: &str, fill: &mut impl FnMut(&Hole) -> Option<Cow<'f, str>>) -> bool {
    let mut texts = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let Some(text) = filled(piece, fill) else { return false };
        texts.push(text);
    }
    let (Some(first), Some(last)) = (texts.first(), texts.last()) else {
        return false;
    };
    if texts.len() == 1 {
        return segment == *first;
    }
    let Some(middle) = segment.strip_prefix(&**first) else {
        return false;
    };
    let Some(mut middle) = middle.strip_suffix(&**last) else {
        return false;
    };
    // The leftmost place is always right for a piece between two stars.
    for text in &texts[1..texts.len() - 1] {
        let Some(at) = middle.find(&**text) else { return false };
        middle = &middle[at + text.len()..];
    }
    true
}

fn filled<'p, 'f>(piece: &'p [Part], fill: &mut impl FnMut(&Hole) -> Option<Cow<'f, str>>) -> Option<Cow<'p, str>> {
    match piece {
        [] => return Some(Cow::Borrowed("")),
        [Part::Text(text)] => return Some(Cow::Borrowed(text)),
        _ => {}
    }
    let mut out = String::new();
    for part in piece {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Hole(hole) => out.push_str(&fill(hole).filter(|value| !value.is_empty())?),
        }
    }
    Some(Cow::Owned(out))
}

#[cfg(test)]
mod tests;

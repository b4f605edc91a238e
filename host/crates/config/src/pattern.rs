//! Channel patterns. Pure: text against text, in time linear in the channel's length.
//!
//! A channel's segments end at `:`. `*` stands for any characters of one segment, also none; `**` at
//! the end of a pattern stands for any rest, also none and across segments. All else is literal.

use thiserror::Error;

use protocol::names::CHANNEL_BYTES;

/// Bytes of a pattern at most.
pub const PATTERN_BYTES: usize = CHANNEL_BYTES;

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// All segments; the last one only if the pattern does not end in `**`.
    whole: Vec<Segment>,
    /// What stands before the `**` in the last segment.
    open: Option<Segment>,
}

/// A segment cut at its stars: `a*b*c` is `a`, [`b`], `c`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    head: String,
    /// What follows the first star: the pieces between stars, and the one after the last.
    starred: Option<(Vec<String>, String)>,
}

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// It has no bytes.
    #[error("a pattern may not be empty")]
    Empty,
    /// It has more than `PATTERN_BYTES` bytes.
    #[error("a pattern has at most {PATTERN_BYTES} bytes")]
    TooLong,
    /// It holds what no channel name holds, so it could never match.
    #[error("a pattern may not hold spaces or control characters")]
    Character,
    /// `**` before the end.
    #[error("`**` may only stand at the end of a pattern")]
    OpenInside,
}

impl Pattern {
    /// Checks and compiles `text`.
    ///
    /// # Errors
    /// Which rule of patterns it breaks.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > PATTERN_BYTES {
            return Err(PatternError::TooLong);
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(PatternError::Character);
        }
        let (body, is_open) = match text.strip_suffix("**") {
            Some(body) => (body, true),
            None => (text, false),
        };
        if body.contains("**") || (is_open && body.ends_with('*')) {
            return Err(PatternError::OpenInside);
        }
        let mut whole: Vec<_> = body.split(':').map(Segment::parse).collect();
        let open = if is_open { whole.pop() } else { None };
        Ok(Self { whole, open })
    }

    /// Whether all of `channel` fits.
    pub fn matches(&self, channel: &str) -> bool {
        let mut rest = Some(channel);
        for segment in &self.whole {
            let Some(text) = rest else { return false };
            let (first, after) = match text.split_once(':') {
                Some((first, after)) => (first, Some(after)),
                None => (text, None),
            };
            if !segment.matches(first) {
                return false;
            }
            rest = after;
        }
        match (&self.open, rest) {
            (None, rest) => rest.is_none(),
            (Some(open), Some(rest)) => open.begins(rest),
            (Some(_), None) => false,
        }
    }
}

impl Segment {
    fn parse(text: &str) -> Self {
        let mut pieces = text.split('*').map(str::to_owned);
        let head = pieces.next().unwrap_or_default();
        let mut middle: Vec<_> = pieces.collect();
        let tail = middle.pop();
        Self {
            head,
            starred: tail.map(|tail| (middle, tail)),
        }
    }

    /// Whether this is all of `text`, which holds no `:`.
    fn matches(&self, text: &str) -> bool {
        let Some((middle, tail)) = &self.starred else {
            return self.head == text;
        };
        // The tail is taken off first: what is left is for the stars and the pieces between them.
        let inner = text
            .strip_prefix(self.head.as_str())
            .and_then(|text| text.strip_suffix(tail.as_str()));
        inner.is_some_and(|inner| after_each(middle, inner).is_some())
    }

    /// Whether `text`, which may go on with further segments, begins with this.
    fn begins(&self, text: &str) -> bool {
        let Some(text) = text.strip_prefix(self.head.as_str()) else {
            return false;
        };
        let Some((middle, tail)) = &self.starred else {
            return true;
        };
        let segment = text.split(':').next().unwrap_or_default();
        after_each(middle, segment).is_some_and(|rest| rest.contains(tail.as_str()))
    }
}

/// What is left of `text` after the leftmost occurrence of each piece in turn. The leftmost leaves the
/// most to the next, so nothing is ever tried again.
fn after_each<'t>(pieces: &[String], text: &'t str) -> Option<&'t str> {
    pieces.iter().try_fold(text, |rest, piece| {
        rest.split_once(piece.as_str()).map(|(_, after)| after)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fits(pattern: &str, channel: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(channel)
    }

    #[test]
    fn matches_as_documented() {
        let cases = [
            ("room", "room", true),
            ("room", "rooms", false),
            ("room", "Room", false),
            ("room:*", "room:42", true),
            ("room:*", "room:", true),
            ("room:*", "room", false),
            ("room:*", "room:42:typing", false),
            ("room:*:typing", "room:42:typing", true),
            ("*", "room", true),
            ("*", "room:42", false),
            ("*:*", ":", true),
            ("r*m:*", "room:1", true),
            ("r*o*m", "room", true),
            ("r*o*o*o*m", "room", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("**", "anything:at:all", true),
            ("room:**", "room:42:typing", true),
            ("room:**", "room:", true),
            ("room:**", "room", false),
            ("room**", "room", true),
            ("room**", "rooms:42", true),
            ("*:**", "a:b", true),
            ("*:**", "a", false),
            ("a*b**", "axb:c", true),
            ("a*b**", "ax:b", false),
            ("räume:*", "räume:ü", true),
        ];
        for (pattern, channel, expected) in cases {
            assert_eq!(fits(pattern, channel), expected, "{pattern} {channel}");
        }
    }

    #[test]
    fn refuses_what_could_never_match() {
        assert_eq!(Pattern::parse(""), Err(PatternError::Empty));
        assert_eq!(Pattern::parse(&"x".repeat(256)), Err(PatternError::TooLong));
        assert_eq!(Pattern::parse("a b"), Err(PatternError::Character));
        for text in ["**:a", "a:**:b", "***", "a***", "**a", "****"] {
            assert_eq!(Pattern::parse(text), Err(PatternError::OpenInside), "{text}");
        }
    }

    /// The definition, character by character: slow, and plain to see.
    fn naive(pattern: &[char], channel: &[char]) -> bool {
        match (pattern, channel) {
            (['*', '*'], _) | ([], []) => true,
            (['*', rest @ ..], _) if naive(rest, channel) => true,
            (['*', ..], [c, after @ ..]) => *c != ':' && naive(pattern, after),
            ([p, rest @ ..], [c, after @ ..]) => p == c && naive(rest, after),
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]
        // A small alphabet, so that much fits and stars have several ways to.
        #[test]
        fn matches_as_the_naive_matcher(pattern in "[ab:ü*]{1,10}", channel in "[ab:ü]{0,12}") {
            if let Ok(compiled) = Pattern::parse(&pattern) {
                let chars = |text: &str| text.chars().collect::<Vec<_>>();
                prop_assert_eq!(compiled.matches(&channel), naive(&chars(&pattern), &chars(&channel)));
            }
        }

        #[test]
        fn a_pattern_without_stars_matches_itself_alone(pattern in "[ab:]{1,6}", channel in "[ab:]{1,6}") {
            prop_assert_eq!(fits(&pattern, &channel), pattern == channel);
        }
    }

    /// A pattern of many stars on a channel that only fails at its end: exponential if tried again.
    #[test]
    fn many_stars_stay_cheap() {
        let pattern = format!("{}b", "a*".repeat(127));
        assert!(!fits(&pattern, &"a".repeat(255)));
        assert!(fits(&pattern, &format!("{}b", "a".repeat(254))));
    }
}

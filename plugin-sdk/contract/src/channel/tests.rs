//! Checks what patterns match, and above all what they must not.

use super::*;
use proptest::prelude::*;

fn matches(pattern: &str, channel: &str) -> bool {
    Pattern::parse(pattern).unwrap().matches(channel)
}

fn for_user(pattern: &str, user: &str, channel: &str) -> bool {
    let fill = |hole: &Hole| (*hole == Hole::User).then(|| Cow::Owned(user.to_owned()));
    Pattern::parse(pattern).unwrap().matches_with(channel, fill)
}

#[test]
fn what_is_no_pattern_is_refused() {
    for (text, error) in [
        ("", PatternError::Empty),
        ("a b", PatternError::Character),
        ("a:\u{7f}", PatternError::Character),
        ("a:{user} ", PatternError::Character),
        ("a**", PatternError::RestNotLast),
        ("**a", PatternError::RestNotLast),
        ("***", PatternError::RestNotLast),
        ("a:**:b", PatternError::RestNotLast),
        ("**:a", PatternError::RestNotLast),
        ("a:***", PatternError::RestNotLast),
        ("a:{usr}", PatternError::UnknownHole("{usr}".into())),
        ("a:{claim:}", PatternError::UnknownHole("{claim:}".into())),
        ("a:{user", PatternError::UnknownHole("{".into())),
        ("a:user}", PatternError::UnknownHole("}".into())),
    ] {
        assert_eq!(Pattern::parse(text).err(), Some(error), "{text}");
    }
}

#[test]
fn a_pattern_has_the_length_of_a_channel_at_most() {
    assert!(Pattern::parse(&"x".repeat(255)).is_ok());
    assert_eq!(Pattern::parse(&"x".repeat(256)).err(), Some(PatternError::TooLong));
    let with_claim = format!("a:{{claim:{} b}}", "x".repeat(300));
    assert!(Pattern::parse(&with_claim).is_ok());
}

#[test]
fn a_star_stays_within_its_segment() {
    assert!(matches("room:*", "room:1"));
    assert!(!matches("room:*", "room:1:2"));
    assert!(!matches("room:*", "room:"));
    assert!(!matches("room:*", "room"));
    assert!(!matches("room:*", "rooms:1"));
    assert!(matches("*", "room"));
    assert!(!matches("*", "room:1"));
    assert!(matches("a*c:*:x", "abc:1:x"));
    assert!(matches("a*c", "ac"));
    assert!(!matches("a*a", "a"));
    assert!(matches("*b*d*", "abcde"));
    assert!(!matches("*d*b*", "abcde"));
    assert!(!matches("*:*", ":"));
    assert!(!matches("*", ""));
    assert!(matches("a*", "a"));
    assert!(matches("room:", "room:"));
    assert!(matches("räume:*", "räume:ü"));
    assert!(!matches("room", "Room"));
}

#[test]
fn two_stars_take_any_rest_behind_their_colon() {
    assert!(matches("**", "a:b:c"));
    assert!(matches("room:**", "room:1"));
    assert!(matches("room:**", "room:1:2"));
    assert!(matches("room:**", "room:"));
    assert!(!matches("room:**", "room"));
    assert!(!matches("room:**", "roomy:1"));
    assert!(matches("*:x:**", "a:x:y"));
    assert!(!matches("*:x:**", "a:y:x"));
}

#[test]
fn a_hole_is_filled_as_one_segment() {
    assert!(for_user("inbox:{user}", "ann", "inbox:ann"));
    assert!(!for_user("inbox:{user}", "ann", "inbox:bob"));
    assert!(for_user("dm-{user}-*:**", "ann", "dm-ann-1:x"));
    assert!(!matches("inbox:{user}", "inbox:ann"));
    assert!(!for_user("inbox:{user}", "", "inbox:"));
}

#[test]
fn a_claim_may_have_a_colon_or_a_star_in_its_name() {
    let pattern = Pattern::parse("org:{claim:https://x.example/org*id}:*").unwrap();
    let hole = Hole::Claim("https://x.example/org*id".into());
    assert_eq!(pattern.holes().collect::<Vec<_>>(), [&hole]);
    let fill = |h: &Hole| (*h == hole).then_some(Cow::Borrowed("7"));
    assert!(pattern.matches_with("org:7:a", fill));
    assert!(!pattern.matches_with("org:8:a", fill));
}

#[test]
fn signs_in_a_users_name_are_letters() {
    for user in ["*", "**", "a:b", "ann:*", "{user}", ":"] {
        assert!(!for_user("inbox:{user}", user, "inbox:ann"), "{user}");
        assert!(!for_user("inbox:{user}", user, "inbox:ann:b"), "{user}");
        assert!(!for_user("inbox:{user}:*", user, "inbox:ann:b"), "{user}");
    }
    assert!(!for_user("inbox:{user}", "a:b", "inbox:a:b"));
    assert!(for_user("inbox:{user}", "*", "inbox:*"));
}

#[test]
fn a_hole_is_not_asked_when_the_segments_before_it_differ() {
    let pattern = Pattern::parse("inbox:{user}").unwrap();
    assert!(!pattern.matches_with("room:ann", |_| panic!("asked")));
}

/// A pattern of many stars on a channel that only fails at its end: exponential if tried again.
#[test]
fn many_stars_stay_cheap() {
    let pattern = format!("{}b", "a*".repeat(127));
    assert!(!matches(&pattern, &"a".repeat(255)));
    assert!(matches(&pattern, &format!("{}b", "a".repeat(254))));
}

#[test]
fn names_are_those_of_the_protocol() {
    for name in ["a", "room:42", "räume:ü", "👋", &"x".repeat(255)] {
        assert_eq!(check_name(name), Ok(()), "{name}");
    }
    assert_eq!(check_name(""), Err(NameError::Empty));
    assert_eq!(check_name(&"x".repeat(256)), Err(NameError::TooLong));
    assert_eq!(check_name(&"ü".repeat(128)), Err(NameError::TooLong));
    for name in ["a b", "a\n", "\0", "a\u{7f}", "a\u{2003}b", "\u{85}"] {
        assert_eq!(check_name(name), Err(NameError::Character), "{name:?}");
    }
}

/// The matcher that the config had before: a star alone matched an empty segment too.
fn old_config(pattern: &[char], channel: &[char]) -> bool {
    match (pattern, channel) {
        (['*', '*'], _) | ([], []) => true,
        (['*', rest @ ..], _) if old_config(rest, channel) => true,
        (['*', ..], [c, after @ ..]) => *c != ':' && old_config(pattern, after),
        ([p, rest @ ..], [c, after @ ..]) => p == c && old_config(rest, after),
        _ => false,
    }
}

/// The definition, segment by segment: slow, and plain to see.
fn defined(pattern: &[&str], channel: &[&str]) -> bool {
    match (pattern, channel) {
        (["**"], [_, ..]) | ([], []) => true,
        ([p, pattern @ ..], [c, channel @ ..]) => {
            let fits = match *p {
                "*" => !c.is_empty(),
                p => stars(&p.chars().collect::<Vec<_>>(), &c.chars().collect::<Vec<_>>()),
            };
            fits && defined(pattern, channel)
        }
        _ => false,
    }
}

fn stars(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) if stars(rest, text) => true,
        (['*', ..], [_, after @ ..]) => stars(pattern, after),
        ([p, rest @ ..], [c, after @ ..]) => p == c && stars(rest, after),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    // A small alphabet, so that much fits and stars have several ways to.
    #[test]
    fn matches_as_defined(pattern in "[ab:ü*]{1,10}", channel in "[ab:ü]{0,12}") {
        if let Ok(compiled) = Pattern::parse(&pattern) {
            let pattern: Vec<_> = pattern.split(':').collect();
            let channel_segments: Vec<_> = channel.split(':').collect();
            prop_assert_eq!(compiled.matches(&channel), defined(&pattern, &channel_segments));
        }
    }

    #[test]
    fn agrees_with_the_old_config_where_no_segment_is_empty(pattern in "[ab:ü*]{1,10}", channel in "[abü]{1,3}(:[abü]{1,3}){0,3}") {
        if let Ok(compiled) = Pattern::parse(&pattern) {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(compiled.matches(&channel), old_config(&chars(&pattern), &chars(&channel)));
        }
    }
}

proptest! {
    /// With a user's name in it, a pattern matches exactly one channel: the one that says that name there.
    #[test]
    fn a_name_never_widens(user in "[a:*{}]{0,5}", channel in "in:[a:*{}]{0,5}") {
        let expected = !user.is_empty() && !user.contains(':') && channel == format!("in:{user}");
        prop_assert_eq!(for_user("in:{user}", &user, &channel), expected);
    }

    #[test]
    fn plain_text_matches_itself_alone(a in "[ab:]{1,6}", b in "[ab:]{1,6}") {
        prop_assert_eq!(matches(&a, &b), a == b);
    }

    #[test]
    fn any_text_parses_or_not_but_ends(text in "[a:*{}user]{0,12}", channel in "[a:*user]{1,12}") {
        if let Ok(pattern) = Pattern::parse(&text) {
            let _ = pattern.matches(&channel);
        }
    }
}

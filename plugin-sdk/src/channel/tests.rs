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
        ("a**", PatternError::RestNotLast),
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
}

#[test]
fn two_stars_take_any_rest_behind_their_colon() {
    assert!(matches("**", "a:b:c"));
    assert!(matches("room:**", "room:1"));
    assert!(matches("room:**", "room:1:2"));
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

//! What a cursor makes of what comes, what is missing and what was read.

use super::*;
use crate::conformance::{topic, with_history};

fn message(epoch: &str, offset: u64) -> Arc<Publication> {
    let position = Some(Position::at(epoch, offset));
    let id = offset.to_string().into();
    Arc::new(Publication::new(topic("a"), id, "1".into(), position, None, Vec::new()))
}

fn cursor() -> ChannelCursor {
    let mut cursor = ChannelCursor::new((topic("a"), 0), with_history(10), 1, 2, Duration::from_secs(30));
    assert!(!cursor.confirm(1), "nothing can be missing from a new cursor");
    cursor
}

fn take(cursor: &mut ChannelCursor, epoch: &str, offset: u64) -> Next {
    cursor.take(&message(epoch, offset))
}

/// Two subscribe at once: the one whose older reading of the history is learnt last has what was passed on meanwhile.
#[test]
fn a_late_reading_does_not_repeat_what_was_passed_on() {
    let mut cursor = cursor();
    cursor.learn(&Position::at("e", 3));
    for offset in [2, 3] {
        assert_eq!(take(&mut cursor, "e", offset), Next::Deliver);
    }
    cursor.learn(&Position::at("e", 1));
    assert_eq!(take(&mut cursor, "e", 4), Next::Deliver);
    assert_eq!(take(&mut cursor, "e", 3), Next::Nothing);
}

#[test]
fn a_late_reading_recovers_what_was_not_passed_on() {
    let mut cursor = cursor();
    cursor.learn(&Position::at("e", 4));
    assert_eq!(take(&mut cursor, "e", 4), Next::Deliver);
    cursor.learn(&Position::at("e", 1));
    assert_eq!(take(&mut cursor, "e", 5), Next::Recover);
    assert_eq!(cursor.recover_from(), Some(Position::at("e", 1)));
}

#[test]
fn what_comes_in_order_passes_and_what_came_does_not() {
    let mut cursor = cursor();
    cursor.learn(&Position::at("e", 5));
    for offset in 6..9 {
        assert_eq!(take(&mut cursor, "e", offset), Next::Deliver);
    }
    assert_eq!(take(&mut cursor, "e", 7), Next::Nothing);
}

#[test]
fn what_someone_here_still_waits_for_passes() {
    let mut cursor = cursor();
    cursor.learn(&Position::at("e", 5));
    cursor.learn(&Position::at("e", 4));
    cursor.learn(&Position::at("e", 6));
    assert_eq!(
        take(&mut cursor, "e", 4),
        Next::Deliver,
        "whoever has it does not get it twice"
    );
    assert_eq!(take(&mut cursor, "e", 5), Next::Deliver);
    assert_eq!(take(&mut cursor, "e", 6), Next::Deliver);
}

#[test]
fn a_hole_is_filled_before_what_comes_after_it() {
    let mut cursor = cursor();
    cursor.learn(&Position::at("e", 1));
    assert_eq!(take(&mut cursor, "e", 4), Next::Recover);
    assert_eq!(take(&mut cursor, "e", 5), Next::Nothing, "it is held");
    assert_eq!(cursor.recover_from(), Some(Position::at("e", 1)));
    let next = cursor.recovered(&Position::at("e", 3)).unwrap();
    assert_eq!(next.iter().map(|p| &*p.id).collect::<Vec<_>>(), ["4", "5"]);
    assert!(cursor.recovered(&Position::at("e", 5)).is_none());
    assert_eq!(take(&mut cursor, "e", 6), Next::Deliver);
}

#[test]
fn a_hole_behind_the_hole_is_read_again() {
    let mut cursor = cursor();
    cursor.learn(&Position::at("e", 1));
    take(&mut cursor, "e", 3);
    take(&mut cursor, "e", 6);
    assert_eq!(cursor.recovered(&Position::at("e", 3)).unwrap().len(), 0);
    assert_eq!(cursor.recover_from(), Some(Position::at("e", 3)));
    assert_eq!(cursor.recovered(&Position::at("e", 6)).map(|next| next.len()), None);
}

#[test]
fn what_was_held_of_an_epoch_that_is_over_is_not_waited_for() {
    let mut cursor = cursor();
    cursor.learn(&Position::at("e", 30));
    take(&mut cursor, "e", 33);
    cursor.recover_from();
    take(&mut cursor, "f", 35);
    take(&mut cursor, "f", 36);
    let next = cursor.recovered(&Position::at("f", 34)).unwrap();
    assert_eq!(next.len(), 2, "what goes on from it is passed on");
    assert!(
        cursor.recovered(&Position::at("f", 36)).is_none(),
        "and the old one is forgotten"
    );
    take(&mut cursor, "f", 40);
    cursor.recover_from();
    take(&mut cursor, "g", 1);
    assert_eq!(
        cursor.recovered(&Position::at("f", 40)).unwrap().len(),
        0,
        "a later one is read"
    );
    cursor.recover_from();
    assert!(cursor.recovered(&Position::at("g", 1)).is_none());
}

#[test]
fn more_than_is_held_is_read_again() {
    let mut cursor = cursor();
    cursor.learn(&Position::at("e", 0));
    take(&mut cursor, "e", 2);
    for offset in 3..HELD as u64 + 10 {
        take(&mut cursor, "e", offset);
    }
    let next = cursor.recovered(&Position::at("e", 1)).unwrap();
    assert_eq!(next.len(), HELD);
    let read_to = Position::at("e", HELD as u64 + 9);
    assert!(cursor.recovered(&read_to).is_none() || cursor.recovered(&read_to).is_none());
}

#[test]
fn a_new_epoch_passes_only_if_nothing_of_the_old_can_be_missing() {
    let mut cursor = cursor();
    cursor.learn(&Position::at("e", 7));
    assert_eq!(take(&mut cursor, "f", 1), Next::Deliver);
    assert_eq!(take(&mut cursor, "g", 2), Next::Recover, "its first was not heard");
    let mut cursor = self::cursor();
    cursor.learn(&Position::at("e", 7));
    cursor.lose();
    assert!(cursor.confirm(2), "what was said meanwhile may be missing");
    assert_eq!(take(&mut cursor, "f", 1), Next::Recover);
}

#[test]
fn a_quiet_channel_is_checked_now_and_then() {
    let mut cursor = cursor();
    let every = Duration::from_secs(30);
    let later = Instant::now() + every;
    assert!(!cursor.is_check_due(Instant::now(), every));
    assert!(cursor.is_check_due(later, every));
    assert!(!cursor.is_check_due(later, every), "not twice");
}

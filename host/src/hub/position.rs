//! Whether a message is new to a listener, by its position and what the listener has of the history: pure. Offsets tell within an epoch; which of two
//! epochs is the newer one, their names do not show.

use backplane::Envelope;
use protocol::Position;

/// A message's position compared with the one up to which a listener has everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PositionOrder {
    /// The listener does not have it.
    After,
    /// The listener has it already.
    Had,
    /// It is of another epoch, which may be earlier or later.
    Unclear,
}

/// Compares a message at `position` with `after`. Messages without a position are always new.
pub(super) fn compare(position: Option<&Position>, after: Option<&Position>) -> PositionOrder {
    let (Some(position), Some(after)) = (position, after) else {
        return PositionOrder::After;
    };
    if position.epoch == after.epoch {
        return if position.offset > after.offset {
            PositionOrder::After
        } else {
            PositionOrder::Had
        };
    }
    // An epoch begins at 1, or goes on from the one before it.
    if position.offset == 1 || position.offset == after.offset + 1 {
        PositionOrder::After
    } else {
        PositionOrder::Unclear
    }
}

/// Which of the envelopes, held while the history was read up to `after`, can be new. What came before a message
/// of that epoch, and is not of it, is of an earlier one.
pub(super) fn drop_earlier_epochs(held: &mut Vec<Envelope>, after: Option<&Position>) {
    let Some(after) = after else { return };
    let position = |envelope: &Envelope| match envelope {
        Envelope::Message(publication) => publication.position.clone(),
        _ => None,
    };
    let is_of_it = |envelope: &Envelope| position(envelope).is_some_and(|position| position.epoch == after.epoch);
    let Some(first) = held.iter().position(is_of_it) else {
        return;
    };
    let mut place = 0;
    held.retain(|envelope| {
        place += 1;
        place > first || position(envelope).is_none()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(position: &Position, after: &Position) -> PositionOrder {
        compare(Some(position), Some(after))
    }

    #[test]
    fn offsets_tell_within_an_epoch() {
        assert_eq!(of(&Position::at("e", 3), &Position::at("e", 2)), PositionOrder::After);
        assert_eq!(of(&Position::at("e", 2), &Position::at("e", 2)), PositionOrder::Had);
        assert_eq!(compare(None, Some(&Position::at("e", 2))), PositionOrder::After);
        assert_eq!(compare(Some(&Position::at("e", 2)), None), PositionOrder::After);
    }

    #[test]
    fn a_new_epoch_begins_or_goes_on_and_anything_else_is_unclear() {
        assert_eq!(of(&Position::at("f", 1), &Position::at("e", 57)), PositionOrder::After);
        assert_eq!(of(&Position::at("f", 58), &Position::at("e", 57)), PositionOrder::After);
        assert_eq!(
            of(&Position::at("f", 362), &Position::at("e", 1)),
            PositionOrder::Unclear
        );
        assert_eq!(
            of(&Position::at("f", 57), &Position::at("e", 57)),
            PositionOrder::Unclear
        );
    }
}

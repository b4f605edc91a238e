//! The marks of a stream of events: how far its client has its channels, as one opaque text. A client that comes back
//! names the last one that it got.

use std::fmt::Write as _;
use std::sync::Arc;

use super::read::EPOCH_BYTES;
use super::request::Position;

/// Between the marks of two channels.
const BETWEEN: char = ',';
/// Of a channel of which there is nothing to name. So no mark is empty, which browsers take for none.
const NOTHING: &str = "~";

/// The mark of a stream of one channel.
pub fn of_one(position: &Position) -> String {
    format!("{}-{}", position.offset, position.epoch)
}

/// The mark of a stream with these positions of its channels, in their order.
pub fn of_all<'a>(positions: impl Iterator<Item = Option<&'a Position>>) -> String {
    let mut mark = String::new();
    for (index, position) in positions.enumerate() {
        if index > 0 {
            mark.push(BETWEEN);
        }
        // A text takes what is written to it.
        let _never = match position {
            Some(position) => write!(mark, "{}-{}", position.offset, position.epoch),
            None => write!(mark, "{NOTHING}"),
        };
    }
    if mark.is_empty() { NOTHING.into() } else { mark }
}

/// The positions of a stream's channels that a client names, in their order. None if no stream of so many channels has
/// such a mark.
pub fn read(mark: &str, channels: usize) -> Option<Vec<Option<Position>>> {
    let position = |part: &str| match part.split_once('-') {
        None => (part == NOTHING).then_some(None),
        Some((offset, epoch)) => {
            let is_epoch = !epoch.is_empty() && epoch.len() <= EPOCH_BYTES;
            let is_offset = offset.bytes().all(|byte| byte.is_ascii_digit());
            let offset = offset.parse().ok().filter(|_| is_epoch && is_offset)?;
            let epoch = Arc::from(epoch);
            Some(Some(Position { epoch, offset }))
        }
    };
    if channels == 0 {
        return (mark == NOTHING).then(Vec::new);
    }
    let positions: Vec<_> = mark.split(BETWEEN).map(position).collect::<Option<_>>()?;
    (positions.len() == channels).then_some(positions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(epoch: &str, offset: u64) -> Position {
        Position {
            epoch: epoch.into(),
            offset,
        }
    }

    #[test]
    fn what_is_marked_is_read_again() {
        let (a, b) = (position("e-1.x", 7), position("f", u64::MAX));
        for positions in [
            vec![Some(&a)],
            vec![None],
            vec![Some(&a), None, Some(&b)],
            vec![None, None],
            vec![],
        ] {
            let mark = of_all(positions.iter().copied());
            let again = read(&mark, positions.len()).unwrap();
            assert_eq!(
                again.iter().map(Option::as_ref).collect::<Vec<_>>(),
                positions,
                "{mark}"
            );
        }
        assert_eq!(of_one(&a), of_all([Some(&a)].into_iter()));
    }

    #[test]
    fn garbage_is_no_mark() {
        for (mark, channels) in [
            ("7-a", 2),
            ("7-a,8-b", 1),
            ("7", 1),
            ("-a", 1),
            ("7-", 1),
            ("x-a", 1),
            ("+7-a", 1),
            ("18446744073709551616-a", 1),
            (",", 1),
            ("", 1),
            ("", 0),
            ("~", 2),
            ("7-a", 0),
        ] {
            assert_eq!(read(mark, channels), None, "{mark:?}");
        }
        assert_eq!(read(&format!("7-{}", "e".repeat(65)), 1), None);
    }
}

//! Reads what a Cluster's server answers to `CLUSTER SLOTS`.

use redis::Value;

use crate::address::{self, Address};
use crate::slots::SLOTS;

/// What a server says of the slots; none, if it is of no Cluster (any more) and knows nothing.
pub(crate) fn some_slots(answer: &Value, asked: &str) -> Option<Vec<(u16, u16, Address)>> {
    let ranges = read_slots(answer, asked);
    (!ranges.is_empty()).then_some(ranges)
}

/// Reads the answer to `CLUSTER SLOTS`: ranges of slots with their masters. A server that does not know its own
/// name is where it was asked.
fn read_slots(answer: &Value, asked: &str) -> Vec<(u16, u16, Address)> {
    let Value::Array(ranges) = answer else {
        return Vec::new();
    };
    let number = |value: &Value| match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        _ => None,
    };
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    };
    let range = |range: &Value| {
        let Value::Array(range) = range else { return None };
        let [first, last, Value::Array(master), ..] = range.as_slice() else {
            return None;
        };
        let host = text(master.first()?).filter(|host| !host.is_empty());
        let port = number(master.get(1)?)?;
        let host = host.unwrap_or_else(|| asked.to_owned());
        let address = address::read(&format!("{host}:{port}"))?;
        Some((number(first)?, number(last)?.min(SLOTS - 1), address))
    };
    ranges.iter().filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(host: &str) -> Value {
        let master = Value::Array(vec![Value::BulkString(host.into()), Value::Int(7001)]);
        Value::Array(vec![Value::Array(vec![Value::Int(0), Value::Int(16_383), master])])
    }

    #[test]
    fn a_server_that_knows_nothing_is_no_answer_and_one_without_a_name_is_where_it_was_asked() {
        for (answer, host) in [
            (Value::Array(Vec::new()), None),
            (Value::Nil, None),
            (slots(""), Some("10.0.0.1")),
            (slots("10.0.0.2"), Some("10.0.0.2")),
        ] {
            let found = some_slots(&answer, "10.0.0.1").map(|ranges| ranges[0].2.clone());
            assert_eq!(found, host.map(|host| (host.to_owned(), 7001)), "{answer:?}");
        }
    }
}

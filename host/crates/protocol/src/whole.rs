//! Whole numbers for types that serde reads: `10`, `10.0` and `1e1` are one, and errors speak of JSON.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use sluicegate_contract::json;

/// A whole number that is in the range of `T`. As the type of a field, or with `#[serde(try_from = "Whole<u16>")]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole<T>(pub T);

pub trait Unsigned: TryFrom<u64> {
    const MAX: u64;
}

impl Unsigned for u16 {
    const MAX: u64 = u16::MAX as u64;
}

impl Unsigned for u32 {
    const MAX: u64 = u32::MAX as u64;
}

impl Unsigned for u64 {
    const MAX: u64 = u64::MAX;
}

impl Unsigned for usize {
    const MAX: u64 = usize::MAX as u64;
}

impl<'de, T: Unsigned> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(WholeVisitor(PhantomData))
    }
}

struct WholeVisitor<T>(PhantomData<T>);

/// Up to here (2^53 − 1) no other whole number is read as the same float.
const EXACT_IN_FLOATS: f64 = 9_007_199_254_740_991.0;

fn is_not<T, E: Error>(found: &str) -> Result<Whole<T>, E> {
    Err(E::custom(format_args!("must be a whole number, not {found}")))
}

fn out_of_range<T: Unsigned, E: Error>(found: &str) -> Result<Whole<T>, E> {
    Err(E::custom(json::out_of_range(&(0..=T::MAX), found)))
}

impl<'de, T: Unsigned> Visitor<'de> for WholeVisitor<T> {
    type Value = Whole<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        T::try_from(number).map_or_else(|_| out_of_range(&number.to_string()), |number| Ok(Whole(number)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => out_of_range(&number.to_string()),
        }
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number from 0 to 2^53 - 1"
    )]
    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        if number.fract() != 0.0 || !number.is_finite() {
            is_not(&number.to_string())
        } else if (0.0..=EXACT_IN_FLOATS).contains(&number) {
            self.visit_u64(number as u64)
        } else if number < 0.0 || number > T::MAX as f64 {
            out_of_range(&number.to_string())
        } else {
            Err(E::custom(
                "must be written without a fraction and an exponent, because it is over 2^53 - 1",
            ))
        }
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
        is_not(if flag { "true" } else { "false" })
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        is_not("text")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        is_not("null")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        is_not("null")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        is_not("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        is_not("an object")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Unsigned>(text: &str) -> Result<T, String> {
        let number = serde_json::from_str::<Whole<T>>(text).map(|whole| whole.0);
        number.map_err(|error| {
            error
                .to_string()
                .rsplit_once(" at line")
                .map_or_else(String::new, |(text, _)| text.to_owned())
        })
    }

    #[test]
    fn one_number_may_be_written_in_many_ways() {
        for text in ["10", "10.0", "1e1", "100e-1"] {
            assert_eq!(read::<u16>(text), Ok(10), "{text}");
            assert_eq!(read::<usize>(text), Ok(10), "{text}");
        }
        assert_eq!(read::<u64>("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(read::<u64>("9007199254740993"), Ok(9_007_199_254_740_993));
    }

    #[test]
    fn errors_say_what_it_must_be_and_what_came() {
        for (text, error) in [
            ("1.5", "must be a whole number, not 1.5"),
            ("null", "must be a whole number, not null"),
            ("true", "must be a whole number, not true"),
            ("\"7\"", "must be a whole number, not text"),
            ("[]", "must be a whole number, not a list"),
            ("{}", "must be a whole number, not an object"),
            ("-1", "must be a whole number from 0 to 65535, not -1"),
            ("-1.0", "must be a whole number from 0 to 65535, not -1"),
            ("65536", "must be a whole number from 0 to 65535, not 65536"),
            ("65536.0", "must be a whole number from 0 to 65535, not 65536"),
        ] {
            assert_eq!(read::<u16>(text), Err(error.to_owned()), "{text}");
        }
        let inexact = "must be written without a fraction and an exponent, because it is over 2^53 - 1";
        assert_eq!(read::<u64>("9007199254740993.0"), Err(inexact.to_owned()));
    }
}

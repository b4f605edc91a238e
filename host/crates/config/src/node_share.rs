//! A part of what a node has.

use toml::de::DeValue;

use super::section::Section;

const PARTS: u32 = 1_000_000;

/// More than nothing, and at most all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeShare {
    millionths: u32,
}

// === impl NodeShare ===

impl NodeShare {
    /// All of it.
    pub const WHOLE: Self = Self { millionths: PARTS };

    /// This part of `whole`, at least 1.
    pub fn of(self, whole: usize) -> usize {
        let part = whole as u128 * u128::from(self.millionths) / u128::from(PARTS);
        usize::try_from(part).unwrap_or(usize::MAX).max(1)
    }

    fn of_one(self) -> f64 {
        f64::from(self.millionths) / f64::from(PARTS)
    }

    fn parse(text: &str) -> Option<Self> {
        let share = text.parse::<f64>().ok()?;
        if !(share > 0.0 && share <= 1.0) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 0 and PARTS"
        )]
        let millionths = (share * f64::from(PARTS)).round() as u32;
        (millionths > 0).then_some(Self { millionths })
    }
}

/// Reads a part that is `most` at most, which is also what an omitted key means.
pub(super) fn read(section: &mut Section<'_>, key: &'static str, most: NodeShare) -> NodeShare {
    section.default(key, most.of_one());
    let Some(value) = section.value(key) else {
        return most;
    };
    let text = match value.raw {
        DeValue::Float(number) => number.as_str(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
        _ => {
            value.report(value.place.problem("must be a number"));
            return most;
        }
    };
    let share = NodeShare::parse(text);
    if share.is_none_or(|share| share > most) {
        let most = most.of_one();
        value.problem(
            format!("{text} is out of range"),
            format!("the range is 0.000001 to {most} of the node's connections"),
        );
    }
    share.filter(|share| *share <= most).unwrap_or(most)
}

#[test]
fn a_part_is_at_least_one() {
    for (text, whole, part) in [
        ("1.0", 15_000, Some(15_000)),
        ("1", 15_000, Some(15_000)),
        ("0.5", 15_000, Some(7_500)),
        ("0.1", 15, Some(1)),
        ("0.000001", 10, Some(1)),
        ("1e-1", 100, Some(10)),
        ("0.0000001", 10, None),
        ("0", 10, None),
        ("1.1", 10, None),
        ("-1", 10, None),
        ("nan", 10, None),
        ("inf", 10, None),
    ] {
        assert_eq!(NodeShare::parse(text).map(|share| share.of(whole)), part, "{text}");
    }
}

//! What integers may be.

/// What an integer may be: the range, what an omitted key means, and the unit of all three.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    pub min: u64,
    pub max: u64,
    pub default: u64,
    pub unit: &'static str,
}

// === impl Number ===

impl Number {
    /// The same with a lower maximum; an omitted key stays below it too.
    pub(crate) fn up_to(self, ceiling: Option<u64>) -> Self {
        let max = ceiling.map_or(self.max, |ceiling| ceiling.clamp(self.min, self.max));
        Self {
            max,
            default: self.default.min(max),
            ..self
        }
    }
}

/// Every [`Number`]'s maximum fits the word of the machines that we build for, so this never cuts.
pub(super) fn as_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

//! A histogram of durations whose buckets are at most 3 % wide. Costs two shifts and an addition a value.

/// Buckets for each power of two, as a power of two.
const FINE: u32 = 5;

/// Counts of durations in nanoseconds.
pub struct Latencies {
    buckets: Vec<u64>,
    count: u64,
    longest: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

impl Latencies {
    /// None yet.
    pub fn new() -> Self {
        Self {
            buckets: vec![0; 64 << FINE],
            count: 0,
            longest: 0,
        }
    }

    /// Counts one.
    pub fn record(&mut self, nanoseconds: u64) {
        self.buckets[bucket(nanoseconds)] += 1;
        self.count += 1;
        self.longest = self.longest.max(nanoseconds);
    }

    /// The duration in milliseconds that `part` (from 0 to 1) of all stay below.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation
    )] // Far below 2^53.
    pub fn quantile_ms(&self, part: f64) -> f64 {
        let mut left = (self.count as f64 * part).ceil() as u64;
        for (index, count) in self.buckets.iter().enumerate() {
            left = left.saturating_sub(*count);
            if left == 0 {
                return upper_end(index).min(self.longest) as f64 / 1e6;
            }
        }
        self.longest as f64 / 1e6
    }
}

fn bucket(value: u64) -> usize {
    let value = value.max(1 << FINE);
    let exponent = value.ilog2() - FINE;
    let mantissa = (value >> exponent) - (1 << FINE);
    ((exponent as usize) << FINE) + usize::try_from(mantissa).expect("below 2^FINE")
}

fn upper_end(bucket: usize) -> u64 {
    let mantissa = (bucket as u64 & ((1 << FINE) - 1)) + (1 << FINE) + 1;
    mantissa << (bucket >> FINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_near_the_truth() {
        let mut latencies = Latencies::new();
        for microseconds in 1..=1000 {
            latencies.record(microseconds * 1000);
        }
        for (part, truth) in [(0.5, 0.5), (0.99, 0.99), (1.0, 1.0)] {
            let found = latencies.quantile_ms(part);
            assert!((found / truth - 1.0).abs() < 0.04, "{part}: {found}");
        }
    }

    #[test]
    fn no_value_is_outside() {
        for value in [0, 1, 31, 32, 33, u64::MAX] {
            assert!(bucket(value) < 64 << FINE, "{value}");
        }
        assert!(Latencies::new().quantile_ms(0.99) < f64::EPSILON);
    }
}

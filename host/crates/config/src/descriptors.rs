//! How many file descriptors there are, and how many of them clients may take.

use std::ops::RangeInclusive;

/// Descriptors that clients leave to the broker itself, of so many that there are: a sixteenth, within these bounds. They are
/// for listeners, the admin listener's connections, Redis, and the files of a reload.
const RESERVED_OF: u64 = 16;
const RESERVED: RangeInclusive<u64> = 64..=192;

/// The file descriptors of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// The soft limit on open files.
    pub limit: u64,
}

impl Descriptors {
    /// Those of this process.
    pub fn here() -> Self {
        Self::of(rlimit::Resource::NOFILE.get_soft().unwrap_or(1_024))
    }

    pub(super) fn of(limit: u64) -> Self {
        Self { limit }
    }

    /// How many clients may take, together with what is open before they come: all but the reserve, which is
    /// at most a quarter.
    pub fn for_clients(self) -> u64 {
        self.limit - self.reserved()
    }

    /// How many connections the admin listener may have: of the reserve two thirds.
    pub fn for_admin(self) -> usize {
        usize::try_from(self.reserved() * 2 / 3).unwrap_or(usize::MAX).max(1)
    }

    fn reserved(self) -> u64 {
        let reserved = (self.limit / RESERVED_OF).clamp(*RESERVED.start(), *RESERVED.end());
        reserved.min(self.limit / 4)
    }
}

#[test]
fn a_few_descriptors_are_no_clients() {
    for (limit, for_clients, for_admin) in [
        (0, 0, 1),
        (100, 75, 16),
        (256, 192, 42),
        (1_024, 960, 42),
        (2_048, 1_920, 85),
        (u64::MAX, u64::MAX - 192, 128),
    ] {
        let here = Descriptors::of(limit);
        assert_eq!(
            (here.for_clients(), here.for_admin()),
            (for_clients, for_admin),
            "{limit}"
        );
    }
}

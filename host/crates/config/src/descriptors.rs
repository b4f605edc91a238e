//! How many file descriptors there are, and how many of them clients may take.

/// Descriptors that clients leave to the broker itself at most: listeners, the admin listener's connections, Redis,
/// the files of a reload.
const RESERVED: u64 = 64;

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
    /// smaller where the limit is very low.
    pub fn for_clients(self) -> u64 {
        self.limit - RESERVED.min(self.limit / 4)
    }
}

#[test]
fn a_few_descriptors_are_no_clients() {
    for (limit, for_clients) in [(0, 0), (100, 75), (256, 192), (1_024, 960), (u64::MAX, u64::MAX - 64)] {
        assert_eq!(Descriptors::of(limit).for_clients(), for_clients, "{limit}");
    }
}

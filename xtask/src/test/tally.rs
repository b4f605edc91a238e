//! Adding up what test runners print.

use std::fmt;
use std::ops::{Add, AddAssign};

use anyhow::{Result, bail};

/// Passed and failed checks: a test counts one, a step without tests counts one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub passed: usize,
    pub failed: usize,
}

impl Tally {
    pub(crate) const ONE: Tally = Tally { passed: 1, failed: 0 };

    /// Adds what one line of output says, if it is a closing line of cargo's, node's or Python's runner.
    pub(crate) fn read(&mut self, line: &str) {
        // cargo: `test result: ok. 12 passed; 0 failed; 0 ignored; …`
        if let Some(result) = line.trim_start().strip_prefix("test result: ") {
            for part in result.split(['.', ';']) {
                match part.trim().split_once(' ') {
                    Some((n, "passed")) => self.passed += n.parse::<usize>().unwrap_or(0),
                    Some((n, "failed")) => self.failed += n.parse::<usize>().unwrap_or(0),
                    _ => {}
                }
            }
        }
        // node: `# pass 12`, or `ℹ pass 12` on a terminal
        if let Some(result) = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ ")) {
            match result.split_once(' ') {
                Some(("pass", n)) => self.passed += n.trim().parse::<usize>().unwrap_or(0),
                Some(("fail", n)) => self.failed += n.trim().parse::<usize>().unwrap_or(0),
                _ => {}
            }
        }
        // pytest: `1 failed, 12 passed, 2 warnings in 3.45s`, with more behind it if that is over a minute
        if let Some((counts, seconds)) = line.rsplit_once(" in ")
            && seconds
                .split_once('s')
                .is_some_and(|(number, _)| number.parse::<f64>().is_ok())
        {
            for part in counts.split(", ") {
                match part.split_once(' ') {
                    Some((n, "passed")) => self.passed += n.parse::<usize>().unwrap_or(0),
                    Some((n, "failed" | "error" | "errors")) => self.failed += n.parse::<usize>().unwrap_or(0),
                    _ => {}
                }
            }
        }
    }

    /// A step that ran nothing, or failed without output, has not passed.
    pub(crate) fn checked(self) -> Result<Self> {
        match self {
            Tally { failed: 0, passed: 0 } => bail!("no test ran"),
            Tally { failed: 0, .. } => Ok(self),
            Tally { failed, .. } => bail!("{failed} failed"),
        }
    }
}

impl Add for Tally {
    type Output = Tally;

    fn add(self, other: Tally) -> Tally {
        Tally {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        *self = *self + other;
    }
}

/// The last line, in one format for every reader of the log.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// The counts of a runner's last line, if it is one.
pub(super) fn closing(line: &str) -> Option<Tally> {
    let (passed, failed) = line.strip_suffix(" failed")?.split_once(" passed, ")?;
    Some(Tally {
        passed: passed.parse().ok()?,
        failed: failed.parse().ok()?,
    })
}

/// A runner that exited with a failure, and what it had counted by then.
#[derive(Debug)]
pub(super) struct Failed {
    pub tally: Tally,
    pub what: String,
}

impl std::error::Error for Failed {}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed: {}", self.what)
    }
}

/// What a failed step counts: at least one failure, even where no runner got far enough to say so.
pub(super) fn failed_in(problem: &anyhow::Error) -> Tally {
    let counted = problem
        .downcast_ref::<Failed>()
        .map(|failed| failed.tally)
        .unwrap_or_default();
    Tally {
        failed: counted.failed.max(1),
        ..counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.read(line));
        tally
    }

    #[test]
    fn runners_are_added_up() {
        let tally = read(&[
            "test parses ... ok",
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "# pass 4",
            "# fail 1",
            "ℹ pass 2",
            "passed 100",
            "2 failed, 30 passed, 4 warnings, 1 error in 71.74s (0:01:11)",
            "5 passed in 0.50s",
            "7 passed in time",
        ]);
        assert_eq!(tally, Tally { passed: 56, failed: 6 });
        assert_eq!(tally.to_string(), "56 passed, 6 failed");
    }

    #[test]
    fn a_closing_line_is_read_back() {
        let tally = Tally { passed: 12, failed: 3 };
        assert_eq!(closing(&tally.to_string()), Some(tally));
        for line in [
            "12 passed",
            "x passed, 3 failed",
            "test result: ok. 12 passed; 0 failed",
        ] {
            assert_eq!(closing(line), None, "{line}");
        }
    }

    #[test]
    fn nothing_run_is_a_failure() {
        assert!(
            read(&["test result: ok. 0 passed; 0 failed; 0 ignored"])
                .checked()
                .is_err()
        );
        assert!(Tally { passed: 9, failed: 1 }.checked().is_err());
        assert!(Tally::ONE.checked().is_ok());
    }

    #[test]
    fn a_failed_step_counts_at_least_one() {
        assert_eq!(
            failed_in(&anyhow::anyhow!("did not compile")),
            Tally { passed: 0, failed: 1 }
        );
        let failed = Failed {
            tally: Tally { passed: 7, failed: 2 },
            what: "cargo test".to_owned(),
        };
        assert_eq!(failed_in(&failed.into()), Tally { passed: 7, failed: 2 });
    }
}

//! CPU time and memory of the server under load, read from `/proc` without its help.

use std::fs;

use anyhow::{Context, Result};

/// A process on this machine.
#[derive(Clone, Copy, Debug)]
pub struct Server(pub u32);

/// User and system time of all its threads so far, and the memory it has in RAM.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub cpu_seconds: f64,
    pub resident_kib: u64,
}

impl Server {
    /// What it has used until now.
    #[allow(clippy::cast_precision_loss)] // Ticks and rates are far below 2^53.
    pub fn usage(self) -> Result<Usage> {
        let place = format!("/proc/{}/stat", self.0);
        let stat = fs::read_to_string(&place).with_context(|| place.clone())?;
        let page_kib = u64::try_from(rustix::param::page_size())? / 1024;
        let (ticks, pages) = parse(&stat).with_context(|| format!("{place} is not as proc(5) has it"))?;
        Ok(Usage {
            cpu_seconds: ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
            resident_kib: pages * page_kib,
        })
    }
}

/// utime + stime in ticks, and rss in pages: fields 14, 15 and 24 of proc(5)'s `stat`. The second field, the
/// program's name, may contain anything, so counting starts behind its last parenthesis.
fn parse(stat: &str) -> Option<(u64, u64)> {
    let rest = &stat[stat.rfind(')')? + 1..];
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some((field(14)? + field(15)?, field(24)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "9 (a) b) R 1 1 1 0 -1 0 0 0 0 0 40 2 0 0 20 0 1 0 5 1000 77 0";
        assert_eq!(parse(stat), Some((42, 77)));
    }

    #[test]
    fn this_process_can_be_read() {
        assert!(Server(std::process::id()).usage().unwrap().resident_kib > 0);
    }
}

//! What the defaults take from the machine. A value of its own, so that tests bring theirs.

use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use super::descriptors::Descriptors;
use super::elsewhere::VariableOf;

/// Connections by default where the system sets no limit on open files, or a larger one.
const CONNECTIONS_CEILING: u64 = 1_000_000;

/// One for the life of the process: a config that is read again must not rename the node.
static NODE: LazyLock<Arc<str>> = LazyLock::new(|| {
    // std's hasher seeds are random: enough to tell nodes apart, and it cannot fail.
    let random = RandomState::new().build_hasher().finish();
    format!("node-{:012x}", random & 0xffff_ffff_ffff).into()
});

/// The machine and the user that the broker runs on and as.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    /// At least 1.
    pub cores: usize,
    /// The soft limit.
    pub open_files: u64,
    /// Where compiled plugins go.
    pub plugin_cache: Option<PathBuf>,
    pub node: Arc<str>,
    /// Gives a variable of the process.
    pub variable: VariableOf,
}

impl Machine {
    /// The one that this process runs on.
    pub(crate) fn here() -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            open_files: Descriptors::here().limit,
            plugin_cache: cache_home(|name| variable(name).map(PathBuf::from)),
            node: NODE.clone(),
            variable,
        }
    }

    /// 90 % of the open files, and never one that is reserved: the rest is for listeners, Redis, and the plugins'
    /// cache.
    pub(crate) fn connections(&self) -> u64 {
        (self.open_files - self.open_files.div_ceil(10))
            .min(Descriptors::of(self.open_files).for_clients())
            .clamp(1, CONNECTIONS_CEILING)
    }
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// `$XDG_CACHE_HOME` if it is absolute (the XDG base directory specification says to ignore others),
/// else `~/.cache`; none without a home.
fn cache_home(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |name| variable(name).filter(|path| path.is_absolute());
    let home = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(home.join("sluicegate"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_cache_home() {
        let cases = [
            (Some("/xdg"), Some("/home/ann"), Some("/xdg/sluicegate")),
            (Some("xdg"), Some("/home/ann"), Some("/home/ann/.cache/sluicegate")),
            (Some(""), Some("/home/ann"), Some("/home/ann/.cache/sluicegate")),
            (None, Some("/home/ann"), Some("/home/ann/.cache/sluicegate")),
            (None, None, None),
        ];
        for (xdg, home, expected) in cases {
            let found = cache_home(|name| (if name == "HOME" { home } else { xdg }).map(PathBuf::from));
            assert_eq!(found, expected.map(PathBuf::from), "{xdg:?} {home:?}");
        }
    }

    #[test]
    fn leaves_a_tenth_of_the_open_files() {
        let connections = |open_files| {
            Machine {
                open_files,
                ..Machine::here()
            }
            .connections()
        };
        assert_eq!(connections(1_024), 921);
        assert_eq!(connections(256), 192);
        assert_eq!(connections(20_000), 18_000);
        assert_eq!(connections(0), 1);
        assert_eq!(connections(u64::MAX), 1_000_000);
    }
}

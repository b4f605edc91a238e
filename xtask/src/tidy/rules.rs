//! The rules themselves, as data where they are data.

use std::fmt;

use super::code;
use super::paths::{self, Named};

/// Longest file, in lines.
const LINES_MAX: usize = 400;

pub(super) struct Source {
    /// From the root, with `/`.
    pub path: String,
    pub text: String,
}

impl Source {
    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub path: String,
    pub line: usize,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// A crate that only some rooms may name. A place is a beginning of a path. `wasmtime` and `redis` are kept by the crates that
/// depend on them, and who does by `deny.toml`.
struct Confined {
    name: &'static str,
    places: &'static [&'static str],
    why: &'static str,
}

const CONFINED: [Confined; 2] = [
    Confined {
        name: "axum",
        places: &["host/src/gateway/", "host/src/gateway.rs"],
        why: "HTTP ends at the door",
    },
    Confined {
        name: "anyhow",
        places: &[
            "host/src/main.rs",
            "host/src/cli/",
            "host/src/cli.rs",
            "xtask/",
            "bench/",
        ],
        why: "an error names its room; only a command line may stop caring which",
    },
];

/// Modules that turn values into values.
const PURE: [&str; 3] = ["host/crates/wire", "host/crates/protocol", "host/crates/chain"];
/// What does I/O, and what of it is harmless.
const IO: [&str; 7] = [
    "tokio::net",
    "tokio::fs",
    "tokio::process",
    "std::net",
    "std::fs",
    "std::process",
    "std::os",
];
const NOT_IO: [&str; 3] = ["std::net::Ip", "std::net::SocketAddr", "std::net::AddrParseError"];

/// Everything wrong with one file.
pub(super) fn check(source: &Source) -> Vec<Violation> {
    let mut found = Found {
        path: &source.path,
        violations: Vec::new(),
    };
    if source.is_rust() {
        let code = code::only(&source.text);
        let named = paths::named_in(&code);
        crates(source, &code, &named, &mut found);
        io(source, &named, &mut found);
        ignored(&code, &mut found);
        sleeps(source, &named, &mut found);
        length(source, &mut found);
    } else {
        script_sleeps(source, &mut found);
    }
    found.violations
}

/// A rule about a renamed folder would check nothing, and nobody would notice.
pub(super) fn rooms_that_are_gone(sources: &[Source]) -> Vec<Violation> {
    let mut rooms: Vec<&str> = PURE.to_vec();
    rooms.extend(["host/src/gateway", "host/src/main.rs", "tests/"]);
    rooms.retain(|room| !sources.iter().any(|source| source.path.starts_with(room)));
    let gone = |room| Violation {
        path: "xtask/src/tidy/rules.rs".to_owned(),
        line: 1,
        what: format!("a rule is about {room}, which is not there (renamed?)"),
    };
    rooms.into_iter().map(gone).collect()
}

struct Found<'a> {
    path: &'a str,
    violations: Vec<Violation>,
}

impl Found<'_> {
    fn at(&mut self, line: usize, what: String) {
        let violation = Violation {
            path: self.path.to_owned(),
            line,
            what,
        };
        // A path may break a rule twice on one line, which is reported once.
        if !self.violations.contains(&violation) {
            self.violations.push(violation);
        }
    }
}

fn crates(source: &Source, code: &str, named: &[Named], found: &mut Found<'_>) {
    for Confined { name, places, why } in &CONFINED {
        // `mod redis;` makes `redis::…` a room of ours in this file.
        if source.is_in(places) || declares_module(code, name) {
            continue;
        }
        for used in named.iter().filter(|used| is_under(&used.path, name)) {
            found.at(used.line, format!("{name} belongs in {}: {why}", places.join(", ")));
        }
    }
}

fn io(source: &Source, named: &[Named], found: &mut Found<'_>) {
    // An example is a program that uses the room.
    if !source.is_in(&PURE) || source.path.contains("/examples/") {
        return;
    }
    let harmless = |path: &str| NOT_IO.iter().any(|prefix| path.starts_with(prefix));
    for used in named.iter().filter(|used| !harmless(&used.path)) {
        if IO.iter().any(|io| is_under(&used.path, io)) {
            found.at(
                used.line,
                format!("{} in a room that does no I/O: take values, return values", used.path),
            );
        }
    }
}

fn ignored(code: &str, found: &mut Found<'_>) {
    for (number, line) in code.lines().enumerate() {
        let dense: String = line.split_whitespace().collect();
        if dense.contains("#[ignore") || (dense.contains("cfg_attr(") && dense.contains(",ignore")) {
            found.at(
                number + 1,
                "an ignored test passes without being right: mend it or take it out".to_owned(),
            );
        }
    }
}

fn sleeps(source: &Source, named: &[Named], found: &mut Found<'_>) {
    if !source.is_in(&["tests/"]) {
        return;
    }
    for used in named {
        let sleep = ["thread::sleep", "time::sleep", "time::sleep_until"].iter();
        if sleep
            .into_iter()
            .any(|sleep| used.path == *sleep || used.path.ends_with(&format!("::{sleep}")))
        {
            found.at(
                used.line,
                format!("{}: a test waits for what it expects, not for time", used.path),
            );
        }
    }
}

fn script_sleeps(source: &Source, found: &mut Found<'_>) {
    if !source.is_in(&["tests/"]) {
        return;
    }
    for (number, line) in source.text.lines().enumerate() {
        for name in ["setTimeout", "waitForTimeout"] {
            if line.contains(&format!("{name}(")) {
                found.at(
                    number + 1,
                    format!("{name}: a test waits for what it expects, not for time"),
                );
            }
        }
    }
}

fn length(source: &Source, found: &mut Found<'_>) {
    let lines = source.text.lines().count();
    if lines > LINES_MAX {
        found.at(
            lines,
            format!("{lines} lines; a file has at most {LINES_MAX}: split it by what its parts know"),
        );
    }
}

fn is_under(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn declares_module(code: &str, name: &str) -> bool {
    let words: Vec<&str> = code
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|w| !w.is_empty())
        .collect();
    words.windows(2).any(|pair| pair == ["mod", name])
}

#[cfg(test)]
mod tests;

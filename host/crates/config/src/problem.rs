//! What is wrong with a config, and where. Knows nothing of what the keys mean.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use printable::printable;

/// Where a value stands: the file, the line (from 1) and the path of its key, such as `server.listen`.
///
/// Checked values that are looked at again later (a plugin's file, a chain entry) carry theirs, so
/// that what only shows when plugins are loaded is still reported with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    file: Arc<Path>,
    line: Option<usize>,
    key: String,
}

impl Place {
    /// The file as a whole.
    pub fn file(file: impl Into<Arc<Path>>) -> Self {
        Self {
            file: file.into(),
            line: None,
            key: String::new(),
        }
    }

    /// The same file, at `line`.
    #[must_use]
    pub fn at_line(&self, line: usize) -> Self {
        Self {
            line: Some(line),
            ..self.clone()
        }
    }

    /// `key` within this table. Its line is this table's until [`Place::at_line`] says better.
    #[must_use]
    pub fn child(&self, key: &str) -> Self {
        let key = if is_bare(key) {
            key.to_owned()
        } else {
            format!("{key:?}")
        };
        let path = if self.key.is_empty() {
            key
        } else {
            format!("{}.{key}", self.key)
        };
        Self {
            key: path,
            ..self.clone()
        }
    }

    /// Item `index` (from 0) of this list.
    #[must_use]
    pub fn item(&self, index: usize) -> Self {
        Self {
            key: format!("{}[{index}]", self.key),
            ..self.clone()
        }
    }

    /// The file that it stands in.
    pub fn path(&self) -> &Arc<Path> {
        &self.file
    }

    /// The line, from 1; none for the file as a whole.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// The path of the key, such as `tenants[0].limits.connections`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Something is wrong here. `reason` is one line without a full stop.
    #[must_use]
    pub fn problem(&self, reason: impl Into<String>) -> Problem {
        Problem {
            place: self.clone(),
            reason: reason.into(),
            hint: None,
        }
    }
}

/// Keys that TOML lets stand without quotes. The others are shown quoted, control characters escaped.
fn is_bare(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// One thing that is wrong. Shows as `FILE:LINE: key: reason. hint`, on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    place: Place,
    reason: String,
    hint: Option<String>,
}

impl Problem {
    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The reason and the hint, on one line.
    pub fn text(&self) -> String {
        // An error of another library may span lines; a problem is one line for grep and editors. Parts may be a plugin's words.
        let one_line = |text: &str| printable(&text.replace('\n', "; "), TEXT_BYTES).into_owned();
        let reason = one_line(&self.reason);
        match &self.hint {
            Some(hint) => format!("{reason}. {}", one_line(hint)),
            None => reason,
        }
    }
}

/// Bytes that are shown of a file's name, of a key, of a reason, and of a hint.
const TEXT_BYTES: usize = 4_096;
/// Problems that a log shows.
const LOGGED: usize = 100;

/// The first problems, a line each, and how many more there are: a file can have any number, and a log is for other things too.
pub fn for_log(problems: &[Problem]) -> impl Iterator<Item = String> {
    let more = problems.len().saturating_sub(LOGGED);
    let rest = (more > 0).then(|| format!("and {more} more, which `sluicegate config check` prints"));
    problems.iter().take(LOGGED).map(Problem::to_string).chain(rest)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { file, line, key } = &self.place;
        write!(f, "{}:", printable(&file.to_string_lossy(), TEXT_BYTES))?;
        if let Some(line) = line {
            write!(f, "{line}:")?;
        }
        if !key.is_empty() {
            write!(f, " {}:", printable(key, TEXT_BYTES))?;
        }
        write!(f, " {}", self.text())
    }
}

/// All that is wrong with a config, file by file in the order of lines. Shows as one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// As [`for_log`].
    pub fn for_log(&self) -> impl Iterator<Item = String> {
        for_log(&self.0)
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl From<Vec<Problem>> for Problems {
    fn from(mut problems: Vec<Problem>) -> Self {
        let mut files: HashMap<Arc<Path>, usize> = HashMap::new();
        for Problem { place, .. } in &problems {
            let next = files.len();
            files.entry(place.file.clone()).or_insert(next);
        }
        problems.sort_by_key(|Problem { place, .. }| (files.get(&place.file).copied(), place.line));
        Self(problems)
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_whatever_the_names_are() {
        let place = Place::file(Path::new("tenants.d/a\nERROR b.toml")).at_line(3);
        let problem = place
            .child(&"k\n".repeat(10_000))
            .problem("no\nsuch")
            .hint("a\u{1b}[31mb");
        let text = problem.to_string();
        assert!(text.starts_with("tenants.d/a\\nERROR b.toml:3: \"k\\"), "{text:.100}");
        assert!(text.ends_with("…: no; such. a\\u{1b}[31mb"), "{text}");
        assert!(!text.contains(char::is_control) && text.len() < 5_000, "{}", text.len());
    }

    #[test]
    fn a_log_gets_the_first_problems_and_the_number_of_the_others() {
        let problems = |many: usize| -> Problems {
            let place = Place::file(Path::new("a.toml"));
            let each = (1..=many).map(|line| place.at_line(line).problem("wrong"));
            each.collect::<Vec<_>>().into()
        };
        for (many, lines, last) in [
            (1, 1, "a.toml:1: wrong"),
            (LOGGED, LOGGED, "a.toml:100: wrong"),
            (
                60_000,
                LOGGED + 1,
                "and 59900 more, which `sluicegate config check` prints",
            ),
        ] {
            let logged: Vec<String> = problems(many).for_log().collect();
            assert_eq!(logged.len(), lines);
            assert_eq!(logged.last().map(String::as_str), Some(last));
        }
    }
}

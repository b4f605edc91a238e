//! Raw TOML with its lines: tables and values that are asked for by key and type, and that note what
//! is wrong instead of stopping. Knows no key of the config.
//!
//! A bad value is reported and read as its default, so one run finds every problem. That the defaults
//! never reach anyone is the caller's part: whoever holds reported problems returns no config.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::nearest;
use super::number::{Number, as_usize};
use super::problem::{Place, Problem};

const A_LIST: &str = "a list";
/// Problems of one file, and warnings, that are kept at most.
const PROBLEMS: usize = 1_000;

/// One file being read: turns offsets into lines and collects the problems.
pub(super) struct Source {
    file: Place,
    /// Whether it came from outside, and not from the operator's disk.
    is_pushed: bool,
    /// Offset of each line's first byte.
    line_starts: Vec<usize>,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl Source {
    pub(crate) fn new(file: impl Into<Arc<Path>>, text: &str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        Self {
            file: Place::file(file),
            is_pushed: false,
            line_starts: std::iter::once(0)
                .chain(newlines.map(|(offset, _)| offset + 1))
                .collect(),
            problems: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    /// A document that somebody pushed, for whom the node's ceilings hold.
    pub(crate) fn pushed(file: impl Into<Arc<Path>>, text: &str) -> Self {
        Self {
            is_pushed: true,
            ..Self::new(file, text)
        }
    }

    /// The document that `text`, the whole of this source, is. None: its syntax is wrong, which is reported.
    pub(crate) fn document<'t>(&self, text: &'t str) -> Option<Spanned<DeTable<'t>>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let offset = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        // The first only: the others tend to be its consequences.
        let Some(error) = errors.iter().min_by_key(|error| offset(error)) else {
            return Some(table);
        };
        // Its message alone: the whole shows the line, and that may hold a secret.
        self.report(self.place(offset(error)).problem(error.message()));
        None
    }

    /// The line, from 1, of the byte `offset`.
    fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// The place of the file, at the line of the byte `offset`.
    pub(crate) fn place(&self, offset: usize) -> Place {
        self.file.at_line(self.line(offset))
    }

    pub(crate) fn report(&self, problem: Problem) {
        if !self.is_hopeless() {
            self.problems.borrow_mut().push(problem);
        }
    }

    /// Whether so much is wrong that nobody reads on.
    fn is_hopeless(&self) -> bool {
        self.problems.borrow().len() >= PROBLEMS
    }

    pub(crate) fn into_problems_and_warnings(self) -> (Vec<Problem>, Vec<Problem>) {
        (self.problems.into_inner(), self.warnings.into_inner())
    }

    /// The document as a section.
    pub(crate) fn root<'a>(&'a self, table: &'a DeTable<'a>) -> Section<'a> {
        Section {
            source: self,
            place: self.file.at_line(1),
            table: Some(table),
            asked: Vec::new(),
        }
    }
}

/// A table; an absent one is as an empty one. Remembers which keys it was asked for: those are the
/// known ones.
pub(super) struct Section<'a> {
    source: &'a Source,
    pub place: Place,
    table: Option<&'a DeTable<'a>>,
    asked: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The value of `key`, if it is there.
    pub(crate) fn value(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.asked.push(key);
        let (at, value) = self.table?.get_key_value(key)?;
        Some(self.found(at.span().start, key, value))
    }

    /// The value of `key`; its absence is a problem.
    pub(crate) fn need(&mut self, key: &'static str) -> Option<Value<'a>> {
        let value = self.value(key);
        // What is not a table at all was reported as that.
        if value.is_none() && self.table.is_some() {
            self.report(self.place.child(key).problem("is missing"));
        }
        value
    }

    /// Where `key` stands, or would stand.
    pub(crate) fn place_of(&mut self, key: &'static str) -> Place {
        let value = self.value(key);
        value.map_or_else(|| self.place.child(key), |value| value.place)
    }

    pub(crate) fn text(&mut self, key: &'static str) -> Option<&'a str> {
        self.value(key)?.text()
    }

    pub(crate) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        self.value(key).and_then(|value| value.flag()).unwrap_or(default)
    }

    pub(crate) fn number(&mut self, key: &'static str, number: &Number) -> u64 {
        self.value(key)
            .and_then(|value| value.number(number))
            .unwrap_or(number.default)
    }

    /// How many of what [`Number::unit`] says.
    pub(crate) fn count(&mut self, key: &'static str, number: &Number) -> usize {
        as_usize(self.number(key, number))
    }

    pub(crate) fn seconds(&mut self, key: &'static str, number: &Number) -> Duration {
        Duration::from_secs(self.number(key, number))
    }

    pub(crate) fn millis(&mut self, key: &'static str, number: &Number) -> Duration {
        Duration::from_millis(self.number(key, number))
    }

    /// The table under `key`. One of another type is reported and read as empty.
    pub(crate) fn section(&mut self, key: &'static str) -> Section<'a> {
        match self.value(key) {
            Some(value) => value.section(),
            None => Section {
                source: self.source,
                place: self.place.child(key),
                table: None,
                asked: Vec::new(),
            },
        }
    }

    /// The items of the list under `key`; none if it is absent.
    pub(crate) fn list(&mut self, key: &'static str) -> Vec<Value<'a>> {
        self.value(key).and_then(|value| value.list()).unwrap_or_default()
    }

    /// Likewise, but `most` of them: one more is a problem, and the rest is not read.
    pub(crate) fn list_of(&mut self, key: &'static str, most: usize) -> Vec<Value<'a>> {
        let mut items = self.list(key);
        if let Some(one_too_many) = items.get(most) {
            one_too_many.problem("is one too many", format!("there are at most {most}"));
            items.truncate(most);
        }
        items
    }

    /// All entries, for tables whose keys are names that the operator chose.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        self.table.into_iter().flatten().map(|(key, value)| {
            let name: &'a str = key.get_ref();
            (name, self.found(key.span().start, name, value))
        })
    }

    /// Reports every key that was not read. Comes last, when all known keys were read.
    pub(crate) fn finish(self) {
        for (key, _) in self.table.into_iter().flatten() {
            let name: &str = key.get_ref();
            if self.source.is_hopeless() {
                break;
            }
            if self.asked.contains(&name) {
                continue;
            }
            let line = self.source.line(key.span().start);
            let mut problem = self.place.child(name).at_line(line).problem("is not a known key");
            if let Some(near) = nearest(name, self.asked.iter().copied()) {
                problem = problem.hint(format!("the nearest known key is `{near}`"));
            }
            self.report(problem);
        }
    }

    pub(crate) fn report(&self, problem: Problem) {
        self.source.report(problem);
    }

    fn found(&self, offset: usize, key: &str, value: &'a Spanned<DeValue<'a>>) -> Value<'a> {
        let line = self.source.line(offset);
        Value {
            source: self.source,
            place: self.place.child(key).at_line(line),
            raw: value.get_ref(),
        }
    }
}

/// A value and its place. Each of the typed readings reports a wrong type and gives none for it.
#[derive(Clone)]
pub(super) struct Value<'a> {
    source: &'a Source,
    pub place: Place,
    pub raw: &'a DeValue<'a>,
}

impl<'a> Value<'a> {
    pub(crate) fn text(&self) -> Option<&'a str> {
        let raw = self.raw;
        raw.as_str().or_else(|| self.expected("a string"))
    }

    pub(crate) fn flag(&self) -> Option<bool> {
        self.raw.as_bool().or_else(|| self.expected("true or false"))
    }

    pub(crate) fn number(&self, number: &Number) -> Option<u64> {
        let Some(raw) = self.raw.as_integer() else {
            return self.expected("an integer");
        };
        // Wider than TOML's integers, so that a number out of range is always told as such.
        let found = i128::from_str_radix(raw.as_str(), raw.radix()).ok();
        let in_range = found
            .and_then(|n| u64::try_from(n).ok())
            .filter(|n| (number.min..=number.max).contains(n));
        if in_range.is_none() {
            let Number { min, max, unit, .. } = number;
            let within = if self.source.is_pushed {
                ", within the node's [ceilings]"
            } else {
                ""
            };
            self.problem(
                format!("{raw} is out of range"),
                format!("the range is {min} to {max} {unit}{within}"),
            );
        }
        in_range
    }

    /// One of a few words, each with its meaning.
    pub(crate) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*meaning);
        }
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let mut problem = self.place.problem(format!("{text:?} is none of {}", known.join(", ")));
        if let Some(near) = nearest(text, known) {
            problem = problem.hint(format!("the nearest is {near:?}"));
        }
        self.report(problem);
        None
    }

    /// This as a table. One of another type is reported and read as empty.
    pub(crate) fn section(&self) -> Section<'a> {
        let table = self.raw.as_table();
        if table.is_none() {
            self.expected::<()>("a table");
        }
        Section {
            source: self.source,
            place: self.place.clone(),
            table,
            asked: Vec::new(),
        }
    }

    /// The one of `known` that this names, for references to what stands elsewhere in the config.
    pub(crate) fn name_of<'k>(
        &self,
        what: &str,
        known: impl Iterator<Item = &'k Arc<str>> + Clone,
    ) -> Option<Arc<str>> {
        let text = self.text()?;
        if let Some(name) = known.clone().find(|name| &***name == text) {
            return Some(name.clone());
        }
        let mut problem = self.place.problem(format!("no {what} is named {text:?}"));
        if let Some(near) = nearest(text, known.map(|name| &**name)) {
            problem = problem.hint(format!("the nearest is {near:?}"));
        }
        self.report(problem);
        None
    }

    pub(crate) fn list(&self) -> Option<Vec<Value<'a>>> {
        let Some(items) = self.raw.as_array() else {
            return self.expected(A_LIST);
        };
        let item = |(index, item): (usize, &'a Spanned<DeValue<'a>>)| {
            let line = self.source.line(item.span().start);
            Value {
                source: self.source,
                place: self.place.item(index).at_line(line),
                raw: item.get_ref(),
            }
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// What is in this table or list; nothing in any other value.
    pub(crate) fn children(&self) -> Vec<Value<'a>> {
        if self.raw.is_table() {
            self.section().entries().map(|(_, value)| value).collect()
        } else if self.raw.is_array() {
            self.list().unwrap_or_default()
        } else {
            Vec::new()
        }
    }

    /// `env` or `file`, if this is `{ env = "NAME" }` or `{ file = "PATH" }`: a string that stands elsewhere.
    pub(crate) fn kept_elsewhere(&self) -> Option<&'static str> {
        let table = self.raw.as_table().filter(|table| table.len() == 1)?;
        let is_text = |key: &&str| table.get(*key).is_some_and(|value| value.get_ref().is_str());
        ["env", "file"].into_iter().find(is_text)
    }

    pub(crate) fn problem(&self, reason: impl Into<String>, hint: impl Into<String>) {
        self.report(self.place.problem(reason).hint(hint));
    }

    pub(crate) fn report(&self, problem: Problem) {
        self.source.report(problem);
    }

    /// Notes that the value may be meant, but likely is not.
    pub(crate) fn warn(&self, reason: impl Into<String>, hint: impl Into<String>) {
        let mut warnings = self.source.warnings.borrow_mut();
        if warnings.len() < PROBLEMS {
            warnings.push(self.place.problem(reason).hint(hint));
        }
    }

    /// Tells the types only, never the value: it may be a secret under the wrong key.
    fn expected<T>(&self, what: &str) -> Option<T> {
        if self.source.is_pushed && self.kept_elsewhere().is_some() {
            // That is reported of the whole document.
            return None;
        }
        let found = match self.raw {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let problem = self.place.problem(format!("is {found} and must be {what}"));
        self.report(match (self.raw, what) {
            (DeValue::Table(_), A_LIST) => problem.hint("a table of a list has its name in double brackets: [[name]]"),
            _ => problem,
        });
        None
    }
}

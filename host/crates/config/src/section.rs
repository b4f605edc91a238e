//! Raw TOML: tables and values that are asked for by key and type, and that note what is wrong instead of stopping. Knows no key
//! of the config.
//!
//! A bad value is reported and read as its default, so one run finds every problem. That the defaults
//! never reach anyone is the caller's part: whoever holds reported problems returns no config.

use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::elsewhere::{Elsewhere, Taken};
use super::nearest::nearest;
use super::number::{Number, as_usize};
use super::problem::{Place, Problem};
use super::source::Source;
use super::text::Text;

const A_LIST: &str = "a list";
const A_STRING: &str = "a string";

/// A table; an absent one is as an empty one. Remembers which keys it was asked for: those are the
/// known ones.
pub(super) struct Section<'a> {
    source: &'a Source,
    pub place: Place,
    table: Option<&'a DeTable<'a>>,
    asked: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The whole of a document. Strings in it that stand elsewhere can be taken from now on.
    pub(crate) fn root(source: &'a Source, document: &'a DeTable<'a>) -> Self {
        source.note_elsewhere(document);
        Self {
            place: source.place(0),
            source,
            table: Some(document),
            asked: Vec::new(),
        }
    }

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

    /// Notes what is in force if `key` is left out. Flags, numbers, lists and tables that are asked for by their type note it
    /// themselves.
    pub(crate) fn default(&mut self, key: &'static str, value: impl Into<toml::Value>) {
        if self.table.is_none_or(|table| !table.contains_key(key)) {
            self.source
                .note_default(|defaults| defaults.put(&self.place, key, value.into()));
        }
    }

    pub(crate) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        self.default(key, default);
        self.value(key).and_then(|value| value.flag()).unwrap_or(default)
    }

    pub(crate) fn number(&mut self, key: &'static str, number: &Number) -> u64 {
        self.default(key, i64::try_from(number.default).unwrap_or(i64::MAX));
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
        self.default(key, toml::Table::new());
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
        self.default(key, toml::value::Array::new());
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
    /// The string that this is, or that stands elsewhere.
    pub(crate) fn text(&self) -> Option<Text<'a>> {
        if let Some(written) = self.raw.as_str() {
            return Some(Text::written(written));
        }
        let Some(taken) = self.taken() else {
            return self.expected(A_STRING);
        };
        taken.is_string();
        match &taken.outcome {
            Ok(content) => Some(Text::taken(content, &taken.origin)),
            Err(reason) => {
                self.report(self.place.problem(reason));
                None
            }
        }
    }

    /// The string that stands elsewhere, if this may be one; nothing of it is reported.
    pub(crate) fn taken(&self) -> Option<&'a Taken> {
        self.source.taken(self.raw)
    }

    /// Whether this is a table, and no string that stands elsewhere.
    pub(crate) fn is_table(&self) -> bool {
        self.raw.is_table() && Elsewhere::of(self.raw).is_none()
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
            let within = if self.source.is_pushed() {
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
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text.get()) {
            return Some(*meaning);
        }
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let mut problem = self.place.problem(format!("{text:?} is none of {}", known.join(", ")));
        if let Some(near) = nearest(&text, known) {
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
        if let Some(name) = known.clone().find(|name| &***name == text.get()) {
            return Some(name.clone());
        }
        let mut problem = self.place.problem(format!("no {what} is named {text:?}"));
        if let Some(near) = nearest(&text, known.map(|name| &**name)) {
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
        Some(Elsewhere::of(self.raw)?.key())
    }

    pub(crate) fn problem(&self, reason: impl Into<String>, hint: impl Into<String>) {
        self.report(self.place.problem(reason).hint(hint));
    }

    pub(crate) fn report(&self, problem: Problem) {
        self.source.report(problem);
    }

    /// Notes that the value may be meant, but likely is not.
    pub(crate) fn warn(&self, reason: impl Into<String>, hint: impl Into<String>) {
        self.source.warn(self.place.problem(reason).hint(hint));
    }

    /// Tells the types only, never the value: it may be a secret under the wrong key.
    fn expected<T>(&self, what: &str) -> Option<T> {
        if self.source.is_pushed() && self.kept_elsewhere().is_some() {
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
            (DeValue::Table(_), A_STRING) if !self.source.is_pushed() => problem
                .hint("one that stands elsewhere is { env = \"NAME\" } or { file = \"PATH\" }, and nothing beside it"),
            _ => problem,
        });
        None
    }
}

//! One file that is read: turns offsets into lines, collects what is wrong, and takes strings from elsewhere. Knows no key of
//! the config.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::defaults::KeyDefaults;
use super::elsewhere::{Elsewhere, ElsewhereReader, FilesTaken, Taken, VariableOf};
use super::problem::{Place, Problem};

/// Problems of one file, and warnings, that are kept at most.
const PROBLEMS: usize = 1_000;

/// One file being read: turns offsets into lines and collects the problems.
pub(super) struct Source {
    file: Place,
    /// None: it was pushed, and takes nothing of this node.
    elsewhere: Option<ElsewhereReader>,
    /// By the address of its table, each string that stands elsewhere. It is taken when it is asked for: where another table
    /// may stand, `{ file = "a" }` is that table.
    taken: OnceCell<HashMap<usize, OnceCell<Taken>>>,
    /// Offset of each line's first byte.
    line_starts: Vec<usize>,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
    /// What is left out, if it is to be shown.
    defaults: Option<RefCell<KeyDefaults>>,
}

/// What a file told that was read.
pub(super) struct Told {
    pub problems: Vec<Problem>,
    pub warnings: Vec<Problem>,
    /// What it was made of beside its own bytes.
    pub files: FilesTaken,
}

/// How the operator's files are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadMode {
    pub variable: VariableOf,
    /// Whether what is left out is to be shown.
    pub shows: bool,
}

impl Source {
    /// A file of the operator.
    pub(super) fn own(file: impl Into<Arc<Path>>, text: &str, mode: ReadMode) -> Self {
        let source = Self::pushed(file, text);
        Self {
            elsewhere: Some(ElsewhereReader::beside(source.file.path(), mode.variable)),
            defaults: mode.shows.then(RefCell::default),
            ..source
        }
    }

    /// A document that somebody pushed, for whom the node's ceilings hold.
    pub(super) fn pushed(file: impl Into<Arc<Path>>, text: &str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        Self {
            file: Place::file(file),
            elsewhere: None,
            taken: OnceCell::new(),
            line_starts: std::iter::once(0)
                .chain(newlines.map(|(offset, _)| offset + 1))
                .collect(),
            problems: RefCell::default(),
            warnings: RefCell::default(),
            defaults: None,
        }
    }

    /// Whether it came from outside, and not from the operator's disk.
    pub(super) fn is_pushed(&self) -> bool {
        self.elsewhere.is_none()
    }

    /// The document that `text`, the whole of this source, is. None: its syntax is wrong, which is reported.
    pub(super) fn document<'t>(&self, text: &'t str) -> Option<Spanned<DeTable<'t>>> {
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

    /// From now on strings of `document` that stand elsewhere can be taken.
    pub(super) fn note_elsewhere(&self, document: &DeTable<'_>) {
        if self.elsewhere.is_some() {
            let mut slots = HashMap::new();
            let values = document.values();
            values.for_each(|value| note(value.get_ref(), &mut slots));
            let _ = self.taken.set(slots);
        }
    }

    /// The string that stands elsewhere, if `raw` is one.
    pub(super) fn taken(&self, raw: &DeValue<'_>) -> Option<&Taken> {
        let slot = self.taken.get()?.get(&address(raw))?;
        let elsewhere = Elsewhere::of(raw)?;
        let reader = self.elsewhere.as_ref()?;
        Some(slot.get_or_init(|| reader.take(elsewhere)))
    }

    /// Whether `raw` was asked for as a string, and is one that stands elsewhere.
    pub(super) fn was_string(&self, raw: &DeValue<'_>) -> bool {
        let slot = self.taken.get().and_then(|slots| slots.get(&address(raw)));
        slot.and_then(OnceCell::get).is_some_and(Taken::was_string)
    }

    /// The line, from 1, of the byte `offset`.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// The place of the file, at the line of the byte `offset`.
    pub(super) fn place(&self, offset: usize) -> Place {
        self.file.at_line(self.line(offset))
    }

    pub(super) fn report(&self, problem: Problem) {
        if !self.is_hopeless() {
            self.problems.borrow_mut().push(problem);
        }
    }

    pub(super) fn warn(&self, warning: Problem) {
        let mut warnings = self.warnings.borrow_mut();
        if warnings.len() < PROBLEMS {
            warnings.push(warning);
        }
    }

    /// Whether so much is wrong that nobody reads on.
    pub(super) fn is_hopeless(&self) -> bool {
        self.problems.borrow().len() >= PROBLEMS
    }

    /// Notes what is in force, if that is to be shown.
    pub(super) fn note_default(&self, note: impl FnOnce(&mut KeyDefaults)) {
        if let Some(defaults) = &self.defaults {
            note(&mut defaults.borrow_mut());
        }
    }

    /// What is left out, if it is to be shown.
    pub(super) fn defaults(&self) -> Option<std::cell::Ref<'_, KeyDefaults>> {
        Some(self.defaults.as_ref()?.borrow())
    }

    pub(super) fn into_told(self) -> Told {
        Told {
            problems: self.problems.into_inner(),
            warnings: self.warnings.into_inner(),
            files: self.elsewhere.map(ElsewhereReader::into_files).unwrap_or_default(),
        }
    }
}

/// Makes room for each string in `raw` that stands elsewhere.
fn note(raw: &DeValue<'_>, slots: &mut HashMap<usize, OnceCell<Taken>>) {
    if Elsewhere::of(raw).is_some() {
        slots.insert(address(raw), OnceCell::new());
        return;
    }
    match raw {
        DeValue::Array(items) => items.iter().for_each(|item| note(item.get_ref(), slots)),
        DeValue::Table(table) => table.values().for_each(|value| note(value.get_ref(), slots)),
        _ => {}
    }
}

/// A document does not change while it is read, so that each of its values stays where it is.
fn address(raw: &DeValue<'_>) -> usize {
    std::ptr::from_ref(raw).addr()
}

//! What happens to a message: the rules, made ready at the start. Knows channels and JSON text, no session.

use std::borrow::Cow;

use sluicegate_plugin::{channel::Pattern, json, words::WordList};

use crate::{
    edit::{self, Copy, Cut, Stopped},
    pointer::{self, Tree},
    schema::{Schema, SchemaBounds, Unfit},
    settings::{RuleSettings, Settings},
};

/// Why a message cannot pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It does not fulfil the schema: the first violation.
    Schema(String),
    /// It is too large to be checked against the schema.
    TooComplex(&'static str),
    /// The rules would make more of it than is allowed.
    Grows,
    /// It is not JSON. The broker rules this out, so a test or a broken neighbour wrote it.
    NotJson,
}

impl From<Stopped> for Refusal {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Broken => Self::NotJson,
            Stopped::TooLarge => Self::Grows,
        }
    }
}

impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Violation(violation) => Self::Schema(violation),
            Unfit::TooComplex(setting) => Self::TooComplex(setting),
        }
    }
}

struct Words {
    list: WordList,
    /// Ready to stand in a JSON string, in the order of the list.
    replacements: Vec<String>,
}

impl Words {
    fn replace<'a>(&self, json: &'a str, max_bytes: usize) -> Result<Cow<'a, str>, Stopped> {
        if !self.list.may_occur(json) {
            return Ok(Cow::Borrowed(json));
        }
        let mut copy = Copy::of(json, max_bytes);
        for text in json::strings(json).filter(|text| !text.key) {
            let start = text.content.start;
            for hit in self.list.hits(&json[text.content]) {
                let (from, to) = (start + hit.range.start, start + hit.range.end);
                copy.replace(from, to, &self.replacements[hit.word])?;
            }
        }
        copy.finish()
    }
}

struct Rule {
    channels: Pattern,
    schema: Option<Schema>,
    cut: Tree<Cut>,
    words: Option<Words>,
    set: Tree<String>,
}

impl Rule {
    fn check(settings: &RuleSettings, bounds: SchemaBounds) -> Result<Self, String> {
        let channels = Pattern::parse(&settings.channels).map_err(|e| format!("channels: {e}"))?;
        if channels.holes().next().is_some() {
            return Err("channels: this plugin fills nothing into its patterns".into());
        }
        let schema = settings.schema.as_ref().map(|schema| Schema::check(schema, bounds));
        let schema = schema.transpose().map_err(|e| format!("schema: {e}"))?;
        let mut cut = Tree::default();
        for text in &settings.mask {
            cut.insert(&pointer::parse(text).map_err(|e| format!("mask: {e}"))?, Cut::Mask);
        }
        for text in &settings.remove {
            let steps = pointer::parse(text).map_err(|e| format!("remove: {e}"))?;
            if steps.is_empty() {
                return Err("remove: the whole message cannot be removed".into());
            }
            cut.insert(&steps, Cut::Remove);
        }
        let mut set = Tree::default();
        for (text, value) in &settings.set {
            let steps = pointer::parse(text).map_err(|e| format!("set: {e}"))?;
            if set.covers(&steps) {
                return Err(format!("set: `{text}` lies in another value that is set"));
            }
            set.insert(&steps, value.get().to_owned());
        }
        let words = (!settings.words.is_empty()).then(|| words(settings)).transpose()?;
        Ok(Self {
            channels,
            schema,
            cut,
            words,
            set,
        })
    }

    fn apply<'a>(&self, json: &'a str, max_bytes: usize) -> Result<Cow<'a, str>, Refusal> {
        if let Some(schema) = &self.schema {
            schema.validate(json)?;
        }
        let mut out = Cow::Borrowed(json);
        if !self.cut.is_empty() && self.cut.may_be_in(&out) {
            out = chain(out, |json| edit::cut(json, &self.cut, max_bytes))?;
        }
        if let Some(words) = &self.words {
            out = chain(out, |json| words.replace(json, max_bytes))?;
        }
        if !self.set.is_empty() {
            out = chain(out, |json| edit::set(json, &self.set, max_bytes))?;
        }
        Ok(out)
    }
}

fn words(settings: &RuleSettings) -> Result<Words, String> {
    let list = WordList::new(settings.words.keys()).map_err(|e| format!("words: {e}"))?;
    let escaped = |text: &String| {
        let mut out = String::new();
        json::escape_into(&mut out, text);
        out
    };
    Ok(Words {
        list,
        replacements: settings.words.values().map(escaped).collect(),
    })
}

/// The next change on top of the ones before.
fn chain(
    before: Cow<'_, str>,
    change: impl Fn(&str) -> Result<Cow<'_, str>, Stopped>,
) -> Result<Cow<'_, str>, Stopped> {
    let after = match change(&before)? {
        Cow::Borrowed(_) => None,
        Cow::Owned(text) => Some(text),
    };
    Ok(after.map_or(before, Cow::Owned))
}

/// All rules of the settings.
pub struct Rules {
    rules: Vec<Rule>,
    /// Bytes by which a message may grow.
    max_growth: usize,
}

impl Rules {
    /// Checks the settings of all rules.
    ///
    /// # Errors
    /// The first rule that cannot work, by its place.
    pub fn check(settings: &Settings) -> Result<Self, String> {
        let bounds = SchemaBounds {
            bytes: settings.max_schema_bytes as usize,
            values: settings.max_schema_values as usize,
        };
        let rules = settings.rules.iter().enumerate();
        let rules = rules.map(|(index, rule)| Rule::check(rule, bounds).map_err(|e| format!("rules[{index}].{e}")));
        Ok(Self {
            rules: rules.collect::<Result<_, _>>()?,
            max_growth: settings.max_growth_bytes as usize,
        })
    }

    /// What the message becomes in this channel; `None`: it stays as it is, byte for byte.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn apply(&self, channel: &str, data: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
        let mut fitting = self
            .rules
            .iter()
            .filter(|rule| rule.channels.matches(channel))
            .peekable();
        if fitting.peek().is_none() {
            return Ok(None);
        }
        let json = std::str::from_utf8(data).map_err(|_| Refusal::NotJson)?;
        let max_bytes = json.len().saturating_add(self.max_growth);
        let mut out = Cow::Borrowed(json);
        for rule in fitting {
            let after = match rule.apply(&out, max_bytes)? {
                Cow::Borrowed(_) => continue,
                Cow::Owned(text) => text,
            };
            out = Cow::Owned(after);
        }
        Ok(match out {
            Cow::Borrowed(_) => None,
            // Changed to what it was already (a value masked twice) is not changed.
            Cow::Owned(text) => (text != json).then(|| text.into_bytes()),
        })
    }
}

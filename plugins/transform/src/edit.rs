//! Changes to JSON text at places named by pointers. What is not named keeps every byte. Knows no rule.
//!
//! An object may say a key twice, and readers differ in which one they take: every one of them is changed.

use std::borrow::Cow;

use sluicegate_plugin::json::{self, Broken, Item, items, value_at};

use crate::pointer::{Tree, names_index};

/// What stands in place of a masked value.
pub const MASK: &str = "\"***\"";

/// What to do with a value that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Take it out of its object or array.
    Remove,
    /// Put [`MASK`] in its place.
    Mask,
}

/// Why a text was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It is not JSON.
    Broken,
    /// It would have more bytes than allowed. Noticed while it is written: it never is in memory.
    TooLarge,
}

impl From<Broken> for Stopped {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

/// Copies what is kept, piece by piece, and notices when nothing changed.
pub struct Copy<'a> {
    json: &'a str,
    out: String,
    copied: usize,
    max_bytes: usize,
}

impl<'a> Copy<'a> {
    /// A copy of `json` that may become `max_bytes` long.
    #[must_use]
    pub fn of(json: &'a str, max_bytes: usize) -> Self {
        Self {
            json,
            out: String::new(),
            copied: 0,
            max_bytes,
        }
    }

    /// Writes `text` in place of the bytes from `start` to `end`.
    ///
    /// # Errors
    /// [`Stopped::TooLarge`].
    pub fn replace(&mut self, start: usize, end: usize, text: &str) -> Result<(), Stopped> {
        self.push(&self.json[self.copied..start])?;
        self.push(text)?;
        self.copied = end;
        Ok(())
    }

    fn push(&mut self, text: &str) -> Result<(), Stopped> {
        if self.out.len() + text.len() > self.max_bytes {
            return Err(Stopped::TooLarge);
        }
        self.out.push_str(text);
        Ok(())
    }

    /// What came of it.
    ///
    /// # Errors
    /// [`Stopped::TooLarge`].
    pub fn finish(mut self) -> Result<Cow<'a, str>, Stopped> {
        if self.copied == 0 && self.out.is_empty() {
            return Ok(Cow::Borrowed(self.json));
        }
        self.push(&self.json[self.copied..])?;
        Ok(Cow::Owned(self.out))
    }
}

/// Which step of the tree leads to this item; `index` for an element of an array.
fn step_to<T>(json: &str, tree: &Tree<T>, item: &Item, index: Option<usize>) -> Option<usize> {
    let position = |is: &dyn Fn(&str) -> bool| tree.steps.iter().position(|(step, _)| is(step));
    if let Some(index) = index {
        return position(&|step| names_index(step, index));
    }
    // Read once, however many steps it is compared to: a key may be most of the message.
    let key = json::unescape(&json[item.key.clone()]);
    position(&|step| key == step)
}

/// Removes and masks. Indices count as in the text given, before anything is removed.
///
/// # Errors
/// [`Stopped`].
pub fn cut<'a>(json: &'a str, tree: &Tree<Cut>, max_bytes: usize) -> Result<Cow<'a, str>, Stopped> {
    let root = value_at(json, 0)?;
    let mut copy = Copy::of(json, max_bytes);
    match tree.wanted {
        // Of the whole message nothing can be left over, so to remove it is to mask it.
        Some(_) => copy.replace(root.start, root.end, MASK)?,
        None => cut_inside(json, root.start, tree, &mut copy)?,
    }
    copy.finish()
}

fn cut_inside(json: &str, open: usize, tree: &Tree<Cut>, copy: &mut Copy<'_>) -> Result<(), Stopped> {
    if tree.steps.is_empty() {
        return Ok(());
    }
    let array = json.as_bytes()[open] == b'[';
    let mut kept = false;
    let mut last_end = open + 1;
    // Where an item began that went out before any was kept: the comma behind it has to go too.
    let mut leading = None;
    for (index, item) in items(json, open).enumerate() {
        let item = item?;
        if let Some(from) = leading.take() {
            copy.replace(from, item.whole.start, "")?;
        }
        let step = step_to(json, tree, &item, array.then_some(index));
        match step.map(|at| (&tree.steps[at].1, tree.steps[at].1.wanted)) {
            Some((_, Some(Cut::Remove))) if kept => copy.replace(last_end, item.whole.end, "")?,
            Some((_, Some(Cut::Remove))) => leading = Some(item.whole.start),
            other => {
                kept = true;
                match other {
                    Some((_, Some(_))) => copy.replace(item.value.start, item.value.end, MASK)?,
                    Some((below, None)) => cut_inside(json, item.value.start, below, copy)?,
                    None => {}
                }
            }
        }
        last_end = item.whole.end;
    }
    if let Some(from) = leading {
        copy.replace(from, last_end, "")?;
    }
    Ok(())
}

/// Puts values at places. An object on the way that is missing is made; an array takes only an index it has;
/// where something else is in the way, nothing is set there.
///
/// # Errors
/// [`Stopped`].
pub fn set<'a>(json: &'a str, tree: &Tree<String>, max_bytes: usize) -> Result<Cow<'a, str>, Stopped> {
    let root = value_at(json, 0)?;
    let mut copy = Copy::of(json, max_bytes);
    match &tree.wanted {
        Some(value) => copy.replace(root.start, root.end, value)?,
        None => set_inside(json, root.start, tree, &mut copy)?,
    }
    copy.finish()
}

fn set_inside(json: &str, open: usize, tree: &Tree<String>, copy: &mut Copy<'_>) -> Result<(), Stopped> {
    let array = match json.as_bytes()[open] {
        b'{' => false,
        b'[' => true,
        _ => return Ok(()),
    };
    let mut seen = vec![false; tree.steps.len()];
    let mut end = open + 1;
    let mut any = false;
    for (index, item) in items(json, open).enumerate() {
        let item = item?;
        end = item.whole.end;
        any = true;
        let Some(at) = step_to(json, tree, &item, array.then_some(index)) else {
            continue;
        };
        seen[at] = true;
        match &tree.steps[at].1.wanted {
            Some(value) => copy.replace(item.value.start, item.value.end, value)?,
            None => set_inside(json, item.value.start, &tree.steps[at].1, copy)?,
        }
    }
    if array {
        return Ok(());
    }
    let mut added = String::new();
    for ((step, below), _) in tree.steps.iter().zip(seen).filter(|(_, seen)| !seen) {
        if any || !added.is_empty() {
            added.push(',');
        }
        member(&mut added, step, below);
    }
    if !added.is_empty() {
        copy.replace(end, end, &added)?;
    }
    Ok(())
}

/// Writes a member that was not there, with all that is wanted below it.
fn member(out: &mut String, step: &str, tree: &Tree<String>) {
    out.push('"');
    json::escape_into(out, step);
    out.push_str("\":");
    if let Some(value) = &tree.wanted {
        out.push_str(value);
        return;
    }
    out.push('{');
    for (index, (step, below)) in tree.steps.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        member(out, step, below);
    }
    out.push('}');
}

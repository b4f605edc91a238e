//! What differs each time has a name in a transcript, `<session>`: the first time it stands for what the broker says, and
//! from then on for the same.

use std::collections::BTreeMap;

/// Names that stand for something else each time.
const EACH_TIME: [&str; 2] = ["ts", "expires"];

#[derive(Default)]
pub(super) struct Names {
    bound: BTreeMap<String, String>,
}

/// A part of a line.
enum Part<'a> {
    Text(&'a str),
    Name(&'a str),
}

fn parts(line: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = line;
    while let Some((text, behind)) = rest.split_once('<') {
        let (name, after) = behind
            .split_once('>')
            .unwrap_or_else(|| panic!("a name without an end: {line}"));
        parts.extend([Part::Text(text), Part::Name(name)]);
        rest = after;
    }
    parts.push(Part::Text(rest));
    parts
}

/// Whether a value may contain it.
fn is_of_value(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

impl Names {
    pub(super) fn bind(&mut self, name: &str, value: &str) {
        self.bound.insert(name.to_owned(), value.to_owned());
    }

    /// Lines of a client with the values of their names.
    pub(super) fn filled(&self, lines: &[String]) -> Vec<String> {
        let value = |part| match part {
            Part::Text(text) => text,
            Part::Name(name) => self.bound.get(name).unwrap_or_else(|| panic!("nobody said <{name}>")),
        };
        lines
            .iter()
            .map(|line| parts(line).into_iter().map(value).collect())
            .collect()
    }

    /// Compares a line of the broker with what is expected, and takes the values of new names from it.
    pub(super) fn check(&mut self, expected: &str, heard: &str) -> Result<(), String> {
        let mut rest = heard;
        for part in parts(expected) {
            let (name, value) = match part {
                Part::Text(text) => (None, text),
                Part::Name(name) => match self.bound.get(name) {
                    Some(value) => (Some(name), value.as_str()),
                    None => (
                        Some(name),
                        &rest[..rest.find(|c| !is_of_value(c)).unwrap_or(rest.len())],
                    ),
                },
            };
            let is_there = rest.starts_with(value) && !(name.is_some() && value.is_empty());
            if !is_there {
                let what = name.map_or_else(|| format!("{value:?}"), |name| format!("<{name}>, {value:?}"));
                return Err(format!("{what} is not the beginning of {rest:?}"));
            }
            rest = &rest[value.len()..];
            if let Some(name) = name.filter(|name| !EACH_TIME.contains(name)) {
                let value = value.to_owned();
                self.bound.entry(name.to_owned()).or_insert(value);
            }
        }
        if rest.is_empty() {
            Ok(())
        } else {
            Err(format!("{rest:?} is too much"))
        }
    }
}

#[test]
fn a_name_is_the_same_everywhere() {
    let mut names = Names::default();
    let check = |names: &mut Names, expected, heard| names.check(expected, heard).is_ok();
    assert!(check(
        &mut names,
        "{\"ts\":<ts>,\"s\":\"<s>.<k>\"}",
        "{\"ts\":1,\"s\":\"ab.cd\"}"
    ));
    assert!(check(
        &mut names,
        "{\"ts\":<ts>,\"s\":\"<s>\"}",
        "{\"ts\":2,\"s\":\"ab\"}"
    ));
    for (expected, heard) in [
        ("<s>", "ac"),
        ("<s>", "abc"),
        ("<s>x", "ab"),
        ("<new>", ""),
        ("text", "text and more"),
        ("text", "tex"),
    ] {
        assert!(!check(&mut names, expected, heard), "{expected} is not {heard}");
    }
    assert_eq!(names.filled(&["a <k> <s>".to_owned()]), ["a cd ab"]);
}

//! The modules of a crate, found by its `mod` lines, and what each defines and imports. Reads text; inline modules count as
//! part of their file, and code for tests only (`#[cfg(test)] mod`) is left out.

use std::collections::{BTreeMap, BTreeSet};

use super::code;
use super::paths::{self, Import, Named};
use super::rules::Source;

/// A source file that is a module.
pub(super) struct Module {
    /// From the crate's root, `backplane::redis`; the root itself is empty.
    pub name: String,
    /// Of its file.
    pub path: String,
    /// Its code without comments, literals and test modules, on the same lines.
    pub code: String,
    /// Names of the items that it defines, at any depth.
    pub items: BTreeSet<String>,
    /// Types that it defines, and where.
    pub types: Vec<(String, usize)>,
    /// What each imported name stands for, as written.
    pub imports: BTreeMap<String, String>,
    /// Paths that end in `*` in a `use`.
    pub globs: Vec<String>,
    /// Every path that it names, and whether a re-export (`pub use`) is all that names it.
    pub named: Vec<(Named, bool)>,
}

/// All modules of the crate whose root is this file.
pub(super) fn of_crate(sources: &[Source], root: &str) -> Vec<Module> {
    let by_path: BTreeMap<&str, &Source> = sources.iter().map(|source| (source.path.as_str(), source)).collect();
    let mut modules = Vec::new();
    let mut waiting = vec![(String::new(), root.to_owned())];
    while let Some((name, path)) = waiting.pop() {
        let Some(source) = by_path.get(path.as_str()) else {
            continue;
        };
        let code = without_tests(&code::only(&source.text));
        let folder = folder_of_children(&path);
        for child in declared(&code) {
            let places = [format!("{folder}{child}.rs"), format!("{folder}{child}/mod.rs")];
            if let Some(place) = places.into_iter().find(|place| by_path.contains_key(place.as_str())) {
                waiting.push((join(&name, &child), place));
            }
        }
        modules.push(read(name, path, code));
    }
    modules.sort_by(|a, b| a.name.cmp(&b.name));
    modules
}

pub(super) fn join(module: &str, name: &str) -> String {
    match module {
        "" => name.to_owned(),
        module => format!("{module}::{name}"),
    }
}

/// Where a module's children lie: beside a root or a `mod.rs`, else in a folder of its name.
fn folder_of_children(path: &str) -> String {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    match file {
        "lib.rs" | "main.rs" | "mod.rs" => format!("{folder}/"),
        file => format!("{folder}/{}/", file.trim_end_matches(".rs")),
    }
}

fn read(name: String, path: String, code: String) -> Module {
    let words = words(&code);
    let mut imports = BTreeMap::new();
    let mut globs = Vec::new();
    let named = paths::named_in(&code);
    for Named { path, import, .. } in &named {
        let name = match import {
            Import::No => continue,
            Import::As(name) => name,
            Import::ByItsName => path.rsplit("::").next().unwrap_or_default(),
        };
        match path.strip_suffix("::*") {
            Some(all) => globs.push(all.to_owned()),
            None => drop(imports.insert(name.to_owned(), path.clone())),
        }
    }
    let re_exports = re_exporting_lines(&code);
    let named = named
        .into_iter()
        .map(|named| {
            let re_export = re_exports.contains(&named.line);
            (named, re_export)
        })
        .collect();
    Module {
        items: items(&words),
        types: types(&words),
        name,
        path,
        code,
        imports,
        globs,
        named,
    }
}

/// Words and marks with their lines.
fn words(code: &str) -> Vec<(&str, usize)> {
    let mut words = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let word = rest.bytes().take_while(|byte| code::is_word(*byte)).count();
            let length = if word == 0 { first.len_utf8() } else { word };
            if !first.is_whitespace() {
                words.push((&rest[..length], number + 1));
            }
            rest = &rest[length..];
        }
    }
    words
}

const TYPE_WORDS: [&str; 5] = ["struct", "enum", "trait", "type", "union"];
const OTHER_ITEM_WORDS: [&str; 5] = ["fn", "const", "static", "mod", "macro_rules"];

fn items(words: &[(&str, usize)]) -> BTreeSet<String> {
    let names = words.windows(2).filter_map(|pair| {
        let (word, next) = (pair[0].0, pair[1].0);
        let defines = TYPE_WORDS.contains(&word) || OTHER_ITEM_WORDS.contains(&word);
        (defines && code::is_word(next.as_bytes()[0])).then(|| next.to_owned())
    });
    names.collect()
}

/// Types, but not the associated ones of traits and their implementations, which are meant to have one name.
fn types(words: &[(&str, usize)]) -> Vec<(String, usize)> {
    let mut types = Vec::new();
    let mut blocks: Vec<bool> = Vec::new();
    let mut opens_impl = false;
    for (at, (word, line)) in words.iter().enumerate() {
        match *word {
            "{" => {
                blocks.push(opens_impl);
                opens_impl = false;
            }
            "}" => {
                blocks.pop();
                opens_impl = false;
            }
            ";" => opens_impl = false,
            // At the beginning of an item; `impl Trait` in a signature stands after a mark.
            "impl" | "trait" if at == 0 || starts_item(words[at - 1].0) => opens_impl = true,
            _ => {}
        }
        let Some((name, _)) = words.get(at + 1) else { break };
        let associated = *word == "type" && blocks.last() == Some(&true);
        let named = name.starts_with(char::is_uppercase);
        if TYPE_WORDS.contains(word) && named && !associated {
            types.push(((*name).to_owned(), *line));
        }
    }
    types
}

fn starts_item(before: &str) -> bool {
    ["}", ";", "{", "]", ")", "pub", "unsafe", "auto"].contains(&before)
}

/// Blanks out `#[cfg(test)] mod … { … }` and the line of `#[cfg(test)] mod …;`.
fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    let mut from = 0;
    while let Some(found) = out[from..].find("#[cfg(test)]") {
        let start = from + found;
        let rest = &out[start..];
        let end = match (rest.find('{'), rest.find(';')) {
            (Some(open), semicolon) if semicolon.is_none_or(|semicolon| open < semicolon) => {
                start + open + block_length(&rest[open..])
            }
            (_, Some(semicolon)) => start + semicolon + 1,
            _ => out.len(),
        };
        let blank: String = out[start..end]
            .chars()
            .map(|c| if c == '\n' { '\n' } else { ' ' })
            .collect();
        out.replace_range(start..end, &blank);
        from = start + blank.len();
    }
    out
}

fn block_length(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

/// Modules that stand in files of their own.
fn declared(code: &str) -> Vec<String> {
    let words = words(code);
    let declared = words
        .windows(3)
        .filter(|three| three[0].0 == "mod" && three[2].0 == ";");
    declared.map(|three| three[1].0.to_owned()).collect()
}

/// Lines of `pub use …;` and `pub(…) use …;`.
fn re_exporting_lines(code: &str) -> BTreeSet<usize> {
    let words = words(code);
    let mut lines = BTreeSet::new();
    let mut at = 0;
    while at < words.len() {
        let mut next = at + 1;
        if words[at].0 == "pub" {
            if words.get(next).is_some_and(|(word, _)| *word == "(") {
                while words.get(next).is_some_and(|(word, _)| *word != ")") {
                    next += 1;
                }
                next += 1;
            }
            if words.get(next).is_some_and(|(word, _)| *word == "use") {
                while let Some((word, line)) = words.get(next) {
                    lines.insert(*line);
                    next += 1;
                    if *word == ";" {
                        break;
                    }
                }
            }
        }
        at = next;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn modules_are_found_by_their_lines() {
        let sources = [
            source(
                "c/src/lib.rs",
                "mod a;\npub mod b;\n#[cfg(test)]\nmod tests;\nmod gone;",
            ),
            source("c/src/a.rs", "mod inner;"),
            source("c/src/a/inner.rs", ""),
            source("c/src/b/mod.rs", "mod leaf;"),
            source("c/src/b/leaf.rs", ""),
            source("c/src/tests.rs", ""),
        ];
        let found = of_crate(&sources, "c/src/lib.rs");
        let names: Vec<&str> = found.iter().map(|module| module.name.as_str()).collect();
        assert_eq!(names, ["", "a", "a::inner", "b", "b::leaf"]);
    }

    #[test]
    fn types_are_those_of_one_name() {
        let text = "pub struct A; impl B for A { type Out = u8; } trait B { type Out; }\ntype Short = u8;\n\
            #[cfg(test)]\nmod tests { struct Hidden; }\nfn f() -> impl B { struct Local; }\nenum E {}";
        let found = of_crate(&[source("c/src/lib.rs", text)], "c/src/lib.rs");
        let names: Vec<&str> = found[0].types.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["A", "B", "Short", "Local", "E"]);
    }

    #[test]
    fn re_exports_are_known() {
        let text = "pub use a::X;\nuse b::Y;\npub(crate) use c::{\n    Z,\n};";
        let found = of_crate(&[source("c/src/lib.rs", text)], "c/src/lib.rs");
        let re_exports: Vec<_> = found[0]
            .named
            .iter()
            .map(|(named, re)| (named.path.as_str(), *re))
            .collect();
        assert_eq!(re_exports, [("a::X", true), ("b::Y", false), ("c::Z", true)]);
        assert_eq!(found[0].imports["Y"], "b::Y");
    }
}

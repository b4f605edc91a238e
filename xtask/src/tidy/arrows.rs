//! Which module of a crate uses which, and whether the arrows go one way.
//!
//! An *arrow* goes from a module to each module of its crate that defines an item which it names by a path (`crate::…`,
//! `super::…`, a child's name, or an import of one of these). A path through a re-export leads to the module that defines the
//! item, and a re-export (`pub use`) is no use. Tests draw no arrows.
//!
//! A *circle* is a set of modules that each use each other, directly or through others. It is looked for twice: between
//! files, and between *rooms*, where a module and all below it count as one, for the children of each module. A child that
//! names an item of its parent while the parent uses the child is a circle of files; what both need has a file of its own.
//!
//! *Backward arrows* are those of a circle that go from a module up to one that it lies in, and of what is a circle without
//! these, the fewest whose removal leaves none. The fewest are hard to find; the program orders the modules greedily (Eades, Lin
//! and Smyth, 1993) and takes the arrows against that order.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::{Module, join};

/// From a module to a module, by their names.
pub(super) type Arrows = BTreeMap<String, BTreeSet<String>>;

/// Between the files of a crate.
pub(super) fn between_files(modules: &[Module]) -> Arrows {
    let by_name: BTreeMap<&str, &Module> = modules.iter().map(|module| (module.name.as_str(), module)).collect();
    let mut arrows = Arrows::new();
    for module in modules {
        let targets = arrows.entry(module.name.clone()).or_default();
        for (named, re_export) in &module.named {
            if *re_export {
                continue;
            }
            if let Some(target) = resolve(&by_name, module, &named.path, 0).filter(|target| *target != module.name) {
                targets.insert(target.to_owned());
            }
        }
    }
    arrows
}

/// Re-exports of re-exports end somewhere.
const HOPS_MAX: usize = 8;

/// The module that defines what the path names, if it is one of this crate.
fn resolve<'a>(modules: &BTreeMap<&str, &'a Module>, from: &'a Module, path: &str, hops: usize) -> Option<&'a str> {
    if hops > HOPS_MAX {
        return None;
    }
    let words: Vec<&str> = path.split("::").collect();
    let mut at = 0;
    let mut place = from.name.clone();
    let mut absolute = false;
    while let Some(word) = words.get(at) {
        match *word {
            "crate" => place = String::new(),
            "super" => place = parent(&place)?,
            "self" => {}
            _ => break,
        }
        absolute = true;
        at += 1;
    }
    let start = at;
    while let Some(child) = words
        .get(at)
        .map(|word| join(&place, word))
        .filter(|child| modules.contains_key(child.as_str()))
    {
        place = child;
        at += 1;
    }
    let module = *modules.get(place.as_str())?;
    let Some(item) = words.get(at) else {
        return Some(&module.name);
    };
    if at == start && !absolute {
        // A path that begins with a name: an import of this module, or somebody else's crate.
        let import = from.imports.get(*item)?;
        let mut whole = import.clone();
        for word in &words[1..] {
            whole = join(&whole, word);
        }
        return (import != path && import.contains("::")).then(|| resolve(modules, from, &whole, hops + 1))?;
    }
    if *item == "*" || module.items.contains(*item) {
        return Some(&module.name);
    }
    if let Some(import) = module.imports.get(*item) {
        let mut whole = import.clone();
        for word in &words[at + 1..] {
            whole = join(&whole, word);
        }
        // What the module imports from another crate is not the module's.
        return resolve(modules, module, &whole, hops + 1);
    }
    let mut globs = module.globs.iter();
    globs
        .find_map(|glob| resolve_glob(modules, module, glob, item, hops))
        .or(Some(&module.name))
}

fn resolve_glob<'a>(
    modules: &BTreeMap<&str, &'a Module>,
    module: &'a Module,
    glob: &str,
    item: &str,
    hops: usize,
) -> Option<&'a str> {
    let target = resolve(modules, module, glob, hops + 1)?;
    modules[target].items.contains(item).then_some(target)
}

fn parent(module: &str) -> Option<String> {
    match module {
        "" => None,
        module => Some(module.rsplit_once("::").map_or("", |(parent, _)| parent).to_owned()),
    }
}

/// Between the rooms of each module: its children, each with all below it.
pub(super) fn between_rooms(arrows: &Arrows) -> Arrows {
    let mut rooms = Arrows::new();
    for (from, targets) in arrows {
        for to in targets {
            let (a, b): (Vec<&str>, Vec<&str>) = (from.split("::").collect(), to.split("::").collect());
            let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
            // An arrow between a room and one inside it is a matter of files.
            if same < a.len() && same < b.len() && !from.is_empty() && !to.is_empty() {
                rooms
                    .entry(a[..=same].join("::"))
                    .or_default()
                    .insert(b[..=same].join("::"));
            }
        }
    }
    rooms
}

/// Sets of modules that each reach each other, with more than one in each.
pub(super) fn circles(arrows: &Arrows) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> = arrows.keys().map(|from| (from, reach(arrows, from))).collect();
    let mut circles = Vec::new();
    let mut done = BTreeSet::new();
    for from in arrows.keys() {
        let circle: BTreeSet<String> = reached[from]
            .iter()
            .filter(|to| reached.get(**to).is_some_and(|back| back.contains(from)))
            .map(|to| (*to).clone())
            .collect();
        if circle.len() > 1 && circle.iter().all(|module| done.insert(module.clone())) {
            circles.push(circle);
        }
    }
    circles
}

fn reach<'a>(arrows: &'a Arrows, from: &'a String) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(module) = waiting.pop() {
        for to in arrows.get(module).into_iter().flatten() {
            if reached.insert(to) {
                waiting.push(to);
            }
        }
    }
    reached
}

/// The backward arrows of a circle.
pub(super) fn backward(arrows: &Arrows, circle: &BTreeSet<String>) -> Vec<(String, String)> {
    let mut down = Arrows::new();
    let mut backward = Vec::new();
    for from in circle {
        for to in arrows[from].iter().filter(|to| circle.contains(*to)) {
            if to.is_empty() || from.starts_with(&format!("{to}::")) {
                backward.push((from.clone(), to.clone()));
            } else {
                down.entry(from.clone()).or_default().insert(to.clone());
            }
        }
    }
    for circle in circles(&down) {
        backward.extend(against_order(&down, &circle));
    }
    backward
}

/// The arrows of a circle that go against the order that suits most of them.
fn against_order(arrows: &Arrows, circle: &BTreeSet<String>) -> Vec<(String, String)> {
    let mut left: BTreeSet<&String> = circle.iter().collect();
    let uses = |from: &String, to: &String| from != to && arrows.get(from).is_some_and(|targets| targets.contains(to));
    let (mut first, mut last) = (Vec::new(), Vec::new());
    while !left.is_empty() {
        let out = |module: &String| left.iter().filter(|to| uses(module, to)).count();
        let into = |module: &String| left.iter().filter(|from| uses(from, module)).count();
        let sink = left.iter().find(|module| out(module) == 0).copied();
        let source = left.iter().find(|module| into(module) == 0).copied();
        let chosen = match (sink, source) {
            (Some(sink), _) => {
                last.push(sink);
                sink
            }
            (None, Some(source)) => {
                first.push(source);
                source
            }
            (None, None) => {
                let best = left.iter().copied().max_by_key(|module| {
                    i64::try_from(out(module)).unwrap_or(0) - i64::try_from(into(module)).unwrap_or(0)
                });
                let Some(best) = best else { break };
                first.push(best);
                best
            }
        };
        left.remove(chosen);
    }
    let order: Vec<&String> = first.into_iter().chain(last.into_iter().rev()).collect();
    let mut backward = Vec::new();
    for (position, from) in order.iter().enumerate() {
        for to in &order[..position] {
            if uses(from, to) {
                backward.push(((*from).clone(), (*to).clone()));
            }
        }
    }
    backward
}

#[cfg(test)]
mod tests {
    use super::super::modules;
    use super::super::rules::Source;
    use super::*;

    fn of(files: &[(&str, &str)]) -> Arrows {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source {
                path: format!("c/src/{path}"),
                text: (*text).to_owned(),
            })
            .collect();
        between_files(&modules::of_crate(&sources, "c/src/lib.rs"))
    }

    fn drawn(arrows: &Arrows) -> Vec<String> {
        let each = arrows
            .iter()
            .flat_map(|(from, targets)| targets.iter().map(move |to| format!("{from} -> {to}")));
        each.collect()
    }

    #[test]
    fn arrows_follow_paths_and_imports() {
        let arrows = of(&[
            ("lib.rs", "mod a;\nmod b;\npub use b::B;"),
            (
                "a.rs",
                "mod inner;\nuse super::b::{self, B};\nuse std::fmt;\nfn f() { fmt::x(); }",
            ),
            ("a/inner.rs", "fn f() { crate::b::g(); }"),
            ("b.rs", "pub struct B;\npub fn g() {}"),
        ]);
        assert_eq!(drawn(&arrows), ["a -> b", "a::inner -> b"]);
    }

    #[test]
    fn a_re_export_leads_to_what_it_exports() {
        let arrows = of(&[
            (
                "lib.rs",
                "mod a;\nmod b;\npub use b::B;\nuse b::C as D;\nmod all;\npub use all::*;",
            ),
            (
                "a.rs",
                "use crate::B;\nuse super::D;\nfn f() { crate::each(); sluicegate_wire::frame::X; }",
            ),
            ("b.rs", "pub struct B; pub struct C;"),
            ("all.rs", "pub fn each() {}"),
        ]);
        assert_eq!(drawn(&arrows), [" -> b", "a -> all", "a -> b"]);
    }

    #[test]
    fn a_child_that_uses_its_parent_is_a_circle() {
        let arrows = of(&[
            ("lib.rs", "mod room;"),
            ("room.rs", "mod part;\nconst LIMIT: u8 = 1;\nfn f() { part::g(); }"),
            ("room/part.rs", "pub fn g() { super::LIMIT; }"),
        ]);
        let circles = circles(&arrows);
        assert_eq!(circles.len(), 1);
        assert_eq!(
            backward(&arrows, &circles[0]),
            [("room::part".to_owned(), "room".to_owned())]
        );
    }

    #[test]
    fn rooms_are_seen_where_files_make_no_circle() {
        let arrows = of(&[
            ("lib.rs", "mod a;\nmod b;"),
            ("a.rs", "mod one;\nmod two;"),
            ("a/one.rs", "use crate::b::three::x;"),
            ("a/two.rs", "pub fn y() {}"),
            ("b.rs", "pub mod three;\nmod four;"),
            ("b/three.rs", "pub fn x() {}"),
            ("b/four.rs", "use crate::a::two::y;"),
        ]);
        assert_eq!(circles(&arrows).len(), 0);
        let rooms = between_rooms(&arrows);
        assert_eq!(drawn(&rooms), ["a -> b", "b -> a"]);
        assert_eq!(circles(&rooms).len(), 1);
    }

    #[test]
    fn the_order_that_suits_most_is_found() {
        let arrows = of(&[
            ("lib.rs", "mod a;\nmod b;\nmod c;\nmod d;"),
            (
                "a.rs",
                "use crate::b::B; use crate::c::C; use crate::d::D; pub struct A;",
            ),
            ("b.rs", "use crate::c::C; use crate::d::D; pub struct B;"),
            ("c.rs", "use crate::d::D; pub struct C;"),
            ("d.rs", "use crate::a::A; pub struct D;"),
        ]);
        let circles = circles(&arrows);
        assert_eq!(backward(&arrows, &circles[0]), [("d".to_owned(), "a".to_owned())]);
    }
}

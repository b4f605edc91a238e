//! JSON pointers (RFC 6901), many of them joined into one tree so that a message is walked once. Knows what
//! is wanted at a place, not how text is changed.

use sluicegate_plugin::json;

/// The longest pointer, in steps. The walk goes one call deeper a step.
pub const MAX_STEPS: usize = 64;

/// Splits a pointer into its unescaped steps.
///
/// # Errors
/// What is wrong with it.
pub fn parse(pointer: &str) -> Result<Vec<String>, String> {
    if pointer.is_empty() {
        return Ok(Vec::new());
    }
    let Some(steps) = pointer.strip_prefix('/') else {
        return Err(format!("`{pointer}` is no JSON pointer: it must start with `/`"));
    };
    let steps: Vec<String> = steps
        .split('/')
        .map(|step| unescape(step).ok_or_else(|| format!("`{pointer}`: `~` must be written `~0`, `/` `~1`")))
        .collect::<Result<_, _>>()?;
    if steps.len() > MAX_STEPS {
        return Err(format!("`{pointer}` has more than {MAX_STEPS} steps"));
    }
    Ok(steps)
}

fn unescape(step: &str) -> Option<String> {
    let mut out = String::with_capacity(step.len());
    let mut rest = step;
    while let Some((before, after)) = rest.split_once('~') {
        out.push_str(before);
        out.push(match after.as_bytes().first()? {
            b'0' => '~',
            b'1' => '/',
            _ => return None,
        });
        rest = &after[1..];
    }
    out.push_str(rest);
    Some(out)
}

/// Whether a step names the element `index` of an array: digits without a leading zero.
#[must_use]
pub fn names_index(step: &str, index: usize) -> bool {
    let plain = step == "0" || !step.starts_with('0');
    plain && step.bytes().all(|b| b.is_ascii_digit()) && step.parse() == Ok(index)
}

/// Pointers as a tree, with what is wanted where one ends.
#[derive(Clone, Debug)]
pub struct Tree<T> {
    /// What is wanted at this very place.
    pub wanted: Option<T>,
    /// The steps that go on from here.
    pub steps: Vec<(String, Tree<T>)>,
}

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Self {
            wanted: None,
            steps: Vec::new(),
        }
    }
}

impl<T> Tree<T> {
    /// Adds a pointer; what was wanted there before is returned.
    pub fn insert(&mut self, steps: &[String], wanted: T) -> Option<T> {
        let Some((first, rest)) = steps.split_first() else {
            return self.wanted.replace(wanted);
        };
        let index = self
            .steps
            .iter()
            .position(|(step, _)| step == first)
            .unwrap_or_else(|| {
                self.steps.push((first.clone(), Self::default()));
                self.steps.len() - 1
            });
        self.steps[index].1.insert(rest, wanted)
    }

    /// Whether something is wanted on the way to this place, at it or below it.
    #[must_use]
    pub fn covers(&self, steps: &[String]) -> bool {
        if self.wanted.is_some() {
            return true;
        }
        let Some((first, rest)) = steps.split_first() else {
            return !self.is_empty();
        };
        self.steps.iter().any(|(step, tree)| step == first && tree.covers(rest))
    }

    /// Whether something that is wanted may be in this JSON text; false if it surely is not, because the first
    /// step of every pointer is a key that does not stand there.
    #[must_use]
    pub fn may_be_in(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        // A number may be the place of an element.
        let is_key = |step: &str| !step.bytes().all(|byte| byte.is_ascii_digit());
        if self.wanted.is_some() || bytes.is_empty() || !self.steps.iter().all(|(step, _)| is_key(step)) {
            return true;
        }
        let mut from = 0;
        while let Some(at) = json::find_any(bytes, from, [b'"', b'\\']) {
            from = at + 1;
            let stands_here = |step: &str| {
                let rest = &bytes[from..];
                rest.get(step.len()) == Some(&b'"') && rest.starts_with(step.as_bytes())
            };
            // Escapes can say a key in many ways: the closer look reads them.
            if bytes[at] == b'\\' || self.steps.iter().any(|(step, _)| stands_here(step)) {
                return true;
            }
        }
        false
    }

    /// Whether nothing is wanted anywhere.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wanted.is_none() && self.steps.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pointer_is_refused() {
        for pointer in ["card", "/a~", "/a~2", "~1"] {
            assert!(parse(pointer).is_err(), "{pointer}");
        }
        assert!(parse(&"/a".repeat(MAX_STEPS + 1)).is_err());
    }

    #[test]
    fn the_examples_of_rfc_6901() {
        for (pointer, steps) in [
            ("", &[][..]),
            ("/foo/0", &["foo", "0"]),
            ("/", &[""]),
            ("/a~1b", &["a/b"]),
            ("/m~0n", &["m~n"]),
            ("/~01", &["~1"]),
            ("/c%d", &["c%d"]),
            ("/k\"l", &["k\"l"]),
        ] {
            assert_eq!(parse(pointer).unwrap(), steps, "{pointer}");
        }
    }

    #[test]
    fn only_texts_that_surely_hold_nothing_are_passed_over() {
        let mut tree = Tree::default();
        tree.insert(&parse("/user/email").unwrap(), ());
        for text in [
            r#"{"user":{}}"#,
            r#"{"a":1,"user" :{"email":1}}"#,
            r#"{"us\u0065r":{"email":1}}"#,
            r#"["user"]"#,
        ] {
            assert!(tree.may_be_in(text), "{text}");
        }
        for text in [r#"{"users":1}"#, r#"{"a":"user x"}"#, "[1]", r#"{"text":"a user, b"}"#] {
            assert!(!tree.may_be_in(text), "{text}");
        }
        tree.insert(&parse("/0").unwrap(), ());
        assert!(tree.may_be_in("[1]"));
        let mut whole = Tree::default();
        whole.insert(&parse("").unwrap(), ());
        assert!(whole.may_be_in("1"));
    }

    #[test]
    fn an_index_has_no_leading_zero_or_sign() {
        assert!(names_index("0", 0) && names_index("10", 10));
        for step in ["00", "01", "+1", "-", "", "1.0", "99999999999999999999999"] {
            assert!(!names_index(step, 0) && !names_index(step, 1), "{step}");
        }
    }
}

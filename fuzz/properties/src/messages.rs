//! Rules on messages: what they do is what a tree of the message says, and JSON stays JSON.

use abuse_filter::content::{Content, links};
use serde_json::{Map, Value, json};
use sluicegate_plugin::PublishVerdict;
use sluicegate_plugin::testing::{Host, Session};
use sluicegate_plugin::words::WordList;
use transform::{Transform, pointer};

/// What takes the place of a masked value.
const MASK: &str = "***";
/// Bytes by which a message may grow, here.
const GROWTH_BYTES: usize = 256;

/// The rule that the lines say.
#[derive(Default)]
struct Rule {
    mask: Vec<String>,
    remove: Vec<String>,
    set: Vec<String>,
    words: Vec<(String, String)>,
}

/// Lines that say a rule (`m/pointer`, `r/pointer`, `s/pointer`, `wword=replacement`), an empty one, and the message.
///
/// # Panics
/// When a property does not hold.
pub fn pointer_and_words(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (lines, message) = text.split_once("\n\n").unwrap_or(("m/a", text));
    let rule = Rule::of(lines);
    for text in rule.mask.iter().chain(&rule.remove).chain(&rule.set) {
        check_pointer(text);
    }
    check_words(&rule, message);
    let (cut, set, words) = (rule.cut(), rule.set(), rule.words());
    for (rule, change) in [
        (cut, Some(Change::Cut(&rule))),
        (set, Some(Change::Set(&rule))),
        (words, Some(Change::Words)),
        (rule.all(), None),
    ] {
        apply(&rule, change, message);
    }
}

enum Change<'a> {
    Cut(&'a Rule),
    Set(&'a Rule),
    Words,
}

impl Rule {
    fn of(lines: &str) -> Self {
        let mut rule = Self::default();
        for line in lines.lines().take(8) {
            let Some(kind) = line.chars().next() else {
                continue;
            };
            let rest = &line[kind.len_utf8()..];
            match kind {
                'm' => rule.mask.push(rest.to_owned()),
                'r' => rule.remove.push(rest.to_owned()),
                's' => rule.set.push(rest.to_owned()),
                'w' => {
                    let (word, by) = rest.split_once('=').unwrap_or((rest, ""));
                    rule.words.push((word.to_owned(), by.to_owned()));
                }
                _ => {}
            }
        }
        rule
    }

    fn cut(&self) -> Value {
        json!({"channels": "**", "mask": self.mask, "remove": self.remove})
    }

    fn set(&self) -> Value {
        let set: Map<String, Value> = self.set.iter().map(|place| (place.clone(), json!([7]))).collect();
        json!({"channels": "**", "set": set})
    }

    fn words(&self) -> Value {
        let words: Map<String, Value> = self.words.iter().map(|(word, by)| (word.clone(), json!(by))).collect();
        json!({"channels": "**", "words": words})
    }

    fn all(&self) -> Value {
        let mut all = self.cut();
        all["set"] = self.set()["set"].take();
        all["words"] = self.words()["words"].take();
        all["schema"] = json!({
            "propertyNames": {"pattern": "^([a-z]|.a)*$"}, "items": {"maxLength": 3}, "uniqueItems": true,
            "additionalProperties": {"not": {"type": "boolean"}}
        });
        all
    }
}

fn check_pointer(text: &str) {
    let Ok(steps) = pointer::parse(text) else {
        return;
    };
    assert!(steps.len() <= pointer::MAX_STEPS);
    let again = steps.iter().fold(String::new(), |text, step| {
        text + "/" + &step.replace('~', "~0").replace('/', "~1")
    });
    assert_eq!(again, text);
    // What it names in a tree, serde finds by the same pointer.
    let mut tree = json!(1);
    for step in steps.iter().rev() {
        tree = json!({ (step.as_str()): tree });
    }
    assert_eq!(tree.pointer(text), Some(&json!(1)));
}

/// Hits are whole words in their order, the quick pass loses none, and a word by itself is found.
fn check_words(rule: &Rule, message: &str) {
    let words: Vec<&str> = rule.words.iter().map(|(word, _)| word.as_str()).collect();
    let Ok(list) = WordList::new(&words) else {
        return;
    };
    let mut end = 0;
    for hit in list.hits(message) {
        assert!(hit.range.start >= end && hit.range.start < hit.range.end && hit.word < words.len());
        end = hit.range.end;
        assert!(message.is_char_boundary(hit.range.start) && message.is_char_boundary(end));
        assert!(list.may_occur(message));
        // Alone it is found as well, whatever stood around it.
        assert!(list.hits(&message[hit.range]).next().is_some());
    }
    let content = Content::check(
        None,
        Some(0),
        &rule.words.iter().map(|(word, _)| word.clone()).collect::<Vec<_>>(),
    );
    if let Ok(content) = content {
        let offends = content.offence(message.as_bytes()).is_some();
        assert!(offends || links(message) == 0);
    }
}

fn apply(rule: &Value, change: Option<Change<'_>>, message: &str) {
    let settings = json!({"rules": [rule], "max_growth_bytes": GROWTH_BYTES});
    let Ok(mut host) = Host::<Transform>::start(settings) else {
        return;
    };
    let verdict = host.publish(&Session::of("ann"), "c", message);
    let Ok(before) = serde_json::from_str::<Value>(message) else {
        // No JSON, or more than a tree takes: some verdict.
        return;
    };
    let after = match verdict {
        PublishVerdict::Abstain => before.clone(),
        PublishVerdict::Replace(data) => {
            assert!(data.len() <= message.len() + GROWTH_BYTES);
            assert_ne!(data, message.as_bytes(), "a change that changes nothing");
            serde_json::from_slice(&data).expect("JSON stays JSON")
        }
        PublishVerdict::Deny(denial) => {
            let known = [(4413, "too_large"), (4422, "schema_violation")];
            assert!(known.contains(&(denial.code, &denial.reason)), "{denial:?}");
            assert!(denial.code == 4413 || change.is_none(), "nothing to violate");
            return;
        }
        other => panic!("{other:?}"),
    };
    // A key that is there twice is changed twice, and a tree has one of them.
    if !written_once(&before, message) {
        return;
    }
    match change {
        Some(Change::Cut(rule)) => {
            let mut expected = before;
            cut(&mut expected, &mut String::new(), rule);
            assert_eq!(after, expected);
        }
        Some(Change::Set(rule)) => {
            let mut expected = before;
            // In the order of the settings, which is that of a sorted map.
            let mut places = rule.set.clone();
            places.sort();
            for place in places {
                set(&mut expected, &pointer::parse(&place).expect("was accepted"));
            }
            assert_eq!(after, expected);
        }
        Some(Change::Words) => same_shape(&before, &after),
        None => {}
    }
}

/// Whether the text has as many members and items as the tree.
fn written_once(tree: &Value, text: &str) -> bool {
    fn count(value: &Value) -> usize {
        match value {
            Value::Object(members) => members.values().map(|value| 1 + count(value)).sum(),
            _ => value.as_array().map_or(0, |items| items.iter().map(count).sum()),
        }
    }
    let keys = sluicegate_plugin::json::strings(text).filter(|text| text.key);
    keys.count() == count(tree)
}

fn cut(value: &mut Value, at: &mut String, rule: &Rule) {
    if at.is_empty() && rule.mask.iter().any(String::is_empty) {
        *value = json!(MASK);
        return;
    }
    // Whether what is there stays, and what of it.
    let mut keep = |step: &str, inner: &mut Value| {
        let before = at.len();
        at.push('/');
        at.push_str(&step.replace('~', "~0").replace('/', "~1"));
        let removed = rule.remove.contains(at);
        if !removed {
            match rule.mask.contains(at) {
                true => *inner = json!(MASK),
                false => cut(inner, at, rule),
            }
        }
        at.truncate(before);
        !removed
    };
    match value {
        Value::Object(members) => {
            let old = std::mem::take(members);
            members.extend(
                old.into_iter()
                    .filter_map(|(key, mut inner)| keep(&key, &mut inner).then_some((key, inner))),
            );
        }
        Value::Array(items) => {
            let old = std::mem::take(items).into_iter().enumerate();
            items.extend(old.filter_map(|(index, mut inner)| keep(&index.to_string(), &mut inner).then_some(inner)));
        }
        _ => {}
    }
}

fn set(value: &mut Value, steps: &[String]) {
    let Some((step, rest)) = steps.split_first() else {
        *value = json!([7]);
        return;
    };
    match value {
        Value::Object(members) => {
            let missing = if rest.is_empty() { Value::Null } else { json!({}) };
            set(members.entry(step.clone()).or_insert(missing), rest);
        }
        Value::Array(items) => {
            let index = items.len();
            if let Some(index) = (0..index).find(|index| pointer::names_index(step, *index)) {
                set(&mut items[index], rest);
            }
        }
        _ => {}
    }
}

/// Words change strings, and nothing else: no key, no number, no order.
fn same_shape(before: &Value, after: &Value) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            assert!(before.keys().eq(after.keys()));
            for (before, after) in before.values().zip(after.values()) {
                same_shape(before, after);
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            assert_eq!(before.len(), after.len());
            for (before, after) in before.iter().zip(after) {
                same_shape(before, after);
            }
        }
        (Value::String(_), Value::String(_)) => {}
        (before, after) => assert_eq!(before, after),
    }
}

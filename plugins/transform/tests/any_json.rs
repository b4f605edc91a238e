//! Whatever the message and the rule: JSON stays JSON, and what is not named stays as it is.

mod support;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sluicegate_plugin::PublishVerdict;

fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![Just("heck yes".to_owned()), "[a-c\"\\\\/é\n]{0,4}", any::<String>()];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-c]{1}|[01]", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn pointer() -> impl Strategy<Value = String> {
    prop::collection::vec("[a-c]|[01]", 1..4).prop_map(|steps| format!("/{}", steps.join("/")))
}

fn written(value: &Value, pretty: bool) -> String {
    if pretty {
        serde_json::to_string_pretty(value).unwrap()
    } else {
        value.to_string()
    }
}

fn result(rule: &Value, text: &str) -> String {
    match support::one(rule).publish(&support::ann(), "c", text) {
        PublishVerdict::Abstain => text.to_owned(),
        verdict => support::text(verdict),
    }
}

/// What the settings ask for, done on a tree: first all that goes and is masked, in the order of the text.
fn cut(value: &mut Value, at: &str, remove: &[String], mask: &[String]) {
    let path = |step: &str| format!("{at}/{step}");
    match value {
        Value::Object(map) => {
            let old = std::mem::take(map);
            for (key, mut inner) in old {
                let at = path(&key);
                if remove.contains(&at) {
                    continue;
                }
                if mask.contains(&at) {
                    inner = json!("***");
                } else {
                    cut(&mut inner, &at, remove, mask);
                }
                map.insert(key, inner);
            }
        }
        Value::Array(list) => {
            let old = std::mem::take(list);
            for (index, mut inner) in old.into_iter().enumerate() {
                let at = path(&index.to_string());
                if remove.contains(&at) {
                    continue;
                }
                if mask.contains(&at) {
                    inner = json!("***");
                } else {
                    cut(&mut inner, &at, remove, mask);
                }
                list.push(inner);
            }
        }
        _ => {}
    }
}

fn set(value: &mut Value, steps: &[&str], new: &Value) {
    let Some((step, rest)) = steps.split_first() else {
        *value = new.clone();
        return;
    };
    match value {
        Value::Object(map) => {
            let missing = if rest.is_empty() {
                Value::Null
            } else {
                Value::Object(Map::new())
            };
            set(map.entry(*step).or_insert(missing), rest, new);
        }
        Value::Array(list) => {
            if let Some(inner) = step.parse::<usize>().ok().and_then(|index| list.get_mut(index)) {
                set(inner, rest, new);
            }
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn remove_and_mask_do_what_a_tree_would(
        value in any_json(), pretty in any::<bool>(),
        remove in prop::collection::vec(pointer(), 0..3), mask in prop::collection::vec(pointer(), 0..3),
    ) {
        let rule = json!({"channels": "**", "remove": remove, "mask": mask});
        let out = result(&rule, &written(&value, pretty));
        let mut expected = value;
        cut(&mut expected, "", &remove, &mask);
        prop_assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), expected);
    }

    #[test]
    fn set_does_what_a_tree_would(value in any_json(), pretty in any::<bool>(), place in pointer()) {
        let rule = json!({"channels": "**", "set": {(place.as_str()): {"new": [1]}}});
        let out = result(&rule, &written(&value, pretty));
        let mut expected = value;
        let steps: Vec<_> = place[1..].split('/').collect();
        set(&mut expected, &steps, &json!({"new": [1]}));
        prop_assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), expected);
    }

    #[test]
    fn words_keep_json_json(value in any_json(), pretty in any::<bool>(), by in any::<String>()) {
        let rule = json!({"channels": "**", "words": {"heck": by, "a": "\"\\"}});
        let text = written(&value, pretty);
        let out = result(&rule, &text);
        prop_assert!(serde_json::from_str::<Value>(&out).is_ok(), "{out}");
    }

    /// Text that is not JSON ends in some verdict, and never in a panic.
    #[test]
    fn any_text_ends(text in "[\\[\\]{}\":,\\\\a1 ]{0,30}") {
        let rule = json!({"channels": "**", "mask": ["/a", "/1"], "set": {"/b": 1}, "words": {"a": "b"}});
        support::one(&rule).publish(&support::ann(), "c", text);
    }
}

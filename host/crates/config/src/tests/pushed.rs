//! Tenants that are pushed: less trust than the operator's files, and all problems at once.

use serde_json::json;

use super::good;
use crate::{PushRules, TakenNames, Tenant, check_pushed, masked};

/// A node with ceilings, a plugin and another tenant.
const NODE: &str = r#"
    plugins.p.file = "p.wasm"
    tenants = [{ name = "other", hosts = ["a.customers.example"] }, { name = "mine", hosts = ["old.customers.example"] }]
    [ceilings]
    deadline_ms = 20
    memory_mib = 32
    grants = ["kv"]
    hosts = ["*.customers.example", "shop.example"]
    weight = 3
    tenant_memory_mib = 64
    [ceilings.limits]
    connections = 50
    publish_per_second = 10
    connects_per_second = 7
    share_of_connections = 0.5
"#;

fn check(text: &str) -> Result<Tenant, Vec<String>> {
    let node = good(NODE);
    let taken: TakenNames = node.tenants.iter().map(|tenant| &**tenant).collect();
    let rules = PushRules {
        ceilings: &node.ceilings,
        plugins: &node.plugins,
        taken: &taken,
        schema_of: &|_| None,
    };
    check_pushed("mine", text, rules).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn what_is_left_out_is_within_the_ceilings() {
    let tenant = check("[[chain]]\nplugin = \"p\"").unwrap();
    assert_eq!((&*tenant.name, tenant.weight), ("mine", 1));
    assert_eq!(tenant.memory_bytes, Some(64 * 1_048_576));
    assert_eq!(tenant.limits.connections, 50);
    assert_eq!(tenant.limits.publish_per_second, Some(10));
    assert_eq!(tenant.limits.connects_per_second, Some(7));
    assert_eq!(tenant.limits.connects_per_second_per_user, None);
    assert_eq!(tenant.limits.share_of_connections.of(100), 50);
    assert_eq!(tenant.chain[0].deadline.as_millis(), 5);
    let tenant = check("hosts = [\"Old.Customers.Example\", \"shop.example\"]\nlimits.connections = 50").unwrap();
    assert_eq!(tenant.hosts, ["old.customers.example", "shop.example"]);
}

#[test]
fn what_is_above_a_ceiling_or_anothers_is_told() {
    let within = ", within the node's [ceilings]";
    let cases = [
        ("connections = 1", "connections: is not a known key. the nearest known key is `channels`".to_owned()),
        (
            "[[chain]]\nplugin = \"p\"\ndeadline_ms = 21",
            format!("chain[0].deadline_ms: 21 is out of range. the range is 1 to 20 milliseconds{within}"),
        ),
        (
            "[[chain]]\nplugin = \"p\"\nmemory_mib = 33",
            format!("chain[0].memory_mib: 33 is out of range. the range is 1 to 32 MiB{within}"),
        ),
        (
            "[[chain]]\nplugin = \"p\"\ngrants = [\"kv\", \"limiter\"]",
            "chain[0].grants[1]: \"limiter\" may not be granted to a pushed tenant. the node's ceilings.grants names what may".to_owned(),
        ),
        (
            "[[chain]]\nplugin = \"q\"",
            "chain[0].plugin: no plugin is named \"q\". the nearest is \"p\"".to_owned(),
        ),
        (
            "limits.connects_per_second = 0",
            format!("limits.connects_per_second: 0 is out of range. the range is 1 to 7 connects a second (0: no limit){within}"),
        ),
        (
            "limits.share_of_connections = 0.6",
            "limits.share_of_connections: 0.6 is out of range. the range is 0.000001 to 0.5 of the node's connections".to_owned(),
        ),
        (
            "hosts = [\"evil.example\"]",
            "hosts[0]: the host \"evil.example\" may not be a pushed tenant's. the node's ceilings.hosts names which may".to_owned(),
        ),
        (
            "hosts = [\"A.customers.example\"]",
            "hosts[0]: the host \"a.customers.example\" is another tenant's".to_owned(),
        ),
        (
            "limits.connections = 51",
            format!("limits.connections: 51 is out of range. the range is 1 to 50 connections{within}"),
        ),
        (
            "limits.publish_per_second = 0",
            format!(
                "limits.publish_per_second: 0 is out of range. the range is 1 to 10 messages a second (0: no limit){within}"
            ),
        ),
        (
            "weight = 4",
            format!("weight: 4 is out of range. the range is 1 to 3 times the share of a tenant with weight 1{within}"),
        ),
        (
            "memory_mib = 0",
            format!("memory_mib: 0 is out of range. the range is 1 to 64 MiB (0: no ceiling){within}"),
        ),
        (
            "name = \"Mine\"",
            "name: is \"Mine\", where the name is \"mine\" already. leave the key out, or write the same name".to_owned(),
        ),
        (
            "token_cookie = { env = \"HOME\" }",
            "token_cookie: a pushed tenant may not use { env }. write the value itself; only the files of the operator \
             may take values from elsewhere".to_owned(),
        ),
        (
            "[[chain]]\nplugin = \"p\"\nconfig.keys = [{ secret = { file = \"/etc/shadow\" } }]",
            "chain[0].config.keys[0].secret: a pushed tenant may not use { file }. write the value itself; only the files \
             of the operator may take values from elsewhere".to_owned(),
        ),
        (
            "[[chain]]\nplugin = \"p\"\nconfig.deep = [[1, { a = { b = [{ env = \"HOME\" }] } }]]",
            "chain[0].config.deep[0][1].a.b[0]: a pushed tenant may not use { env }. write the value itself; only the files \
             of the operator may take values from elsewhere".to_owned(),
        ),
        (
            "hosts = [{ file = \"/etc/hostname\" }]",
            "hosts[0]: a pushed tenant may not use { file }. write the value itself; only the files of the operator may \
             take values from elsewhere".to_owned(),
        ),
        (
            "[[chain]]\nplugin = \"p\"\nconfig.keys = [{ secret = \"***\" }]",
            "chain[0].config.keys[0].secret: is what answers show in a secret's place. write the secret itself".to_owned(),
        ),
    ];
    for (text, expected) in cases {
        let line = text.lines().count();
        assert_eq!(
            check(text).unwrap_err(),
            [format!("mine.toml:{line}: {expected}")],
            "{text}"
        );
    }
}

#[test]
fn all_problems_come_at_once() {
    let said = check("weight = 9\nhosts = [\"a.customers.example\", 1]\n[[chain]]\nplugin = \"q\"").unwrap_err();
    assert_eq!(said.len(), 4, "{said:?}");
    let said = check("weight = ").unwrap_err();
    assert!(said.len() == 1 && said[0].starts_with("mine.toml:1: "), "{said:?}");
}

#[test]
fn names_that_differ_by_case_are_not_two() {
    let node = good(NODE);
    let taken: TakenNames = node.tenants.iter().map(|tenant| &**tenant).collect();
    let rules = PushRules {
        ceilings: &node.ceilings,
        plugins: &node.plugins,
        taken: &taken,
        schema_of: &|_| None,
    };
    let said = check_pushed("Other", "", rules).unwrap_err().to_string();
    assert!(
        said.contains("another tenant's name differs from \"Other\" by case only"),
        "{said}"
    );
    assert!(check_pushed("a b", "", rules).is_err());
    let huge = check_pushed("mine", &" ".repeat(1_048_577), rules)
        .unwrap_err()
        .to_string();
    assert!(huge.contains("more than 1048576 bytes"), "{huge}");
}

#[test]
fn names_are_free_when_their_tenant_is_gone() {
    let node = good(NODE);
    let mut taken: TakenNames = node.tenants.iter().map(|tenant| &**tenant).collect();
    let place = crate::Place::file(std::path::Path::new("x"));
    let moved = good("tenants = [{ name = \"new\", hosts = [\"a.customers.example\"] }]")
        .tenants
        .remove(0);
    assert_eq!(taken.conflicts(&moved, &place).len(), 1);
    taken.remove(&node.tenants[0]);
    assert_eq!(taken.conflicts(&moved, &place).len(), 0);
}

const SECRETS: &str = r#"
    # secret = "hunter2"
    name = "mine"
    token_cookie = "sg_token"
    [[chain]]
    plugin = "p"
    deadline_ms = 7
    [chain.config]
    issuer = "https://issuer.example"
    backend = "https://ann:hunter2@backend.example/x"
    keys = [{ alg = "HS256", kid = "one", secret = "hunter2" }, { alg = "RS256", public_pem = "public" }]
    api_keys = ["hunter2"]
    apiKey = "hunter2"
    headers = { Authorization = "hunter2" }
    tokens = { a = "hunter2", b = { c = "hunter2" } }
    odd = { deep = ["hunter2"], list = [{ x = "hunter2", y = "seen" }] }
    words = { heck = "****" }
"#;

#[test]
fn secrets_are_masked_and_the_rest_is_the_same() {
    let schema = json!({
        "properties": {
            "odd": { "$ref": "#/$defs/odd" },
        },
        "$defs": { "odd": { "anyOf": [{
            "properties": {
                "deep": { "items": { "type": "string", "writeOnly": true } },
                "list": { "items": { "properties": { "x": { "allOf": [{ "writeOnly": true }] } } } },
            },
        }, { "$ref": "#/$defs/odd" }] } },
    });
    let text = masked(SECRETS, &|plugin| (plugin == "p").then_some(&schema)).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    let shown: toml::Table = toml::from_str(&text).unwrap();
    let mut expected: toml::Table =
        toml::from_str(&SECRETS.replace("https://ann:hunter2@backend.example/x", "***")).unwrap();
    let unmasked = toml::to_string(&expected).unwrap().replace("hunter2", "***");
    expected = toml::from_str(&unmasked).unwrap();
    assert_eq!(shown, expected);
    // What no schema marks, and what does not look like a secret, is shown.
    let text = masked(SECRETS, &|_| None).unwrap();
    assert_eq!(text.matches("hunter2").count(), 2, "{text}");
    assert!(masked("a = ", &|_| None).is_err());
}

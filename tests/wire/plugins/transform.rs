//! `transform`: messages change as the rules say, and in nothing else.

use crate::support::{Broker, Client, Value, json};

const CONFIG: &str = r#"
    server = { default_tenant = "t" }
    plugins = { transform = { file = "plugins/transform.wasm" } }
    [[tenants]]
    name = "t"
    anonymous = true
    default = "allow"
    channels = [{ match = "**", history = { size = 100, ttl_seconds = 60 } }]
    [[tenants.chain]]
    plugin = "transform"
    deadline_ms = 200
    [[tenants.chain.config.rules]]
    channels = "mask:*"
    mask = ["/card", "/user/email", "/list/1"]
    [[tenants.chain.config.rules]]
    channels = "remove:*"
    remove = ["/debug"]
    [[tenants.chain.config.rules]]
    channels = "set:*"
    set = { "/server" = "acme" }
    [[tenants.chain.config.rules]]
    channels = "words:*"
    words = { heck = "****", "darn" = "d***" }
    [[tenants.chain.config.rules]]
    channels = "schema:*"
    schema = { type = "object", required = ["text"], properties = { text = { type = "string", maxLength = 5 } } }
    [[tenants.chain.config.rules]]
    channels = "names:*"
    schema = { additionalProperties = false, propertyNames = { pattern = "^(a|b|ab)*c$" }, items = { type = "null" } }
    [[tenants.chain.config.rules]]
    channels = "values:*"
    schema = { additionalProperties = { type = "null" } }
    [[tenants.chain.config.rules]]
    channels = "unique:*"
    schema = { uniqueItems = true }
"#;

/// A client that publishes JSON texts and receives the results.
struct Mirror(Client, u64);

impl Mirror {
    async fn new(broker: &Broker, channel: &str) -> Self {
        let mut client = broker.connect("mirror").await;
        client.subscribe(channel).await;
        Self(client, 1000)
    }

    async fn send(&mut self, channel: &str, text: &str) -> Value {
        self.1 += 1;
        let id = self.1;
        let request = format!(r#"{{"type":"publish","id":{id},"payload":{{"channel":"{channel}","data":{text}}}}}"#);
        self.0.send_text(request).await;
        json!(id)
    }

    /// The payload that comes back, as text.
    async fn text(&mut self, channel: &str, text: &str) -> String {
        let id = self.send(channel, text).await;
        self.0.acked(&id).await;
        self.0.message().await.payload_text().to_owned()
    }

    async fn becomes(&mut self, channel: &str, sent: Value, expected: Value) {
        let heard = self.text(channel, &sent.to_string()).await;
        assert_eq!(serde_json::from_str::<Value>(&heard).expect("JSON"), expected);
    }
}

#[tokio::test]
async fn masked_values_are_stars() {
    let broker = Broker::start(CONFIG).await;
    let mut mirror = Mirror::new(&broker, "mask:1").await;
    let pairs = [
        (
            json!({ "card": "4111", "text": "hi" }),
            json!({ "card": "***", "text": "hi" }),
        ),
        (json!({ "card": 4111 }), json!({ "card": "***" })),
        (json!({ "card": { "deep": [1] } }), json!({ "card": "***" })),
        (
            json!({ "user": { "email": "a@b", "name": "ann" }, "email": "kept" }),
            json!({ "user": { "email": "***", "name": "ann" }, "email": "kept" }),
        ),
        (json!({ "list": [1, 2, 3] }), json!({ "list": [1, "***", 3] })),
    ];
    for (sent, expected) in pairs {
        mirror.becomes("mask:1", sent, expected).await;
    }
}

#[tokio::test]
async fn what_is_masked_is_masked_in_history_too() {
    let broker = Broker::start(CONFIG).await;
    let mut mirror = Mirror::new(&broker, "mask:history").await;
    mirror
        .becomes("mask:history", json!({ "card": "4111" }), json!({ "card": "***" }))
        .await;
    let history = mirror.0.ask("history", json!({ "channel": "mask:history" })).await;
    assert_eq!(history["messages"][0]["payload"], json!({ "card": "***" }));
    assert!(!history.to_string().contains("4111"));
}

#[tokio::test]
async fn removed_and_set_values() {
    let broker = Broker::start(CONFIG).await;
    let mut mirror = Mirror::new(&broker, "remove:1").await;
    mirror
        .becomes("remove:1", json!({ "debug": { "x": 1 }, "a": 1 }), json!({ "a": 1 }))
        .await;
    let mut mirror = Mirror::new(&broker, "set:1").await;
    mirror
        .becomes("set:1", json!({ "a": 1 }), json!({ "a": 1, "server": "acme" }))
        .await;
    mirror
        .becomes("set:1", json!({ "server": "fake" }), json!({ "server": "acme" }))
        .await;
}

#[tokio::test]
async fn words_are_whole_and_in_any_case() {
    let broker = Broker::start(CONFIG).await;
    let mut mirror = Mirror::new(&broker, "words:1").await;
    let pairs = [
        (json!("what the heck"), json!("what the ****")),
        (json!("HECK! Heck, heck."), json!("****! ****, ****.")),
        (json!("hecker, check, heckheck"), json!("hecker, check, heckheck")),
        (
            json!({ "a": ["darn", { "b": "oh heck" }] }),
            json!({ "a": ["d***", { "b": "oh ****" }] }),
        ),
    ];
    for (sent, expected) in pairs {
        mirror.becomes("words:1", sent, expected).await;
    }
}

#[tokio::test]
async fn what_fails_the_schema_is_denied_with_the_violation() {
    let broker = Broker::start(CONFIG).await;
    let mut mirror = Mirror::new(&broker, "schema:1").await;
    mirror
        .becomes("schema:1", json!({ "text": "hi" }), json!({ "text": "hi" }))
        .await;
    for (bad, word) in [
        (json!({}), "text"),
        (json!({ "text": "too long" }), "5"),
        (json!({ "text": 7 }), "string"),
    ] {
        let id = mirror.send("schema:1", &bad.to_string()).await;
        let error = mirror.0.refused(&id, 4422).await;
        assert_eq!(error["plugin"], "transform");
        assert!(error["message"].as_str().unwrap().contains(word), "{error}");
    }
    mirror
        .becomes("schema:1", json!({ "text": "still" }), json!({ "text": "still" }))
        .await;
}

#[tokio::test]
async fn what_no_rule_touches_passes_byte_for_byte() {
    let broker = Broker::start(CONFIG).await;
    let texts = [
        "{ \"b\" : 1.10, \"a\":\t[ 1e2,-0 ] , \"b\":3 }",
        "\"\\u00fc \\/ ü\"",
        "12345678901234567890123456789",
        "{\"user\":{\"name\":\"ann\" } }",
        "{\"cards\":[ ],\"text\":\"nothing of that kind\" }",
        "[ ]",
        "null",
    ];
    for channel in ["plain", "mask:2", "remove:2", "words:2"] {
        let mut mirror = Mirror::new(&broker, channel).await;
        for text in texts {
            assert_eq!(mirror.text(channel, text).await, text, "{channel}");
        }
    }
}

#[tokio::test]
async fn other_channels_are_left_alone() {
    let broker = Broker::start(CONFIG).await;
    let mut mirror = Mirror::new(&broker, "unmasked:1").await;
    let sent = json!({ "card": "4111", "text": "heck" });
    mirror.becomes("unmasked:1", sent.clone(), sent).await;
}

/// What a client may send, where, and the code of the answer; none: it is published.
fn hostile() -> Vec<(&'static str, String, Option<u16>)> {
    let many = |part: &str, count: usize| vec![part; count].join(",");
    let deep = |levels: usize| format!("{{\"text\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
    vec![
        // The rule makes five bytes of one, 5,200 times.
        ("mask:1", format!("{{{}}}", many(r#""card":1"#, 5_200)), Some(4413)),
        ("mask:1", format!("{{{}}}", many(r#""card":1"#, 500)), None),
        ("words:1", format!("\"{}\"", "heck ".repeat(11_000)), None),
        ("words:1", format!("\"{} heck\"", "a".repeat(60_000)), None),
        ("set:1", format!("{{{}}}", many(r#""server":0"#, 5_000)), Some(4413)),
        ("schema:1", r#"{"\u0000\u001b[31m\n":1}"#.to_owned(), Some(4422)),
        ("values:1", r#"{"a\u0000\n\u001b[31m":1}"#.to_owned(), Some(4422)),
        (
            "values:1",
            format!("{{\"{}\":1}}", r"\u0001".repeat(10_000)),
            Some(4422),
        ),
        ("names:1", "{\"\u{85}\u{2028}\":1}".to_owned(), Some(4422)),
        ("names:1", r#"{"a\u0000\n\u001b[31m":1}"#.to_owned(), Some(4422)),
        ("names:1", format!("{{\"{}\":1}}", r"\u0001".repeat(10_000)), Some(4422)),
        ("names:1", format!("{{\"{}\":1}}", "ab".repeat(30_000)), Some(4422)),
        ("names:1", format!("[{}]", many("{}", 20_000)), Some(4413)),
        ("schema:1", r#"{"text":"\ud800"}"#.to_owned(), Some(4422)),
        ("schema:1", r#"{"text":1e400}"#.to_owned(), Some(4422)),
        ("schema:1", deep(200), Some(4422)),
        ("mask:1", deep(30_000), None),
        ("unique:1", trees(400), None),
        ("unique:1", format!("[{},{}]", trees(150), trees(150)), Some(4422)),
    ]
}

/// Different lists of empty lists, for which a careless hash is the same.
fn trees(count: usize) -> String {
    let mut all = vec![String::new()];
    let mut next = 0;
    while all.len() < count {
        let inner = format!("[{}]", all[next]);
        let beside = format!("{inner},[]");
        all.extend([inner, beside]);
        next += 1;
    }
    let lists: Vec<String> = all.iter().map(|list| format!("[{list}]")).collect();
    format!("[{}]", lists.join(","))
}

#[tokio::test]
async fn whatever_a_client_sends_it_gets_an_answer_and_others_are_served() {
    let config = CONFIG
        .replace(r#"default_tenant = "t" }"#, r#"default_tenant = "t", shards = 1 }"#)
        .replace(
            "anonymous = true",
            "anonymous = true\nlimits = { publish_per_second = 0 }",
        );
    let broker = Broker::start(&config).await;
    let mut attacker = Mirror(broker.connect("attacker").await, 1000);
    let mut victim = broker.connect("victim").await;
    victim.to("quiet");
    let messages = hostile();
    for round in 0..300 {
        let (channel, text, code) = &messages[round % messages.len()];
        let id = attacker.send(channel, text).await;
        match code {
            Some(code) => {
                let error = attacker.0.refused(&id, *code).await;
                assert_eq!(error["plugin"], "transform", "{error}");
                let words = error["message"].as_str().expect("a message");
                assert!(!words.chars().any(char::is_control), "{words:?}");
            }
            None => drop(attacker.0.acked(&id).await),
        }
        victim.publish(round).await;
    }
    let faults = broker.metrics().await.sum("sluicegate_plugin_faults_total", &[]);
    assert!(faults.unwrap_or(0.0) < 0.5, "{faults:?}");
}

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::json;

use crate::{BackplaneKind, Capability, ChannelSettings, Config, History, Limits, NodeShare, Overflow, Scope, load};
use chain::{FaultRules, HookKind, Hooks, OnFault};
use protocol::Content;
use protocol::names::Channel;

use super::good;

/// The file that users are shown.
const REFERENCE: &str = include_str!("../../../../../docs/CONFIG.md");
const LEAST: &str = "[[tenants]]\nname = \"a\"";

fn example() -> Config {
    let (_, after) = REFERENCE
        .split_once("## A complete file\n\n```toml\n")
        .expect("the example's begin");
    let (example, _) = after.split_once("```").expect("the example's end");
    good(example)
}

fn entry(line: &str) -> Config {
    good(&format!(
        "plugins.p.file = \"p.wasm\"\n{LEAST}\n[[tenants.chain]]\nplugin = \"p\"\n{line}"
    ))
}

fn settings(toml: &str) -> serde_json::Value {
    entry(&format!("config = {toml}")).tenants[0].chain[0]
        .settings
        .written()
        .clone()
}

#[test]
fn weight_and_memory_are_read() {
    let tenant = &good(&format!("{LEAST}\nweight = 100\nmemory_mib = 3")).tenants[0];
    assert_eq!((tenant.weight, tenant.memory_bytes), (100, Some(3 * 1_048_576)));
}

#[test]
fn reads_the_whole_example() {
    let config = example();
    let server = &config.server;
    assert_eq!(server.listen[0].address.to_string(), "127.0.0.1:8080");
    assert_eq!(server.admin_listen, Some("127.0.0.1:8081".parse().unwrap()));
    assert_eq!(server.shards, 4);
    assert_eq!(&*server.node, "node-1");
    assert_eq!(server.drain, Duration::from_secs(10));
    assert_eq!(server.default_tenant.as_deref(), Some("acme"));
    assert_eq!(server.max_connections, 15_000);
    assert_eq!(server.plugin_cache.as_deref(), Some(Path::new("/var/cache/sluicegate")));
    assert_eq!(config.sandbox.cache_bytes, 1_024 * 1_048_576);
    assert_eq!(config.sandbox.instances, None);
    assert_eq!(config.sandbox.memory_bytes, 2_048 * 1_048_576);
    assert!(!server.strict);
    assert_eq!(config.backplane, BackplaneKind::Memory);

    assert_eq!(config.admin.audit_log.as_deref(), Some(Path::new("conf/audit.jsonl")));
    let key = &config.admin.keys[0];
    assert_eq!((&*key.name, key.sha256[..2].to_vec()), ("ops", vec![0x00, 0x11]));
    assert_eq!(key.scopes, [Scope::Publish, Scope::Read]);
    assert_eq!(key.tenants.as_deref(), Some(&["acme".into()][..]));
    assert_eq!(key.expires_ms, Some(4_070_908_800_000));
    let ranges: Vec<String> = key.addresses.iter().flatten().map(ToString::to_string).collect();
    assert_eq!(ranges, ["10.0.0.0/8", "::1/128"]);

    let plugin = &config.plugins[0];
    assert_eq!(&*plugin.name, "authorize");
    assert_eq!(plugin.path, Path::new("conf/plugins/authorize.wasm"));
    let digest = plugin.sha256.unwrap();
    assert_eq!((digest[0], digest[1], digest[31]), (0x00, 0x11, 0xff));

    let tenant = &config.tenants[0];
    assert_eq!(&*tenant.name, "acme");
    assert_eq!(tenant.hosts, ["acme.localhost"]);
    assert!(!tenant.anonymous && !tenant.default_allow);
    assert!(tenant.allowed_origins.allows("https://acme.example"));
    assert!(!tenant.allowed_origins.allows("https://evil.example"));
    assert_eq!(tenant.token_cookie.as_deref(), Some("sg_token"));
    assert!(tenant.compression);
    assert_eq!((tenant.weight, tenant.memory_bytes), (1, None));

    let entry = &tenant.chain[0];
    assert_eq!(&*entry.plugin, "authorize");
    assert_eq!(
        entry.hooks,
        Some(Hooks::default().with(HookKind::Connect).with(HookKind::Subscribe))
    );
    assert_eq!(entry.deadline, Duration::from_millis(5));
    assert_eq!(entry.memory_bytes, 16 * 1024 * 1024);
    assert_eq!(entry.grants, [Capability::Kv, Capability::Limiter]);
    assert_eq!(
        *entry.settings.written(),
        json!({"keys": [{"alg": "HS256", "secret": "not-so-secret-but-long-enough-here"}]})
    );

    let room = tenant.channel(&Channel::parse("room:42").unwrap());
    let history = History {
        size: 100,
        ttl: Duration::from_mins(5),
    };
    assert_eq!(
        **room,
        ChannelSettings {
            history: Some(history),
            presence: true,
            join_leave: true,
            ..ChannelSettings::default()
        }
    );
}

#[test]
fn the_limits_shown_in_the_example_are_the_defaults() {
    let limits = &example().tenants[0].limits;
    let expected = Limits {
        message_bytes: 65_536,
        channels_per_connection: 128,
        connections: 10_000,
        connections_per_user: 10,
        publish_per_second: Some(100),
        requests_per_second: Some(200),
        outbox_bytes: 1_048_576,
        log_bytes_per_second: 65_536,
        bans: 10_000,
        revocations: 10_000,
        tickets: 20_000,
        open_channels: 100_000,
        history_bytes: 256 * 1_048_576,
        connects_per_second: None,
        connects_per_second_per_user: None,
        share_of_connections: NodeShare::WHOLE,
    };
    assert_eq!(*limits, expected);
    assert_eq!(*limits, Limits::default());
}

#[test]
fn one_tenant_is_enough() {
    let config = good(LEAST);
    let server = &config.server;
    assert_eq!(config.path, PathBuf::from("conf/sg.toml"));
    assert_eq!(server.listen[0].address.to_string(), "127.0.0.1:8080");
    assert_eq!(server.admin_listen, None);
    assert_eq!(server.shards, 4);
    assert_eq!(&*server.node, "node-random");
    assert_eq!(server.drain, Duration::from_secs(10));
    assert_eq!(server.default_tenant, None);
    assert_eq!(server.max_connections, 18_000);
    assert_eq!(server.ping, Duration::from_secs(25));
    assert_eq!(server.connect_timeout, Duration::from_secs(10));
    assert_eq!(server.poll_timeout, Duration::from_mins(1));
    assert_eq!(server.header_timeout, Duration::from_secs(10));
    assert_eq!(server.plugin_cache.as_deref(), Some(Path::new("/cache/sluicegate")));
    assert_eq!(config.sandbox, example().sandbox, "the example shows the defaults");
    assert!(!server.strict);
    assert_eq!(config.sandbox.component_bytes, 64 * 1_048_576);
    assert_eq!(config.sandbox.compile_time, Duration::from_secs(30));
    assert_eq!(config.sandbox.compile_memory_bytes, 1_024 * 1_048_576);
    assert_eq!(config.backplane, BackplaneKind::Memory);
    assert!(config.admin.keys.is_empty() && config.admin.audit_log.is_none());
    assert!(config.plugins.is_empty());

    let tenant = &config.tenants[0];
    assert!(!tenant.anonymous && !tenant.default_allow);
    assert!(tenant.hosts.is_empty() && tenant.chain.is_empty() && tenant.channels.is_empty());
    assert_eq!(tenant.token_cookie, None);
    assert!(!tenant.compression);
    assert_eq!((tenant.weight, tenant.memory_bytes), (1, None));
    assert!(!tenant.allowed_origins.allows("https://acme.example"));
    assert_eq!(tenant.limits, Limits::default());
    assert_eq!(
        **tenant.channel(&Channel::parse("x").unwrap()),
        ChannelSettings::default()
    );
}

#[test]
fn a_channel_keeps_nothing_by_default() {
    let plain = ChannelSettings::default();
    assert_eq!(plain.history, None);
    assert!(!plain.presence && !plain.join_leave);
    assert_eq!(plain.overflow, Overflow::Disconnect);
    assert_eq!(plain.content, Content::Json);
    assert_eq!(plain.idempotency, Duration::from_mins(2));
}

#[test]
fn a_chain_entry_trusts_little_by_default() {
    let config = entry("");
    let entry = &config.tenants[0].chain[0];
    assert_eq!(entry.hooks, None);
    assert_eq!(entry.on_fault, FaultRules::default());
    assert_eq!(entry.deadline, Duration::from_millis(5));
    assert_eq!(entry.memory_bytes, 16 * 1_048_576);
    assert!(entry.grants.is_empty());
    assert_eq!(*entry.settings.written(), json!({}));
    assert_eq!(
        (entry.place.key(), entry.place.line()),
        ("tenants[0].chain[0]", Some(4))
    );
}

#[test]
fn addresses_may_leave_the_interface_out() {
    let listen = |text: &str| {
        good(&format!("server.listen = {text:?}\n{LEAST}")).server.listen[0]
            .address
            .to_string()
    };
    assert_eq!(listen("127.0.0.1:0"), "127.0.0.1:0");
    assert_eq!(listen(":8080"), "0.0.0.0:8080");
    assert_eq!(listen(":0"), "0.0.0.0:0");
    assert_eq!(listen("[::1]:80"), "[::1]:80");
    assert_eq!(
        good(&format!("server.admin_listen = \"\"\n{LEAST}"))
            .server
            .admin_listen,
        None
    );
}

#[test]
fn the_plugin_cache_is_beside_the_config_or_off() {
    let cache = |text: &str| {
        good(&format!("server.plugin_cache = {text:?}\n{LEAST}"))
            .server
            .plugin_cache
    };
    assert_eq!(cache("cache"), Some("conf/cache".into()));
    assert_eq!(cache("/var/cache"), Some("/var/cache".into()));
    assert_eq!(cache(""), None);
}

#[test]
fn faults_are_ruled_for_all_hooks_or_each() {
    let rules = |text: &str| {
        let rules = entry(&format!("on_fault = {text}")).tenants[0].chain[0].on_fault;
        (rules.connect, rules.subscribe, rules.publish)
    };
    assert_eq!(rules("\"allow\""), (OnFault::Allow, OnFault::Allow, OnFault::Allow));
    assert_eq!(
        rules("{ subscribe = \"cached\", publish = \"allow\" }"),
        (OnFault::Deny, OnFault::Cached, OnFault::Allow)
    );
}

#[test]
fn the_first_rule_that_fits_a_channel_counts() {
    let rules = "[[tenants.channels]]\nmatch = \"a:*\"\noverflow = \"drop\"\n\
                 [[tenants.channels]]\nmatch = \"**\"\noverflow = \"conflate\"\n\
                 content = \"binary\"\nhistory = {}";
    let config = good(&format!("{LEAST}\n{rules}"));
    let settings = |channel| config.tenants[0].channel(&Channel::parse(channel).unwrap());
    assert_eq!(settings("a:1").overflow, Overflow::Drop);
    assert_eq!(settings("a:1:2").overflow, Overflow::Conflate);
    assert_eq!(
        (settings("a:1").content, settings("b").content),
        (Content::Json, Content::Binary)
    );
    let history = History {
        size: 100,
        ttl: Duration::from_mins(5),
    };
    assert_eq!(settings("b").history, Some(history));
}

#[test]
fn more_connections_than_open_files_are_a_warning() {
    let warnings = |connections: u32| {
        let config = good(&format!("[server]\nmax_connections = {connections}\n{LEAST}"));
        config.warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    // The machine has 20,000.
    assert!(good(LEAST).warnings.is_empty() && warnings(19_808).is_empty());
    let expected = "conf/sg.toml:2: server.max_connections: the system allows 20000 open files here, which is enough for \
                    19808 connections. raise the limit (ulimit -n, or LimitNOFILE= of systemd) or lower max_connections";
    assert_eq!(warnings(19_809), [expected]);
}

#[test]
fn hosts_have_one_spelling() {
    let config = good(&format!(
        "{LEAST}\nhosts = [\"Acme.Example.\", \"10.0.0.1\", \"[0::1]\"]"
    ));
    assert_eq!(config.tenants[0].hosts, ["acme.example", "10.0.0.1", "[::1]"]);
}

#[test]
fn no_publish_rate_is_no_limit() {
    let config = good(&format!("{LEAST}\nlimits.publish_per_second = 0"));
    assert_eq!(config.tenants[0].limits.publish_per_second, None);
    let config = good(&format!("{LEAST}\nlimits.requests_per_second = 0"));
    assert_eq!(config.tenants[0].limits.requests_per_second, None);
}

#[test]
fn plugin_settings_become_json() {
    let toml = r#"{ text = "ä\n", int = -9223372036854775808, hex = 0xff, octal = 0o17, sep = 1_000, big = 0xffff_ffff_ffff_ffff,
        float = 6.5e-1, flag = true, list = [1, [], { }], "a key" = 0, deep.er = 1,
        at = 1979-05-27T07:32:00.5Z, day = 1979-05-27, time = 07:32:00 }"#;
    let expected = json!({
        "text": "ä\n", "int": i64::MIN, "hex": 255, "octal": 15, "sep": 1000, "big": u64::MAX,
        "float": 0.65, "flag": true, "list": [1, [], {}], "a key": 0, "deep": { "er": 1 },
        "at": "1979-05-27T07:32:00.5Z", "day": "1979-05-27", "time": "07:32:00",
    });
    assert_eq!(settings(toml), expected);
}

#[test]
fn plugin_settings_may_be_a_table_of_their_own() {
    let config =
        entry("[tenants.chain.config]\nleeway_seconds = 30\n[[tenants.chain.config.rules]]\nchannels = \"**\"");
    let expected = json!({"leeway_seconds": 30, "rules": [{"channels": "**"}]});
    assert_eq!(*config.tenants[0].chain[0].settings.written(), expected);
}

/// Configs get logged; keys and passwords must not be.
#[test]
fn secrets_stay_out_of_the_log() {
    assert!(!format!("{:?}", example()).contains("not-so-secret"));
    let config = good(&format!(
        "[backplane]\nkind = \"redis\"\nurl = \"redis://:hunter2@db/0\"\n{LEAST}"
    ));
    let BackplaneKind::Redis(redis) = &config.backplane else {
        panic!("{:?}", config.backplane)
    };
    assert_eq!(redis.url.password.as_deref(), Some("hunter2"));
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn takes_a_byte_order_mark_and_windows_line_ends() {
    let config = good(&format!("\u{feff}{}", LEAST.replace('\n', "\r\n")));
    assert_eq!(&*config.tenants[0].name, "a");
}

#[test]
fn reads_a_file() {
    let directory = std::env::temp_dir().join(format!("sluicegate-config-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("sg.toml");
    let said = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        load(&file)
            .map(|_| ())
            .map_err(|problems| problems.to_string().replace(file.to_str().unwrap(), "FILE"))
    };
    assert_eq!(said(LEAST.as_bytes()), Ok(()));
    assert_eq!(said(b"a = 1\nb = \"\xff\""), Err("FILE:2: is not UTF-8".to_owned()));
    assert_eq!(
        said(&vec![b'#'; 16 * 1_048_576 + 1]),
        Err("FILE: cannot be read: it has more than 16777216 bytes".to_owned())
    );
    std::fs::remove_dir_all(&directory).unwrap();
    // What would be waited for, or never end.
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
    for (path, kind) in [
        (&*pipe, "a pipe"),
        (folder.path(), "a directory"),
        (Path::new("/dev/zero"), "a device"),
    ] {
        let said = load(path).unwrap_err().to_string();
        assert!(
            said.ends_with(&format!(": cannot be read: it is {kind}, not a regular file")),
            "{said}"
        );
    }
    let missing = load(&file).unwrap_err().to_string();
    assert!(missing.contains("cannot be read: No such file"), "{missing}");
}

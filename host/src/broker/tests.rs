//! What becomes of tenants whose plugins fail, without a process: plugins are compiled in place.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::put_tenant::PutTenants;
use super::{Bound, Plugins};
use crate::observe::Metrics;
use crate::shard::NewRules;
use config::Config;
use sandbox::CompilerOptions;

/// A folder with plugins, and the broker's part that loads them.
struct Stage {
    folder: TempDir,
    plugins: Plugins,
}

fn guest(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/guests/{name}.wat"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Stage {
    fn new(text: &str) -> (Self, Config) {
        let folder = tempfile::tempdir().unwrap();
        let config = parse(folder.path(), text);
        let plugins = Plugins::new(&config, &Metrics::new(), CompilerOptions::InPlace).unwrap();
        (Self { folder, plugins }, config)
    }

    /// Puts a guest of `tests/guests/` in a plugin's place.
    fn put(&self, plugin: &str, name: &str) {
        fs::write(self.folder.path().join(plugin), guest(name)).unwrap();
    }
}

fn parse(folder: &Path, text: &str) -> Config {
    let text = format!("server.plugin_cache = \"\"\n{text}");
    config::parse(&folder.join("test.toml"), &text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What a shard is told of each tenant.
fn told(bound: &Bound) -> Vec<(String, &'static str, bool)> {
    let told = bound.for_shard().into_iter().map(|tenant| {
        let rules = match tenant.rules {
            NewRules::Chain { .. } => "chain",
            NewRules::Unchanged => "unchanged",
            NewRules::Closed => "closed",
        };
        (tenant.settings.name.to_string(), rules, tenant.quarantined)
    });
    told.collect()
}

fn tenant(name: &str, rules: &'static str, quarantined: bool) -> (String, &'static str, bool) {
    (name.to_owned(), rules, quarantined)
}

const TWO: &str = r#"
    plugins = { good = { file = "good" }, bad = { file = "bad" } }
    tenants = [
        { name = "v", chain = [{ plugin = "good" }] },
        { name = "m", chain = [{ plugin = "good" }, { plugin = "bad" }] },
    ]
"#;

#[test]
fn a_quarantined_tenant_is_let_in_by_a_retry_that_touches_nobody_else() {
    let (stage, config) = Stage::new(TWO);
    stage.put("good", "publish-allow");
    stage.put("bad", "init-err");
    let bound = stage.plugins.bind(&config, None).unwrap();
    assert_eq!(told(&bound), [tenant("v", "chain", false), tenant("m", "closed", true)]);

    let bound = stage.plugins.retry(&config, &PutTenants::new(), &bound);
    assert_eq!(
        told(&bound),
        [tenant("v", "unchanged", false), tenant("m", "unchanged", true)]
    );

    stage.put("bad", "publish-allow");
    let bound = stage.plugins.retry(&config, &PutTenants::new(), &bound);
    assert_eq!(
        told(&bound),
        [tenant("v", "unchanged", false), tenant("m", "chain", false)]
    );
    assert!(!bound.has_quarantined());
}

#[test]
fn one_that_had_something_keeps_it_until_it_is_mended() {
    let (stage, config) = Stage::new(TWO);
    stage.put("good", "publish-allow");
    stage.put("bad", "publish-deny");
    let bound = stage.plugins.bind(&config, None).unwrap();
    assert_eq!(told(&bound), [tenant("v", "chain", false), tenant("m", "chain", false)]);
    stage.put("bad", "init-trap");
    let mut bound = bound;
    for _ in 0..2 {
        bound = stage.plugins.bind(&config, Some(&bound)).unwrap();
        assert_eq!(
            told(&bound),
            [tenant("v", "chain", false), tenant("m", "unchanged", true)]
        );
        let quarantined = bound.quarantined();
        assert!(
            quarantined[0].keeps && quarantined[0].reason.contains("init trapped"),
            "{quarantined:?}"
        );
        let again = stage.plugins.retry(&config, &PutTenants::new(), &bound);
        assert_eq!(
            told(&again),
            [tenant("v", "unchanged", false), tenant("m", "unchanged", true)]
        );
    }
    stage.put("bad", "publish-deny");
    let bound = stage.plugins.retry(&config, &PutTenants::new(), &bound);
    assert_eq!(
        told(&bound),
        [tenant("v", "unchanged", false), tenant("m", "chain", false)]
    );
}

#[test]
fn a_new_default_tenant_with_nothing_to_keep_refuses_a_reload() {
    let (stage, config) = Stage::new(TWO);
    stage.put("good", "publish-allow");
    stage.put("bad", "init-err");
    let bound = stage.plugins.bind(&config, None).unwrap();
    let default = parse(stage.folder.path(), &format!("server.default_tenant = \"m\"\n{TWO}"));
    let problems = stage.plugins.bind(&default, Some(&bound)).map(|_| ()).unwrap_err();
    assert!(problems.to_string().contains("not to my taste"), "{problems}");
}

#[test]
fn settings_that_are_kept_come_before_those_in_force() {
    let hosted = |owner: &str| {
        TWO.replace(
            &format!("name = \"{owner}\""),
            &format!("name = \"{owner}\", hosts = [\"shop.example\"]"),
        )
    };
    let (stage, config) = Stage::new(&hosted("m"));
    stage.put("good", "publish-allow");
    stage.put("bad", "publish-allow");
    let bound = stage.plugins.bind(&config, None).unwrap();
    stage.put("bad", "init-err");
    let config = parse(stage.folder.path(), &hosted("v"));
    let bound = stage.plugins.bind(&config, Some(&bound)).unwrap();
    let settings = bound.settings();
    let names: Vec<_> = settings.iter().map(|tenant| &*tenant.name).collect();
    assert_eq!(names, ["m", "v"]);
    let directory = super::directory(&config, &bound);
    let found = directory.find(Some("shop.example"), None).map(|tenant| &*tenant.name);
    assert_eq!(found, Some("v"));
    // By its own name it is found with what it had.
    assert_eq!(directory.named("m").map(|tenant| tenant.hosts.len()), Some(1));
}

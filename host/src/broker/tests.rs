//! What becomes of tenants whose plugins fail, without a process: plugins are compiled in place.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::bound::Delta;
use super::put_tenant::PutTenant;
use super::{Bound, Plugins};
use crate::observe::Metrics;
use crate::shard::{NewRules, NewTenant};
use config::{Config, Place, Problem};
use sandbox::{Binding, CompilerOptions};

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

/// What a shard is told of one tenant.
fn told(new: &NewTenant) -> (String, &'static str, bool) {
    let rules = match new.rules {
        NewRules::Chain { .. } => "chain",
        NewRules::SameChain => "same chain",
        NewRules::Closed => "closed",
    };
    (new.settings.name.to_string(), rules, new.quarantined)
}

/// What a shard is told when `delta` is put in force, by name.
fn put(bound: &mut Bound, delta: Delta) -> Vec<(String, &'static str, bool)> {
    let applied = bound.apply(delta);
    let mut all: Vec<_> = applied.put.iter().map(|tenant| told(&tenant.for_shard())).collect();
    let removed = applied
        .removed
        .iter()
        .map(|tenant| (tenant.name.to_string(), "removed", false));
    all.extend(removed);
    all.sort();
    all
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
    let mut bound = Bound::default();
    let first = stage.plugins.reload(&config, &bound).unwrap();
    assert_eq!(
        put(&mut bound, first),
        [tenant("m", "closed", true), tenant("v", "chain", false)]
    );
    let again = stage.plugins.retry(&config, &bound);
    assert_eq!(put(&mut bound, again), [tenant("m", "closed", true)]);

    stage.put("bad", "publish-allow");
    let again = stage.plugins.retry(&config, &bound);
    assert_eq!(put(&mut bound, again), [tenant("m", "chain", false)]);
    assert!(!bound.has_quarantined());
}

#[test]
fn one_that_had_something_keeps_it_until_it_is_mended() {
    let (stage, config) = Stage::new(TWO);
    stage.put("good", "publish-allow");
    stage.put("bad", "publish-deny");
    let mut bound = stage.plugins.bind(&config).unwrap();
    stage.put("bad", "init-trap");
    for _ in 0..2 {
        let delta = stage.plugins.reload(&config, &bound).unwrap();
        assert_eq!(put(&mut bound, delta), [tenant("m", "same chain", true)]);
        let quarantined = bound.quarantined();
        assert!(
            quarantined[0].keeps && quarantined[0].reason.contains("init trapped"),
            "{quarantined:?}"
        );
        let again = stage.plugins.retry(&config, &bound);
        assert_eq!(put(&mut bound, again), [tenant("m", "same chain", true)]);
    }
    stage.put("bad", "publish-deny");
    let again = stage.plugins.retry(&config, &bound);
    assert_eq!(put(&mut bound, again), [tenant("m", "chain", false)]);
}

/// What stands in the config instead of something.
type Replaced = &'static [(&'static str, &'static str)];
/// What shards are told of a tenant: its name, its rules, and whether it is quarantined.
type Told = (String, &'static str, bool);

#[test]
fn a_reload_tells_of_what_changed_and_of_nothing_else() {
    let (stage, _) = Stage::new(TWO);
    stage.put("good", "publish-allow");
    stage.put("bad", "publish-deny");
    let cases: [(&str, Replaced, &[Told]); 8] = [
        ("nothing", &[], &[]),
        ("where it stands", &[("tenants = [", "tenants = [\n\n")], &[]),
        (
            "a limit",
            &[("name = \"v\",", "name = \"v\", limits.connections = 7,")],
            &[tenant("v", "same chain", false)],
        ),
        (
            "what holds without a plugin",
            &[("name = \"v\",", "name = \"v\", default = \"allow\",")],
            &[tenant("v", "chain", false)],
        ),
        (
            "what a fault means",
            &[(
                "[{ plugin = \"good\" }]",
                "[{ plugin = \"good\", on_fault = \"allow\" }]",
            )],
            &[tenant("v", "chain", false)],
        ),
        (
            "a deadline",
            &[("[{ plugin = \"good\" }]", "[{ plugin = \"good\", deadline_ms = 9 }]")],
            &[tenant("v", "chain", false)],
        ),
        (
            "another name",
            &[("name = \"v\"", "name = \"w\"")],
            &[tenant("v", "removed", false), tenant("w", "chain", false)],
        ),
        (
            "a plugin that one of them uses",
            &[("bad = { file = \"bad\" }", "bad = { file = \"good\" }")],
            &[tenant("m", "chain", false)],
        ),
    ];
    for (what, replaced, expected) in cases {
        let mut bound = stage.plugins.bind(&parse(stage.folder.path(), TWO)).unwrap();
        let text = replaced
            .iter()
            .fold(TWO.to_owned(), |text, (old, new)| text.replace(old, new));
        assert!(replaced.is_empty() || text != TWO, "{what}");
        let config = parse(stage.folder.path(), &text);
        let delta = stage.plugins.reload(&config, &bound).unwrap();
        assert_eq!(put(&mut bound, delta), expected, "{what}");
        let again = stage.plugins.reload(&config, &bound).unwrap();
        assert_eq!(put(&mut bound, again), [], "{what}, again");
    }
}

#[test]
fn a_plugin_that_is_bound_as_before_stays_the_same() {
    let (stage, config) = Stage::new(TWO);
    stage.put("good", "publish-allow");
    stage.put("bad", "publish-deny");
    let mut bound = stage.plugins.bind(&config).unwrap();
    let bindings = |bound: &Bound| -> Vec<Arc<Binding>> {
        let links = bound.tenants["m"].links.as_ref().unwrap();
        links.iter().map(|link| link.binding.clone()).collect()
    };
    let before = bindings(&bound);
    let text = TWO.replace("{ plugin = \"bad\" }", "{ plugin = \"bad\", deadline_ms = 9 }");
    let delta = stage
        .plugins
        .reload(&parse(stage.folder.path(), &text), &bound)
        .unwrap();
    assert_eq!(put(&mut bound, delta), [tenant("m", "chain", false)]);
    let after = bindings(&bound);
    assert!(Arc::ptr_eq(&before[0], &after[0]) && !Arc::ptr_eq(&before[1], &after[1]));
}

fn pushed(name: &str, text: &str, problems: Vec<Problem>) -> PutTenant {
    let text = format!("plugins.good.file = \"good\"\ntenants = [{{ name = \"{name}\", {text} }}]");
    let config = config::parse(Path::new("pushed.toml"), &text).unwrap_or_else(|problems| panic!("{problems}"));
    PutTenant {
        settings: config.tenants[0].clone(),
        problems,
    }
}

#[test]
fn pushed_tenants_come_and_go_beside_those_of_files() {
    let (stage, config) = Stage::new(TWO);
    stage.put("good", "publish-allow");
    stage.put("bad", "publish-deny");
    let mut bound = stage.plugins.bind(&config).unwrap();
    let mut install = |put_these: Vec<PutTenant>, remove: &[&str]| {
        let remove: Vec<Arc<str>> = remove.iter().map(|name| Arc::from(*name)).collect();
        let delta = stage.plugins.install(&config, put_these, &remove, &bound);
        put(&mut bound, delta)
    };
    let chain = "chain = [{ plugin = \"good\" }]";
    let told = install(vec![pushed("p", chain, Vec::new()), pushed("q", "", Vec::new())], &[]);
    assert_eq!(told, [tenant("p", "chain", false), tenant("q", "chain", false)]);
    // Those of files are not theirs to change.
    assert_eq!(install(vec![pushed("v", "", Vec::new())], &["m", "nobody"]), []);
    // What does not check out here serves nobody, not even by its old rules.
    let problem = Place::file(Path::new("p.toml")).problem("no plugin is named \"x\"");
    let told = install(vec![pushed("p", chain, vec![problem])], &["q"]);
    assert_eq!(told, [tenant("p", "closed", true), tenant("q", "removed", false)]);
    assert!(!bound.has_quarantined(), "trying it again would change nothing");
    // A reload leaves them alone, until a file has the name.
    let delta = stage.plugins.reload(&config, &bound).unwrap();
    assert_eq!(put(&mut bound, delta), []);
    let text = TWO.replace("name = \"v\"", "name = \"p\"");
    let delta = stage
        .plugins
        .reload(&parse(stage.folder.path(), &text), &bound)
        .unwrap();
    assert_eq!(
        put(&mut bound, delta),
        [tenant("p", "chain", false), tenant("v", "removed", false)]
    );
}

#[test]
fn a_pushed_tenant_whose_plugin_is_gone_serves_nobody_unasked() {
    let (stage, config) = Stage::new(TWO);
    stage.put("good", "publish-allow");
    stage.put("bad", "publish-deny");
    let mut bound = stage.plugins.bind(&config).unwrap();
    let chain = "chain = [{ plugin = \"good\" }]";
    let delta = stage
        .plugins
        .install(&config, vec![pushed("p", chain, Vec::new())], &[], &bound);
    put(&mut bound, delta);
    let other = parse(stage.folder.path(), "tenants = [{ name = \"v\" }]");
    let delta = stage.plugins.reload(&other, &bound).unwrap();
    let told = put(&mut bound, delta);
    assert!(told.contains(&tenant("p", "same chain", true)), "{told:?}");
    assert!(bound.quarantined()[0].reason.contains("no such plugin"));
}

#[test]
fn a_new_default_tenant_with_nothing_to_keep_refuses_a_reload() {
    let (stage, config) = Stage::new(TWO);
    stage.put("good", "publish-allow");
    stage.put("bad", "init-err");
    let bound = stage.plugins.bind(&config).unwrap();
    let default = parse(stage.folder.path(), &format!("server.default_tenant = \"m\"\n{TWO}"));
    let problems = stage.plugins.reload(&default, &bound).map(|_| ()).unwrap_err();
    assert!(problems.to_string().contains("not to my taste"), "{problems}");
}

//! `config show`: what is in force, without secrets.

use toml::Table;

use crate::support::broker::{run, run_with_variables};
use crate::support::config::{Home, complete};

const CONFIG: &str = r#"
    [plugins.authorize]
    file = "plugins/authorize.wasm"
    [plugins.broken]
    file = "broken.wasm"
    [[tenants]]
    name = "acme"
    [[tenants.chain]]
    plugin = "authorize"
    [tenants.chain.config]
    issuer = { env = "ISSUER" }
    audience = "chat"
    keys = [{ alg = "HS256", secret = "hunter2-hunter2-hunter2" }]
    [[tenants]]
    name = "other"
    [[tenants.chain]]
    plugin = "broken"
    config = { text = "hunter2", number = 3 }
"#;

async fn show(home: &Home, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let file = home.config();
    let (code, out, err) = run_with_variables(variables, &["config", "show", "--config", file.to_str().unwrap()]).await;
    (code, out + &err)
}

#[tokio::test]
async fn what_is_in_force_is_shown_without_secrets() {
    let home = Home::new();
    home.put("broken.wasm", "no component");
    home.write(&complete(CONFIG));
    let (code, shown) = show(&home, &[("ISSUER", "hunter2")]).await;
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
    let config: Table = shown.parse().unwrap_or_else(|error| panic!("{error}\n{shown}"));
    assert_eq!(config["server"]["ping_ms"].as_integer(), Some(25_000));
    let settings = &config["tenants"][0]["chain"][0]["config"];
    assert_eq!(settings["issuer"].as_str(), Some("***"));
    assert_eq!(settings["audience"].as_str(), Some("chat"));
    assert_eq!(settings["keys"][0]["alg"].as_str(), Some("HS256"));
    assert_eq!(settings["keys"][0]["secret"].as_str(), Some("***"));
    let settings = &config["tenants"][1]["chain"][0]["config"];
    assert_eq!(settings["text"].as_str(), Some("***"));
    assert_eq!(settings["number"].as_integer(), Some(3));
    let said = shown
        .lines()
        .find(|line| line.contains("broken.wasm") && line.starts_with('#'));
    assert!(said.is_some_and(|said| said.contains("are not shown")), "{shown}");
}

#[tokio::test]
async fn a_config_with_problems_is_not_shown() {
    let home = Home::new();
    home.put("broken.wasm", "no component");
    home.write(&complete(CONFIG));
    let file = home.config();
    let file = file.to_str().unwrap();
    // The setting is asked for as a string by the plugin's schema.
    let (code, said) = show(&home, &[]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("config.issuer: the variable \"ISSUER\" is not set"),
        "{said}"
    );
    home.write("[servr]\nnode = 1\n[[tenants]]\nname = \"a b\"");
    let (checked, as_checked, _) = run(&["config", "check", "--config", file]).await;
    let (shown, as_shown, _) = run(&["config", "show", "--config", file]).await;
    assert_eq!((checked, shown), (Some(1), Some(1)));
    assert_eq!(as_checked, as_shown);
}

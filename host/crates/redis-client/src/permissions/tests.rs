//! Each right that is taken away is named, against a real `redis-server`.

use std::time::Duration;

use super::*;
use crate::login::Login;
use crate::settings::Rights;
use crate::testing::TestServer;

const TIMEOUT: Duration = Duration::from_secs(5);

fn settings(server: &TestServer, kind: TopologyKind) -> ClientSettings {
    ClientSettings {
        kind,
        rights: Rights {
            prefix: "sg".into(),
            replicated: true,
        },
        login: Login {
            username: Some("sluicegate".into()),
            password: Some("secret".into()),
            database: 3,
            ..Login::default()
        },
        ..server.settings()
    }
}

/// Has the server know the user with these rights alone.
async fn set_user(server: &TestServer, rules: &str) {
    let address = ("127.0.0.1".into(), server.port());
    let mut connection = loop {
        match Login::default().open(&address, TIMEOUT, TIMEOUT, |_| {}).await {
            Ok(connection) => break connection,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    let mut set = redis::cmd("ACL");
    set.arg("SETUSER")
        .arg("sluicegate")
        .arg("reset")
        .arg("on")
        .arg(">secret");
    for rule in rules.split(' ') {
        set.arg(rule);
    }
    set.query_async::<Value>(&mut connection).await.unwrap();
}

async fn try_rights(server: &TestServer, settings: &ClientSettings) -> Result<(), String> {
    let address = ("127.0.0.1".into(), server.port());
    // The database is chosen before anything can be tried.
    let login = Login {
        database: 0,
        ..settings.login.clone()
    };
    let mut connection = login.open(&address, TIMEOUT, TIMEOUT, |_| {}).await.unwrap();
    let missing = Trial::of(settings).run(&mut connection).await.unwrap();
    missing.map_or(Ok(()), |missing| Err(missing.to_string()))
}

#[tokio::test]
async fn each_right_that_is_taken_away_is_named_and_no_other() {
    let server = TestServer::start();
    for kind in [TopologyKind::Single, TopologyKind::Cluster] {
        let settings = settings(&server, kind);
        let acl = settings.acl();
        set_user(&server, &acl).await;
        assert_eq!(try_rights(&server, &settings).await, Ok(()), "with {acl}");
        let rules: Vec<&str> = acl.split(' ').collect();
        assert!(rules.len() > 35, "{acl}");
        for taken in rules.iter().filter(|rule| **rule != "-@all") {
            let left: Vec<&str> = rules.iter().copied().filter(|rule| rule != taken).collect();
            set_user(&server, &left.join(" ")).await;
            let said = try_rights(&server, &settings).await.expect_err(taken);
            assert!(said.contains(&format!("missing: {taken} (")), "without {taken}: {said}");
        }
    }
}

#[tokio::test]
async fn a_right_to_other_names_is_none() {
    let server = TestServer::start();
    let settings = settings(&server, TopologyKind::Single);
    set_user(&server, &settings.acl().replace("sg:*", "sgx:*")).await;
    let said = try_rights(&server, &settings).await.unwrap_err();
    assert!(said.contains("~sg:* &sg:*"), "{said}");
}

#[tokio::test]
async fn without_rights_all_are_named_at_once_and_nothing_is_done() {
    let server = TestServer::start();
    let settings = settings(&server, TopologyKind::Single);
    set_user(&server, "~* &* +@all").await;
    try_rights(&server, &settings).await.unwrap();
    set_user(&server, "~sg:* &sg:* +@all -@dangerous -xadd -eval").await;
    let said = try_rights(&server, &settings).await.unwrap_err();
    assert!(said.contains("missing: +info +eval +xadd ("), "{said}");
    let address = ("127.0.0.1".into(), server.port());
    let mut connection = Login::default().open(&address, TIMEOUT, TIMEOUT, |_| {}).await.unwrap();
    let keys: i64 = redis::cmd("DBSIZE").query_async(&mut connection).await.unwrap();
    assert_eq!(keys, 0, "a trial writes nothing");
}

/// The commands that are named in the sources of the broker: those of scripts, and those that Rust sends.
fn commands_in_sources() -> Vec<String> {
    let mut found = Vec::new();
    let host = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut folders = vec![host.join("src"), host.join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_test = name.contains("test") || path.components().any(|part| part.as_os_str() == "tests");
            let (begin, end) = match path.extension().and_then(|ending| ending.to_str()) {
                Some("lua") => ("call('", '\''),
                Some("rs") if !is_test => ("cmd(\"", '"'),
                _ => continue,
            };
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.split(begin).skip(1).filter_map(|rest| rest.split(end).next());
            found.extend(names.map(str::to_owned));
        }
    }
    found.retain(|name| name.len() > 2 && name.bytes().all(|byte| byte.is_ascii_uppercase()));
    found
}

#[test]
fn no_command_is_sent_whose_right_is_not_tried() {
    let tried: Vec<&str> = [COMMANDS, PLAIN, CLUSTER, REPLICATED, DATABASE]
        .concat()
        .iter()
        .map(|example| example[0])
        .collect();
    // Asked of Sentinels, which have users of their own; and what begins and ends a trial.
    let others = ["SENTINEL", "MULTI", "DISCARD"];
    let sent = commands_in_sources();
    assert!(sent.len() > 60, "the sources are not where they were: {sent:?}");
    for command in &sent {
        assert!(
            tried.contains(&command.as_str()) || others.contains(&command.as_str()),
            "{command} is sent, and the right to it is not tried"
        );
    }
}

#[test]
fn operations_has_the_whole_acl() {
    let operations = include_str!("../../../../../docs/OPERATIONS.md");
    for kind in [TopologyKind::Single, TopologyKind::Cluster] {
        let settings = ClientSettings {
            kind,
            hosts: Vec::new(),
            login: Login::default(),
            sentinel_login: None,
            timeout: TIMEOUT,
            rights: Rights {
                prefix: "sg".into(),
                replicated: false,
            },
        };
        let line = format!("\nACL SETUSER sluicegate on >SECRET {}\n", settings.acl());
        assert!(operations.contains(&line), "docs/OPERATIONS.md has no line {line}");
    }
}

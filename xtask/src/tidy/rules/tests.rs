//! Each rule against a small file that breaks it, and against its innocent neighbour.

use super::*;

fn check_text(path: &str, text: &str) -> Vec<(usize, String)> {
    let source = Source {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    check(&source)
        .into_iter()
        .map(|violation| (violation.line, violation.what))
        .collect()
}

#[track_caller]
fn breaks(path: &str, text: &str, line: usize, word: &str) {
    let found = check_text(path, text);
    assert!(
        found.iter().any(|(at, what)| *at == line && what.contains(word)),
        "{path}: {text}\nfound: {found:?}"
    );
}

#[track_caller]
fn is_fine(path: &str, text: &str) {
    assert_eq!(check_text(path, text), [], "{path}: {text}");
}

#[test]
fn crates_stay_in_their_rooms() {
    breaks(
        "host/src/session/mod.rs",
        "//! x\n\nuse axum::{Router, routing::get};",
        3,
        "axum",
    );
    breaks(
        "host/src/session/mod.rs",
        "fn f() -> axum::Router {}",
        1,
        "host/src/gateway/",
    );
    is_fine("host/src/gateway/admin.rs", "use axum::Router;");
    breaks("host/src/hub/mod.rs", "fn f() -> anyhow::Result<()> {}", 1, "anyhow");
    is_fine("host/src/main.rs", "use anyhow::Result;");
    is_fine("host/src/cli/token.rs", "use anyhow::Result;");
    is_fine("xtask/src/main.rs", "use anyhow::Result;");
}

#[test]
fn a_room_of_ours_may_be_named_like_a_crate() {
    is_fine(
        "host/src/gateway.rs",
        "mod axum;\npub fn new() -> axum::Router { axum::Router::new() }",
    );
    is_fine(
        "host/src/broker.rs",
        "use crate::gateway::{admin::Admin, axum::Router};",
    );
    is_fine(
        "host/src/hub/mod.rs",
        "/// an axum::Router\nfn f(axum: u8) { let _ = \"axum::Router\"; }",
    );
}

#[test]
fn ignored_tests_are_found() {
    breaks(
        "tests/wire/main.rs",
        "#[test]\n#[ignore = \"slow\"]\nfn f() {}",
        2,
        "ignored",
    );
    breaks("tests/wire/main.rs", "#[cfg_attr(windows, ignore)]", 1, "ignored");
    is_fine("host/src/hub/mod.rs", "// #[ignore]\nlet s = \"#[ignore]\";");
}

#[test]
fn pure_rooms_do_no_io() {
    breaks(
        "host/crates/wire/src/frame.rs",
        "use tokio::{net::TcpStream, time};",
        1,
        "tokio::net::TcpStream",
    );
    breaks(
        "host/crates/protocol/src/lib.rs",
        "fn f() {\n    std::fs::read(\"x\");\n}",
        2,
        "std::fs",
    );
    breaks("host/crates/chain/src/lib.rs", "use std::net;", 1, "std::net");
    breaks("host/crates/chain/src/lib.rs", "use tokio::fs;", 1, "tokio::fs");
    is_fine("host/crates/protocol/src/lib.rs", "use std::net::{IpAddr, SocketAddr};");
    is_fine("host/src/gateway/accept.rs", "use tokio::net::TcpListener;");
    is_fine("host/crates/wire/examples/echo.rs", "use std::net::TcpListener;");
}

#[test]
fn tests_do_not_sleep() {
    breaks(
        "tests/wire/main.rs",
        "use std::thread;\nfn f() { thread::sleep(SECOND) }",
        2,
        "sleep",
    );
    breaks("tests/wire/main.rs", "use tokio::time::{sleep, timeout};", 1, "sleep");
    breaks(
        "tests/browser/page.test.mjs",
        "//\nawait page.waitForTimeout(100)",
        2,
        "waitForTimeout",
    );
    is_fine("tests/wire/main.rs", "use tokio::time::timeout;");
    is_fine("host/src/backplane/retry.rs", "tokio::time::sleep(pause).await");
}

#[test]
fn long_files_are_found() {
    breaks("host/src/hub/mod.rs", &"\n".repeat(401), 401, "401 lines");
    is_fine("host/src/hub/mod.rs", &"\n".repeat(400));
}

#[test]
fn a_violation_reads_like_a_compiler_error() {
    let source = Source {
        path: "host/src/hub/mod.rs".to_owned(),
        text: "#[ignore]".to_owned(),
    };
    assert_eq!(
        check(&source)[0].to_string(),
        "host/src/hub/mod.rs:1: an ignored test passes without being right: mend it or take it out"
    );
}

#[test]
fn a_rule_about_a_missing_room_is_loud() {
    let gone = rooms_that_are_gone(&[Source {
        path: "host/crates/wires/src/lib.rs".to_owned(),
        text: String::new(),
    }]);
    assert!(
        gone.iter()
            .any(|violation| violation.what.contains("host/crates/protocol")),
        "{gone:?}"
    );
}

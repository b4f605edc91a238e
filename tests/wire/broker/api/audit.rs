//! The audit log: every call has its line, and a call whose line cannot be written is not carried out.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;

use super::{broker, config};
use crate::support::admin::{KEY, request};
use crate::support::config::{Home, complete};
use crate::support::envelope::now_ms;
use crate::support::{Broker, PATIENCE, Value, eventually, json};

const FILE: &str = "audit.jsonl";

async fn audited() -> Broker {
    Broker::start(&config("audit_log = \"audit.jsonl\"")).await
}

/// The values of one field, null where there is none.
fn of(lines: &[Value], field: &str) -> Vec<Value> {
    lines.iter().map(|line| line[field].clone()).collect()
}

#[tokio::test]
async fn every_call_is_written_down_with_who_and_what() {
    let broker = audited().await;
    let data = json!({ "channel": "room:1", "data": "a-secret-message", "key": "k" });
    broker.order("/tenants/acme/publish", data).await;
    broker.read("/tenants/acme/channels?prefix=room:").await;
    let ban = json!({ "seconds": 60, "reason": "spam" });
    broker.call("PUT", "/tenants/acme/users/a%20b/ban", ban).await.ok();
    let lines = broker.audit(FILE);
    assert_eq!(of(&lines, "event"), ["intent", "call", "call", "intent", "call"]);
    assert_eq!(lines[0]["call"], lines[1]["call"], "two lines of one call");
    assert_ne!(lines[1]["call"], lines[2]["call"]);
    assert!(lines[0].get("status").is_none());
    let publish = &lines[1];
    assert_eq!((&publish["key"], &publish["tenant"]), (&json!("ops"), &json!("acme")));
    assert_eq!((&publish["method"], &publish["status"]), (&json!("POST"), &json!(200)));
    assert_eq!(publish["route"], "/tenants/{tenant}/publish");
    assert_eq!(
        publish["params"],
        json!({ "channel": "room:1", "key": "k", "ephemeral": false })
    );
    assert!(
        publish["remote"].as_str().unwrap().starts_with("127.0.0.1:"),
        "{publish}"
    );
    assert!(publish["ts"].as_u64().unwrap().abs_diff(now_ms()) < 60_000, "{publish}");
    assert!(publish["duration_ms"].is_u64(), "{publish}");
    assert_eq!(lines[2]["params"], json!({ "prefix": "room:", "limit": 100 }));
    assert_eq!(
        lines[4]["params"],
        json!({ "user": "a b", "seconds": 60, "reason": "spam" })
    );
    let text = json!(lines).to_string() + &broker.log().text();
    assert!(!text.contains("a-secret-message") && !text.contains(KEY));
    let mode = broker.home.path(FILE).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn calls_are_counted_by_what_they_were_and_how_they_ended() {
    let broker = audited().await;
    for _ in 0..2 {
        let data = json!({ "channel": "room:1", "data": 1 });
        broker.order("/tenants/acme/publish", data).await;
    }
    let nobody = broker.call("GET", "/tenants/nobody/channels", Value::Null).await;
    nobody.problem(404, "unknown_tenant");
    // Invented names do not become labels.
    for path in ["/made/up", "/made/up/too", "/tenants/acme/made-up"] {
        broker
            .call("GET", path, Value::Null)
            .await
            .problem(404, "unknown_route");
    }
    let metrics = broker.metrics().await;
    let count = |call, status| {
        let labels = [("call", call), ("status", status)];
        metrics.sum("sluicegate_api_calls_total", &labels)
    };
    assert_eq!(count("publish", "200"), Some(2.0));
    assert_eq!(count("listChannels", "404"), Some(1.0));
    assert_eq!(count("none", "404"), Some(3.0));
    assert_eq!(metrics.sum("sluicegate_api_calls_total", &[]), Some(6.0));
}

#[tokio::test]
async fn refused_calls_are_written_down_too() {
    let broker = audited().await;
    request(broker.admin, "GET", "/tenants/acme", None, b"")
        .await
        .problem(401, "bad_key");
    broker
        .call("GET", "/tenants/nobody", Value::Null)
        .await
        .problem(404, "unknown_tenant");
    broker
        .call("GET", "/nothing?x=1", Value::Null)
        .await
        .problem(404, "unknown_route");
    broker
        .call("POST", "/tenants/acme/publish", json!({}))
        .await
        .problem(422, "bad_body");
    let lines = broker.audit(FILE);
    assert_eq!(of(&lines, "status"), [401, 404, 404, 422]);
    assert_eq!(
        of(&lines, "problem"),
        ["bad_key", "unknown_tenant", "unknown_route", "bad_body"]
    );
    assert_eq!(
        of(&lines, "key"),
        [Value::Null, json!("ops"), Value::Null, json!("ops")]
    );
    assert_eq!(lines[2]["route"], "/nothing");
}

#[tokio::test]
async fn without_a_file_the_lines_are_in_the_log() {
    let broker = broker().await;
    broker.read("/tenants/acme").await;
    broker
        .log()
        .wait_for(&["audit", r#""event":"call""#, r#""tenant":"acme""#])
        .await;
}

#[tokio::test]
async fn what_cannot_be_written_down_is_neither_done_nor_told() {
    let home = Home::new();
    symlink("/dev/full", home.path(FILE)).unwrap();
    let broker = Broker::start_at(home, "info", &config("audit_log = \"audit.jsonl\"")).await;
    let mut ann = broker.user("ann").await;
    ann.subscribe("c").await;
    let body = json!({ "channel": "c", "data": "unwritten" });
    broker
        .call("POST", "/tenants/acme/publish", body)
        .await
        .problem(500, "audit_unavailable");
    broker
        .call("POST", "/tenants/acme/users/ann/disconnect", Value::Null)
        .await
        .problem(500, "audit_unavailable");
    broker
        .call("GET", "/tenants/acme", Value::Null)
        .await
        .problem(500, "audit_unavailable");
    ann.publish("next").await.expect_message("next").await;
    assert!(!ann.has_waiting("disconnect"));
}

#[tokio::test]
async fn a_hangup_begins_a_new_file_where_the_old_one_was_moved_away() {
    let broker = audited().await;
    broker.read("/tenants/acme").await;
    let moved = broker.home.path("moved.jsonl");
    std::fs::rename(broker.home.path(FILE), &moved).unwrap();
    broker.read("/tenants/acme").await;
    assert_eq!(broker.audit("moved.jsonl").len(), 2);
    broker.hang_up().await;
    broker.read("/tenants/acme").await;
    assert_eq!((broker.audit(FILE).len(), broker.audit("moved.jsonl").len()), (1, 2));
    // A refused config does not keep the old file open.
    std::fs::rename(broker.home.path(FILE), &moved).unwrap();
    broker.home.write("[servr]");
    broker.hang_up().await;
    broker.read("/tenants/acme").await;
    assert_eq!((broker.audit(FILE).len(), broker.audit("moved.jsonl").len()), (1, 1));
}

#[tokio::test]
async fn a_rotation_amid_calls_loses_no_line_and_doubles_none() {
    let broker = audited().await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let callers = (0..4).map(|n| {
        let (admin, stopped) = (broker.admin, stopped.clone());
        tokio::spawn(async move {
            let mut calls = 0;
            while !*stopped.borrow() {
                let path = format!("/tenants/acme/users/u{n}/ban");
                request(admin, "PUT", &path, Some(KEY), br#"{"seconds":60}"#).await.ok();
                calls += 1;
            }
            calls
        })
    });
    let callers: Vec<_> = callers.collect();
    let files: Vec<_> = (0..3).map(|n| format!("audit.{n}.jsonl")).collect();
    for moved in &files {
        eventually(PATIENCE, "lines in the new file", async || {
            let length = broker.home.path(FILE).metadata().map_or(0, |file| file.len());
            (length > 0).then_some(())
        })
        .await;
        std::fs::rename(broker.home.path(FILE), broker.home.path(moved)).unwrap();
        broker.hang_up().await;
    }
    stop.send_replace(true);
    let mut calls = 0;
    for caller in callers {
        calls += caller.await.unwrap();
    }
    broker.read("/tenants/acme").await;
    let lines: Vec<_> = files
        .iter()
        .map(String::as_str)
        .chain([FILE])
        .flat_map(|file| broker.audit(file))
        .collect();
    for event in ["intent", "call"] {
        let of_bans = lines
            .iter()
            .filter(|line| line["event"] == event && line["method"] == "PUT");
        let ids: Vec<_> = of_bans.map(|line| line["call"].as_str().unwrap()).collect();
        let different: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!((ids.len(), different.len()), (calls, calls), "{event}");
    }
}

#[tokio::test]
async fn a_full_disk_is_told_until_a_line_is_written_again() {
    let home = Home::new();
    symlink("/dev/full", home.path(FILE)).unwrap();
    let broker = Broker::start_at(home, "info", &config("audit_log = \"audit.jsonl\"")).await;
    let told = async || {
        let (page, metrics) = (broker.admin_get("/readyz").await, broker.metrics().await);
        assert_eq!(page.status, 200, "clients are served all the same");
        let failing = metrics.sum("sluicegate_audit_failing", &[]);
        (page.body.contains("audit log: No space left"), failing)
    };
    assert_eq!(told().await, (false, Some(0.0)));
    let read = async || broker.call("GET", "/tenants/acme", Value::Null).await;
    read().await.problem(500, "audit_unavailable");
    assert_eq!(told().await, (true, Some(1.0)));
    std::fs::remove_file(broker.home.path(FILE)).unwrap();
    broker.hang_up().await;
    read().await.ok();
    assert_eq!(told().await, (false, Some(0.0)));
    assert_eq!(broker.audit(FILE).len(), 1);
    let metrics = broker.metrics().await;
    for (result, count) in [("written", 1.0), ("failed", 1.0), ("late", 0.0), ("left_out", 0.0)] {
        let found = metrics.sum("sluicegate_audit_lines_total", &[("result", result)]);
        assert_eq!(found, Some(count), "{result}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_said_at_the_start() {
    let home = Home::new();
    home.write(&complete(&config("audit_log = \"no/such/folder/audit.jsonl\"")));
    let process = crate::support::broker::serve(&home, "info").await;
    assert_eq!(process.exit_code().await, Some(1));
    let log = process.stderr.text();
    assert!(
        log.contains("admin.audit_log") && log.contains("no/such/folder"),
        "{log}"
    );
}

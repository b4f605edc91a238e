//! What the audit log has of many calls, and of large ones.

use super::*;
use crate::observe::{AuditFile, LINE_BYTES};

const WRONG_KEY: &str = "a-key-that-the-config-does-not-have";

#[tokio::test]
async fn calls_without_a_good_key_end_in_one_line_and_hold_up_no_good_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let audit = AuditLog::default();
    audit.use_file(AuditFile::open(Some(&path)).unwrap()).unwrap();
    let (router, _) = api_with(Mood::Two, audit);
    let wrong = || request_with(WRONG_KEY, "GET", "/channels?limit=2", Body::empty());
    let nowhere = || request_with(WRONG_KEY, "GET", "/nothing", Body::empty());
    let mut statuses = Vec::new();
    for _ in 0..50 {
        statuses.push(answer(&router, wrong()).await.0);
        statuses.push(answer(&router, nowhere()).await.0);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 50);
    assert_eq!(statuses.iter().filter(|status| **status == 404).count(), 50);
    let (status, ..) = answer(&router, request("GET", "/channels?limit=2", Body::empty())).await;
    assert_eq!(status, 200);
    a_minute_passes().await;
    let (status, ..) = answer(&router, wrong()).await;
    assert_eq!(status, 401, "another minute");
    let lines = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 60 + 1 + 1 + 1);
    let summary = lines.iter().find(|line| line["event"] == "refused").unwrap();
    assert_eq!(summary["calls"], 40);
}

/// The clock stands still while the system writes a line, or the wait for that would be over at once.
async fn a_minute_passes() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn too_many_calls_with_a_good_key_end_in_one_line_and_hide_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let audit = AuditLog::default();
    audit.use_file(AuditFile::open(Some(&path)).unwrap()).unwrap();
    let api = api_of(Mood::Two, audit.clone()).0;
    let router = router(api.clone(), &CurrentPages::default());
    let read = || request("GET", "/channels?limit=2", Body::empty());
    for _ in 0..700 {
        assert_eq!(answer(&router, read()).await.0, 200);
    }
    // Another call of the key, another key, and a change.
    let publish = || request("POST", "/publish", Body::from(r#"{"channel":"c","data":1}"#));
    assert_eq!(answer(&router, request("GET", "/bans", Body::empty())).await.0, 200);
    let other = request_with(OTHER_KEY, "GET", "/channels?limit=2", Body::empty());
    assert_eq!(answer(&router, other).await.0, 200);
    assert_eq!(answer(&router, publish()).await.0, 200);
    a_minute_passes().await;
    assert_eq!(answer(&router, read()).await.0, 200);
    let lines = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |event: &str, route: &str| {
        let fits = |line: &&Value| line["event"] == event && line["route"] == format!("/tenants/{{tenant}}{route}");
        lines.iter().filter(fits).count()
    };
    assert_eq!(of("call", "/channels"), 600 + 1 + 1);
    assert_eq!(
        (of("call", "/bans"), of("intent", "/publish"), of("call", "/publish")),
        (1, 1, 1)
    );
    let summary = lines.iter().find(|line| line["event"] == "left_out").unwrap();
    assert_eq!(
        (&summary["key"], &summary["endpoint"], &summary["calls"]),
        (&json!("ops"), &json!("listChannels"), &json!(100))
    );
    // The broker ends before the minute does.
    for _ in 0..600 {
        answer(&router, read()).await;
    }
    close(&api).await;
    let lines = std::fs::read_to_string(&path).unwrap();
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["calls"]), (&json!("left_out"), &json!(1)));
    // What cannot be written down is not done, also where it would have been in the summary.
    for _ in 0..700 {
        answer(&router, read()).await;
    }
    audit
        .use_file(AuditFile::open(Some(Path::new("/dev/full"))).unwrap())
        .unwrap();
    assert_eq!(answer(&router, publish()).await.0, 500);
    assert_eq!(answer(&router, read()).await.0, 500);
}

#[tokio::test]
async fn a_line_is_bounded_whatever_the_call_has() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let audit = AuditLog::default();
    audit.use_file(AuditFile::open(Some(&path)).unwrap()).unwrap();
    let (router, _) = api_with(Mood::Two, audit);
    let channels: Vec<_> = (0..1_000).map(|n| format!("{n:03}{}", "€".repeat(80))).collect();
    let broadcast = json!({ "channels": channels, "data": 1 }).to_string();
    assert_eq!(
        answer(&router, request("POST", "/broadcast", Body::from(broadcast)))
            .await
            .0,
        200
    );
    let unknown = "x".repeat(12_000);
    let nowhere = request(&"M".repeat(3_000), &format!("/{unknown}"), Body::empty());
    answer(&router, nowhere).await;
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.lines().all(|line| line.len() <= LINE_BYTES), "{}", text.len());
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    let params = &lines[1]["params"];
    assert_eq!(params["channels"][0], channels[0]);
    assert_eq!(params["channels"][8], "… (992 more)");
    assert!(
        lines[1]["params_bytes"].as_u64().is_some_and(|bytes| bytes > 200_000),
        "{params}"
    );
    assert!(lines[2]["route"].as_str().is_some_and(|route| route.len() == 256));
}

//! A node without free file descriptors: its operator still reaches it.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::broker::run;
use crate::support::config::{Home, complete};
use crate::support::process::Process;
use crate::support::{Broker, http, within};

const OPEN_FILES: u32 = 128;
/// More than there are descriptors.
const CLIENTS: usize = 160;
const CONFIG: &str = r#"
    server = { default_tenant = "t", max_connections = 100000, shards = 2, connect_timeout_ms = 600000 }
    tenants = [{ name = "t", anonymous = true }]
"#;

/// Connects and asks for an upgrade: the status of the answer, and the connection. None: it was closed without one.
async fn upgrade(broker: &Broker) -> Option<(u16, TcpStream)> {
    let mut stream = http::dial(broker.address, None).await;
    stream.write_all(broker.dial("client").request().as_bytes()).await.ok();
    let (response, _) = http::try_respond(&mut stream).await?;
    Some((response.status, stream))
}

#[tokio::test]
async fn the_last_descriptors_are_the_operators() {
    let broker = Broker::start_with_open_files(OPEN_FILES, CONFIG).await;
    let mut inside = Vec::new();
    for _ in 0..CLIENTS {
        match upgrade(&broker).await {
            Some((101, stream)) => inside.push(stream),
            Some((status, _)) => assert_eq!(status, 503),
            None => {}
        }
    }
    assert!(
        (40..100).contains(&inside.len()),
        "{} of {CLIENTS} clients came in",
        inside.len()
    );

    assert_eq!(broker.admin_get("/readyz").await.status, 200);
    broker.hang_up().await;
    let metrics = broker.metrics().await;
    assert_eq!(metrics.sum("sluicegate_reloads_total", &[("result", "ok")]), Some(1.0));
    broker.log().wait_for(&["WARN", "file descriptors", "ulimit -n"]).await;
    let lines = broker
        .log()
        .text()
        .lines()
        .filter(|line| line.contains("descriptors"))
        .count();
    assert!(lines < 20, "{lines} lines tell it:\n{}", broker.log().text());

    inside.truncate(1);
    let again = async { while upgrade(&broker).await.is_none_or(|(status, _)| status != 101) {} };
    within(again, || "nobody comes in though others left".into()).await;
}

/// More connections than the admin listener has places, at this limit.
const ADMIN_CONNECTIONS: usize = 100;

#[tokio::test]
async fn idle_admin_connections_give_way_and_leave_the_node_its_descriptors() {
    let broker = Broker::start_with_open_files(OPEN_FILES, CONFIG).await;
    let mut idle = Vec::new();
    for number in 0..ADMIN_CONNECTIONS {
        let mut stream = http::dial(broker.admin, None).await;
        // A half head asks nothing either.
        if number % 2 == 1 {
            stream.write_all(b"GET /healthz HT").await.expect("it is taken");
        }
        idle.push(stream);
    }
    assert_eq!(broker.admin_get("/healthz").await.status, 200);
    // The oldest was given up, and clients still come in.
    let mut nothing = [0];
    let gone = idle[0].read(&mut nothing);
    let read = within(gone, || "the oldest connection is still open".into()).await;
    assert_eq!(read.ok(), Some(0));
    assert_eq!(upgrade(&broker).await.map(|(status, _)| status), Some(101));
}

#[tokio::test]
async fn more_connections_than_open_files_are_a_warning() {
    let broker = Broker::start_with_open_files(OPEN_FILES, CONFIG).await;
    broker
        .log()
        .wait_for(&["WARN", "server.max_connections", "128", "LimitNOFILE"])
        .await;

    let home = Home::new();
    home.write(&complete(CONFIG));
    let file = home.config();
    let args = [
        "config".as_ref(),
        "check".as_ref(),
        "--config".as_ref(),
        file.as_os_str(),
    ];
    let process = Process::start_with_open_files(OPEN_FILES, args, "info");
    assert_eq!(process.exit_code().await, Some(0), "a warning is no problem");
    let said = process.stdout.text();
    assert!(
        said.contains("warning: ") && said.contains("server.max_connections"),
        "{said}"
    );
    assert!(
        said.lines().last().is_some_and(|line| line.starts_with("ok: ")),
        "{said}"
    );

    home.write(&complete("tenants = [{ name = \"t\" }]"));
    let (code, said, _) = run(&["config", "check", "--config", file.to_str().expect("a path in UTF-8")]).await;
    assert_eq!((code, said.contains("warning")), (Some(0), false), "{said}");
}

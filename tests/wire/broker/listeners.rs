//! Several listeners, Unix sockets among them, and health on the clients' port.

use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::support::admin::full_key;
use crate::support::config::{Home, complete};
use crate::support::process::Process;
use crate::support::{Broker, Client, Frame, http, within};

/// Asks over a Unix socket, sends `then` after an upgrade, and gives all that is said until `last` is among it.
async fn ask(path: &Path, request: &str, then: &[u8], last: &str) -> String {
    let mut stream = UnixStream::connect(path).await.expect("it listens");
    stream.write_all(request.as_bytes()).await.expect("taken");
    let mut said = Vec::new();
    let reading = async {
        loop {
            let text = String::from_utf8_lossy(&said).into_owned();
            if text.contains(last) {
                return text;
            }
            if !then.is_empty() && text.ends_with("\r\n\r\n") {
                stream.write_all(then).await.expect("taken");
            }
            assert_ne!(stream.read_buf(&mut said).await.unwrap_or(0), 0, "{text} and no {last}");
        }
    };
    within(reading, || format!("no {last}")).await
}

#[tokio::test]
async fn clients_come_by_every_listener_and_peers_on_a_unix_socket_are_trusted() {
    let key = full_key();
    let broker = Broker::start(&format!(
        r#"
        tenants = [{{ name = "t", anonymous = true }}]
        {key}
        [server]
        default_tenant = "t"
        shards = 2
        listen = ["127.0.0.1:0", "unix:here.sock", {{ address = "127.0.0.1:0" }}, {{ address = "unix:there.sock", proxy_protocol = true }}]
        client_address_header = "x-real-ip"
        "#
    ))
    .await;
    let printed = broker.printed();
    let (here, there) = (broker.home.path("here.sock"), broker.home.path("there.sock"));
    for path in [&here, &there] {
        printed
            .wait_for(&[&format!("listening on unix:{}", path.display())])
            .await;
    }
    let second = broker.listener(1).await;
    assert_ne!(broker.address, second);
    broker.connect("ann").await.still_works().await;
    broker.dial("bob").to(second).connect().await.still_works().await;

    let connect = Frame::text(r#"{"type":"connect","id":1,"payload":{"version":1}}"#).masked();
    let upgrade = broker.dial("over unix").header("X-Real-IP", "192.0.2.7").request();
    let sessions = async |path: &str, request: &str, address: &str| {
        let path = broker.home.path(path);
        let mut stream = UnixStream::connect(&path).await.expect("it listens");
        stream.write_all(request.as_bytes()).await.expect("taken");
        stream.write_all(&connect).await.expect("taken");
        let mut said = Vec::new();
        let reading = async {
            while !String::from_utf8_lossy(&said).contains("\"ack\"") {
                assert_ne!(stream.read_buf(&mut said).await.unwrap_or(0), 0, "no ack");
            }
        };
        within(reading, || "no ack".into()).await;
        let list = broker.read("/tenants/t/connections").await.to_string();
        assert!(
            list.contains(&format!("\"remote_address\":\"{address}\"")),
            "{address}: {list}"
        );
    };
    sessions("here.sock", &upgrade, "192.0.2.7").await;
    let with_header = format!("PROXY TCP4 192.0.2.8 192.0.2.9 1 2\r\n{upgrade}");
    sessions("there.sock", &with_header, "192.0.2.8").await;
    // Who names nobody is this machine.
    sessions("here.sock", &broker.dial("over unix").request(), "127.0.0.1").await;

    broker.terminate();
    assert_eq!(broker.exit_code().await, Some(0));
    assert!(!here.exists() && !there.exists(), "the sockets are taken away");
}

#[tokio::test]
async fn a_socket_that_is_in_use_stops_the_start_and_one_that_was_left_does_not() {
    let config = r#"
        tenants = [{ name = "t", anonymous = true }]
        [server]
        listen = ["127.0.0.1:0", "unix:a.sock"]
    "#;
    let home = Home::new();
    home.write(&complete(config));
    let (path, file) = (home.path("a.sock"), home.config());
    let broker = Broker::start_at(home, "info", config).await;
    broker.printed().wait_for(&["listening on unix:"]).await;
    let args = ["serve".as_ref(), "--config".as_ref(), file.as_os_str()];
    let second = Process::start(args, "info");
    assert_eq!(second.exit_code().await, Some(1));
    let said = second.stderr.text();
    assert!(said.contains("a.sock") && said.contains("server.listen"), "{said}");
    broker.kill().await;
    assert!(
        std::fs::symlink_metadata(&path)
            .expect("it is left")
            .file_type()
            .is_socket()
    );
    let third = Process::start(args, "info");
    third.stdout.wait_for(&["listening on unix:"]).await;
    ask(&path, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"", "HTTP/1.1 404").await;
}

#[tokio::test]
async fn health_is_on_the_clients_port_only_if_it_is_asked_for() {
    let config = |health: bool| {
        format!(
            "tenants = [{{ name = \"t\", anonymous = true }}]\n[server]\ndefault_tenant = \"t\"\ndrain_seconds = 3600\n\
             max_connections = 2\nhealth_on_listen = {health}"
        )
    };
    let broker = Broker::start(&config(false)).await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(http::get(broker.address, path).await.status, 404);
    }
    let broker = Broker::start(&config(true)).await;
    let status = async |path| http::get(broker.address, path).await.status;
    assert_eq!((status("/healthz").await, status("/readyz").await), (200, 200));
    assert_eq!(status("/metrics").await, 404);
    // A full node is asked all the same.
    let mut ann = broker.connect("ann").await;
    let bob = broker.connect("bob").await;
    assert_eq!((status("/healthz").await, status("/readyz").await), (200, 200));
    let full = broker.dial("one more").refused().await;
    assert_eq!((full.status, full.body.as_str()), (503, "the node is full\n"));
    bob.close().await;
    let carl = async {
        loop {
            let (response, socket) = broker.dial("carl").upgrade().await;
            if response.status == 101 {
                return Client::new("carl", socket, response);
            }
        }
    };
    let mut carl = within(carl, || "the place is not given back".into()).await;

    broker.terminate();
    // The first is told to go at once, the next much later.
    ann.expect_disconnect(4000, "shutting_down", true).await;
    assert_eq!((status("/healthz").await, status("/readyz").await), (200, 503));
    let told = http::get(broker.address, "/readyz").await.body;
    assert_eq!(told, "not ready\n", "clients are told nothing of the inside");
    let closed = broker.dial("late").refused().await;
    assert_eq!(
        (closed.status, closed.body.as_str()),
        (503, "the node is shutting down\n")
    );
    assert!(closed.header("retry-after").is_some(), "{closed:?}");
    carl.ask("connect", broker.dial("carl").payload()).await;
    broker.terminate();
    assert_eq!(broker.exit_code().await, Some(0));
}

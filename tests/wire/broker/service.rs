//! The broker as a service of systemd: what it notifies, its watchdog, and the sockets that it is passed.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::support::config::Home;
use crate::support::dial::Dial;
use crate::support::service::{Manager, Service};
use crate::support::{Client, http, json, within};

const CONFIG: &str = r#"
    server = { default_tenant = "t", shards = 2 }
    [[tenants]]
    name = "t"
    anonymous = true
    default = "allow"
"#;

// === notifications ===

#[tokio::test]
async fn states_are_notified_at_a_path_and_under_an_abstract_name() {
    for is_abstract in [false, true] {
        let home = Home::new();
        let path = home.path("notify");
        let manager = match is_abstract {
            true => Manager::called(&path.display().to_string()),
            false => Manager::at(&path),
        };
        let broker = Service::new(home).notifies(&manager).start(CONFIG).await;
        assert_eq!(manager.next().await, "STATUS=loading plugins");
        assert_eq!(manager.next().await, "READY=1\nSTATUS=serving");
        broker.connect("ann").await.still_works().await;

        let before = microseconds();
        broker.hang_up().await;
        let told = manager.next().await;
        let mut lines = told.lines();
        assert_eq!(lines.next(), Some("RELOADING=1"));
        let stamp = lines.next().and_then(|line| line.strip_prefix("MONOTONIC_USEC="));
        let stamp: i64 = stamp.expect("a time").parse().expect("a number");
        assert!((before..=microseconds()).contains(&stamp), "{told}");
        assert_eq!(manager.next().await, "READY=1\nSTATUS=serving");

        broker.reload("server = { shards = 1000 }").await;
        manager.hears("RELOADING=1").await;
        let told = manager.hears("READY=1").await;
        assert!(told.contains("the last reload was refused"), "{told}");

        broker.terminate();
        let told = manager.next().await;
        assert!(told.starts_with("STOPPING=1\nEXTEND_TIMEOUT_USEC=11000000\n"), "{told}");
        assert_eq!(broker.exit_code().await, Some(0));
        assert!(manager.waiting().is_empty());
    }
}

/// The clock of `MONOTONIC_USEC`.
fn microseconds() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

#[tokio::test]
async fn a_socket_that_nobody_can_send_to_is_told() {
    let service = Service::new(Home::new()).variable("NOTIFY_SOCKET", "relative");
    let (_home, process) = service.launch(CONFIG).await;
    assert_eq!(process.exit_code().await, Some(1));
    assert!(
        process.stderr.text().contains("NOTIFY_SOCKET"),
        "{}",
        process.stderr.text()
    );
}

#[tokio::test]
async fn the_watchdog_hears_nothing_while_a_shard_hangs() {
    let home = Home::new();
    let manager = Manager::at(&home.path("notify"));
    let broker = Service::new(home)
        .notifies(&manager)
        .variable("WATCHDOG_USEC", "100000")
        .start(&format!(
            "{CONFIG}\n[[tenants.chain]]\nplugin = \"loop\"\nhooks = [\"publish\"]\ndeadline_ms = 3000\n\
             [plugins.loop]\nfile = \"guests/loop.wasm\"\n"
        ))
        .await;
    manager.hears("READY=1").await;
    for _ in 0..3 {
        assert_eq!(manager.next().await, "WATCHDOG=1");
    }
    let mut ann = broker.connect("ann").await;
    manager.waiting();
    // Its shard is in the hook for 3 s; the other one, and all other threads, go on.
    ann.fails("publish", json!({ "channel": "c", "data": 1 }), 4503).await;
    let told = manager.waiting();
    assert!(told.len() <= 4, "60 would be told if nobody looked: {}", told.len());
    broker
        .log()
        .wait_for(&["WARN", "threads make no progress", "shard-"])
        .await;
    assert_eq!(manager.next().await, "WATCHDOG=1", "it goes on");
}

// === sockets ===

/// A listener of the test's own, and its address.
fn listener() -> (TcpListener, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

#[tokio::test]
async fn who_connects_before_the_broker_is_there_is_served_by_it() {
    let home = Home::new();
    let path = home.path("a.sock");
    let (clients, address) = listener();
    let (admin, admin_address) = listener();
    let unix = UnixListener::bind(&path).expect("a socket");
    let config = format!(
        r#"
        server = {{ default_tenant = "t", shards = 2, listen = ["{address}", "unix:a.sock"], admin_listen = "{admin_address}" }}
        tenants = [{{ name = "t", anonymous = true, default = "allow" }}]
        "#
    );
    // Nobody has started it.
    let dial = Dial::new(address, "early");
    let mut early = dial.silent().await;
    early.write_all(dial.request().as_bytes()).await.expect("taken");
    let mut over_unix = UnixStream::connect(&path).await.expect("somebody listens");
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    over_unix.write_all(request).await.expect("taken");
    let mut health = http::dial(admin_address, None).await;
    health
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .expect("taken");

    let broker = Service::new(home)
        .passes(unix)
        .passes(clients)
        .passes(admin)
        .variable("LISTEN_FDNAMES", "unix:clients:admin")
        .start(&config)
        .await;
    assert_eq!((broker.address, broker.admin), (address, admin_address));
    let (response, early) = {
        let (response, rest) = http::respond(&mut early).await;
        (response, crate::support::socket::Socket::new(early, rest))
    };
    assert_eq!(response.status, 101);
    let mut early = Client::new("early", early, response);
    early.ask("connect", dial.payload()).await;
    let mut said = String::new();
    within(over_unix.read_to_string(&mut said), || "no answer".into())
        .await
        .expect("an answer");
    assert!(said.starts_with("HTTP/1.1 404"), "{said}");
    assert_eq!(http::respond(&mut health).await.0.status, 200);
    // Both shards look at the one socket.
    for n in 0..8 {
        broker.connect(&format!("client {n}")).await.still_works().await;
    }
    broker.terminate();
    assert_eq!(broker.exit_code().await, Some(0));
    assert!(path.exists(), "the file is the manager's");
}

#[tokio::test]
async fn what_is_passed_and_not_for_any_listener_is_refused_with_its_name() {
    let stranger = || OwnedFd::from(listener().0);
    let datagrams = || OwnedFd::from(UdpSocket::bind("127.0.0.1:0").expect("a socket"));
    let file = || OwnedFd::from(std::fs::File::open("/dev/null").expect("a file"));
    for (passed, variables, words) in [
        (
            stranger(),
            &[("LISTEN_FDNAMES", "web")][..],
            &["descriptor 3 (web)", "127.0.0.1:", "server.listen"][..],
        ),
        (stranger(), &[], &["descriptor 3 was passed"]),
        (datagrams(), &[], &["descriptor 3", "no stream socket that listens"]),
        (file(), &[], &["descriptor 3", "no stream socket that listens"]),
        (stranger(), &[("LISTEN_FDS", "2")], &["descriptor 4", "is not open"]),
        (stranger(), &[("LISTEN_FDS", "some")], &["LISTEN_FDS=\"some\""]),
    ] {
        let mut service = Service::new(Home::new()).passes(passed);
        for (name, value) in variables {
            service = service.variable(name, *value);
        }
        let (_home, process) = service.launch(CONFIG).await;
        let code = process.exit_code().await;
        let said = process.stderr.text();
        assert_eq!(code, Some(1), "{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in: {said}");
        }
    }
}

#[tokio::test]
async fn sockets_for_another_process_are_left_alone() {
    let (stranger, _) = listener();
    let service = Service::new(Home::new())
        .passes(stranger)
        .variable("LISTEN_FDNAMES", "web");
    let broker = service.for_another_process().start(CONFIG).await;
    broker.connect("ann").await.still_works().await;
}

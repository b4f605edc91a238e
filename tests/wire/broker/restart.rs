//! SIGUSR2: another process takes over the listeners. Nobody is refused meanwhile, and whatever becomes of the other process
//! before it serves, the first one goes on.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use crate::support::admin::full_key;
use crate::support::config::{Home, complete};
use crate::support::dial::Dial;
use crate::support::process::binary;
use crate::support::service::{Manager, Service, Serving};
use crate::support::socket::Socket;
use crate::support::tls::{Authority, link};
use crate::support::{Broker, Client, PATIENCE, eventually, http, within};

/// So many shards, and a Unix socket beside the port.
fn config(shards: u8, more: &str) -> String {
    format!(
        r#"
        {}
        [[tenants]]
        name = "t"
        anonymous = true
        default = "allow"
        [[tenants.channels]]
        match = "room:*"
        history = {{}}
        [server]
        default_tenant = "t"
        shards = {shards}
        listen = ["127.0.0.1:0", "unix:a.sock"]
        {more}
        "#,
        full_key()
    )
}

/// Clients that come one after the other.
struct Visitors {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicU64>,
    coming: JoinHandle<()>,
}

impl Visitors {
    /// Each connects to `address`, and fails the test if it is refused.
    fn come_to(address: SocketAddr) -> Self {
        let (stop, served) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (ended, counted) = (stop.clone(), served.clone());
        let coming = tokio::spawn(async move {
            while !ended.load(Ordering::Relaxed) {
                let dial = Dial::new(address, "a visitor");
                let mut visitor = dial.open().await;
                let id = visitor.send("connect", dial.payload()).await;
                // Who comes to the old one at its last moment is told to come back, as all others there.
                let told = visitor
                    .take("a welcome", |told| told.answers(&id) || told.kind() == "disconnect")
                    .await;
                assert!(told.answers(&id) || told["payload"]["code"] == 4000, "{told:?}");
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { stop, served, coming }
    }

    /// Waits until some more were served.
    async fn go_on(&self) {
        let before = self.served.load(Ordering::Relaxed);
        let more = async || (self.served.load(Ordering::Relaxed) > before + 20).then_some(());
        eventually(PATIENCE, "more visitors", more).await;
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        within(self.coming, || "a visitor waits".into())
            .await
            .expect("each was served");
    }
}

/// What a request over a Unix socket is answered.
async fn over_unix(path: &Path) -> String {
    let mut stream = UnixStream::connect(path).await.expect("somebody listens");
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.expect("taken");
    let mut said = String::new();
    let answered = within(stream.read_to_string(&mut said), || "no answer".into()).await;
    answered.expect("an answer");
    said
}

#[tokio::test]
async fn nobody_is_refused_while_another_process_takes_over() {
    let home = Home::new();
    let manager = Manager::at(&home.path("notify"));
    let broker = Service::new(home)
        .notifies(&manager)
        .variable("WATCHDOG_USEC", "1000000")
        .start(&config(2, ""))
        .await;
    manager.hears("READY=1").await;
    let path = broker.home.path("a.sock");
    let visitors = Visitors::come_to(broker.address);
    let mut serving = Serving::first(&broker);
    // A second time, from a process that took over itself.
    for _ in 0..2 {
        let mut ann = broker.connect("ann").await;
        ann.subscribe("room:1").await.publish("before").await;
        ann.expect_message("before").await;
        manager.waiting();
        let next = serving.hand_over().await;
        // The manager hears of it before it hears it.
        manager.hears(&format!("MAINPID={}", next.pid())).await;
        manager.hears("READY=1").await;
        manager.hears("WATCHDOG=1").await;
        let notice = ann.expect_disconnect(4000, "shutting_down", true).await;
        assert!(notice["retry_after_ms"].is_u64(), "{notice}");
        serving.gone().await;
        visitors.go_on().await;
        broker.connect("bob").await.still_works().await;
        assert_eq!(broker.admin_get("/readyz").await.status, 200);
        assert!(over_unix(&path).await.starts_with("HTTP/1.1 404"));
        serving = next;
    }
    assert_eq!(broker.own_exit_code().await, Some(0));
    visitors.end().await;
    assert!(
        !manager.waiting().iter().any(|told| told.contains("STOPPING")),
        "the service goes on"
    );
    serving.signal(Signal::TERM);
    manager.hears("STOPPING=1").await;
    serving.gone().await;
    assert!(!path.exists(), "the last one takes the socket away");
}

#[tokio::test]
async fn who_is_amid_a_handshake_is_served_and_an_idle_operator_connects_anew() {
    // Nothing ends by itself meanwhile.
    let broker = Service::new(Home::new())
        .start(&config(1, "header_timeout_ms = 60000"))
        .await;
    let mut operator = http::dial(broker.admin, None).await;
    let health = b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n";
    operator.write_all(health).await.expect("taken");
    assert_eq!(http::respond(&mut operator).await.0.status, 200);
    let dial = broker.dial("slow");
    let request = dial.request();
    let (begin, rest) = request.as_bytes().split_at(20);
    let mut slow = dial.silent().await;
    slow.write_all(begin).await.expect("taken");
    // Whoever came after it is served, so it was accepted before.
    broker.connect("ann").await.still_works().await;
    let first = Serving::first(&broker);
    first.hand_over().await;
    let closed = within(operator.read_u8(), || "the old process keeps an operator".into()).await;
    closed.expect_err("it is closed, though the old process waits for somebody");
    slow.write_all(rest).await.expect("taken");
    let (response, early) = http::respond(&mut slow).await;
    assert_eq!(response.status, 101);
    let mut slow = Client::new("slow", Socket::new(slow, early), response);
    slow.expect_disconnect(4000, "shutting_down", true).await;
    first.gone().await;
}

#[tokio::test]
async fn what_waits_at_a_socket_without_a_shard_is_accepted() {
    for (before, after) in [(4, 1), (1, 3)] {
        let broker = Service::new(Home::new()).start(&config(before, "")).await;
        broker.home.write(&complete(&config(after, "")));
        let first = Serving::first(&broker);
        let visitors = Visitors::come_to(broker.address);
        first.hand_over().await;
        first.gone().await;
        // The system chooses a queue by the client's port.
        let mut clients = Vec::new();
        for n in 0..32 {
            clients.push(broker.connect(&format!("client {n}")).await);
        }
        visitors.end().await;
    }
}

#[tokio::test]
async fn a_listener_that_the_config_has_no_more_is_closed_and_its_file_taken_away() {
    let broker = Service::new(Home::new()).start(&config(1, "")).await;
    let path = broker.home.path("a.sock");
    let other = config(1, "").replace("unix:a.sock", "unix:b.sock");
    broker.home.write(&complete(&other));
    let first = Serving::first(&broker);
    first.hand_over().await;
    first.gone().await;
    assert!(over_unix(&broker.home.path("b.sock")).await.starts_with("HTTP/1.1 404"));
    eventually(PATIENCE, "the end of a file", async || (!path.exists()).then_some(())).await;
}

#[tokio::test]
async fn tls_is_spoken_by_the_next_process_too() {
    let authority = Authority::new("ours");
    let home = Home::new();
    authority.issue(&home, "a", "acme.example", 30);
    authority.put_ca(&home);
    let config = "[server]\ndefault_tenant = \"t\"\n[server.tls]\ncertificates = [{ cert = \"a.pem\", key = \"a.key\" }]\n\
                  [[tenants]]\nname = \"t\"\nanonymous = true\ndefault = \"allow\"";
    let broker = Service::new(home).start(config).await;
    let first = Serving::first(&broker);
    first.hand_over().await;
    first.gone().await;
    let address = link(broker.address, "acme.example", authority.client(None)).await;
    Dial::new(address, "ann").connect().await.still_works().await;
}

// === what fails ===

/// A program at `path`: a link to the broker, or a script.
fn put_program(path: &Path, script: Option<&str>) {
    let fresh = path.with_extension("fresh");
    match script {
        None => symlink(binary(), &fresh).expect("a link"),
        Some(script) => {
            fs::write(&fresh, format!("#!/bin/sh\n{script}\n")).expect("written");
            fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).expect("set");
        }
    }
    fs::rename(fresh, path).expect("put in place");
}

/// A broker that is started by a link to its program, and the link.
async fn linked(more: &str) -> (Broker, std::path::PathBuf, Manager) {
    let home = Home::new();
    let program = home.path("program");
    put_program(&program, None);
    let manager = Manager::at(&home.path("notify"));
    let service = Service::new(home).program(program.clone()).notifies(&manager);
    let broker = service.start(&config(1, more)).await;
    manager.hears("READY=1").await;
    (broker, program, manager)
}

#[tokio::test]
async fn whatever_becomes_of_the_other_process_this_one_goes_on() {
    let (broker, program, manager) = linked("handover_seconds = 1").await;
    let first = Serving::first(&broker);
    let mut ann = broker.connect("ann").await;
    let visitors = Visitors::come_to(broker.address);
    let good = complete(&config(1, "handover_seconds = 1"));
    let bad = complete("server = { shards = 1000 }");
    for (case, config, script, why) in [
        ("a bad config", &bad, None, "exit status: 1"),
        ("an end", &good, Some("exit 7"), "exit status: 7"),
        ("a crash", &good, Some("kill -SEGV $$"), "signal: 11"),
        ("no program", &good, Some(""), "cannot be started"),
        ("no answer", &good, Some("exec sleep 1000"), "not ready within 1s"),
        (
            "no word",
            &good,
            Some("exec 0</dev/null; exec sleep 1000"),
            "ended before",
        ),
    ] {
        broker.home.write(config);
        match (case, script) {
            ("no program", _) => fs::remove_file(&program).expect("it was there"),
            (_, script) => put_program(&program, script),
        }
        let mark = broker.log().mark();
        first.signal(Signal::USR2);
        let line = broker.log().wait_after(mark, &["no other process took over"]).await;
        assert!(line.contains("ERROR") && line.contains(why), "{case}: {line}");
        manager
            .hears("STATUS=serving: the last restart failed, and the log says why")
            .await;
        ann.still_works().await;
        visitors.go_on().await;
        assert_eq!(broker.admin_get("/readyz").await.status, 200, "{case}");
        assert_eq!(broker.children(), [] as [i32; 0], "{case}");
        assert!(
            over_unix(&broker.home.path("a.sock")).await.starts_with("HTTP"),
            "{case}"
        );
    }
    put_program(&program, None);
    broker.home.write(&good);
    first.hand_over().await;
    first.gone().await;
    visitors.go_on().await;
    visitors.end().await;
}

#[tokio::test]
async fn a_signal_to_end_ends_the_other_process_too() {
    let (broker, program, _manager) = linked("").await;
    put_program(&program, Some("exec sleep 1000"));
    let first = Serving::first(&broker);
    first.signal(Signal::USR2);
    broker
        .log()
        .wait_for(&["another process is started to take over"])
        .await;
    // One at a time.
    first.signal(Signal::USR2);
    broker
        .log()
        .wait_for(&["another process is about to take over already"])
        .await;
    broker.terminate();
    assert_eq!(broker.exit_code().await, Some(0), "nobody has its pipes any more");
}

//! TLS on both listeners: who comes in, what is spoken, and certificates that are replaced or cannot be.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::config::Home;
use crate::support::dial::Dial;
use crate::support::tls::{Authority, connect, link};
use crate::support::{Broker, Frame, PATIENCE, eventually, http, json, within};

const NAME: &str = "acme.example";

/// A broker with certificates for two names.
fn config(more: &str) -> String {
    format!(
        r#"
        [server]
        default_tenant = "t"
        {more}
        [server.tls]
        certificates = [{{ cert = "a.pem", key = "a.key" }}, {{ cert = "b.pem", key = "b.key" }}]
        [[tenants]]
        name = "t"
        anonymous = true
        default = "allow"
        limits = {{ publish_per_second = 0, outbox_bytes = 33554432 }}
        "#
    )
}

async fn start(authority: &Authority, config: &str) -> Broker {
    let home = Home::new();
    authority.issue(&home, "a", NAME, 30);
    authority.issue(&home, "b", "b.example", 300);
    authority.put_ca(&home);
    Broker::start_at(home, "info", config).await
}

/// When the certificate ends that a client is shown that asks for this name, by its serial number.
async fn shown(broker: &Broker, name: &str, client: &Arc<ClientConfig>) -> Vec<u8> {
    let stream = connect(broker.address, name, client).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn clients_speak_over_tls_as_without() {
    let authority = Authority::new("ours");
    let broker = start(&authority, &config("")).await;
    broker.printed().wait_for(&["listening on https://127.0.0.1:"]).await;
    let address = link(broker.address, NAME, authority.client(None)).await;
    let mut ann = Dial::new(address, "ann").connect().await;
    let mut bob = Dial::new(address, "bob").connect().await;
    bob.subscribe("c").await;
    // Less and more than a record, and a request of several.
    for length in [1, 10_000, 16_384, 60_000] {
        ann.to("c").publish("x".repeat(length)).await;
        bob.expect_message("x".repeat(length)).await;
    }
    bob.close().await;
    ann.still_works().await;
}

#[tokio::test]
async fn a_client_that_reads_late_gets_everything_in_order() {
    let authority = Authority::new("ours");
    let broker = start(&authority, &config("")).await;
    let address = link(broker.address, NAME, authority.client(None)).await;
    let mut ann = Dial::new(address, "ann").connect().await;
    let mut bob = Dial::new(address, "bob").receive_buffer(65_536).connect().await;
    bob.subscribe("c").await;
    // More than all sockets on the way take.
    let text = |number: usize| format!("{number} {}", "x".repeat(50_000));
    for number in 0..300 {
        ann.to("c").publish(text(number)).await;
    }
    let waits =
        |metrics: &crate::support::metrics::Metrics| metrics.sum("sluicegate_outbox_bytes", &[]).unwrap_or(0.0) > 0.0;
    broker.metrics_when("bytes wait for bob", waits).await;
    for number in 0..300 {
        bob.expect_message(text(number)).await;
    }
    bob.still_works().await;
}

#[tokio::test]
async fn what_is_no_handshake_or_half_of_one_is_given_up() {
    let authority = Authority::new("ours");
    let broker = start(&authority, &config("header_timeout_ms = 300")).await;
    // A record of a handshake that promises more than comes.
    let half = [22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    for (what, bytes) in [
        ("half", &half[..]),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n"),
        ("nothing", b""),
    ] {
        let mut stream = TcpStream::connect(broker.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // Closed with unread bytes, or without.
        drop(within(stream.read_to_end(&mut answer), || format!("{what}: it stays open")).await);
        assert!(!answer.starts_with(b"HTTP"), "{what}");
    }
    broker
        .log()
        .wait_for(&["a TLS handshake failed", "it did not end in time"])
        .await;
    let address = link(broker.address, NAME, authority.client(None)).await;
    Dial::new(address, "ann").connect().await.still_works().await;
}

#[tokio::test]
async fn certificates_are_read_again_and_what_cannot_be_used_changes_nothing() {
    let authority = Authority::new("ours");
    let client = authority.client(None);
    let broker = start(&authority, &config("")).await;
    let address = link(broker.address, NAME, client.clone()).await;
    let mut ann = Dial::new(address, "ann").connect().await;
    let first = shown(&broker, NAME, &client).await;
    let other = shown(&broker, "b.example", &client).await;
    assert_ne!(first, other, "each name has its own");

    authority.issue(&broker.home, "a", NAME, 300);
    broker.hang_up().await;
    let second = shown(&broker, NAME, &client).await;
    assert_ne!(second, first);
    // Who is connected stays so.
    ann.still_works().await;

    let key = std::fs::read(broker.home.path("a.key")).unwrap();
    for (case, cert) in [("half", &b"-----BEGIN CERTIFICATE-----\nMII"[..]), ("none", b"")] {
        broker.home.put("a.pem", cert);
        broker.hang_up().await;
        assert_eq!(shown(&broker, NAME, &client).await, second, "{case}");
    }
    broker.log().wait_for(&["the one in force stays", "a.pem"]).await;
    // A key of another certificate, and a config that is refused: what can be renewed is.
    authority.issue(&broker.home, "a", NAME, 300);
    broker.home.put("a.key", key);
    authority.issue(&broker.home, "b", "b.example", 300);
    broker.reload("[server]\nlisten = 1\n[[tenants]]\nname = \"t\"").await;
    assert_eq!(shown(&broker, NAME, &client).await, second);
    assert_ne!(shown(&broker, "b.example", &client).await, other);
}

#[tokio::test]
async fn files_that_change_are_read_again_by_themselves() {
    let authority = Authority::new("ours");
    let client = authority.client(None);
    let broker = start(&authority, &config("watch = true")).await;
    let first = shown(&broker, NAME, &client).await;
    authority.issue(&broker.home, "a", NAME, 300);
    let reloaded =
        |metrics: &crate::support::metrics::Metrics| metrics.sum("sluicegate_reloads_total", &[]) > Some(0.0);
    broker.metrics_when("a reload", reloaded).await;
    assert_ne!(shown(&broker, NAME, &client).await, first);
}

#[tokio::test]
async fn what_expires_is_told_before() {
    let authority = Authority::new("ours");
    let home = Home::new();
    authority.issue(&home, "a", NAME, 13);
    authority.issue(&home, "b", "b.example", 15);
    let broker = Broker::start_at(home, "info", &config("")).await;
    broker.log().wait_for(&["a certificate expires soon", NAME]).await;
    assert!(!broker.log().text().contains("b.example"), "15 days are enough");
    let metrics = broker.metrics().await;
    let days = |name: &str| {
        metrics
            .sum("sluicegate_certificate_expiry_seconds", &[("name", name)])
            .unwrap()
            / 86_400.0
    };
    assert!((12.9..13.1).contains(&days(NAME)), "{}", days(NAME));
    assert!((14.9..15.1).contains(&days("b.example")), "{}", days("b.example"));
}

#[tokio::test]
async fn operators_show_a_certificate() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let admin = "[server.admin_tls]\ncertificates = [{ cert = \"a.pem\", key = \"a.key\" }]\nclient_ca = \"ca.pem\"";
    let broker = start(
        &ours,
        &config("").replace("[server.tls]", &format!("{admin}\n[server.tls]")),
    )
    .await;
    broker.printed().wait_for(&["admin on https://127.0.0.1:"]).await;
    let ann = ours.issue(&broker.home, "ann", "ann", 10);
    let stranger = theirs.issue(&broker.home, "stranger", "stranger", 10);
    let asked = async |identity| -> Option<u16> {
        let mut stream = connect(broker.admin, NAME, &ours.client(identity)).await.ok()?;
        let request = "GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer), || "no answer".into())
            .await
            .ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    };
    assert_eq!(asked(Some(ann)).await, Some(200));
    assert_eq!(asked(None).await, None);
    assert_eq!(asked(Some(stranger)).await, None);
}

/// What `openssl s_client` says with these arguments.
async fn openssl(broker: SocketAddr, arguments: &[&str]) -> String {
    let address = broker.to_string();
    let mut command = Command::new("openssl");
    command
        .args(["s_client", "-connect", &address, "-servername", NAME])
        .args(arguments);
    let run = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output());
    let output = within(run, || "openssl does not end".into()).await.unwrap();
    let output = output.expect("openssl is installed: Debian has it in the package openssl");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test]
async fn openssl_negotiates_what_it_should_and_nothing_else() {
    let authority = Authority::new("ours");
    let broker = start(&authority, &config("")).await;
    let only = start(
        &authority,
        &config("").replace("[[tenants]]", "min_version = \"1.3\"\n[[tenants]]"),
    )
    .await;
    let ca = broker.home.path("ca.pem").display().to_string();
    for (address, arguments, said) in [
        (
            broker.address,
            &["-tls1_3", "-alpn", "h2,http/1.1"][..],
            "Cipher is TLS_AES_256_GCM_SHA384",
        ),
        (
            broker.address,
            &["-tls1_3", "-alpn", "h2,http/1.1"],
            "ALPN protocol: http/1.1",
        ),
        (
            broker.address,
            &["-tls1_3", "-CAfile", &ca],
            "Verify return code: 0 (ok)",
        ),
        (
            broker.address,
            &["-tls1_3", "-CAfile", &ca, "-verify_hostname", "other.example"],
            "hostname mismatch",
        ),
        (broker.address, &["-tls1_2"], "Cipher is ECDHE-ECDSA-AES256-GCM-SHA384"),
        (broker.address, &["-tls1_2"], "Secure Renegotiation IS supported"),
        (broker.address, &["-tls1_2"], "Compression: NONE"),
        (broker.address, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "alert"),
        (
            broker.address,
            &["-tls1_2", "-cipher", "AES256-SHA:@SECLEVEL=0"],
            "alert handshake failure",
        ),
        (only.address, &["-tls1_2"], "alert protocol version"),
        (only.address, &["-tls1_3"], "Cipher is TLS_AES_256_GCM_SHA384"),
    ] {
        let output = openssl(address, arguments).await;
        assert!(output.contains(said), "{arguments:?}: not {said:?} in\n{output}");
    }
}

/// What a broker says to an upgrade and `connect` by way of `openssl s_client`, up to the ack.
fn over_openssl(address: SocketAddr, arguments: &[&str]) -> String {
    let dial = Dial::new(address, "ann").host(NAME);
    let connect = json!({ "type": "connect", "id": 1, "payload": dial.payload() });
    let sent = [dial.request().into_bytes(), Frame::text(connect.to_string()).masked()].concat();
    let mut client = Command::new("openssl")
        .args([
            "s_client",
            "-quiet",
            "-connect",
            &address.to_string(),
            "-servername",
            NAME,
        ])
        .args(["-verify_return_error", "-verify_hostname", NAME])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed: Debian has it in the package openssl");
    // It reads them when it has shaken hands.
    client.stdin.as_mut().unwrap().write_all(&sent).unwrap();
    let (mut said, mut part) = (Vec::new(), [0; 4_096]);
    let output = client.stdout.as_mut().unwrap();
    while !String::from_utf8_lossy(&said).contains("\"ack\"") {
        match output.read(&mut part).unwrap() {
            0 => break,
            count => said.extend_from_slice(&part[..count]),
        }
    }
    client.kill().unwrap();
    client.wait().unwrap();
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn openssl_speaks_the_protocol() {
    let authority = Authority::new("ours");
    let broker = start(&authority, &config("")).await;
    let ca = broker.home.path("ca.pem").display().to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        let (address, ca) = (broker.address, ca.clone());
        let run = tokio::task::spawn_blocking(move || over_openssl(address, &[version, "-CAfile", &ca]));
        let said = within(run, || format!("{version}: no ack")).await.unwrap();
        assert!(
            said.starts_with("HTTP/1.1 101 ") && said.contains("\"ack\""),
            "{version}: {said}"
        );
    }
}

#[tokio::test]
async fn a_full_node_refuses_in_the_handshake() {
    let authority = Authority::new("ours");
    let broker = start(&authority, &config("max_connections = 1")).await;
    let address = link(broker.address, NAME, authority.client(None)).await;
    let _ann = Dial::new(address, "ann").connect().await;
    let refused = connect(broker.address, NAME, &authority.client(None)).await;
    let error = refused.expect_err("the node is full").to_string();
    assert!(error.contains("InternalError"), "{error}");
    // The admin listener speaks as it is set.
    assert_eq!(http::get(broker.admin, "/healthz").await.status, 200);
}

/// What the public listener answers over TLS; none if it was turned away in the handshake.
async fn asked(broker: &Broker, client: &Arc<ClientConfig>, request: &str) -> Option<u16> {
    let mut stream = match connect(broker.address, NAME, client).await {
        Ok(stream) => stream,
        Err(error) => {
            assert!(error.to_string().contains("InternalError"), "{error}");
            return None;
        }
    };
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut head = [0; 12];
    let answered = within(stream.read_exact(&mut head), || "no answer".into()).await;
    answered.ok()?;
    String::from_utf8_lossy(&head).split(' ').nth(1)?.parse().ok()
}

#[tokio::test]
async fn load_is_shed_before_the_handshake() {
    let authority = Authority::new("ours");
    let client = authority.client(None);
    let memory = |mib: u32| config(&format!("door = {{ shed_memory_mib = {mib} }}"));
    let broker = start(&authority, &memory(1_000_000)).await;
    let address = link(broker.address, NAME, client.clone()).await;
    let mut ann = Dial::new(address, "ann").connect().await;
    // Every process has more than that.
    broker.reload(&memory(1)).await;
    let shed = async || connect(broker.address, NAME, &client).await.err();
    let error = eventually(PATIENCE, "nobody is turned away", shed).await.to_string();
    assert!(error.contains("InternalError"), "{error}");
    let refusals = broker.metrics().await;
    assert!(refusals.sum("sluicegate_door_refusals_total", &[("what", "memory")]) >= Some(1.0));
    ann.still_works().await;
    broker.reload(&memory(0)).await;
    Dial::new(address, "bob").connect().await.still_works().await;
}

#[tokio::test]
async fn a_rate_that_is_used_up_costs_no_handshake_and_health_is_told_all_the_same() {
    let authority = Authority::new("ours");
    let client = authority.client(None);
    let rate = "door = { connects_per_second = 1 }";
    let upgrade = Dial::new(([127, 0, 0, 1], 1).into(), "ann").request();
    let broker = start(&authority, &config(rate)).await;
    let mut answers = Vec::new();
    for _ in 0..30 {
        answers.push(asked(&broker, &client, &upgrade).await);
    }
    assert!(answers[0] == Some(101) && answers.contains(&None), "{answers:?}");
    let refused = answers.iter().filter(|answer| **answer != Some(101)).count();
    let metrics = broker.metrics().await;
    let counted = metrics.sum("sluicegate_door_refusals_total", &[("what", "node_rate")]);
    assert_eq!(counted, Some(refused as f64), "{answers:?}");

    let broker = start(&authority, &config(&format!("health_on_listen = true\n{rate}"))).await;
    let mut answers = Vec::new();
    for _ in 0..30 {
        answers.push(asked(&broker, &client, &upgrade).await);
        let health = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(asked(&broker, &client, health).await, Some(200));
    }
    assert!(answers.contains(&Some(503)) && !answers.contains(&None), "{answers:?}");
}

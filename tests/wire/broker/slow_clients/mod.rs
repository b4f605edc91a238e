//! Clients that send byte by byte, or nothing, in every phase of a connection: each phase has its bound, and who is slow holds
//! nobody else's place. Those who read nothing are in `overflow.rs` and `unread.rs`.

mod phases;

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::admin::full_key;
use crate::support::config::Home;
use crate::support::dial::Dial;
use crate::support::drip::drip;
use crate::support::socket::last_close_code;
use crate::support::tls::{Authority, client_hello, connect_over, link};
use crate::support::{Broker, Frame, PATIENCE, eventually, http};

use phases::{End, HALF_HELLO, HEAD, Phase, Way, connected, half_frame, operators_phases, phases, upgrade};

const NAME: &str = "acme.example";

/// A broker with a listener for each way in, and these settings.
async fn start(authority: &Authority, admin_tls: bool, more: &str) -> Broker {
    let home = Home::new();
    authority.issue(&home, "a", NAME, 30);
    let key = full_key();
    let certificates = r#"certificates = [{ cert = "a.pem", key = "a.key" }]"#;
    let admin = match admin_tls {
        true => format!("[server.admin_tls]\n{certificates}"),
        false => String::new(),
    };
    let config = format!(
        r#"
        [server]
        default_tenant = "t"
        listen = [
            {{ address = "127.0.0.1:0" }},
            {{ address = "127.0.0.1:0", proxy_protocol = true }},
            {{ address = "127.0.0.1:0", tls = true }},
            {{ address = "127.0.0.1:0", tls = true, proxy_protocol = true }},
        ]
        trusted_proxies = ["127.0.0.1"]
        {more}
        [server.tls]
        {certificates}
        {admin}
        [[tenants]]
        name = "t"
        anonymous = true
        default = "allow"
        {key}
        "#
    );
    Broker::start_at(home, "info", &config).await
}

/// A client of a broker.
#[derive(Clone)]
struct Slow {
    /// In the order of the config.
    listeners: [SocketAddr; 4],
    admin: SocketAddr,
    client: Arc<ClientConfig>,
    from: [u8; 4],
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Slow {
    async fn new(broker: &Broker, client: &Arc<ClientConfig>) -> Self {
        let mut listeners = [broker.address; 4];
        for (number, address) in listeners.iter_mut().enumerate() {
            *address = broker.listener(number).await;
        }
        Self {
            listeners,
            admin: broker.admin,
            client: client.clone(),
            from: [127, 0, 0, 1],
        }
    }

    async fn dial(&self, way: Way) -> TcpStream {
        let address = match way {
            Way::Plain => self.listeners[0],
            Way::Proxied => self.listeners[1],
            Way::Tls | Way::Encrypted => self.listeners[2],
            Way::ProxiedTls => self.listeners[3],
            Way::Admin | Way::EncryptedAdmin => self.admin,
        };
        http::dial_from(Some(self.from.into()), address, None).await
    }

    /// A connection on which `begin` was sent.
    async fn open(&self, way: Way, begin: &[u8]) -> Box<dyn Stream> {
        let stream = self.dial(way).await;
        let mut stream: Box<dyn Stream> = match way {
            Way::Encrypted | Way::EncryptedAdmin => {
                Box::new(connect_over(stream, NAME, &self.client).await.expect("a handshake"))
            }
            _ => Box::new(stream),
        };
        stream.write_all(begin).await.expect("it is taken");
        stream.flush().await.expect("it is taken");
        stream
    }

    /// Whether one more connection is not turned away.
    async fn is_let_in(&self, way: Way) -> bool {
        let stream = self.dial(way).await;
        match way {
            Way::Plain => {
                let mut stream = stream;
                stream.write_all(&upgrade()).await.ok();
                let answer = http::try_respond(&mut stream).await;
                answer.is_some_and(|(answer, _)| answer.status == 101)
            }
            _ => connect_over(stream, NAME, &self.client).await.is_ok(),
        }
    }

    async fn is_ended(&self, phase: Phase) {
        let Phase {
            what,
            way,
            begin,
            then,
            end,
        } = phase;
        let stream = self.open(way, &begin).await;
        let said = drip(stream, then.into_iter().cycle(), format!("{what}: it stays open")).await;
        let text = String::from_utf8_lossy(&said);
        match end {
            // Of half a handshake the broker has said its part.
            End::Silence => assert!(said.is_empty() || said[0] == 22, "{what}: {text}"),
            End::Statuses(expected) => {
                let heads = text.split("HTTP/1.1 ").skip(1);
                let statuses: Vec<u16> = heads.filter_map(|head| head.get(..3)?.parse().ok()).collect();
                assert_eq!(statuses, expected, "{what}: {text}");
            }
            End::Close(code) => {
                let head = said.windows(4).position(|end| end == b"\r\n\r\n");
                let frames = &said[head.expect("a head") + 4..];
                assert_eq!(last_close_code(frames), Some(code), "{what}: {text}");
            }
        }
    }
}

/// All of them at the same time.
async fn are_ended(slow: &Slow, phases: Vec<Phase>) {
    let running = phases.into_iter().map(|phase| {
        let slow = slow.clone();
        tokio::spawn(async move { slow.is_ended(phase).await })
    });
    for ended in running.collect::<Vec<_>>() {
        ended.await.expect("the phase has its bound");
    }
}

#[tokio::test]
async fn each_phase_of_a_client_has_its_bound() {
    let authority = Authority::new("ours");
    let short = "header_timeout_ms = 2000\nconnect_timeout_ms = 1500\nping_ms = 1000";
    let broker = start(&authority, false, short).await;
    let client = authority.client(None);
    let slow = Slow::new(&broker, &client).await;
    are_ended(&slow, phases(&client_hello(NAME, &client))).await;
    let gone = |metrics: &crate::support::metrics::Metrics| metrics.sum("sluicegate_connections", &[]) == Some(0.0);
    broker.metrics_when("that all are gone", gone).await;
    broker.connect("ann").await.still_works().await;
}

#[tokio::test]
async fn each_phase_of_an_operator_has_its_bound() {
    let authority = Authority::new("ours");
    for (way, tls) in [(Way::Admin, false), (Way::EncryptedAdmin, true)] {
        let broker = start(&authority, tls, "header_timeout_ms = 2000").await;
        let slow = Slow::new(&broker, &authority.client(None)).await;
        are_ended(&slow, operators_phases(way)).await;
    }
}

/// Who answers heartbeats all the while.
#[tokio::test]
async fn half_a_message_is_not_kept_for_ever() {
    let authority = Authority::new("ours");
    let broker = start(&authority, false, "ping_ms = 1000").await;
    let mut slow = broker.connect("slow").await;
    slow.send_frame(&Frame::text("{\"type\":\"publish\",").not_last()).await;
    slow.expect_disconnect(4408, "no_heartbeat", true).await;
}

/// Connections that each address may have.
const PLACES: usize = 3;

#[tokio::test]
async fn who_is_slow_holds_no_place_of_others() {
    let authority = Authority::new("ours");
    let long = "header_timeout_ms = 600000\nconnect_timeout_ms = 600000\n[server.door]\nconnections_per_address = 3";
    let broker = start(&authority, false, long).await;
    let client = authority.client(None);
    let mut slow = Slow::new(&broker, &client).await;
    let hello = client_hello(NAME, &client);
    let encrypted = link(slow.listeners[2], NAME, client.clone()).await;
    for (number, (what, way, begin)) in [
        ("nothing", Way::Plain, Vec::new()),
        ("half a head", Way::Plain, HEAD.into()),
        ("an upgrade", Way::Plain, upgrade()),
        ("half a connect", Way::Plain, [upgrade(), half_frame()].concat()),
        ("half a frame", Way::Plain, connected(&half_frame())),
        ("no handshake", Way::Tls, Vec::new()),
        ("half a ClientHello", Way::Tls, HALF_HELLO.into()),
        ("half a handshake", Way::Tls, hello),
        ("nothing after a handshake", Way::Encrypted, Vec::new()),
        ("half a head over TLS", Way::Encrypted, HEAD.into()),
        ("an upgrade over TLS", Way::Encrypted, upgrade()),
    ]
    .into_iter()
    .enumerate()
    {
        slow.from = [127, 0, 1, u8::try_from(number).expect("few")];
        let mut open = Vec::new();
        for _ in 0..PLACES {
            open.push(slow.open(way, &begin).await);
        }
        // Its own address is full, and nobody else's is.
        assert!(!slow.is_let_in(way).await, "{what}");
        broker
            .dial("ann")
            .from([127, 0, 2, 1])
            .connect()
            .await
            .still_works()
            .await;
        Dial::new(encrypted, "bob").connect().await.still_works().await;
        drop(open);
        let again = async || slow.is_let_in(way).await.then_some(());
        eventually(PATIENCE, what, again).await;
    }
}

//! TLS to real servers: one, behind a Sentinel, and a Cluster; and who is not connected to.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tls::ClientTrust;

use crate::testing::TestServer;
use crate::{ClientSettings, Confirmed, Login, PushQueue, SubscribedConnection, Topology, TopologyKind, cmd};

/// As long as anything here may take: the machine may be busy.
const WAIT: Duration = Duration::from_secs(20);
/// For an answer that does not come.
const SHORT: Duration = Duration::from_millis(200);

/// An authority, and certificates of it.
struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        std::fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self {
            folder,
            issuer: Issuer::new(params, key),
        }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// The files of a certificate for this name.
    fn issue(&self, file: &str, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let (cert_file, key_file) = (self.path(&format!("{file}.pem")), self.path(&format!("{file}.key")));
        std::fs::write(&cert_file, cert.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        (cert_file, key_file)
    }

    /// Where and how a server with this certificate listens.
    fn arguments(&self, certificate: &str, port: u16, asks_clients: bool) -> Vec<String> {
        let file = |name: &str| self.path(name).display().to_string();
        let clients = if asks_clients { "yes" } else { "no" };
        [
            ("--port", "0".to_owned()),
            ("--tls-port", port.to_string()),
            ("--tls-cert-file", file(&format!("{certificate}.pem"))),
            ("--tls-key-file", file(&format!("{certificate}.key"))),
            ("--tls-ca-cert-file", file("ca.pem")),
            ("--tls-auth-clients", clients.to_owned()),
            ("--tls-replication", "yes".to_owned()),
        ]
        .into_iter()
        .flat_map(|(key, value)| [key.to_owned(), value])
        .collect()
    }

    /// Trusts this authority.
    fn login(&self, identity: Option<(PathBuf, PathBuf)>) -> Login {
        let trust = ClientTrust {
            ca: Some(self.path("ca.pem")),
            identity,
        };
        Login {
            tls: Some(trust.config().unwrap()),
            ..Login::default()
        }
    }
}

fn settings(server: &TestServer, login: Login) -> ClientSettings {
    ClientSettings {
        login,
        timeout: WAIT,
        ..server.settings()
    }
}

/// Sends a command, and receives a message over a subscription.
async fn works(settings: ClientSettings) {
    let topology = Topology::connect(settings);
    let is_up = async {
        loop {
            let mut changed = topology.changed();
            if let Some(connection) = topology.connections().first().cloned() {
                connection.up().wait_for(|up| *up).await.unwrap();
                return connection;
            }
            changed.changed().await.unwrap();
        }
    };
    let connection = tokio::time::timeout(WAIT, is_up).await.expect("it connects");
    let server = connection.server().unwrap();
    let (queue, mut received) = PushQueue::new();
    let subscribed = SubscribedConnection::open(&connection, &server, topology.is_cluster(), queue)
        .await
        .unwrap();
    let confirmed = subscribed.subscribe(&[Arc::from("news")]).await.unwrap();
    assert_eq!(confirmed, Confirmed::Done);
    // Longer than a record.
    let text = "x".repeat(100_000);
    let mut publish = cmd(topology.publish_command());
    publish.arg("news").arg(&text);
    connection.run(&publish).await.unwrap();
    let message = tokio::time::timeout(WAIT, received.recv()).await.unwrap().unwrap();
    assert!(message.payload == text);
}

#[tokio::test]
async fn one_server_with_or_without_a_certificate_of_ours() {
    let authority = Authority::new("ours");
    authority.issue("redis", "127.0.0.1");
    let ann = authority.issue("ann", "ann");
    for (asks_clients, identity) in [(false, None), (true, Some(ann))] {
        let server = TestServer::start_with(|port| authority.arguments("redis", port, asks_clients));
        works(settings(&server, authority.login(identity))).await;
    }
}

#[tokio::test]
async fn who_cannot_be_trusted_or_does_not_trust_us_is_not_connected_to() {
    let ours = Authority::new("ours");
    let theirs = Authority::new("theirs");
    ours.issue("redis", "127.0.0.1");
    ours.issue("other", "other.example");
    let stranger = theirs.issue("stranger", "stranger");
    let start = |certificate: &'static str, asks_clients| {
        TestServer::start_with(|port| ours.arguments(certificate, port, asks_clients))
    };
    let (open, closed, other) = (start("redis", false), start("redis", true), start("other", false));
    let plain = TestServer::start();
    // Of a server that hangs up its alert may not arrive.
    for (what, server, login, said) in [
        (
            "an unknown authority",
            &open,
            theirs.login(None),
            "TLS: invalid peer certificate: UnknownIssuer",
        ),
        (
            "another name",
            &other,
            ours.login(None),
            "TLS: invalid peer certificate: certificate not valid for name",
        ),
        ("no certificate of ours", &closed, ours.login(None), ""),
        ("a certificate of strangers", &closed, ours.login(Some(stranger)), ""),
        ("no TLS to a server with", &open, Login::default(), ""),
        // It waits for the end of a line, which a handshake may have or not.
        ("TLS to a server without", &plain, ours.login(None), ""),
    ] {
        let address = ("127.0.0.1".to_owned(), server.port());
        let wait = if server.port() == plain.port() { SHORT } else { WAIT };
        let opened = login.open(&address, wait, wait, |_| {}).await;
        let error = opened.err().unwrap_or_else(|| panic!("{what}: it is connected to"));
        assert!(error.to_string().contains(said), "{what}: {error}");
    }
}

#[tokio::test]
async fn a_sentinel_with_a_user_of_its_own() {
    let authority = Authority::new("ours");
    authority.issue("redis", "127.0.0.1");
    let server = TestServer::start_with(|port| authority.arguments("redis", port, false));
    let sentinel = TestServer::start_with(|port| {
        let file = authority.path("sentinel.conf");
        let arguments = authority.arguments("redis", port, false);
        let lines = arguments
            .chunks(2)
            .map(|line| format!("{} {}\n", &line[0][2..], line[1]));
        let text = format!(
            "{}sentinel monitor main 127.0.0.1 {} 1\nuser default off\nuser watcher on >sesame +@all\n",
            lines.collect::<String>(),
            server.port()
        );
        std::fs::write(&file, text).unwrap();
        vec![file.display().to_string(), "--sentinel".to_owned()]
    });
    let with = |username: &str, password: &str| ClientSettings {
        kind: TopologyKind::Sentinel { master: "main".into() },
        hosts: vec![("127.0.0.1".into(), sentinel.port())],
        sentinel_login: Some(Login {
            username: Some(username.into()),
            password: Some(password.into()),
            ..authority.login(None)
        }),
        ..settings(&server, authority.login(None))
    };
    works(with("watcher", "sesame")).await;
    let ClientSettings {
        hosts,
        login,
        sentinel_login,
        ..
    } = with("watcher", "wrong");
    let found = crate::sentinel::find_master(&hosts, "main", sentinel_login.as_ref(), &login, WAIT).await;
    let error = found.unwrap_err();
    assert!(
        error.contains("WRONGPASS") || error.contains("invalid username"),
        "{error}"
    );
}

#[tokio::test]
async fn a_cluster() {
    let authority = Authority::new("ours");
    authority.issue("redis", "127.0.0.1");
    let server = TestServer::start_with(|port| {
        let nodes = authority.path(&format!("nodes-{port}.conf"));
        let mut arguments = authority.arguments("redis", port, false);
        let more = [
            "--cluster-enabled",
            "yes",
            "--tls-cluster",
            "yes",
            "--cluster-config-file",
        ];
        arguments.extend(more.map(str::to_owned));
        arguments.push(nodes.display().to_string());
        arguments
    });
    let login = authority.login(None);
    let address = ("127.0.0.1".to_owned(), server.port());
    let mut connection = login.open(&address, WAIT, WAIT, |_| {}).await.unwrap();
    let mut slots = cmd("CLUSTER");
    slots.arg("ADDSLOTSRANGE").arg(0).arg(16_383);
    let () = slots.query_async(&mut connection).await.unwrap();
    works(ClientSettings {
        kind: TopologyKind::Cluster,
        ..settings(&server, login)
    })
    .await;
}

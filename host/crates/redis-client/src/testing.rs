//! A real `redis-server` on a port of its own, killed when dropped.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::login::Login;
use crate::settings::{ClientSettings, Rights, TopologyKind};

pub struct TestServer {
    arguments: Vec<String>,
    child: Child,
    /// Kept open, so that the server can go on logging.
    log: BufReader<ChildStdout>,
    port: u16,
}

impl TestServer {
    /// Starts one that keeps nothing on disk, and waits until it takes connections.
    pub fn start() -> Self {
        Self::start_with(|port| ["--port".to_owned(), port.to_string()].into())
    }

    /// The same with arguments that say where it listens.
    pub fn start_with(arguments: impl Fn(u16) -> Vec<String>) -> Self {
        loop {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let arguments = arguments(port);
            // The port was free a moment ago. If another process took it meanwhile, another one is tried.
            if let Some((child, log)) = spawn(&arguments) {
                return Self {
                    arguments,
                    child,
                    log,
                    port,
                };
            }
        }
    }

    /// Kills it, and all that it kept.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, empty, where it was.
    pub fn start_again(&mut self) {
        let (child, log) = spawn(&self.arguments).expect("the port is still free");
        (self.child, self.log) = (child, log);
    }

    /// Sends it a signal: `STOP` and it answers no more, `CONT` and it goes on.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(sent.unwrap().success());
    }

    pub fn settings(&self) -> ClientSettings {
        settings(self.port, Duration::from_secs(1))
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

/// What a server logs when it takes connections, and a Sentinel when it watches.
const READY: [&str; 2] = ["Ready to accept connections", "+monitor master"];

/// A server that takes connections; none if it could not listen.
fn spawn(arguments: &[String]) -> Option<(Child, BufReader<ChildStdout>)> {
    let mut child = Command::new("redis-server")
        .args(arguments)
        .args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            "/tmp",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("redis-server is installed: Debian has it in the package redis-server");
    let mut log = BufReader::new(child.stdout.take().expect("its output is piped"));
    let mut line = String::new();
    while log.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
        if READY.iter().any(|ready| line.contains(ready)) {
            return Some((child, log));
        }
        line.clear();
    }
    child.wait().ok();
    None
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// `ClientSettings` for a single server at this port.
fn settings(port: u16, timeout: Duration) -> ClientSettings {
    ClientSettings {
        kind: TopologyKind::Single,
        hosts: vec![("127.0.0.1".into(), port)],
        login: Login::default(),
        sentinel_login: None,
        timeout,
        rights: Rights::default(),
    }
}

/// A way to a server that can go deaf: from then on nothing comes back on the connections that subscribed, though
/// they live. New ones are not meant.
pub struct Deaf {
    port: u16,
    switch: tokio::sync::watch::Sender<bool>,
    swallowed: tokio::sync::watch::Receiver<usize>,
}

impl Deaf {
    /// A way to this server.
    pub async fn before(server: &TestServer) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let switch = tokio::sync::watch::channel(false).0;
        let (target, deaf) = (server.port, switch.subscribe());
        let (swallow, swallowed) = tokio::sync::watch::channel(0);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, target, deaf.clone(), swallow.clone()));
            }
        });
        Self {
            port,
            switch,
            swallowed,
        }
    }

    /// The connections there are hear nothing more of what they subscribed to.
    pub fn deafen(&self) {
        self.switch.send_replace(true);
    }

    /// New connections hear again, once something was not heard.
    pub async fn cure(&mut self) {
        self.swallowed.wait_for(|bytes| *bytes > 0).await.unwrap();
        self.switch.send_replace(false);
    }

    /// `ClientSettings` for it, with commands that may take so long.
    pub fn settings(&self, timeout: Duration) -> ClientSettings {
        settings(self.port, timeout)
    }
}

async fn pass(
    client: tokio::net::TcpStream,
    port: u16,
    deaf: tokio::sync::watch::Receiver<bool>,
    swallow: tokio::sync::watch::Sender<usize>,
) {
    let server = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = tokio::io::copy(&mut from_client, &mut to_server);
    let back = async {
        let mut bytes = vec![0; 65_536];
        let (mut is_subscribed, mut is_deaf) = (false, false);
        while let Ok(count @ 1..) = from_server.read(&mut bytes).await {
            is_deaf |= *deaf.borrow() && is_subscribed;
            // A confirmation: the word alone may be of a command that is only tried.
            is_subscribed |= bytes[..count].windows(13).any(|part| part == b"$9\r\nsubscribe");
            if is_deaf {
                swallow.send_modify(|bytes| *bytes += count);
            } else if to_client.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = there => {}
        () = back => {}
    }
}

/// A way to a server on which a connection that has brought so many bytes back brings no more.
pub struct Stalling {
    port: u16,
}

impl Stalling {
    /// A way to this server.
    pub async fn before(server: &TestServer, after_bytes: usize) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = server.port;
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(stall(client, target, after_bytes));
            }
        });
        Self { port }
    }

    /// `ClientSettings` for it, with commands that may take so long.
    pub fn settings(&self, timeout: Duration) -> ClientSettings {
        settings(self.port, timeout)
    }
}

async fn stall(client: tokio::net::TcpStream, port: u16, after_bytes: usize) {
    let server = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = tokio::io::copy(&mut from_client, &mut to_server);
    let back = async {
        let mut bytes = vec![0; 65_536];
        let mut brought = 0;
        while brought <= after_bytes
            && let Ok(count @ 1..) = from_server.read(&mut bytes).await
        {
            brought += count;
            if to_client.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
        if brought > after_bytes {
            std::future::pending().await
        }
    };
    tokio::select! {
        _ = there => {}
        () = back => {}
    }
}

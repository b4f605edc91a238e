//! A real Redis server of a test's own, which it may kill and pause.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::process::Process;
use super::resp::{self, Reply};
use super::{PATIENCE, eventually};

/// Below the range from which the system gives ports to everybody who asks for a free one. So nobody gets the port of
/// a Redis while it is down for a moment.
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 10_000;
/// Ports tried before giving up.
const TRIES: usize = 20;

/// A port that no other test has had, so that it stays free while its server is down; listening there shows whether it is.
pub(crate) fn some_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let mut bytes = [0; 2];
        getrandom::fill(&mut bytes).expect("random bytes");
        let port = FIRST_PORT + u16::from_ne_bytes(bytes) % PORTS;
        if GIVEN.lock().expect("nobody panics with it").insert(port) {
            return port;
        }
    }
}

/// A server on a port and a folder of its own. Killed when dropped.
pub(crate) struct Redis {
    port: u16,
    folder: TempDir,
    arguments: Vec<String>,
    process: Process,
}

impl Redis {
    /// A server that keeps nothing on disk.
    pub(crate) async fn start() -> Self {
        Self::start_with(&["--appendonly", "no"]).await
    }

    /// A server that has each write on disk before it answers: what it acknowledged survives its death.
    pub(crate) async fn with_aof() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"]).await
    }

    /// A server with these arguments beside port and folder.
    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        Self::start_as(|| arguments.iter().map(|&word| word.to_owned()).collect()).await
    }

    /// The same with arguments that are made anew for each try, because they name ports too.
    pub(crate) async fn start_as(make: impl Fn() -> Vec<String>) -> Self {
        for _ in 0..TRIES {
            let arguments = make();
            let folder = TempDir::new().expect("a temporary folder");
            let port = some_port();
            let process = spawn(port, folder.path(), &arguments);
            if is_up(port, folder.path(), &process).await {
                return Self {
                    port,
                    folder,
                    arguments,
                    process,
                };
            }
        }
        panic!("no Redis started on any of {TRIES} ports");
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// As the broker's config names it.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Carries out a command; the server must be up.
    pub(crate) async fn call(&self, words: &[&str]) -> Reply {
        let reply = resp::call(self.address(), words).await;
        reply.unwrap_or_else(|e| panic!("{words:?}: {e}; Redis says:\n{}", self.process.stdout.text()))
    }

    /// Carries out a command that succeeds.
    pub(crate) async fn run(&self, words: &[&str]) -> Reply {
        let reply = self.call(words).await;
        assert!(!matches!(reply, Reply::Error(_)), "{words:?}: {reply:?}");
        reply
    }

    /// `SIGKILL`.
    pub(crate) async fn kill(&self) {
        self.process.signal(Signal::KILL);
        self.process.ended().await;
    }

    /// Starts it again after [`Redis::kill`]: same port, same folder.
    pub(crate) async fn restart(&mut self) {
        assert!(self.process.has_ended(), "it still runs");
        self.process = spawn(self.port, self.folder.path(), &self.arguments);
        let up = is_up(self.port, self.folder.path(), &self.process).await;
        assert!(up, "Redis did not come back:\n{}", self.process.stdout.text());
    }

    /// `SIGSTOP`: connections stay, nothing is answered.
    pub(crate) fn pause(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Goes on after [`Redis::pause`].
    pub(crate) fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    /// From now on it can write no file: its folder is gone.
    pub(crate) fn make_unwritable(&self) {
        std::fs::remove_dir_all(self.folder.path()).expect("its folder");
    }

    /// Waits until `field` of `INFO` has this value.
    pub(crate) async fn info_is(&self, field: &str, value: &str) {
        let line = format!("{field}:{value}");
        eventually(PATIENCE, &format!("{line} in INFO"), async || {
            let info = self.call(&["INFO"]).await;
            info.text()?.lines().any(|found| found == line).then_some(())
        })
        .await;
    }

    /// How many local subscriptions to channels (also sharded ones) the server has; patterns count once each.
    pub(crate) async fn subscribed_channels(&self) -> Vec<String> {
        let mut channels = self.run(&["PUBSUB", "CHANNELS", "*"]).await.texts();
        channels.extend(self.run(&["PUBSUB", "SHARDCHANNELS", "*"]).await.texts());
        channels
    }

    /// Every key that fits this pattern.
    pub(crate) async fn keys(&self, pattern: &str) -> Vec<String> {
        self.run(&["KEYS", pattern]).await.texts()
    }
}

fn spawn(port: u16, folder: &Path, arguments: &[String]) -> Process {
    let mut command = Command::new("redis-server");
    command
        .args(["--bind", "127.0.0.1", "--daemonize", "no", "--save", "", "--port"])
        .arg(port.to_string())
        .arg("--dir")
        .arg(folder)
        .args(arguments);
    Process::spawn(&mut command)
}

/// Waits until this very server answers (and has loaded its data); false if it ended instead, as it does when the
/// port is taken.
async fn is_up(port: u16, folder: &Path, process: &Process) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let folder = folder.to_str().expect("a folder's name in UTF-8");
    eventually(Duration::from_secs(20), "Redis to start", async || {
        if process.has_ended() {
            return Some(false);
        }
        // The folder tells our server from another one that had the port first.
        let answer = resp::call(address, &["CONFIG", "GET", "dir"]).await.ok()?;
        let loaded = resp::call(address, &["DBSIZE"]).await.ok()?.number().is_some();
        (answer.field("dir") == Some(folder) && loaded).then_some(true)
    })
    .await
}

#[tokio::test]
async fn a_redis_survives_its_death_with_aof() {
    let mut redis = Redis::with_aof().await;
    redis.run(&["SET", "k", "v"]).await;
    redis.kill().await;
    assert!(resp::call(redis.address(), &["PING"]).await.is_err());
    redis.restart().await;
    assert_eq!(redis.run(&["GET", "k"]).await.text(), Some("v"));
}

#[tokio::test]
async fn a_paused_redis_answers_when_it_goes_on() {
    let redis = Redis::start().await;
    redis.pause();
    let asking = tokio::spawn(resp::call(redis.address(), &["PING"]));
    // The connection is taken by the system, the answer is not there before the server goes on.
    tokio::net::TcpStream::connect(redis.address())
        .await
        .expect("the system accepts");
    assert!(!asking.is_finished());
    redis.resume();
    assert_eq!(asking.await.expect("no panic").expect("an answer").text(), Some("PONG"));
}

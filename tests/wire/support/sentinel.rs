//! One master, one replica, three sentinels that watch them.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;

use super::process::Process;
use super::redis::some_port;
use super::resp::{self, Reply};
use super::{PATIENCE, Redis, eventually};

/// What the master is called.
const NAME: &str = "main";
const WATCHERS: usize = 3;

/// All five processes. Killed when dropped.
pub(crate) struct Sentinels {
    /// Master and replica; a failover swaps the roles.
    pub servers: [Redis; 2],
    watchers: Vec<Watcher>,
}

struct Watcher {
    port: u16,
    _folder: TempDir,
    _process: Process,
}

impl Watcher {
    /// Starts a Sentinel that calls a silent master down after three seconds. With less, a busy machine would cause a
    /// failover by itself, which loses what was acknowledged meanwhile.
    async fn start(master: u16) -> Self {
        loop {
            let folder = TempDir::new().expect("a temporary folder");
            let port = some_port();
            // A sentinel writes what it learns into its config.
            let file = folder.path().join("sentinel.conf");
            let text = format!(
                "port {port}\nbind 127.0.0.1\ndir {}\n\
                 sentinel monitor {NAME} 127.0.0.1 {master} 2\n\
                 sentinel down-after-milliseconds {NAME} 3000\n\
                 sentinel failover-timeout {NAME} 6000\n\
                 sentinel parallel-syncs {NAME} 1\n",
                folder.path().display()
            );
            fs::write(&file, text).expect("a config");
            let process = Process::spawn(Command::new("redis-server").arg(&file).arg("--sentinel"));
            let up = eventually(PATIENCE, "a sentinel to start", async || {
                if process.has_ended() {
                    return Some(false);
                }
                let answer = resp::call(address(port), &["SENTINEL", "MASTER", NAME]).await.ok()?;
                let ours = answer.field("port") == Some(master.to_string().as_str());
                ours.then_some(true)
            })
            .await;
            if up {
                return Self {
                    port,
                    _folder: folder,
                    _process: process,
                };
            }
        }
    }

    async fn ask(&self, words: &[&str]) -> Reply {
        let reply = resp::call(address(self.port), words).await;
        reply.unwrap_or_else(|e| panic!("sentinel: {words:?}: {e}"))
    }
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl Sentinels {
    /// Starts all, and waits until the sentinels know each other and the replica.
    pub(crate) async fn start() -> Self {
        // A replica is sent all data at once, not after waiting for others that might want the same.
        let fast = ["--repl-diskless-sync-delay", "0", "--appendonly", "no"];
        let master = Redis::start_with(&fast).await;
        let replica = Redis::start_with(&fast).await;
        let port = master.port().to_string();
        replica.run(&["REPLICAOF", "127.0.0.1", &port]).await;
        replica.info_is("master_link_status", "up").await;
        let mut watchers = Vec::new();
        for _ in 0..WATCHERS {
            watchers.push(Watcher::start(master.port()).await);
        }
        let sentinels = Self {
            servers: [master, replica],
            watchers,
        };
        sentinels.agree_on(0).await;
        sentinels
    }

    /// As the broker's config names it.
    pub(crate) fn url(&self) -> String {
        let watchers: Vec<String> = self.watchers.iter().map(|w| format!("127.0.0.1:{}", w.port)).collect();
        format!("redis+sentinel://{}/{NAME}/0", watchers.join(","))
    }

    /// The one of `servers` that is the master according to the first Sentinel.
    pub(crate) async fn master(&self) -> usize {
        let answer = self.watchers[0]
            .ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME])
            .await;
        let port = answer.items()[1].number().expect("a port");
        let is_it = |server: &Redis| i64::from(server.port()) == port;
        self.servers.iter().position(is_it).expect("one of our servers")
    }

    /// Kills the master, waits until the other one took over, and starts the killed one as its replica.
    pub(crate) async fn fail_over(&mut self) {
        let old = self.master().await;
        self.servers[old].kill().await;
        self.promoted(1 - old).await;
        self.servers[old].restart().await;
        // The Sentinels would make it a replica, but later.
        let port = self.servers[1 - old].port().to_string();
        self.servers[old].run(&["REPLICAOF", "127.0.0.1", &port]).await;
        self.agree_on(1 - old).await;
    }

    /// Waits until this server reports that it is the master.
    pub(crate) async fn promoted(&self, wanted: usize) {
        eventually(PATIENCE, "a failover", async || {
            (self.master().await == wanted).then_some(())
        })
        .await;
        self.servers[wanted].info_is("role", "master").await;
    }

    /// Waits until all sentinels know the others, and that this server is the master of the other one.
    async fn agree_on(&self, master: usize) {
        let port = self.servers[master].port().to_string();
        let others = (WATCHERS - 1).to_string();
        for watcher in &self.watchers {
            eventually(PATIENCE, "sentinels that agree", async || {
                let seen = watcher.ask(&["SENTINEL", "MASTER", NAME]).await;
                // Right after a failover the flags contain that too; it only matters that no Sentinel calls it down.
                let agrees = seen.field("port") == Some(&port)
                    && seen.field("flags").is_some_and(|flags| !flags.contains("down"))
                    && seen.field("num-slaves") == Some("1")
                    && seen.field("num-other-sentinels") == Some(&others);
                agrees.then_some(())
            })
            .await;
        }
        self.servers[master].info_is("connected_slaves", "1").await;
        self.servers[1 - master].info_is("master_link_status", "up").await;
    }
}

#[tokio::test]
async fn the_replica_takes_over() {
    let mut sentinels = Sentinels::start().await;
    sentinels.servers[0].run(&["SET", "k", "v"]).await;
    sentinels.servers[0].run(&["WAIT", "1", "5000"]).await;
    sentinels.fail_over().await;
    assert_eq!(sentinels.master().await, 1);
    assert_eq!(sentinels.servers[1].run(&["GET", "k"]).await.text(), Some("v"));
}

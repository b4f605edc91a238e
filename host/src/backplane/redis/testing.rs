//! A real `redis-server` on a port of its own, killed when dropped.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::config::{RedisSettings, RedisUrl};

/// A server.
pub struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Starts one that keeps nothing on disk.
    pub fn start() -> Self {
        // Free a moment ago; should another process take it, the server ends and the test says so.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self {
            child: spawn(port),
            port,
        }
    }

    /// Kills it, and all that it kept.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, empty, where it was.
    pub fn start_again(&mut self) {
        self.child = spawn(self.port);
    }

    /// Sends it a signal: `STOP` and it answers no more, `CONT` and it goes on.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }
}

fn spawn(port: u16) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", "no", "--dir", "/tmp"])
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed: Debian has it in the package redis-server")
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Settings for it.
pub fn settings(server: &Server) -> RedisSettings {
    RedisSettings {
        url: RedisUrl::parse(&server.url()).unwrap(),
        prefix: "sg".into(),
        timeout: Duration::from_secs(1),
        position_check: Duration::from_secs(30),
        replicas: 0,
    }
}

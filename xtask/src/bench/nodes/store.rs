//! The Redis of a round: started empty, on a core of its own, ended when dropped. If asked to, it keeps its data through
//! a restart.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::resp::Client;
use crate::shell;

/// Redis has no data to load, so it is up at once or not at all.
const START: Duration = Duration::from_secs(5);
/// Between two looks at whether it is up.
const LOOK: Duration = Duration::from_millis(1);

/// A running Redis.
pub(in crate::bench) struct Store {
    child: Child,
    folder: PathBuf,
    keeps: bool,
    cores: &'static str,
    pub address: SocketAddr,
}

impl Store {
    /// Starts one on a free port; `keeps`: with an append-only file.
    pub(in crate::bench) fn start(folder: &Path, cores: &'static str, keeps: bool) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let folder = folder.join("redis");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        let store = Self {
            child: spawn(&folder, cores, keeps, address)?,
            folder,
            keeps,
            cores,
            address,
        };
        store.wait()?;
        Ok(store)
    }

    pub(super) fn client(&self) -> Result<Client> {
        Client::connect(self.address)
    }

    /// Kills it, and starts it again after `pause`; returns as soon as it takes connections.
    pub(super) fn restart(&mut self, pause: Duration) -> Result<()> {
        self.end();
        thread::sleep(pause);
        self.child = spawn(&self.folder, self.cores, self.keeps, self.address)?;
        self.wait()
    }

    fn wait(&self) -> Result<()> {
        let begin = Instant::now();
        while Client::connect(self.address).is_err() {
            if begin.elapsed() > START {
                bail!("Redis does not listen on {}", self.address);
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    fn end(&mut self) {
        // A process that has ended already is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.end();
    }
}

fn spawn(folder: &Path, cores: &str, keeps: bool, address: SocketAddr) -> Result<Child> {
    let appendonly = if keeps { "yes" } else { "no" };
    let port = address.port().to_string();
    let mut command = Command::new("taskset");
    command
        .args([
            "--cpu-list",
            cores,
            "redis-server",
            "--bind",
            "127.0.0.1",
            "--port",
            &port,
        ])
        .args([
            "--save",
            "",
            "--appendonly",
            appendonly,
            "--loglevel",
            "warning",
            "--dir",
        ])
        .arg(folder)
        .stdout(Stdio::null());
    command.spawn().with_context(|| shell::describe(&command))
}

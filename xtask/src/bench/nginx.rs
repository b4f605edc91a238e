//! A running nginx with a config of its own, on the server's core, ended when dropped.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::server::SERVER_CORE;
use crate::shell;

/// How long nginx may take to listen.
const START: Duration = Duration::from_secs(5);

/// nginx, and the process that does its work.
pub(super) struct Nginx {
    master: Child,
    pub worker: u32,
    pub address: String,
}

// === impl Nginx ===

impl Nginx {
    /// Starts it. In `config`, which has one worker and stays in the foreground, `ADDRESS` stands for where it listens and
    /// `FOLDER` for where it writes.
    pub(super) fn start(folder: &Path, config: &str) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let text = config
            .replace("FOLDER", &folder.display().to_string())
            .replace("ADDRESS", &address);
        let config = folder.join("nginx.conf");
        fs::write(&config, text).with_context(|| config.display().to_string())?;
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", SERVER_CORE, "nginx", "-c"]).arg(&config);
        let master = command.spawn().with_context(|| shell::describe(&command))?;
        let mut nginx = Self {
            master,
            worker: 0,
            address,
        };
        let begin = Instant::now();
        // The socket is there before the process that serves it.
        while nginx.worker == 0 || TcpStream::connect(&nginx.address).is_err() {
            ensure!(
                begin.elapsed() < START,
                "nginx does not listen: see {}/nginx.log",
                folder.display()
            );
            let children = format!("/proc/{0}/task/{0}/children", nginx.master.id());
            let children = fs::read_to_string(&children).with_context(|| children.clone())?;
            nginx.worker = children.split_whitespace().next().map_or(Ok(0), str::parse)?;
            thread::sleep(Duration::from_millis(10));
        }
        Ok(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its worker ends with it only if it is asked, not if it is killed.
        let _ = Command::new("kill").arg(self.master.id().to_string()).status();
        let _ = self.master.wait();
    }
}

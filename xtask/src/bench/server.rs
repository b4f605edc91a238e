//! A server under load: started on a core of its own or a few, ended when dropped.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::shell;

/// The server's core and the load generator's: never the same, or one would pay for the other.
pub(super) const SERVER_CORE: &str = "0";
pub(super) const LOAD_CORE: &str = "1";

/// A running server.
pub(super) struct Server {
    child: Child,
    pub address: String,
    /// Kept open: a server that prints more must not find a broken pipe.
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts `program` on these cores and waits until it prints `listening on http://ADDRESS`, or `https`. Its log goes
    /// to `log`.
    pub(super) fn start(program: &Path, arguments: &[&Path], log: &Path, cores: &str) -> Result<Self> {
        let log = File::create(log).with_context(|| log.display().to_string())?;
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", cores]).arg(program).args(arguments);
        // taskset becomes the program, so the child's id is the server's.
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| shell::describe(&command))?;
        let mut stdout = BufReader::new(child.stdout.take().context("stdout was asked for")?);
        let mut line = String::new();
        while stdout.read_line(&mut line)? > 0 {
            let listening = line.trim().strip_prefix("listening on ");
            if let Some((_, address)) = listening.and_then(|what| what.split_once("://")) {
                return Ok(Self {
                    address: address.to_owned(),
                    child,
                    _stdout: stdout,
                });
            }
            line.clear();
        }
        bail!(
            "{} ended before it listened: {}",
            shell::describe(&command),
            child.wait()?
        )
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Keeps the threads of the shards on these cores; the other threads stay where they may be.
    pub(super) fn keep_shards_on(&self, cores: &str) -> Result<()> {
        let mut shards = 0;
        let threads = format!("/proc/{}/task", self.id());
        for thread in fs::read_dir(&threads).with_context(|| threads.clone())? {
            let thread = thread?;
            let name = fs::read_to_string(thread.path().join("comm"))?;
            if !name.starts_with("shard-") {
                continue;
            }
            let pin = ["--pid", "--cpu-list", cores];
            shell::output(Command::new("taskset").args(pin).arg(thread.file_name()))?;
            shards += 1;
        }
        ensure!(shards > 0, "{threads} has no thread of a shard");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It need not end gracefully, and may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! Programs that run beside us.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::shell;

/// A program that is killed when dropped.
pub(crate) struct Running {
    child: Child,
    /// Kept open: a program that prints more must not find a broken pipe.
    stdout: Option<BufReader<ChildStdout>>,
    what: String,
}

impl Running {
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let what = shell::describe(command);
        let log = File::create(log).with_context(|| log.display().to_string())?;
        let mut child = command
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| what.clone())?;
        let stdout = child.stdout.take().map(BufReader::new);
        Ok(Self { child, stdout, what })
    }

    /// The rest of the next line that begins like this.
    pub(crate) fn printed(&mut self, begin: &str) -> Result<String> {
        let stdout = self.stdout.as_mut().context("stdout is not read")?;
        let mut line = String::new();
        while stdout.read_line(&mut line)? > 0 {
            if let Some(rest) = line.trim().strip_prefix(begin) {
                return Ok(rest.to_owned());
            }
            line.clear();
        }
        bail!("{} ended before it printed {begin:?}", self.what)
    }

    pub(crate) fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits for its end; whether it succeeded.
    pub(crate) fn ends_within(&mut self, limit: Duration) -> Result<bool> {
        let start = Instant::now();
        while start.elapsed() < limit {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.success());
            }
            thread::sleep(Duration::from_millis(100));
        }
        bail!("{} took more than {limit:?}", self.what)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A process that has ended already is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

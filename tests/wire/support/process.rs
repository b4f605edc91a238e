//! The program under test as a child process: its pipes, its signals, its end.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::{env, fs, thread};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::sync::watch;

use super::lines::Lines;
use super::within;

/// A running (or ended) program. Killed when dropped.
pub(crate) struct Process {
    pid: Pid,
    /// Whether the processes that it started in its group are killed with it.
    has_group: bool,
    exit: watch::Receiver<Option<ExitStatus>>,
    /// What it prints.
    pub stdout: Lines,
    /// Its log.
    pub stderr: Lines,
}

/// The workspace: the folder above this package.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The program under test.
pub(crate) fn binary() -> PathBuf {
    let path = env::var_os("SLUICEGATE_BIN").map_or_else(|| workspace().join("target/debug/sluicegate"), PathBuf::from);
    assert!(
        path.exists(),
        "{} is missing: build the broker first, or set SLUICEGATE_BIN",
        path.display()
    );
    path
}

impl Process {
    /// Starts `sluicegate` with these arguments.
    pub(crate) fn start<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>, log_level: &str) -> Self {
        Self::start_by(Command::new(binary()), args, log_level)
    }

    /// Starts `sluicegate` with these arguments and variables.
    pub(crate) fn start_with_variables<A: AsRef<OsStr>>(
        variables: &[(&str, &str)],
        args: impl IntoIterator<Item = A>,
        log_level: &str,
    ) -> Self {
        let mut command = Command::new(binary());
        command.envs(variables.iter().copied());
        Self::start_by(command, args, log_level)
    }

    /// Starts `sluicegate` with these arguments, where the system allows it this number of open files.
    pub(crate) fn start_with_open_files<A: AsRef<OsStr>>(
        open_files: u32,
        args: impl IntoIterator<Item = A>,
        log_level: &str,
    ) -> Self {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("ulimit -n {open_files} && exec \"$0\" \"$@\"")])
            .arg(binary());
        Self::start_by(shell, args, log_level)
    }

    /// Starts `sluicegate` by a command that takes its arguments.
    pub(crate) fn start_by<A: AsRef<OsStr>>(
        mut command: Command,
        args: impl IntoIterator<Item = A>,
        log_level: &str,
    ) -> Self {
        command
            .args(args)
            .env("RUST_LOG", log_level)
            .env("NO_COLOR", "1")
            // Compiled plugins are kept between runs, away from the cache of the user.
            .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
        Self::spawn(&mut command)
    }

    /// Starts a program.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", command.get_program().display()));
        let pid = Pid::from_child(&child);
        let stdout = Lines::read(child.stdout.take().unwrap());
        let stderr = Lines::read(child.stderr.take().unwrap());
        let (tell, exit) = watch::channel(None);
        thread::spawn(move || {
            tell.send_replace(child.wait().ok());
        });
        Self {
            pid,
            has_group: false,
            exit,
            stdout,
            stderr,
        }
    }

    /// It is the first of a process group, and all of that are killed when it is dropped.
    pub(crate) fn with_group(mut self) -> Self {
        self.has_group = true;
        self
    }

    /// Its number, for a look into `/proc`.
    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// The numbers of its children.
    pub(crate) fn children(&self) -> Vec<i32> {
        let parent = self.pid();
        let processes = fs::read_dir("/proc").expect("the processes");
        let numbers = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        numbers.filter(|pid| parent_of(*pid) == Some(parent)).collect()
    }

    /// Whether it ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.exit.borrow().is_some()
    }

    /// Sends a signal, if it still runs.
    pub(crate) fn signal(&self, signal: Signal) {
        if !self.has_ended() {
            kill_process(self.pid, signal).ok();
        }
    }

    /// Waits for its end, however long that takes.
    pub(crate) async fn ended(&self) {
        let mut exit = self.exit.clone();
        exit.wait_for(Option::is_some)
            .await
            .expect("the waiting thread tells it");
    }

    /// Waits for its end and gives its exit code; none if a signal killed it.
    pub(crate) async fn exit_code(&self) -> Option<i32> {
        let code = self.own_exit_code().await;
        self.stdout.end().await;
        self.stderr.end().await;
        code
    }

    /// The same, where another process may have its pipes.
    pub(crate) async fn own_exit_code(&self) -> Option<i32> {
        let mut exit = self.exit.clone();
        let status = within(
            async {
                exit.wait_for(Option::is_some)
                    .await
                    .map(|status| *status)
                    .ok()
                    .flatten()
            },
            || format!("the process runs on; its log:\n{}", self.stderr.text()),
        )
        .await;
        status.expect("a status").code()
    }
}

/// The number of a process's parent; none if it is gone.
fn parent_of(pid: i32) -> Option<i32> {
    let stat = stat_of(pid)?;
    stat.split_whitespace().nth(1)?.parse().ok()
}

/// Whether there is a process of this number that has not ended.
pub(crate) fn is_running(pid: i32) -> bool {
    stat_of(pid).is_some_and(|stat| !stat.trim_start().starts_with('Z'))
}

/// What the system says of a process behind its name, which may hold anything: the state, the parent, and more.
fn stat_of(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')').map(|(_, behind)| behind.to_owned())
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        if self.has_group {
            kill_process_group(self.pid, Signal::KILL).ok();
        }
    }
}

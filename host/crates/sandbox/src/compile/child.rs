//! The parent's side of a process of its own: starts it, asks, waits no longer than it may, and says what ended it.

use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{self, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::super::error::LoadError;
use super::super::fault::cut;
use super::message::{read_answer, write_task};
use super::task::CompilerTask;
use super::{LoadLimits, MIB};

/// Threads that compile a component at most: each takes memory.
const THREADS: &str = "4";
/// How long a process whose pipe ended may take to end itself.
const ENDING: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Bytes of its last words that are read.
const LAST_WORDS: u64 = 2_048;
/// How std says that there is no memory left.
const NO_MEMORY: &str = "memory allocation of";
/// Over the limit on processor time (`SIGXCPU`), for the systems that we build for.
const SIGXCPU: i32 = 24;
const SIGKILL: i32 = 9;

/// A process that does tasks. Ended when dropped.
pub(super) struct CompilerProcess {
    process: process::Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    memory_bytes: u64,
}

/// Why a process did not answer.
pub(super) enum ProcessFailure {
    Start(io::Error),
    TooLong,
    NoMemory,
    Killed,
    Ended(String),
}

// === impl CompilerProcess ===

impl CompilerProcess {
    pub(super) fn start(program: &Path, args: &[String], limits: &LoadLimits) -> Result<Self, ProcessFailure> {
        let mut command = Command::new(program);
        command
            .arg0("sluicegate")
            .args(args)
            .arg(limits.compile_time.as_secs().to_string())
            .arg((limits.compile_memory_bytes / MIB).to_string())
            // Nothing of the environment is its business, but where libraries are.
            .env_clear()
            .env("RAYON_NUM_THREADS", THREADS)
            // mimalloc would count a gibibyte as used from the beginning.
            .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(libraries) = std::env::var_os("LD_LIBRARY_PATH") {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        let mut process = command.spawn().map_err(ProcessFailure::Start)?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let Some((stdin, stdout)) = pipes else {
            return Err(ProcessFailure::Start(io::ErrorKind::BrokenPipe.into()));
        };
        Ok(Self {
            process,
            stdin,
            stdout,
            memory_bytes: limits.compile_memory_bytes,
        })
    }

    /// Has it do a task, for at most `time` on the clock. After an error it is of no use any more.
    pub(super) fn ask(
        &mut self,
        task: &CompilerTask<'_>,
        time: Duration,
    ) -> Result<Result<Vec<u8>, String>, ProcessFailure> {
        let Self {
            process,
            stdin,
            stdout,
            memory_bytes,
        } = self;
        let (done, outcome) = mpsc::sync_channel(1);
        // A pipe is waited for without an end, so another thread does it. It ends when the process does.
        let answer = thread::scope(|scope| {
            scope.spawn(move || {
                let answer = write_task(stdin, task).and_then(|()| read_answer(stdout, *memory_bytes));
                drop(done.send(answer));
            });
            outcome.recv_timeout(time).inspect_err(|_| drop(process.kill()))
        });
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.ended(&error)),
            Err(_) => Err(ProcessFailure::TooLong),
        }
    }

    /// Why it ended. `error` is what its pipe said.
    fn ended(&mut self, error: &io::Error) -> ProcessFailure {
        let Some(status) = self.exit_status() else {
            return ProcessFailure::Ended(error.to_string());
        };
        let words = self.last_words();
        match status.signal() {
            Some(SIGXCPU) => ProcessFailure::TooLong,
            _ if words.contains(NO_MEMORY) => ProcessFailure::NoMemory,
            Some(SIGKILL) => ProcessFailure::Killed,
            _ => {
                // A panic begins with an empty line, and says where before it says what.
                let words: Vec<&str> = words.lines().filter(|line| !line.is_empty()).take(2).collect();
                ProcessFailure::Ended(cut(format!("{status}: {}", words.join(" "))))
            }
        }
    }

    fn exit_status(&mut self) -> Option<ExitStatus> {
        let late = Instant::now() + ENDING;
        while Instant::now() < late {
            match self.process.try_wait() {
                Ok(None) => thread::sleep(LOOK_EVERY),
                Ok(status) => return status,
                Err(_) => return None,
            }
        }
        // What it said was wrong, but it lives.
        None
    }

    /// What it wrote to stderr. It has ended, so nothing is waited for.
    fn last_words(&mut self) -> String {
        let mut words = Vec::new();
        if let Some(stderr) = &mut self.process.stderr {
            drop(stderr.take(LAST_WORDS).read_to_end(&mut words));
        }
        String::from_utf8_lossy(&words).into_owned()
    }
}

impl Drop for CompilerProcess {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

// === impl ProcessFailure ===

impl ProcessFailure {
    /// In the words of those who load plugins, with the setting that raises the limit.
    pub(super) fn load_error(limits: &LoadLimits) -> impl Fn(Self) -> LoadError {
        let limits = *limits;
        move |failed| match failed {
            Self::Start(error) => LoadError::Compiler(format!("cannot be started: {error}")),
            Self::TooLong => LoadError::CompileTime {
                limit: limits.compile_time,
            },
            Self::NoMemory => LoadError::CompileMemory {
                mib: limits.compile_memory_bytes / MIB,
            },
            Self::Killed => LoadError::Compiler(format!(
                "was killed; is there memory for it? It may take {} MiB (sandbox.compile_memory_mib)",
                limits.compile_memory_bytes / MIB
            )),
            Self::Ended(how) => LoadError::Compiler(format!("ended: {how}")),
        }
    }
}

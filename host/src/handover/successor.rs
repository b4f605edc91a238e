//! The old process's side.

use std::future::pending;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{self, Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::Socket;
use tokio::sync::oneshot;

use super::HandoverError;
use super::channel::HandoverSocket;
use super::invocation::Invocation;
use super::predecessor::FROM;
use super::record::{HandoverRecord, VERSION};
use crate::passed_sockets::HeldSocket;

/// How long a process whose end of the channel is closed may take to end.
const END_WAIT: Duration = Duration::from_secs(2);
/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What is passed to a new process.
#[derive(Debug)]
pub(crate) struct Passed {
    /// Of all listeners.
    pub sockets: Arc<Vec<HeldSocket>>,
    /// This instance, where there are other nodes.
    pub instance: Option<String>,
    /// Whether the service manager's watchdog watches this process, and will watch the other.
    pub is_watched: bool,
}

/// A new process that gets ready.
#[derive(Debug)]
pub(crate) struct HandoverTask {
    outcome: oneshot::Receiver<Result<Successor, HandoverError>>,
    channel: Arc<HandoverSocket>,
    is_given_up: Arc<AtomicBool>,
}

/// A process that accepts clients in the place of this one.
#[derive(Debug)]
pub(crate) struct Successor {
    channel: Arc<HandoverSocket>,
    process: Child,
}

// === impl HandoverTask ===

impl HandoverTask {
    /// Starts a process that has `wait` to get ready. What takes time happens on a thread of its own.
    pub(crate) fn start(invocation: Invocation, passed: Passed, wait: Duration) -> io::Result<Self> {
        let (channel, theirs) = HandoverSocket::pair()?;
        let channel = Arc::new(channel);
        let is_given_up = Arc::new(AtomicBool::new(false));
        let (tell, outcome) = oneshot::channel();
        let (ours, given_up) = (channel.clone(), is_given_up.clone());
        thread::Builder::new().name("handover".into()).spawn(move || {
            let until = Instant::now() + wait;
            let outcome = start(&invocation, &passed, theirs.into()).and_then(|mut process| {
                match wait_for(&ours, &passed, until) {
                    Ok(true) => Ok(Successor { channel: ours, process }),
                    _ if given_up.load(Ordering::Relaxed) => {
                        end(&mut process);
                        Err(HandoverError::GivenUp)
                    }
                    Ok(false) => Err(ended(&mut process)),
                    Err(_) if until <= Instant::now() => {
                        end(&mut process);
                        Err(HandoverError::TooLate(wait))
                    }
                    Err(error) => {
                        end(&mut process);
                        Err(error.into())
                    }
                }
            });
            // Whoever does not wait for it any more gets no process either.
            if let Err(Ok(mut successor)) = tell.send(outcome) {
                end(&mut successor.process);
            }
        })?;
        Ok(Self {
            outcome,
            channel,
            is_given_up,
        })
    }

    /// Waits until the process accepts clients, or is gone. Safe to drop while it waits.
    pub(crate) async fn outcome(&mut self) -> Result<Successor, HandoverError> {
        match (&mut self.outcome).await {
            Ok(outcome) => outcome,
            Err(_) => Err(io::Error::other("the thread of the handover ended").into()),
        }
    }

    /// The same of a process that there may be.
    pub(crate) async fn outcome_of(handover: &mut Option<Self>) -> Result<Successor, HandoverError> {
        match handover {
            Some(handover) => handover.outcome().await,
            None => pending().await,
        }
    }

    /// Ends the process.
    pub(crate) async fn give_up(mut self) {
        self.is_given_up.store(true, Ordering::Relaxed);
        self.channel.close();
        if let Ok(mut successor) = self.outcome().await {
            end(&mut successor.process);
        }
    }
}

fn start(invocation: &Invocation, passed: &Passed, channel: Stdio) -> Result<Child, HandoverError> {
    let mut command = Command::new(&invocation.program);
    command
        .arg0(&invocation.name)
        .args(&invocation.arguments)
        .stdin(channel)
        .env(FROM, process::id().to_string())
        // These are for this process alone, or have its number.
        .env_remove("LISTEN_PID")
        .env_remove("LISTEN_FDS")
        .env_remove("LISTEN_FDNAMES")
        .env_remove("WATCHDOG_PID");
    if !passed.is_watched {
        command.env_remove("WATCHDOG_USEC");
    }
    command.spawn().map_err(|error| HandoverError::Start {
        program: invocation.program.clone(),
        error,
    })
}

/// Passes everything, and waits until the other process accepts clients. False: it closed its end.
fn wait_for(channel: &HandoverSocket, passed: &Passed, until: Instant) -> io::Result<bool> {
    let send = |record: &HandoverRecord, socket: Option<&Socket>| {
        channel.wait_at_most(left(until))?;
        match channel.send(record, socket.map(|socket| socket.as_fd())) {
            // With what it had not read, or without.
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => Ok(false),
            sent => sent.map(|()| true),
        }
    };
    let hello = HandoverRecord::Hello {
        version: VERSION,
        instance: passed.instance.clone(),
    };
    if !send(&hello, None)? {
        return Ok(false);
    }
    for held in passed.sockets.iter() {
        if !send(&HandoverRecord::socket(&held.key, held.owns_file), Some(&held.socket))? {
            return Ok(false);
        }
    }
    if !send(&HandoverRecord::End, None)? {
        return Ok(false);
    }
    channel.wait_at_most(left(until))?;
    let told = channel.receive()?;
    Ok(matches!(told, Some((HandoverRecord::Accepting, _))))
}

/// No socket waits for no time: it would wait for ever.
fn left(until: Instant) -> Duration {
    until
        .saturating_duration_since(Instant::now())
        .max(Duration::from_millis(1))
}

/// How a process ended that closed its end. One that goes on without is ended.
fn ended(process: &mut Child) -> HandoverError {
    let until = Instant::now() + END_WAIT;
    loop {
        match process.try_wait() {
            Ok(Some(status)) => return HandoverError::Ended(status),
            Ok(None) if Instant::now() < until => thread::sleep(LOOK_EVERY),
            Ok(None) => {
                drop(process.kill());
                return process.wait().map_or_else(HandoverError::from, HandoverError::Ended);
            }
            Err(error) => return error.into(),
        }
    }
}

fn end(process: &mut Child) {
    drop(process.kill());
    drop(process.wait());
}

// === impl Successor ===

impl Successor {
    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    /// Tells it that clients are its own from now on. An error: it is gone.
    pub(crate) fn tell_yours(&self) -> io::Result<()> {
        self.channel.send(&HandoverRecord::Yours, None)
    }
}

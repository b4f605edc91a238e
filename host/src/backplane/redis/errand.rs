//! What a server is asked to do in one go, and why it did not.

use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value};

use super::link::{Address, read_address};

/// What is sent in one go, to whichever server it is for.
#[derive(Clone, Copy)]
pub(crate) struct Errand<'a> {
    /// Makes the command for a run of the server.
    pub make: &'a (dyn Fn(&str) -> Cmd + Sync),
    /// A `WAIT` behind it: it counts for what its own connection did, and for nothing on another.
    pub wait: Option<&'a Cmd>,
    /// The server is only about to get the slot.
    pub asking: bool,
}

/// Why a command did not do what it should.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no connection, or no answer in time. It may have happened.
    Unavailable(String),
    /// The server does not know the script.
    NoScript,
    /// The slot belongs to another server.
    Moved,
    /// The key is on its way to this server.
    Ask(Address),
    /// Its keys are on their way.
    TryAgain,
    /// The server refused it.
    Refused(String),
}

impl<'a> Errand<'a> {
    /// One for the server that has the slot.
    pub fn new(make: &'a (dyn Fn(&str) -> Cmd + Sync), wait: Option<&'a Cmd>) -> Self {
        Self {
            make,
            wait,
            asking: false,
        }
    }

    /// The commands, and how many answers they get.
    pub fn pipeline(&self, command: Cmd) -> (redis::Pipeline, usize) {
        let mut pipeline = redis::pipe();
        if self.asking {
            pipeline.cmd("ASKING");
        }
        pipeline.add_command(command);
        if let Some(wait) = self.wait {
            pipeline.add_command(wait.clone());
        }
        (
            pipeline,
            1 + usize::from(self.asking) + usize::from(self.wait.is_some()),
        )
    }

    /// The answer to the command, and that of what waits.
    pub fn read(&self, answers: Vec<Value>) -> Result<(Value, Value), Failure> {
        let mut answers = answers.into_iter().skip(usize::from(self.asking));
        let answer = answers.next().ok_or_else(Failure::not_connected)?;
        Ok((answer, answers.next().unwrap_or(Value::Nil)))
    }
}

impl Failure {
    /// There is no server to ask.
    pub fn not_connected() -> Self {
        Self::Unavailable("Redis is not connected".into())
    }
}

/// What an error says.
pub(super) fn classify(error: &RedisError) -> Failure {
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::NoScript) => Failure::NoScript,
        ErrorKind::Server(ServerErrorKind::Moved) => Failure::Moved,
        ErrorKind::Server(ServerErrorKind::TryAgain) => Failure::TryAgain,
        ErrorKind::Server(ServerErrorKind::Ask) => {
            let address = error.redirect_node().and_then(|(address, _)| read_address(address));
            address.map_or(Failure::Moved, Failure::Ask)
        }
        ErrorKind::Server(_) | ErrorKind::Extension if !is_no_master(error) => Failure::Refused(error.to_string()),
        _ => Failure::Unavailable(error.to_string()),
    }
}

/// Whether it is of a server that is a master no more, or not yet ready.
pub(super) fn is_no_master(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(
            ServerErrorKind::ReadOnly
                | ServerErrorKind::BusyLoading
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
        )
    )
}

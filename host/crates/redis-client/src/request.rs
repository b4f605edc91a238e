//! What a server is asked to do in one go.

use redis::{Cmd, Value};

use crate::failure::Failure;

/// A command for whichever server has its key, and how it is to be sent.
#[derive(Clone, Copy)]
pub(crate) struct RedisRequest<'a> {
    /// Makes the command for a run of the server.
    pub make: &'a (dyn Fn(&str) -> Cmd + Sync),
    pub way: Way<'a>,
    /// The server is only about to get the slot.
    pub asking: bool,
}

/// Which of the connections to a server a request takes.
#[derive(Clone, Copy)]
pub(crate) enum Way<'a> {
    /// That of short commands.
    Short,
    /// One of those for large answers: nothing that publishes waits behind it.
    Large,
    /// The one for requests that end with this `WAIT`, which counts what its own connection wrote, and nothing else.
    Replicated(&'a Cmd),
}

impl<'a> RedisRequest<'a> {
    /// A request for the server that has the slot.
    pub(crate) fn new(make: &'a (dyn Fn(&str) -> Cmd + Sync), way: Way<'a>) -> Self {
        Self {
            make,
            way,
            asking: false,
        }
    }

    /// Whether the command goes alone, without others around it.
    pub(crate) fn is_single(&self) -> bool {
        !self.asking && !matches!(self.way, Way::Replicated(_))
    }

    /// The commands, and how many answers they get.
    pub(crate) fn pipeline(&self, command: Cmd) -> (redis::Pipeline, usize) {
        let mut pipeline = redis::pipe();
        let mut count = 1;
        if self.asking {
            pipeline.cmd("ASKING");
            count += 1;
        }
        pipeline.add_command(command);
        if let Way::Replicated(wait) = self.way {
            pipeline.add_command(wait.clone());
            count += 1;
        }
        (pipeline, count)
    }

    /// The answer to the command, and that to `WAIT`.
    pub(crate) fn read(&self, answers: Vec<Value>) -> Result<(Value, Value), Failure> {
        let mut answers = answers.into_iter().skip(usize::from(self.asking));
        let answer = answers.next().ok_or_else(Failure::not_connected)?;
        Ok((answer, answers.next().unwrap_or(Value::Nil)))
    }
}

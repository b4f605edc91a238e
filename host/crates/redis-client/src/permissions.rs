//! What a user of Redis must be allowed to do, tried at every connect: a right that is missing is named then, and not
//! when a client is refused.
//!
//! The commands are tried in a transaction that is thrown away. Redis checks the rights to a command when it takes it
//! into the transaction, so all are tried and none is run.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, ServerError, ServerErrorKind, Value};
use thiserror::Error;

use crate::settings::{ClientSettings, TopologyKind};

/// Stands for a key with the prefix.
const KEY: &str = "{key}";
/// Stands for a channel with the prefix.
const CHANNEL: &str = "{channel}";
/// The digest of no script.
const NO_SCRIPT: &str = "0000000000000000000000000000000000000000";

/// A command, with arguments with which it could be run.
type Example = &'static [&'static str];

/// Needed everywhere, by the broker itself or by its scripts.
const COMMANDS: &[Example] = &[
    &["PING"],
    &["INFO", "replication"],
    &["TIME"],
    &["EVALSHA", NO_SCRIPT, "1", KEY],
    &["EVAL", "return 0", "1", KEY],
    &["DEL", KEY],
    &["PEXPIRE", KEY, "1"],
    &["PEXPIREAT", KEY, "1"],
    &["PERSIST", KEY],
    &["PTTL", KEY],
    &["GET", KEY],
    &["SET", KEY, "1"],
    &["INCRBY", KEY, "1"],
    &["HGET", KEY, "1"],
    &["HMGET", KEY, "1"],
    &["HGETALL", KEY],
    &["HSET", KEY, "1", "1"],
    &["HDEL", KEY, "1"],
    &["HINCRBY", KEY, "1", "1"],
    &["HLEN", KEY],
    &["SADD", KEY, "1"],
    &["SREM", KEY, "1"],
    &["SMEMBERS", KEY],
    &["ZADD", KEY, "1", "1"],
    &["ZREM", KEY, "1"],
    &["ZCARD", KEY],
    &["ZSCORE", KEY, "1"],
    &["ZRANGEBYSCORE", KEY, "1", "1"],
    &["ZREMRANGEBYSCORE", KEY, "1", "1"],
    &["ZREVRANGE", KEY, "0", "0"],
    &["XADD", KEY, "*", "1", "1"],
    &["XRANGE", KEY, "-", "+"],
    &["XREVRANGE", KEY, "+", "-"],
];

/// Needed where channels are the server's own.
const PLAIN: &[Example] = &[
    &["PUBLISH", CHANNEL, "1"],
    &["SUBSCRIBE", CHANNEL],
    &["UNSUBSCRIBE", CHANNEL],
];

/// Needed in a Cluster, where channels belong to slots.
const CLUSTER: &[Example] = &[
    &["SPUBLISH", CHANNEL, "1"],
    &["SSUBSCRIBE", CHANNEL],
    &["SUNSUBSCRIBE", CHANNEL],
    &["CLUSTER", "SLOTS"],
    &["ASKING"],
];

/// Needed where replicas are waited for.
const REPLICATED: &[Example] = &[&["WAIT", "0", "0"]];

/// Needed where the database is another than 0.
const DATABASE: &[Example] = &[&["SELECT", "0"]];

/// The rights that a user of Redis does not have, as an `ACL SETUSER` would give them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the user may not do all that is needed in Redis; missing: {0} (docs/OPERATIONS.md has the whole ACL)")]
pub struct MissingRights(String);

/// The trial of all rights that are needed with some settings.
pub(crate) struct Trial {
    examples: Vec<Example>,
    prefix: String,
}

impl ClientSettings {
    /// What an `ACL SETUSER` has to say, behind the user and its password, of all that is needed with these settings.
    pub fn acl(&self) -> String {
        let trial = Trial::of(self);
        let prefix = &trial.prefix;
        let examples = [["MULTI"].as_slice(), &["DISCARD"]]
            .into_iter()
            .chain(trial.examples.iter().copied());
        let commands: Vec<_> = examples.map(allowed).collect();
        format!("~{prefix}:* &{prefix}:* -@all {}", commands.join(" "))
    }
}

impl Trial {
    pub(crate) fn of(settings: &ClientSettings) -> Self {
        let topology = if settings.kind == TopologyKind::Cluster {
            CLUSTER
        } else {
            PLAIN
        };
        let replicated = if settings.rights.replicated { REPLICATED } else { &[] };
        let database = if settings.login.database == 0 { &[] } else { DATABASE };
        Self {
            examples: [COMMANDS, topology, replicated, database].concat(),
            prefix: settings.rights.prefix.clone(),
        }
    }

    /// Tries all rights; says which are missing. The error is for a server that cannot be asked.
    pub(crate) async fn run(&self, connection: &mut MultiplexedConnection) -> Result<Option<MissingRights>, String> {
        if let Err(error) = redis::cmd("MULTI").query_async::<Value>(connection).await {
            return match error.kind() {
                ErrorKind::Server(ServerErrorKind::NoPerm) => Ok(Some(MissingRights("+multi".into()))),
                _ => Err(error.to_string()),
            };
        }
        let mut trial = redis::pipe();
        for example in &self.examples {
            trial.add_command(self.command(example));
        }
        trial.cmd("DISCARD");
        let count = self.examples.len() + 1;
        let answers = connection.send_packed_commands(&trial, 0, count).await;
        let answers = answers.map_err(|error| error.to_string())?;
        let examples = self.examples.iter().copied().chain([["DISCARD"].as_slice()]);
        let mut missing = Vec::new();
        for (example, answer) in examples.zip(answers) {
            if let Value::ServerError(error) = answer
                && let Some(right) = self.missing(example, &error)
                && !missing.contains(&right)
            {
                missing.push(right);
            }
        }
        Ok((!missing.is_empty()).then(|| MissingRights(missing.join(" "))))
    }

    fn command(&self, example: Example) -> Cmd {
        let mut command = redis::cmd(example[0]);
        for argument in &example[1..] {
            match *argument {
                KEY | CHANNEL => command.arg(format!("{}:trial", self.prefix)),
                other => command.arg(other),
            };
        }
        command
    }

    /// The right that an error says is missing, if it says so.
    fn missing(&self, example: Example, error: &ServerError) -> Option<String> {
        let details = error.details().unwrap_or_default();
        if details.starts_with("unknown command") {
            return Some(format!("the command {}, which the server does not know", example[0]));
        }
        if error.kind() != Some(ServerErrorKind::NoPerm) {
            return None;
        }
        // Redis 6.2 and 7 say "to run the 'x' command", "to access a channel", "to access one of the keys …".
        Some(if details.contains(" command") {
            allowed(example)
        } else if details.contains("channel") {
            format!("&{}:*", self.prefix)
        } else {
            format!("~{}:*", self.prefix)
        })
    }
}

/// How an `ACL SETUSER` allows a command.
fn allowed(example: Example) -> String {
    let command = example[0].to_lowercase();
    match example.get(1) {
        Some(subcommand) if command == "cluster" => format!("+{command}|{}", subcommand.to_lowercase()),
        _ => format!("+{command}"),
    }
}

#[cfg(test)]
mod tests;

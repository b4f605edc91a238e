//! The Lua scripts: each a step that happens whole or not at all, sent by its digest.

use std::sync::LazyLock;

use redis::{Cmd, ToRedisArgs};
use sha1::{Digest, Sha1};

/// A script and its digest.
pub(crate) struct Script {
    text: &'static str,
    digest: String,
}

/// Accepts messages.
pub(super) static PUBLISH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("publish.lua")));
/// Reads a history.
pub(super) static HISTORY: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("history.lua")));
/// Remembers where an instance has sessions.
pub(super) static NOTE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("note.lua")));
/// Makes a session present.
pub(super) static ENTER: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("presence_version.lua"), include_str!("enter.lua"))));
/// Ends its presence.
pub(super) static EXIT: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("presence_version.lua"), include_str!("exit.lua"))));
/// Ends the presences of an instance that is gone.
pub(super) static REAP: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("presence_version.lua"), include_str!("reap.lua"))));

/// Says that an instance lives.
pub(super) static BEAT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("beat.lua")));

/// Lists the instances that live.
pub(super) static LIVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("live.lua")));

/// Something else answers to a script's name.
pub(super) const NOT_THE_SCRIPT: &str = "an answer that is none of the script's";

/// A script with what it is called with.
pub(crate) struct Call {
    script: &'static Script,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
    /// Which argument is the run of the server that gets it.
    run: Option<usize>,
}

impl Script {
    pub fn new(text: &'static str) -> Self {
        let digest = Sha1::digest(text.as_bytes());
        let digest = digest
            .iter()
            .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        Self { text, digest }
    }

    /// A call with these keys, all of one slot; at least one by the time it is made.
    pub fn call(&'static self, keys: impl Into<Vec<String>>) -> Call {
        Call {
            script: self,
            keys: keys.into(),
            arguments: Vec::with_capacity(10),
            run: None,
        }
    }
}

impl Call {
    /// Adds an argument.
    pub fn arg(mut self, argument: impl ToRedisArgs) -> Self {
        argument.write_redis_args(&mut self.arguments);
        self
    }

    /// Adds keys of the same slot.
    pub fn add_keys(&mut self, keys: impl IntoIterator<Item = String>) {
        self.keys.extend(keys);
    }

    /// Adds the run of whichever server it is sent to.
    pub fn run(mut self) -> Self {
        self.run = Some(self.arguments.len());
        self.arguments.push(Vec::new());
        self
    }

    /// What decides where it runs.
    pub fn key(&self) -> &[u8] {
        self.keys[0].as_bytes()
    }

    /// The command for a server of this run that has the script.
    pub fn by_digest(&self, run: &str) -> Cmd {
        self.command("EVALSHA", &self.script.digest, run)
    }

    /// The command for a server that lost it, and has it from then on.
    pub fn by_text(&self, run: &str) -> Cmd {
        self.command("EVAL", self.script.text, run)
    }

    fn command(&self, name: &str, script: &str, run: &str) -> Cmd {
        let bytes = self.arguments.iter().map(Vec::len).sum::<usize>();
        let mut command = Cmd::with_capacity(3 + self.keys.len() + self.arguments.len(), bytes + 512);
        command.arg(name).arg(script).arg(self.keys.len()).arg(&self.keys);
        for (place, argument) in self.arguments.iter().enumerate() {
            if self.run == Some(place) {
                command.arg(run);
            } else {
                command.arg(argument);
            }
        }
        command
    }
}

//! The Lua scripts: each a step that happens whole or not at all, sent by its digest.

use redis::{Cmd, ToRedisArgs};
use sha1::{Digest, Sha1};
use sluicegate_contract::hex;

/// A script and its digest.
pub struct Script {
    text: &'static str,
    digest: String,
}

/// A script with what it is called with.
pub struct ScriptCall {
    script: &'static Script,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
    /// Which argument is the run of the server that gets it.
    run: Option<usize>,
}

impl Script {
    /// The script with this text.
    pub fn new(text: &'static str) -> Self {
        let digest = hex::encode(&Sha1::digest(text.as_bytes()));
        Self { text, digest }
    }

    /// A call with these keys, all of one slot; at least one by the time it is made.
    pub fn call(&'static self, keys: impl Into<Vec<String>>) -> ScriptCall {
        ScriptCall {
            script: self,
            keys: keys.into(),
            arguments: Vec::with_capacity(10),
            run: None,
        }
    }
}

impl ScriptCall {
    #[must_use]
    pub fn arg(mut self, argument: impl ToRedisArgs) -> Self {
        argument.write_redis_args(&mut self.arguments);
        self
    }

    /// Adds keys of the same slot.
    pub fn add_keys(&mut self, keys: impl IntoIterator<Item = String>) {
        self.keys.extend(keys);
    }

    /// Adds the run of whichever server it is sent to.
    #[must_use]
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
    pub(crate) fn by_digest(&self, run: &str) -> Cmd {
        self.command("EVALSHA", &self.script.digest, run)
    }

    /// The command for a server that lost it, and has it from then on.
    pub(crate) fn by_text(&self, run: &str) -> Cmd {
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

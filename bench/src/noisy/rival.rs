//! The attacker as a process of its own. In life it has machines of its own; here it gets only the processor time that nobody
//! else wants (`SCHED_IDLE`), so that the victim waits for the broker and not for the attacker's own work.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::attacker::{Attack, Attackers};

/// A process that attacks.
pub(crate) struct Rival(Child);

// === impl Rival ===

impl Rival {
    pub(crate) fn start(attack: &Path, address: SocketAddr) -> Result<Self> {
        let mut command = Command::new("chrt");
        command
            .args(["--idle", "0"])
            .arg(std::env::current_exe()?)
            .arg(attack)
            .args(["--address", &address.to_string(), "--only-attack"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        Ok(Self(
            command
                .spawn()
                .context("chrt does not start; it is part of util-linux")?,
        ))
    }

    /// What it heard, by what it was and how often.
    pub(crate) fn stop(self) -> Result<Value> {
        // Its stdin ends here.
        let output = self.0.wait_with_output()?;
        ensure!(output.status.success(), "the attacker failed");
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// Attacks until stdin ends, and prints what was heard.
pub(crate) fn attack(attack: &Attack, address: SocketAddr) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let attackers = Attackers::start(attack, address, &stop);
    io::stdin().read_to_end(&mut Vec::new())?;
    println!("{}", attackers.stop(&stop));
    Ok(())
}

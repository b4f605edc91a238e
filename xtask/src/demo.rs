//! `cargo xtask demo`: the demo broker, built and started, with everything needed to try it on the screen.

mod config;

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;

use crate::workspace::Workspace;
use crate::{build, shell};
use config::Config;

/// The user that the printed token is for. The page mints its own for ann and bob.
const USER: &str = "ann";

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let config = Config::load(workspace)?;
    // Before the build, which takes minutes. The broker shares its port between its own shards (SO_REUSEPORT), so two
    // demos of one user would otherwise both start and each get half of the connections.
    for address in &config.addresses {
        if let Err(problem) = TcpListener::bind(address) {
            bail!(
                "{address} is not free ({problem}). Is another demo running? Stop what listens there, then try again."
            );
        }
    }
    build::run(workspace)?;
    serve(&workspace.broker("release"), &config)
}

fn serve(broker: &Path, config: &Config) -> Result<()> {
    // Caught from here on: Ctrl-C must stop the broker, and us only after it. Exec resets handlers, so the broker
    // starts with none of this.
    let signals = SignalsInfo::<WithOrigin>::new([SIGINT, SIGTERM, SIGHUP])?;
    let mut command = Command::new(broker);
    command.args(["serve", "--demo", "--config"]).arg(&config.file);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| shell::describe(&command))?;
    pass_on(signals, child.id());
    let outcome = relay(&mut child, broker, config);
    if outcome.is_err() {
        stop(child.id(), SIGTERM);
    }
    let status = child.wait()?;
    outcome?;
    if !status.success() {
        bail!("{}: {status}", shell::describe(&command));
    }
    println!("stopped");
    Ok(())
}

/// Relays what the broker prints until it stops; prints how to try it as soon as it listens.
fn relay(child: &mut Child, broker: &Path, config: &Config) -> Result<()> {
    let mut stdout = BufReader::new(child.stdout.take().context("stdout was asked for")?);
    let mut line = String::new();
    while stdout.read_line(&mut line)? > 0 {
        print!("{line}");
        if let Some(address) = line.trim().strip_prefix("listening on http://") {
            println!(
                "{}",
                how_to_try(address, &token(broker, &config.file, &config.tenant, USER)?)
            );
        }
        line.clear();
    }
    // Nothing is left to read; the pipe stays open until the broker is gone.
    stdout.read_to_end(&mut Vec::new())?;
    Ok(())
}

/// A development token for `user` of `tenant`.
pub(crate) fn token(broker: &Path, config: &Path, tenant: &str, user: &str) -> Result<String> {
    let mut command = Command::new(broker);
    command
        .args(["token", "--tenant", tenant, "--user", user, "--config"])
        .arg(config);
    Ok(shell::output(&mut command)?.trim().to_owned())
}

fn how_to_try(address: &str, token: &str) -> String {
    format!(
        "
  Open the demo      http://{address}/
  Edit together      http://{address}/editor

  Or from a terminal, as {USER} (token good for an hour):

    npx -y wscat -c ws://{address}/ws -s sluicegate.v1.json -w 60 \\
      -x '{{\"type\":\"connect\",\"id\":1,\"payload\":{{\"version\":1,\"token\":\"{token}\",\"subscribe\":[{{\"channel\":\"room:lobby\"}}]}}}}'

  Token              {token}

  Ctrl-C stops it.
"
    )
}

/// Forwards the signals that only this process got. One from the terminal (Ctrl-C) reached the broker already, with the whole
/// foreground group; one from another program was sent to us alone.
fn pass_on(mut signals: SignalsInfo<WithOrigin>, broker: u32) {
    thread::spawn(move || {
        for origin in signals.forever() {
            if origin.process.is_some() {
                stop(broker, origin.signal);
            }
        }
    });
}

/// Asks a process to end.
pub(crate) fn stop(broker: u32, signal: i32) {
    // A hang-up means "stop" to a program on a terminal and "reload" to the broker.
    let name = if signal == SIGINT { "-INT" } else { "-TERM" };
    // The broker may have ended already, which is the aim.
    let _ = Command::new("kill")
        .args([name, &broker.to_string()])
        .stderr(Stdio::null())
        .status();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copied_line_is_one_connect() {
        let text = how_to_try("127.0.0.1:8080", "h.p.s");
        let json = text.split('\'').nth(1).expect("one quoted argument");
        let connect: serde_json::Value = serde_json::from_str(json).expect("valid JSON");
        assert_eq!(connect["type"], "connect");
        assert_eq!(connect["payload"]["token"], "h.p.s");
        assert!(text.contains("http://127.0.0.1:8080/"));
    }
}

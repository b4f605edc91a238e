//! Running programs: every error has the command.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a program with our own output; fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| describe(command))?;
    if !status.success() {
        bail!("{}: {status}", describe(command));
    }
    Ok(())
}

/// Runs a program and returns what it prints to stdout; its stderr stays ours.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| describe(command))?;
    if !output.status.success() {
        bail!("{}: {}", describe(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| describe(command))
}

/// Runs a program, relays each line of its stdout and shows it to `watch`.
/// Returns whether the program succeeded: a failing test run still has lines worth counting.
pub(crate) fn relay(command: &mut Command, mut watch: impl FnMut(&str)) -> Result<bool> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| describe(command))?;
    let stdout = child.stdout.take().context("stdout was asked for")?;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        println!("{line}");
        watch(&line);
    }
    Ok(child.wait()?.success())
}

/// The command as one would type it.
pub(crate) fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

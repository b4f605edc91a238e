//! A victim beside an attacker: publishes at a steady pace as one tenant, first alone and then while another tenant attacks, and
//! tells how long its acknowledgements took. One line of JSON on stdout; `cargo xtask bench noisy` starts it.

mod attacker;
mod rival;
mod victim;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::json;

use attacker::Attack;
use rival::Rival;
use victim::Victim;

/// Publishes as a victim, alone and beside an attacker.
#[derive(Parser)]
#[command(name = "noisy")]
struct Arguments {
    /// What the attacker does: a file with one JSON object, see `attacker.rs`.
    attack: PathBuf,
    /// Where the broker listens.
    #[arg(long)]
    address: SocketAddr,
    /// The path by which the victim's tenant is reached.
    #[arg(long, default_value = "/t/victim/ws")]
    victim: String,
    /// Milliseconds from one publish of the victim to the next.
    #[arg(long, default_value_t = 3)]
    every_ms: u64,
    /// Seconds of each half.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Attack, until stdin ends, and tell what was heard.
    #[arg(long, hide = true)]
    only_attack: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let attack = read(&arguments.attack)?;
    if arguments.only_attack {
        return rival::attack(&attack, arguments.address);
    }
    let half = Duration::from_secs_f64(arguments.seconds);
    let mut victim = Victim::connect(arguments.address, &arguments.victim, arguments.every_ms)?;
    // Code and connections are warm, and the victim's instance is there.
    victim.publish_for(half / 5)?;
    let quiet = victim.publish_for(half)?;
    let rival = Rival::start(&arguments.attack, arguments.address)?;
    let noisy = victim.publish_for(half)?;
    let heard = rival.stop()?;
    println!(
        "{}",
        json!({ "quiet": quiet.to_json(), "noisy": noisy.to_json(), "attacker": heard })
    );
    Ok(())
}

fn read(file: &Path) -> Result<Attack> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    serde_json::from_str(&text).with_context(|| file.display().to_string())
}

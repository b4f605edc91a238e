//! `cargo xtask cluster`: a Redis and three brokers that are one, in one command. Ctrl-C stops them all.

mod config;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::workspace::Workspace;
use crate::{build, demo, needs, shell};
use config::NODES;

/// The user that the printed token is for.
const USER: &str = "ann";
/// Redis has no data to load, so it is up at once or not at all.
const REDIS_START: Duration = Duration::from_secs(5);

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    needs::ensure(&[needs::REDIS])?;
    // Before the build, which takes minutes.
    for address in NODES.iter().flat_map(|node| [node.listen, node.admin]) {
        if let Err(problem) = TcpListener::bind(address) {
            bail!("{address} is not free ({problem}). Is a demo running? Stop what listens there, then try again.");
        }
    }
    build::run(workspace)?;
    let folder = workspace.target.join("cluster");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let redis_address = free_address()?;
    let configs = config::write(workspace, &folder, redis_address)?;

    // Caught from here on. The children are no members of our group, so a Ctrl-C reaches only us: brokers drain while
    // their Redis is still there.
    let signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let mut redis = start_redis(&folder, redis_address)?;
    let outcome = wait_for(redis_address).and_then(|()| serve(&workspace.broker("release"), &configs, signals));
    demo::stop(redis.id(), SIGTERM);
    redis.wait()?;
    outcome?;
    println!("stopped");
    Ok(())
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn start_redis(folder: &Path, address: SocketAddr) -> Result<Child> {
    let mut command = Command::new("redis-server");
    command
        .args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--loglevel",
            "warning",
            "--port",
        ])
        .arg(address.port().to_string())
        .arg("--dir")
        .arg(folder)
        .process_group(0);
    command.spawn().with_context(|| shell::describe(&command))
}

fn wait_for(address: SocketAddr) -> Result<()> {
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        if began.elapsed() > REDIS_START {
            bail!("Redis does not listen on {address}");
        }
        thread::sleep(Duration::from_millis(20));
    }
    println!("redis on {address}");
    Ok(())
}

/// Starts all brokers and waits until the last one has ended. If one ends, the others go on.
fn serve(broker: &Path, configs: &[PathBuf], mut signals: Signals) -> Result<()> {
    let mut children = Vec::new();
    for config in configs {
        let mut command = Command::new(broker);
        command
            .args(["serve", "--demo", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .process_group(0);
        children.push(command.spawn().with_context(|| shell::describe(&command))?);
    }
    let ids: Vec<u32> = children.iter().map(Child::id).collect();
    thread::spawn(move || {
        for signal in signals.forever() {
            ids.iter().for_each(|id| demo::stop(*id, signal));
        }
    });
    println!(
        "{}",
        how_to_try(&demo::token(broker, &configs[0], config::TENANT, USER)?)
    );
    let relays: Vec<_> = children
        .into_iter()
        .zip(NODES)
        .map(|(child, node)| thread::spawn(move || relay(child, node.name)))
        .collect();
    for relay in relays {
        relay.join().ok().context("a relay of output panicked")??;
    }
    Ok(())
}

/// Shows what a broker prints, until it ends.
fn relay(mut child: Child, name: &str) -> Result<()> {
    let stdout = child.stdout.take().context("stdout was asked for")?;
    for line in BufReader::new(stdout).lines() {
        println!("{name}: {}", line?);
    }
    let status = child.wait()?;
    println!("{name}: {status}");
    Ok(())
}

fn how_to_try(token: &str) -> String {
    let pages: Vec<String> = NODES
        .iter()
        .map(|node| {
            format!(
                "  {}   http://{}/      admin http://{}/",
                node.name, node.listen, node.admin
            )
        })
        .collect();
    format!(
        "
{}

  Open two of the pages: what one says in room:lobby the other sees.

  Token for {USER}, good for an hour on every node:
  {token}

  Ctrl-C stops it all. Each page stays with its node; what another client knows of room:lobby it can recover on any
  of them, with `since`.
",
        pages.join("\n")
    )
}

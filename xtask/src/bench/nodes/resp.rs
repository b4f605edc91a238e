//! The plainest client of Redis: one command, one answer. It measures every reference of the nodes' figures, so it adds
//! as little cost as possible.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Longer than anything here takes.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes thrown away at once.
const SINK_BYTES: usize = 65_536;

/// A connection.
pub(super) struct Client(BufReader<TcpStream>);

/// A reply of a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Text(String),
    Number(i64),
    List(Vec<Reply>),
    Nothing,
}

impl Client {
    /// Connects.
    pub(super) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("no Redis on {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a command and waits for the answer; an error is an answer too.
    pub(super) fn call(&mut self, words: &[&str]) -> Result<Reply> {
        self.say(words)?;
        read(&mut self.0)
    }

    /// Subscribes to all of these and waits until each is confirmed.
    pub(super) fn subscribe(&mut self, channels: &[&str]) -> Result<()> {
        self.say(&[&["SUBSCRIBE"], channels].concat())?;
        for _ in channels {
            read(&mut self.0)?;
        }
        Ok(())
    }

    /// Reads and discards everything, until the server ends.
    pub(super) fn drain(self) {
        let mut stream = self.0;
        thread::spawn(move || {
            let mut sink = vec![0; SINK_BYTES];
            while stream.read(&mut sink).is_ok_and(|count| count > 0) {}
        });
    }

    /// A number of `INFO`, by its name.
    pub(super) fn info(&mut self, name: &str) -> Result<f64> {
        let Reply::Text(info) = self.call(&["INFO", "everything"])? else {
            bail!("INFO is no text");
        };
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value
            .and_then(|value| value.trim().parse().ok())
            .with_context(|| format!("INFO has no {name}"))
    }

    /// User and system time of the server so far, in seconds.
    pub(super) fn cpu(&mut self) -> Result<f64> {
        Ok(self.info("used_cpu_user")? + self.info("used_cpu_sys")?)
    }

    fn say(&mut self, words: &[&str]) -> Result<()> {
        let bulks = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
        let command = format!("*{}\r\n{}", words.len(), bulks.collect::<String>());
        Ok(self.0.get_mut().write_all(command.as_bytes())?)
    }
}

fn read(from: &mut impl BufRead) -> Result<Reply> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let Some((kind, rest)) = line.trim_end().split_at_checked(1) else {
        bail!("the server hung up");
    };
    Ok(match kind {
        "+" => Reply::Text(rest.to_owned()),
        ":" => Reply::Number(rest.parse()?),
        "$" | "*" if rest == "-1" => Reply::Nothing,
        "$" => {
            let mut text = vec![0; rest.parse::<usize>()? + 2];
            from.read_exact(&mut text)?;
            text.truncate(text.len() - 2);
            Reply::Text(String::from_utf8_lossy(&text).into_owned())
        }
        "*" => {
            let count = rest.parse::<usize>()?;
            Reply::List((0..count).map(|_| read(from)).collect::<Result<_>>()?)
        }
        "-" => bail!("Redis: {rest}"),
        _ => bail!("not what a Redis says: {line:?}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let mut said = &b"*3\r\n:7\r\n$2\r\nhi\r\n$-1\r\n-ERR no\r\n"[..];
        let list = vec![Reply::Number(7), Reply::Text("hi".into()), Reply::Nothing];
        assert_eq!(read(&mut said).unwrap(), Reply::List(list));
        assert!(read(&mut said).is_err());
        assert!(read(&mut said).is_err(), "nothing is left");
    }
}

//! The part of Redis's protocol (RESP 2) that the tests need: one command, one reply.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A running Redis answers at once; of the tests' commands only `MIGRATE` and the like take longer.
const LIMIT: Duration = Duration::from_secs(10);

/// What Redis answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A simple or a bulk string.
    Text(String),
    /// An integer.
    Number(i64),
    /// Nothing is there.
    Nil,
    /// An array.
    List(Vec<Reply>),
    /// An error.
    Error(String),
}

impl Reply {
    /// The text, or nothing.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, also where it comes as text.
    pub(crate) fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The items of a list; of anything else none.
    pub(crate) fn items(&self) -> &[Reply] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The texts of a list.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.items()
            .iter()
            .filter_map(|item| item.text().map(str::to_owned))
            .collect()
    }

    /// The value behind `name` in a flat list of names and values.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut pairs = self.items().chunks_exact(2);
        pairs.find(|pair| pair[0].text() == Some(name))?[1].text()
    }
}

/// Sends one command on a connection of its own.
pub(crate) async fn call(address: SocketAddr, words: &[&str]) -> io::Result<Reply> {
    let talk = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&command(words)).await?;
        let mut bytes = Vec::new();
        loop {
            if let Some((reply, _)) = parse(&bytes) {
                return Ok(reply);
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    };
    timeout(LIMIT, talk)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
    }
    bytes
}

/// The first whole reply of `bytes` and where it ends.
fn parse(bytes: &[u8]) -> Option<(Reply, usize)> {
    let line_end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let line = String::from_utf8_lossy(&bytes[1..line_end]).into_owned();
    let start = line_end + 2;
    let length = || {
        line.parse::<i64>()
            .unwrap_or_else(|e| panic!("{e} in a reply of Redis: {line:?}"))
    };
    let reply = match bytes[0] {
        b'+' => Reply::Text(line),
        b'-' => Reply::Error(line),
        b':' => Reply::Number(length()),
        b'$' => {
            let Ok(length) = usize::try_from(length()) else {
                return Some((Reply::Nil, start));
            };
            let text = bytes.get(start..start + length)?;
            bytes.get(start + length + 1)?;
            let text = String::from_utf8_lossy(text).into_owned();
            return Some((Reply::Text(text), start + length + 2));
        }
        b'*' => {
            let mut end = start;
            let mut items = Vec::new();
            for _ in 0..length().max(0) {
                let (item, item_length) = parse(&bytes[end..])?;
                items.push(item);
                end += item_length;
            }
            return Some((Reply::List(items), end));
        }
        other => panic!("not RESP 2: {:?}", char::from(other)),
    };
    Some((reply, start))
}

#[test]
fn the_harness_reads_replies() {
    let bytes = b"*4\r\n$2\r\nab\r\n:-7\r\n$-1\r\n*1\r\n+OK\r\n-ERR no\r\n";
    let list = Reply::List(vec![
        Reply::Text("ab".into()),
        Reply::Number(-7),
        Reply::Nil,
        Reply::List(vec![Reply::Text("OK".into())]),
    ]);
    let end = bytes.len() - b"-ERR no\r\n".len();
    assert_eq!(parse(bytes), Some((list, end)));
    for cut in 0..end {
        assert_eq!(parse(&bytes[..cut]), None, "{cut} bytes are not enough");
    }
    assert_eq!(parse(&bytes[end..]), Some((Reply::Error("ERR no".into()), 9)));
    assert_eq!(command(&["GET", "ä"]), "*2\r\n$3\r\nGET\r\n$2\r\nä\r\n".as_bytes());
}

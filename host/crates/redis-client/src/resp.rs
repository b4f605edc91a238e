//! The part of RESP3 that a subscribed connection receives. Pure: bytes to replies.
//!
//! The `redis` crate reads replies too, but pairs them with requests by their number, and gives each confirmation of a
//! subscription to the next request that waits. With many pending subscribe commands, one of which is refused, nobody
//! could tell which.

use bytes::{Buf, Bytes, BytesMut};

/// Replies inside of replies at most: a Redis of today needs three for `HELLO`.
const DEPTH: usize = 8;
/// Bytes of one reply at most. Redis itself takes 512 MB for a value; a message of ours is far smaller.
const REPLY_BYTES: usize = 64 * 1_048_576;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RespReply {
    /// Unasked, or a confirmation: its parts, of which those that are no text are empty.
    Push(Vec<Bytes>),
    /// The server refused a command.
    Error(String),
    /// Any other answer; the text of one that is nothing but text.
    Answer(Bytes),
}

/// What came is no RESP3.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotResp;

/// Takes the next reply from the front of `input`; none, if not all of it is there yet.
pub(crate) fn read(input: &mut BytesMut) -> Result<Option<RespReply>, NotResp> {
    let Some(end) = end_of(input, 0, DEPTH)? else {
        return if input.len() > REPLY_BYTES {
            Err(NotResp)
        } else {
            Ok(None)
        };
    };
    let mut reply = input.split_to(end).freeze();
    let kind = reply[0];
    Ok(Some(match kind {
        b'>' => {
            let count = line_number(&mut reply)?;
            RespReply::Push((0..count).map(|_| part(&mut reply)).collect::<Result<_, _>>()?)
        }
        b'-' => RespReply::Error(String::from_utf8_lossy(&reply[1..reply.len() - 2]).into_owned()),
        b'+' => RespReply::Answer(reply.slice(1..reply.len() - 2)),
        b'$' => RespReply::Answer(part(&mut reply)?),
        _ => RespReply::Answer(Bytes::new()),
    }))
}

/// One part of a push.
fn part(from: &mut Bytes) -> Result<Bytes, NotResp> {
    let end = end_of(from, 0, DEPTH)?.ok_or(NotResp)?;
    let mut part = from.split_to(end);
    if part[0] != b'$' {
        return Ok(Bytes::new());
    }
    let length = line_number(&mut part)?;
    if part.len() < length {
        return Ok(Bytes::new());
    }
    // Copied, so that a small message does not keep all that was read with it.
    Ok(Bytes::copy_from_slice(&part[..length]))
}

/// Takes the first line, and gives its number.
fn line_number(from: &mut Bytes) -> Result<usize, NotResp> {
    let end = line_end(from, 0).ok_or(NotResp)?;
    let number = number(&from[1..end - 2])?.unwrap_or(0);
    from.advance(end);
    Ok(number)
}

/// Where the reply that begins at `start` ends; none, if that is not there yet.
fn end_of(bytes: &[u8], start: usize, depth: usize) -> Result<Option<usize>, NotResp> {
    if depth == 0 {
        return Err(NotResp);
    }
    let Some(line) = line_end(bytes, start) else {
        return Ok(None);
    };
    let inside = match bytes[start] {
        b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => return Ok(Some(line)),
        b'$' | b'!' | b'=' => {
            let Some(length) = number(&bytes[start + 1..line - 2])? else {
                return Ok(Some(line));
            };
            let end = line + length + 2;
            return if end - start > REPLY_BYTES {
                Err(NotResp)
            } else {
                Ok((end <= bytes.len()).then_some(end))
            };
        }
        b'*' | b'>' | b'~' => number(&bytes[start + 1..line - 2])?.unwrap_or(0),
        b'%' | b'|' => 2 * number(&bytes[start + 1..line - 2])?.unwrap_or(0),
        _ => return Err(NotResp),
    };
    let mut end = line;
    for _ in 0..inside {
        match end_of(bytes, end, depth - 1)? {
            Some(next) => end = next,
            None => return Ok(None),
        }
    }
    Ok(Some(end))
}

/// Behind the line that begins at `start`.
fn line_end(bytes: &[u8], start: usize) -> Option<usize> {
    let line = bytes.get(start..)?;
    let at = line.windows(2).position(|pair| pair == b"\r\n")?;
    Some(start + at + 2)
}

/// A length; none for one below zero, which is what RESP2 calls nothing.
fn number(digits: &[u8]) -> Result<Option<usize>, NotResp> {
    if digits == b"-1" {
        return Ok(None);
    }
    let text = std::str::from_utf8(digits).map_err(|_| NotResp)?;
    let number: usize = text.parse().map_err(|_| NotResp)?;
    if number > REPLY_BYTES {
        Err(NotResp)
    } else {
        Ok(Some(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> (Vec<RespReply>, usize) {
        let mut input = BytesMut::from(text);
        let replies = std::iter::from_fn(|| read(&mut input).unwrap()).collect();
        (replies, input.len())
    }

    #[test]
    fn pushes_answers_and_errors_are_told_apart() {
        let (replies, rest) = all(concat!(
            ">3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$5\r\na\r\nbc\r\n",
            ">3\r\n$10\r\nssubscribe\r\n$1\r\nc\r\n:1\r\n",
            "-MOVED 7 127.0.0.1:7000\r\n",
            "%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nmodules\r\n*0\r\n",
            "+PONG\r\n",
        ));
        let bytes = |parts: [&str; 3]| parts.map(|part| Bytes::copy_from_slice(part.as_bytes())).to_vec();
        assert_eq!(
            replies,
            [
                RespReply::Push(bytes(["smessage", "c", "a\r\nbc"])),
                RespReply::Push(bytes(["ssubscribe", "c", ""])),
                RespReply::Error("MOVED 7 127.0.0.1:7000".into()),
                RespReply::Answer(Bytes::new()),
                RespReply::Answer("PONG".into()),
            ]
        );
        assert_eq!(rest, 0);
    }

    #[test]
    fn what_came_in_part_waits_for_the_rest() {
        let whole = ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\n{}\r\n";
        for cut in 0..whole.len() {
            assert_eq!(all(&whole[..cut]), (Vec::new(), cut), "{cut}");
        }
        assert_eq!(all(whole).0.len(), 1);
    }

    #[test]
    fn what_is_no_resp_is_refused() {
        let deep = "*1\r\n".repeat(DEPTH + 1);
        for text in ["HTTP/1.1 400\r\n", "$x\r\n", "$99999999999\r\n", deep.as_str()] {
            assert_eq!(read(&mut BytesMut::from(text)), Err(NotResp), "{text}");
        }
    }
}

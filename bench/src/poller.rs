//! A subscriber that polls: what it asks, and what it keeps of each answer for its next question. Knows text, no socket.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use memchr::memmem;
use serde::Deserialize;

/// Longest head of an answer.
const HEAD_BYTES: usize = 8192;

/// How subscribers poll.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Polling {
    method: String,
    /// What is asked first …
    first: PollRequest,
    /// … and after each answer. In it `{NAME}` stands for what was kept by that name.
    next: PollRequest,
    /// What stands between two texts of an answer, by name. What an answer does not have stays as it was.
    keep: BTreeMap<String, [String; 2]>,
}

/// The headers, a line each, and the body of a poll.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PollRequest {
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default)]
    body: String,
}

/// What one subscriber kept, in the order of the names.
pub(crate) struct Poller {
    kept: Vec<String>,
}

/// An answer: where its body begins and ends.
pub(crate) struct PollAnswer {
    pub body: usize,
    pub end: usize,
}

// === impl Poller ===

impl Poller {
    pub(crate) fn new(polling: &Polling) -> Self {
        Self {
            kept: vec![String::new(); polling.keep.len()],
        }
    }

    /// The first request.
    pub(crate) fn first(polling: &Polling, path: &str, host: &str) -> String {
        polling.first.with_head(&polling.method, path, host)
    }

    /// Reads an answer, if all of it is there, and keeps what the next request needs.
    pub(crate) fn hear(&mut self, polling: &Polling, bytes: &[u8]) -> Result<Option<PollAnswer>> {
        let Some(body) = memmem::find(bytes, b"\r\n\r\n").map(|end| end + 4) else {
            ensure!(bytes.len() < HEAD_BYTES, "the answer to a poll does not end");
            return Ok(None);
        };
        let head = str::from_utf8(&bytes[..body]).context("the head of an answer")?;
        ensure!(head.starts_with("HTTP/1.1 200"), "a poll was answered by {head}");
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let (_, length) = length.with_context(|| format!("no length in {head}"))?;
        let end = body + length.parse::<usize>()?;
        if bytes.len() < end {
            return Ok(None);
        }
        for (kept, [before, after]) in self.kept.iter_mut().zip(polling.keep.values()) {
            let Some(from) = memmem::find(&bytes[..end], before.as_bytes()).map(|at| at + before.len()) else {
                continue;
            };
            let length = memmem::find(&bytes[from..end], after.as_bytes()).context("what is to be kept has no end")?;
            kept.clear();
            kept.push_str(str::from_utf8(&bytes[from..from + length])?);
        }
        Ok(Some(PollAnswer { body, end }))
    }

    /// The request after the answer that was heard last.
    pub(crate) fn next(&self, polling: &Polling, path: &str, host: &str) -> String {
        let named = |mut text: String| {
            for (name, kept) in polling.keep.keys().zip(&self.kept) {
                text = text.replacen(&format!("{{{name}}}"), kept, 1);
            }
            text
        };
        let PollRequest { headers, body } = &polling.next;
        let request = PollRequest {
            headers: headers.iter().cloned().map(named).collect(),
            body: named(body.clone()),
        };
        request.with_head(&polling.method, path, host)
    }
}

// === impl PollRequest ===

impl PollRequest {
    fn with_head(&self, method: &str, path: &str, host: &str) -> String {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
        for header in &self.headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        if !self.body.is_empty() {
            request.push_str("Content-Length: ");
            request.push_str(&self.body.len().to_string());
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        request.push_str(&self.body);
        request
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::target::Target;

    #[test]
    fn a_poll_says_what_the_last_answer_told() {
        let answered = |name, head: &str, body: &str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("targets/{name}.json"));
            let polling = Target::load(&path, "t").unwrap().polling.unwrap();
            let mut poller = Poller::new(&polling);
            let answer = format!("HTTP/1.1 200 OK\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len());
            for cut in 0..answer.len() {
                let part = poller.hear(&polling, &answer.as_bytes()[..cut]).unwrap();
                assert!(part.is_none(), "{cut} bytes are no answer");
            }
            let heard = poller
                .hear(&polling, (answer.clone() + "HTTP").as_bytes())
                .unwrap()
                .unwrap();
            assert_eq!(&answer[heard.body..heard.end], body);
            poller.next(&polling, "/here", "a.example")
        };
        let next = answered("sluicegate-poll", "", r#"{"session":"s.k","seq":7,"envelopes":[]}"#);
        assert!(next.starts_with("POST /here HTTP/1.1\r\nHost: a.example\r\n"), "{next}");
        let body = r#"{"session":"s.k","ack":7,"wait_ms":55000}"#;
        assert!(
            next.ends_with(&format!("Content-Length: {}\r\n\r\n{body}", body.len())),
            "{next}"
        );
        let next = answered("nchan-poll", "Last-Modified: Thu\r\nEtag: 3\r\n", "{}");
        assert!(
            next.contains("If-Modified-Since: Thu\r\nIf-None-Match: 3\r\n\r\n"),
            "{next}"
        );
    }
}

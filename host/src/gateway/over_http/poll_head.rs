//! What the head of a poll says, and the head of its answer. A client polls with the same head again and again, so it is judged
//! once.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::SystemTime;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderMap, HeaderValue, Version};
use bytes::Buf as _;
use bytes::buf::Chain;

use super::answers::ClientPage;
use super::body;
use crate::gateway::body_length::BodyLength;
use crate::gateway::entry;
use crate::gateway::refusal::HttpRefusal;
use protocol::Codec;

/// Bytes of a body at most that is read without HTTP.
const REPEATED_BYTES: u64 = 16_384;
/// Room for the last two lines of an answer's head.
const LENGTH_AND_DATE: usize = 72;
const CLOSE: &str = "Connection: close\r\n";

pub(in crate::gateway) struct PollHead {
    pub page: ClientPage,
    pub remote: IpAddr,
    pub codec: Codec,
    /// Bytes of the body, if a request with the same head differs from this one in nothing but its body, which comes at once.
    pub repeats: Option<usize>,
    /// Whether another request may come on the connection.
    keeps_open: bool,
    /// Lines of each answer that is no refusal, before its length.
    lines: String,
}

/// An answer to a poll.
pub(in crate::gateway) struct WrittenAnswer {
    pub bytes: Chain<Bytes, Bytes>,
    /// Whether it is for somebody with a session.
    pub is_known: bool,
    /// Whether another request may come behind it.
    pub keeps_open: bool,
}

// === impl PollHead ===

impl PollHead {
    pub(super) fn of(page: &ClientPage, request: &Request) -> Result<Self, HttpRefusal> {
        let headers = request.headers();
        let codec = body::codec(headers)?;
        let length = match request.extensions().get() {
            Some(BodyLength::Bytes(length)) => Some(*length),
            _ => None,
        };
        let keeps_open = length.is_some() && request.version() == Version::HTTP_11 && !is_last(headers);
        let repeats = length.filter(|length| keeps_open && *length <= REPEATED_BYTES && !headers.contains_key(EXPECT));
        let connection = if keeps_open { "" } else { CLOSE };
        Ok(Self {
            remote: entry::visit(request)?.peer.client(headers),
            codec,
            repeats: repeats.and_then(|length| usize::try_from(length).ok()),
            keeps_open,
            lines: format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nCache-Control: no-store\r\n{connection}{}",
                body::media(codec),
                page.cors.lines()
            ),
            page: page.clone(),
        })
    }

    /// Whoever is refused has to take a connection for its next try.
    pub(in crate::gateway) fn write(&self, answered: Result<Bytes, HttpRefusal>) -> WrittenAnswer {
        let is_known = answered.is_ok();
        let (mut head, body) = match answered {
            Ok(body) => {
                let mut head = String::with_capacity(self.lines.len() + LENGTH_AND_DATE);
                head.push_str(&self.lines);
                (head, body)
            }
            Err(refusal) => {
                let head = format!(
                    "HTTP/1.1 {}\r\n{}Cache-Control: no-store\r\n{CLOSE}{}",
                    refusal.status,
                    refusal.lines(),
                    self.page.cors.lines()
                );
                (head, refusal.text().into())
            }
        };
        let date = httpdate::HttpDate::from(SystemTime::now());
        // A text takes what is written to it.
        let _never = write!(head, "Date: {date}\r\nContent-Length: {}\r\n\r\n", body.len());
        WrittenAnswer {
            bytes: Bytes::from(head).chain(body),
            is_known,
            keeps_open: is_known && self.keeps_open,
        }
    }
}

/// Whether a client of HTTP/1.1 wants nothing more of its connection than one answer, or something that is not known.
fn is_last(headers: &HeaderMap) -> bool {
    let is_other = |value: &HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"keep-alive");
    headers.get_all(CONNECTION).iter().any(is_other)
}

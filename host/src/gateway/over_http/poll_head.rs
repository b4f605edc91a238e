//! What the head of a poll says, and the head of its answer. A client polls with the same head again and again, so it is judged
//! once.

use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderMap, HeaderValue, Version};

use super::answers::ClientPage;
use super::body;
use crate::gateway::body_length::BodyLength;
use crate::gateway::entry;
use crate::gateway::http_date;
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
    pub keeps_open: bool,
    /// Of each answer that is no refusal.
    pub lines: AnswerLines,
}

/// The lines of an answer's head that are the same for each of a connection.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct AnswerLines(Arc<str>);

/// An answer to a poll.
pub(in crate::gateway) struct WrittenAnswer {
    pub bytes: Bytes,
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
            lines: AnswerLines::new(codec, connection, &page.cors.lines()),
            page: page.clone(),
        })
    }

    /// Whoever is refused has to take a connection for its next try.
    pub(in crate::gateway) fn write(&self, answered: Result<Bytes, HttpRefusal>) -> WrittenAnswer {
        match answered {
            Ok(body) => WrittenAnswer {
                bytes: self.lines.answer(&body).into(),
                is_known: true,
                keeps_open: self.keeps_open,
            },
            Err(refusal) => WrittenAnswer {
                bytes: self.refused(refusal).into(),
                is_known: false,
                keeps_open: false,
            },
        }
    }

    fn refused(&self, refusal: HttpRefusal) -> Vec<u8> {
        let status = format!("HTTP/1.1 {}\r\n", refusal.status);
        let lines = [
            &status,
            &refusal.lines(),
            "Cache-Control: no-store\r\n",
            CLOSE,
            &self.page.cors.lines(),
        ];
        whole(&lines, refusal.text().as_bytes())
    }
}

// === impl AnswerLines ===

impl AnswerLines {
    pub(in crate::gateway) fn new(codec: Codec, connection: &str, cors: &str) -> Self {
        let media = body::media(codec);
        let lines =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nCache-Control: no-store\r\n{connection}{cors}");
        Self(lines.into())
    }

    /// The answer with this body.
    pub(in crate::gateway) fn answer(&self, body: &[u8]) -> Vec<u8> {
        whole(&[&self.0], body)
    }
}

/// An answer whose head begins with these lines.
fn whole(lines: &[&str], body: &[u8]) -> Vec<u8> {
    let room: usize = lines.iter().map(|line| line.len()).sum();
    let mut bytes = Vec::with_capacity(room + LENGTH_AND_DATE + body.len());
    lines.iter().for_each(|line| bytes.extend_from_slice(line.as_bytes()));
    bytes.extend_from_slice(b"Date: ");
    http_date::append(&mut bytes);
    // A list of bytes takes what is written to it.
    let _never = write!(bytes, "\r\nContent-Length: {}\r\n\r\n", body.len());
    bytes.extend_from_slice(body);
    bytes
}

/// Whether a client of HTTP/1.1 wants nothing more of its connection than one answer, or something that is not known.
fn is_last(headers: &HeaderMap) -> bool {
    let is_other = |value: &HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"keep-alive");
    headers.get_all(CONNECTION).iter().any(is_other)
}

//! The head of the answer that a stream of events is, written with the stream's first event: until then nobody knows whether
//! there is a stream.

use std::fmt::Write as _;
use std::time::SystemTime;

use bytes::Bytes;

use super::events::event;
use protocol::codes;

/// After how long a client comes back to a stream that ended, in milliseconds, where nothing else is said.
const COME_BACK_MS: u64 = 2_000;

/// What the answer to one request has beside what all have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamHead {
    /// Lines of headers, each with its end.
    pub lines: Box<str>,
}

// === impl StreamHead ===

impl StreamHead {
    /// The head of a stream. It is as long as its connection, and no proxy is to keep it or wait for more of it.
    pub fn accepted(&self) -> Bytes {
        let head = self.head("200 OK", "text/event-stream");
        format!("{head}X-Accel-Buffering: no\r\n\r\nretry: {COME_BACK_MS}\n\n").into()
    }

    /// The answer to who may come back later: a stream with nothing but this error, because a browser takes any other
    /// status for final.
    pub fn refused_for_now(&self, error: &[u8], retry_after_ms: Option<u64>) -> Bytes {
        let head = self.head("200 OK", "text/event-stream");
        let events = refusal_events(error, retry_after_ms);
        [head.as_bytes(), b"X-Accel-Buffering: no\r\n\r\n", &events]
            .concat()
            .into()
    }

    /// The answer to who may not come back with the same request.
    pub fn refused(&self, code: u16, error: &[u8], retry_after_ms: Option<u64>) -> Bytes {
        let mut head = self.head(status(code), "application/json");
        // A text takes what is written to it.
        if let Some(ms) = retry_after_ms {
            let _never = write!(head, "Retry-After: {}\r\n", ms.div_ceil(1_000));
        }
        let _never = write!(head, "Content-Length: {}\r\n\r\n", error.len());
        [head.as_bytes(), error].concat().into()
    }

    fn head(&self, status: &str, content: &str) -> String {
        let date = httpdate::fmt_http_date(SystemTime::now());
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content}\r\nCache-Control: no-store, no-transform\r\nConnection: close\r\n\
             Date: {date}\r\n{}",
            self.lines
        )
    }
}

/// All that a stream says whose client is refused with this error, and may come back.
pub fn refusal_events(error: &[u8], retry_after_ms: Option<u64>) -> Bytes {
    let retry = format!("retry: {}\n", retry_after_ms.unwrap_or(COME_BACK_MS));
    [retry.as_bytes(), &event("refused", error)].concat().into()
}

/// The status that says the same as a code of the protocol.
fn status(code: u16) -> &'static str {
    match code {
        code if code == codes::BAD_REQUEST.number => "400 Bad Request",
        code if code == codes::NOT_AUTHENTICATED.number || code == codes::TOKEN_EXPIRED.number => "401 Unauthorized",
        code if code == codes::TOO_LARGE.number => "413 Content Too Large",
        code if code == codes::LIMIT_EXCEEDED.number => "429 Too Many Requests",
        _ => "403 Forbidden",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &Bytes) -> &str {
        str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_stream_is_kept_by_no_proxy() {
        let lines = "Access-Control-Allow-Origin: https://a.example\r\n".into();
        let head = StreamHead { lines }.accepted();
        let (head, body) = text(&head).split_once("\r\n\r\n").unwrap();
        for line in [
            "HTTP/1.1 200 OK",
            "Content-Type: text/event-stream",
            "Cache-Control: no-store, no-transform",
            "X-Accel-Buffering: no",
            "Connection: close",
            "Access-Control-Allow-Origin: https://a.example",
        ] {
            assert!(head.split("\r\n").any(|found| found == line), "{line} in {head}");
        }
        assert_eq!(body, "retry: 2000\n\n");
    }

    #[test]
    fn who_may_come_back_is_told_so_in_a_stream_and_who_may_not_by_a_status() {
        let head = StreamHead::default();
        let for_now = head.refused_for_now(b"{}", Some(700));
        assert!(text(&for_now).starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(text(&for_now).ends_with("\r\n\r\nretry: 700\nevent: refused\ndata: {}\n\n"));
        for (code, status) in [
            (4400, "400 "),
            (4401, "401 "),
            (4410, "401 "),
            (4403, "403 "),
            (4413, "413 "),
            (4422, "403 "),
            (4430, "429 "),
            (4451, "403 "),
            (4700, "403 "),
        ] {
            let refused = head.refused(code, b"{}", Some(1_001));
            assert!(text(&refused).starts_with(&format!("HTTP/1.1 {status}")), "{code}");
            assert!(text(&refused).contains("\r\nRetry-After: 2\r\n"), "{code}");
            assert!(text(&refused).ends_with("Content-Length: 2\r\n\r\n{}"), "{code}");
        }
    }
}

//! How a request is refused before there is a session: a status, and a sentence that says what to do.

use std::fmt;
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};

use wire::handshake::HandshakeError;

use super::headers::HeaderError;
use super::turned_away::jittered_seconds;

/// Answered as plain text.
#[derive(Debug)]
pub(super) struct HttpRefusal {
    pub status: StatusCode,
    sentence: String,
    /// In so many seconds to try again.
    retry_after: Option<u64>,
}

impl HttpRefusal {
    pub(super) fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self {
            status,
            sentence: sentence.into(),
            retry_after: None,
        }
    }

    /// When to try again, if ever.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.retry_after.map(Duration::from_secs)
    }

    /// For whoever may come back after `wait`, and not all at once.
    pub(super) fn retry_after(self, wait: Duration) -> Self {
        Self {
            retry_after: Some(jittered_seconds(wait)),
            ..self
        }
    }
}

impl From<HeaderError> for HttpRefusal {
    fn from(error: HeaderError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl From<HandshakeError> for HttpRefusal {
    fn from(error: HandshakeError) -> Self {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
        Self::new(status, error.to_string())
    }
}

impl fmt::Display for HttpRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl HttpRefusal {
    /// Lines of headers that its answer has, each with its end.
    pub(super) fn lines(&self) -> String {
        let retry_after = match self.retry_after {
            Some(seconds) => format!("Retry-After: {seconds}\r\n"),
            None => String::new(),
        };
        format!("Content-Type: text/plain; charset=utf-8\r\n{retry_after}")
    }

    /// The body of its answer.
    pub(super) fn text(self) -> String {
        self.sentence + "\n"
    }
}

impl IntoResponse for HttpRefusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.sentence + "\n").into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

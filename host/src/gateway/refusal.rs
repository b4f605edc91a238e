//! How a request is refused before there is a session: a status, and a sentence that says what to do.

use std::fmt;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use wire::handshake::HandshakeError;

use super::headers::HeaderError;

/// Answered as plain text.
#[derive(Debug)]
pub(super) struct HttpRefusal {
    pub status: StatusCode,
    sentence: String,
}

impl HttpRefusal {
    pub(super) fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self {
            status,
            sentence: sentence.into(),
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

impl IntoResponse for HttpRefusal {
    fn into_response(self) -> Response {
        (self.status, self.sentence + "\n").into_response()
    }
}

//! How long the body of a request is, told by whoever read its head to whoever reads what stands behind it.

use std::sync::Arc;

use axum::http::Request;
use axum::http::header::UPGRADE;
use hyper::body::Body;
use parking_lot::Mutex;

/// How long the body of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyLength {
    Bytes(u64),
    /// It is not known, or what stands behind the head is no HTTP: no other request can be read behind it.
    Endless,
}

/// The length that was told last, until somebody takes it.
#[derive(Clone, Default)]
pub(super) struct ToldLength(Arc<Mutex<Option<BodyLength>>>);

// === impl BodyLength ===

impl BodyLength {
    pub(super) fn of(request: &Request<impl Body>) -> Self {
        match request.body().size_hint().exact() {
            Some(bytes) if !request.headers().contains_key(UPGRADE) => Self::Bytes(bytes),
            _ => Self::Endless,
        }
    }
}

// === impl ToldLength ===

impl ToldLength {
    pub(super) fn tell(&self, length: BodyLength) {
        *self.0.lock() = Some(length);
    }

    pub(super) fn take(&self) -> Option<BodyLength> {
        self.0.lock().take()
    }
}

//! The body of an answer that keeps its call's place until it is written: unread answers are bounded like calls.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::response::Response;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

/// Bytes that are handed over at once: the next ones when these are written.
const PART_BYTES: usize = 65_536;

struct HeldBody {
    body: Body,
    /// What came of it and is not handed over.
    left: Bytes,
    _place: OwnedSemaphorePermit,
}

/// `response`, which gives `place` back when it is written or given up.
pub(super) fn hold(response: Response, place: Option<OwnedSemaphorePermit>) -> Response {
    match place {
        None => response,
        Some(place) => response.map(|body| {
            Body::new(HeldBody {
                body,
                left: Bytes::new(),
                _place: place,
            })
        }),
    }
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        while self.left.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => self.left = bytes,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        let part = self.left.len().min(PART_BYTES);
        let part = self.left.split_to(part);
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, left) = (self.body.size_hint(), self.left.len() as u64);
        let mut all = SizeHint::new();
        all.set_lower(rest.lower() + left);
        if let Some(upper) = rest.upper() {
            all.set_upper(upper + left);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn the_place_is_given_back_when_all_is_handed_over() {
        let places = Arc::new(Semaphore::new(1));
        let place = places.clone().try_acquire_owned().ok();
        let whole = vec![7; 3 * PART_BYTES + 1];
        let mut body = hold(Response::new(Body::from(whole.clone())), place).into_body();
        assert_eq!(body.size_hint().exact(), Some(whole.len() as u64));
        let mut parts = Vec::new();
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            assert_eq!(places.available_permits(), 0);
            parts.push(frame.unwrap().into_data().unwrap());
        }
        assert_eq!(parts.len(), 4);
        assert_eq!(parts.concat(), whole);
        drop(body);
        assert_eq!(places.available_permits(), 1);
    }
}

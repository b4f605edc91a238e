//! A session's task whose time is counted by its shard, poll by poll.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{self, Poll};

use pin_project_lite::pin_project;

use super::context::Context;

pin_project! {
    pub(super) struct CountedTask<F> {
        context: Rc<Context>,
        #[pin]
        task: F,
    }
}

impl<F> CountedTask<F> {
    pub(super) fn new(context: Rc<Context>, task: F) -> Self {
        Self { context, task }
    }
}

impl<F: Future> Future for CountedTask<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let turns = &this.context.shard.turns;
        turns.poll_begins();
        let polled = this.task.poll(cx);
        turns.poll_ends(&this.context.share);
        polled
    }
}

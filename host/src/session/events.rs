//! How a stream of events begins: its answer has a status, so it waits for what becomes of `connect`.

use super::connection::Session;
use super::ending::Ending;
use super::outcome::Release;
use super::refusal::Refusal;
use crate::framing::marked_event;
use protocol::{Encoded, RequestId, codes, write};
use wall_clock::now_ms;

impl Session {
    /// Whether the next reply is that to the `connect` of a stream of events. All others answer posts.
    pub(super) fn begins_events(&self) -> bool {
        self.context.client.events.is_some() && !self.context.replies_to_posts()
    }

    /// Begins the stream with its ack, which is empty if it was sent in parts, and with how far the client has the channels
    /// then.
    pub(super) fn begin_events(&mut self, ack: Encoded, releases: &[Release]) {
        let client = &self.context.client;
        self.context.reply_to_posts();
        let Some(events) = &client.events else {
            return;
        };
        let after = releases
            .iter()
            .filter_map(|release| Some((&release.topic.channel, release.after.as_ref()?)));
        let mark = events.begin(after);
        if ack.is_empty() {
            client.push(format!("id: {mark}\n\n").into());
        } else {
            client.push(marked_event("ack", &ack.to_vec(), &mark));
        }
    }

    /// Answers that there is no stream.
    pub(super) fn refuse_events(&mut self, id: &RequestId, refusal: &Refusal) -> Ending {
        let client = &self.context.client;
        let Some(head) = client.events.as_ref().and_then(|events| events.take_head()) else {
            return Ending::Gone;
        };
        let error = write::error(id, now_ms(), &refusal.reply()).to_vec();
        let (code, wait) = (refusal.code, refusal.retry_after_ms);
        client.push(if codes::close_after_refused_connect(code).reconnect {
            head.refused_for_now(&error, wait)
        } else {
            head.refused(code, &error, wait)
        });
        self.context.penalise(refusal);
        Ending::Refused(code)
    }
}

//! A client that polls: what a poll does to its connection.

use std::cell::RefCell;

use tokio::time::Instant;

use super::ClientConnection;
use crate::poll_answers::PollAnswers;
use crate::poll_reply::PollReply;
use crate::transport::Carrier;
use protocol::Codec;

impl ClientConnection {
    /// The client polls, and has the answers up to `ack`: what comes until then, and an older answer at once, goes to
    /// `reply`.
    pub fn poll(&self, answers: &RefCell<PollAnswers>, ack: u64, until: Instant, reply: PollReply) {
        let mut answers = answers.borrow_mut();
        answers.wait(ack, reply);
        // One whose last answer was lost has it again already.
        let until = if answers.has_room() { until } else { Instant::now() };
        self.polled_until.set(Some(until));
    }

    /// The answers to the client's polls, if one that asks nothing may be taken beside the session's task. None
    /// while that task needs the next poll itself: to go on with what had no room, or to tell the client how the session ended.
    pub fn free_answers(&self, codec: Codec) -> Option<&RefCell<PollAnswers>> {
        let Carrier::Polls(answers) = &self.carrier else {
            return None;
        };
        let is_waited_for = self.is_closed() || self.is_backed_up() || self.is_amid_reply();
        (self.codec == codec && !is_waited_for).then_some(answers)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;

    use super::*;
    use crate::framing::Framing;
    use crate::hub::ConnectionShape;

    #[test]
    fn a_poll_goes_to_the_session_that_waits_for_it() {
        const LIMIT: usize = 1_000;
        type Happens = fn(&ClientConnection);
        let cases: [(&str, Happens, bool); 4] = [
            ("nothing", |_| {}, true),
            ("a reply that is not whole", ClientConnection::begin_reply, false),
            (
                "too much that waits",
                |client| client.push(vec![b' '; LIMIT].into()),
                false,
            ),
            ("its end", |client| client.push_closing([], false), false),
        ];
        for (what, happens, is_free) in cases {
            let client = polled(LIMIT);
            happens(&client);
            assert_eq!(client.free_answers(Codec::Json).is_some(), is_free, "{what}");
            assert!(client.free_answers(Codec::MessagePack).is_none(), "{what}");
        }
    }

    fn polled(limit: usize) -> Rc<ClientConnection> {
        let answers = PollAnswers::new(Codec::Json, "session.key".into());
        let shape = ConnectionShape {
            carrier: Carrier::Polls(Box::new(RefCell::new(answers))),
            codec: Codec::Json,
            framing: Framing::Bare,
            events: None,
            deflate: None,
        };
        ClientConnection::new(0, "session".into(), shape, limit, &Arc::default())
    }
}

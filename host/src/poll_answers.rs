//! The answers to the polls of one client. What leaves the outbox is kept here until the client says that it has it, so a
//! lost answer loses nothing. Knows no HTTP: an answer is the body of one.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;
use tokio::sync::oneshot;

use message_pack::write as pack;
use protocol::Codec;
use relay::PostAnswer;

/// Bytes of envelopes from which on an answer takes no more.
pub const ANSWER_BYTES: usize = 262_144;

/// Who waits for an answer.
pub type PollReply = oneshot::Sender<PostAnswer>;

/// The client says that it has more answers than there were.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the ack is {ack}, and there was no such answer")]
pub struct UnknownAnswer {
    ack: u64,
}

/// One client's.
#[derive(Debug)]
pub struct PollAnswers {
    /// How its envelopes, and so the answers, are encoded.
    codec: Codec,
    /// By which its posts name the session.
    credential: Box<str>,
    /// The number of the last answer.
    number: u64,
    /// The last answer, until the client has it.
    unconfirmed: Option<Bytes>,
    waiting: Option<PollReply>,
    /// The envelopes of the next answer …
    next: BytesMut,
    /// … of which so many bytes are whole envelopes.
    whole: usize,
    /// How many there are, the last one included though it may not be whole.
    envelopes: usize,
    /// Whether more of the last envelope has to come.
    is_amid: bool,
}

// === impl PollAnswers ===

impl PollAnswers {
    pub fn new(codec: Codec, credential: Box<str>) -> Self {
        Self {
            codec,
            credential,
            number: 0,
            unconfirmed: None,
            waiting: None,
            next: BytesMut::new(),
            whole: 0,
            envelopes: 0,
            is_amid: false,
        }
    }

    /// A client waits, who has the answers up to this one. Whoever waited before is answered with nothing; and the new one
    /// at once, if it does not have the last answer.
    pub fn wait(&mut self, confirmed: u64, reply: PollReply) -> Result<(), (UnknownAnswer, PollReply)> {
        if confirmed > self.number {
            return Err((UnknownAnswer { ack: confirmed }, reply));
        }
        if let Some(before) = self.waiting.take() {
            drop(before.send(PostAnswer::Done(empty(self.codec, &self.credential, confirmed))));
        }
        if confirmed == self.number {
            self.unconfirmed = None;
        }
        match &self.unconfirmed {
            // Who is gone meanwhile asks again.
            Some(again) => drop(reply.send(PostAnswer::Done(again.clone()))),
            None => self.waiting = Some(reply),
        }
        Ok(())
    }

    /// Whether envelopes are wanted.
    pub fn has_room(&self) -> bool {
        let is_wanted = self.waiting.as_ref().is_some_and(|reply| !reply.is_closed());
        is_wanted && (self.next.len() < ANSWER_BYTES || self.is_amid)
    }

    /// Takes an envelope, or with `goes_on` more of the one before.
    pub fn add(&mut self, bytes: &[u8], goes_on: bool) {
        if !goes_on {
            self.whole = self.next.len();
            self.envelopes += 1;
            if self.whole > 0 && self.codec == Codec::Json {
                self.next.put_u8(b',');
            }
        }
        self.next.put_slice(bytes);
    }

    /// No more comes of an envelope that is not whole yet.
    pub fn give_up_rest(&mut self) {
        if std::mem::take(&mut self.is_amid) {
            self.next.truncate(self.whole);
            self.envelopes -= 1;
        }
    }

    /// Answers with what there is, if that is something. `is_amid`: the last envelope is not whole yet.
    pub fn answer(&mut self, is_amid: bool) {
        self.is_amid = is_amid;
        if is_amid || self.next.is_empty() {
            return;
        }
        let Some(reply) = self.waiting.take() else {
            return;
        };
        self.number += 1;
        let envelopes = std::mem::take(&mut self.next);
        let count = std::mem::take(&mut self.envelopes);
        let answer = body(self.codec, &self.credential, self.number, &envelopes, count);
        self.unconfirmed = Some(answer.clone());
        // Who is gone meanwhile asks again, and gets the same.
        drop(reply.send(PostAnswer::Done(answer)));
    }

    /// Bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.next.len() + self.unconfirmed.as_ref().map_or(0, Bytes::len)
    }
}

/// The answer of this number without an envelope: the client has all that there is.
pub fn empty(codec: Codec, credential: &str, number: u64) -> Bytes {
    body(codec, credential, number, b"", 0)
}

fn body(codec: Codec, credential: &str, number: u64, envelopes: &[u8], count: usize) -> Bytes {
    if codec == Codec::MessagePack {
        let mut body = Vec::with_capacity(credential.len() + envelopes.len() + 64);
        pack::map_header(&mut body, 3);
        pack::text(&mut body, "session");
        pack::text(&mut body, credential);
        pack::text(&mut body, "seq");
        pack::unsigned(&mut body, number);
        pack::text(&mut body, "envelopes");
        pack::list_header(&mut body, count);
        body.extend_from_slice(envelopes);
        return body.into();
    }
    let head = format!("{{\"session\":\"{credential}\",\"seq\":{number},\"envelopes\":[");
    let mut body = BytesMut::with_capacity(head.len() + envelopes.len() + 2);
    body.put_slice(head.as_bytes());
    body.put_slice(envelopes);
    body.put_slice(b"]}");
    body.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> PollAnswers {
        PollAnswers::new(Codec::Json, "s.k".into())
    }

    struct Answer(oneshot::Receiver<PostAnswer>);

    impl Answer {
        fn take(&mut self) -> Option<Bytes> {
            match self.0.try_recv() {
                Ok(PostAnswer::Done(body)) => Some(body),
                _ => None,
            }
        }
    }

    fn poll(answers: &mut PollAnswers, confirmed: u64) -> Answer {
        let (reply, answer) = oneshot::channel();
        answers.wait(confirmed, reply).unwrap();
        Answer(answer)
    }

    fn say(answers: &mut PollAnswers, envelopes: &[&str]) {
        for envelope in envelopes {
            answers.add(envelope.as_bytes(), false);
        }
        answers.answer(false);
    }

    #[test]
    fn an_answer_comes_again_until_the_client_has_it() {
        let mut answers = answers();
        let mut first = poll(&mut answers, 0);
        say(&mut answers, &["{\"a\":1}", "{\"b\":2}"]);
        let told = "{\"session\":\"s.k\",\"seq\":1,\"envelopes\":[{\"a\":1},{\"b\":2}]}";
        assert_eq!(first.take().unwrap(), told);
        for _ in 0..2 {
            assert_eq!(poll(&mut answers, 0).take().unwrap(), told);
            assert!(!answers.has_room(), "what comes now waits");
        }
        let mut next = poll(&mut answers, 1);
        assert_eq!(answers.bytes(), 0);
        say(&mut answers, &["{}"]);
        assert_eq!(
            next.take().unwrap(),
            "{\"session\":\"s.k\",\"seq\":2,\"envelopes\":[{}]}"
        );
    }

    #[test]
    fn a_second_poll_ends_the_first_with_nothing() {
        let mut answers = answers();
        let mut first = poll(&mut answers, 0);
        let mut second = poll(&mut answers, 0);
        assert_eq!(
            first.take().unwrap(),
            "{\"session\":\"s.k\",\"seq\":0,\"envelopes\":[]}"
        );
        say(&mut answers, &["{}"]);
        assert!(second.take().is_some());
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_kept() {
        let mut answers = answers();
        let gone = poll(&mut answers, 0);
        assert!(answers.has_room());
        drop(gone);
        assert!(!answers.has_room());
        say(&mut answers, &["{}"]);
        let again = poll(&mut answers, 0).take().unwrap();
        assert!(again.ends_with(b"\"seq\":1,\"envelopes\":[{}]}"));
    }

    #[test]
    fn an_envelope_is_told_whole() {
        let mut answers = answers();
        let mut answer = poll(&mut answers, 0);
        answers.add(&vec![b'['; ANSWER_BYTES], false);
        answers.answer(true);
        assert!(answer.take().is_none() && answers.has_room());
        answers.add(b"]", true);
        answers.answer(false);
        assert!(answer.take().is_some());
    }

    #[test]
    fn an_envelope_that_was_given_up_is_not_told() {
        for before in [&[][..], &["{\"a\":1}"]] {
            let mut answers = answers();
            for envelope in before {
                answers.add(envelope.as_bytes(), false);
            }
            let mut answer = poll(&mut answers, 0);
            answers.add(b"[1,", false);
            answers.answer(true);
            answers.give_up_rest();
            say(&mut answers, &["{}"]);
            let whole = [before, &["{}"]].concat().join(",");
            let told = answer.take().unwrap();
            assert_eq!(
                told,
                format!("{{\"session\":\"s.k\",\"seq\":1,\"envelopes\":[{whole}]}}")
            );
        }
    }

    #[test]
    fn nobody_has_an_answer_that_there_was_not() {
        let (unknown, _reply) = answers().wait(1, oneshot::channel().0).unwrap_err();
        assert_eq!(unknown, UnknownAnswer { ack: 1 });
    }
}

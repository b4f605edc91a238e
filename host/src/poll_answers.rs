//! The answers to the polls of one client. What leaves the outbox is kept here until the client says that it has it, so a
//! lost answer loses nothing. Knows no HTTP: an answer is the body of one.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use crate::poll_reply::PollReply;
use message_pack::write as pack;
use protocol::Codec;

/// Bytes of envelopes from which on an answer takes no more.
pub const ANSWER_BYTES: usize = 262_144;
/// Room for what stands around envelopes, beside the credential.
const AROUND_BYTES: usize = 64;

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
    credential: Arc<str>,
    /// The number of the last answer.
    number: u64,
    /// The last answer, until the client has it.
    unconfirmed: Option<Bytes>,
    waiting: Option<PollReply>,
    /// The next answer without its end, once it has an envelope …
    next: Vec<u8>,
    /// … of which so many bytes stand before the last envelope.
    whole: usize,
    /// How many there are, the last one included though it may not be whole.
    envelopes: usize,
    /// Whether more of the last envelope has to come.
    is_amid: bool,
}

// === impl PollAnswers ===

impl PollAnswers {
    pub fn new(codec: Codec, credential: Arc<str>) -> Self {
        Self {
            codec,
            credential,
            number: 0,
            unconfirmed: None,
            waiting: None,
            next: Vec::new(),
            whole: 0,
            envelopes: 0,
            is_amid: false,
        }
    }

    /// Whether there were so many answers.
    pub fn check(&self, ack: u64) -> Result<(), UnknownAnswer> {
        if ack > self.number {
            return Err(UnknownAnswer { ack });
        }
        Ok(())
    }

    /// A client waits, who has the answers up to `confirmed`. Whoever waited before is answered with nothing; and the new one
    /// at once, if it does not have the last answer.
    pub fn wait(&mut self, confirmed: u64, reply: PollReply) {
        if let Some(before) = self.waiting.take() {
            before.send(&empty(self.codec, &self.credential, confirmed));
        }
        if confirmed == self.number {
            self.unconfirmed = None;
        }
        match &self.unconfirmed {
            Some(again) => reply.send(again),
            None => self.waiting = Some(reply),
        }
    }

    /// Whether envelopes are wanted.
    pub fn has_room(&self) -> bool {
        let is_wanted = self.waiting.as_ref().is_some_and(|reply| !reply.is_closed());
        is_wanted && (self.next.len() < ANSWER_BYTES || self.is_amid)
    }

    /// Takes an envelope, or with `goes_on` more of the one before.
    pub fn add(&mut self, bytes: &[u8], goes_on: bool) {
        if !goes_on {
            if self.envelopes == 0 {
                self.next = begin(self.codec, &self.credential, self.number + 1, bytes.len());
            }
            self.whole = self.next.len();
            if self.envelopes > 0 && self.codec == Codec::Json {
                self.next.push(b',');
            }
            self.envelopes += 1;
        }
        self.next.extend_from_slice(bytes);
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
        if is_amid || self.envelopes == 0 {
            return;
        }
        let Some(reply) = self.waiting.take() else {
            return;
        };
        self.number += 1;
        let begun = std::mem::take(&mut self.next);
        let envelopes = std::mem::take(&mut self.envelopes);
        let answer = whole(self.codec, &self.credential, self.number, begun, envelopes);
        // Who is gone meanwhile asks again, and gets the same.
        reply.send(&answer);
        self.unconfirmed = Some(answer);
    }

    /// Bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.next.len() + self.unconfirmed.as_ref().map_or(0, Bytes::len)
    }
}

/// The answer of this number without an envelope: the client has all that there is.
pub fn empty(codec: Codec, credential: &str, number: u64) -> Bytes {
    whole(codec, credential, number, begin(codec, credential, number, 0), 0)
}

/// What stands before the envelopes of an answer, with room for so many bytes of them. Of MessagePack that is not known yet:
/// it tells how many they are.
fn begin(codec: Codec, credential: &str, number: u64, room: usize) -> Vec<u8> {
    let mut answer = Vec::with_capacity(credential.len() + AROUND_BYTES + room);
    if codec == Codec::Json {
        // A list of bytes takes what is written to it.
        let _never = write!(
            answer,
            "{{\"session\":\"{credential}\",\"seq\":{number},\"envelopes\":["
        );
    }
    answer
}

/// An answer that was begun, whole.
fn whole(codec: Codec, credential: &str, number: u64, mut begun: Vec<u8>, envelopes: usize) -> Bytes {
    if codec == Codec::Json {
        begun.extend_from_slice(b"]}");
        return begun.into();
    }
    let mut answer = Vec::with_capacity(credential.len() + AROUND_BYTES + begun.len());
    pack::map_header(&mut answer, 3);
    pack::text(&mut answer, "session");
    pack::text(&mut answer, credential);
    pack::text(&mut answer, "seq");
    pack::unsigned(&mut answer, number);
    pack::text(&mut answer, "envelopes");
    pack::list_header(&mut answer, envelopes);
    answer.extend_from_slice(&begun);
    answer.into()
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use relay::PostAnswer;

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
        answers.check(confirmed).unwrap();
        answers.wait(confirmed, reply.into());
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
        assert_eq!(answers().check(0), Ok(()));
        assert_eq!(answers().check(1), Err(UnknownAnswer { ack: 1 }));
    }
}

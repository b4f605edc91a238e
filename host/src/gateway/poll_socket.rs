//! The socket of a connection on which polls come. An answer is written where it is given, as a message is written to the
//! socket of a session: the connection's task is not woken for it, and finds it out when the next request comes.

use std::cell::{Cell, Ref, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::time::Instant;

use super::over_http::AnswerLines;
use super::socket::Socket;
use crate::poll_reply::{ConnectionReply, PollReply, PollingConnection};

/// It is there as long as its connection's task.
pub(super) struct PollSocket {
    socket: RefCell<Socket>,
    /// How many polls came that were to be answered here.
    polls: Cell<u64>,
    /// That of the last of them.
    state: RefCell<PollState>,
    /// The connection's, which is woken when an answer is not written whole, or there is none.
    task: RefCell<Option<Waker>>,
    /// Whether it is woken for any other answer too.
    wakes_for_all: Cell<bool>,
}

enum PollState {
    Waits(AnswerLines),
    Over(PollOutcome),
    /// Its outcome was taken, or nobody waits for it any more.
    Done,
}

/// What became of a poll.
#[derive(Debug)]
pub(super) enum PollOutcome {
    /// It was answered then.
    Answered(Instant),
    /// It is answered, and this much of the answer is not written.
    Unwritten(Bytes),
    /// Its session is gone.
    SessionGone,
    /// Its client is gone.
    ClientGone,
}

// === impl PollSocket ===

impl PollSocket {
    pub(super) fn new(socket: Socket) -> Rc<Self> {
        Rc::new(Self {
            socket: RefCell::new(socket),
            polls: Cell::new(0),
            state: RefCell::new(PollState::Done),
            task: RefCell::default(),
            wakes_for_all: Cell::new(false),
        })
    }

    /// The socket, if nobody is answering.
    pub(super) fn into_socket(self: Rc<Self>) -> Option<Socket> {
        Rc::into_inner(self).map(|this| this.socket.into_inner())
    }

    /// Where the answer to the next poll goes. Its head has these lines.
    pub(super) fn reply(self: &Rc<Self>, lines: &AnswerLines) -> PollReply {
        self.polls.update(|polls| polls + 1);
        self.state.replace(PollState::Waits(lines.clone()));
        let connection: Weak<Self> = Rc::downgrade(self);
        PollReply::Connection(ConnectionReply::new(connection, self.polls.get()))
    }

    /// Nobody waits for the answer any more.
    pub(super) fn forget(&self) {
        self.state.replace(PollState::Done);
    }

    /// Waits until it is known what became of the poll. Not woken for an answer that is written whole, until something comes:
    /// it may be noticed late. Who says more before the answer is not read any further than `ahead`.
    pub(super) async fn outcome(&self, ahead: &mut Vec<u8>) -> PollOutcome {
        poll_fn(|cx| {
            let is_over = !matches!(&*self.state.borrow(), PollState::Waits(_));
            if is_over && let PollState::Over(outcome) = self.state.replace(PollState::Done) {
                return Poll::Ready(outcome);
            }
            if ahead.is_empty() && matches!(self.poll_read_to(cx, ahead), Poll::Ready(Ok(0) | Err(_))) {
                return Poll::Ready(PollOutcome::ClientGone);
            }
            // Who has said more is not read from, so nothing of the client's wakes the task.
            self.wakes_for_all.set(!ahead.is_empty());
            let mut task = self.task.borrow_mut();
            if task.as_ref().is_none_or(|task| !task.will_wake(cx.waker())) {
                *task = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// Reads some of what comes to the end of `bytes`. Returns how much; 0 at the end of the stream.
    pub(super) fn poll_read_to(&self, cx: &mut Context<'_>, bytes: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        self.socket.borrow_mut().poll_read_to(cx, bytes)
    }

    /// Writes an answer as far as the socket takes it.
    fn write(&self, answer: Vec<u8>) -> PollOutcome {
        let socket = self.socket.borrow();
        let written = match socket.try_write(&answer) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return PollOutcome::ClientGone,
        };
        match socket.try_flush() {
            Ok(true) if written == answer.len() => PollOutcome::Answered(Instant::now()),
            Ok(_) => PollOutcome::Unwritten(Bytes::from(answer).split_off(written)),
            Err(_) => PollOutcome::ClientGone,
        }
    }

    fn end(&self, outcome: PollOutcome) {
        let wakes = self.wakes_for_all.get() || !matches!(outcome, PollOutcome::Answered(_));
        self.state.replace(PollState::Over(outcome));
        if wakes && let Some(task) = self.task.take() {
            task.wake();
        }
    }

    /// What the answer to the poll of this number begins with, if that waits.
    fn waiting(&self, poll: u64) -> Option<Ref<'_, AnswerLines>> {
        let state = Ref::filter_map(self.state.borrow(), |state| match state {
            PollState::Waits(lines) if self.polls.get() == poll => Some(lines),
            _ => None,
        });
        state.ok()
    }
}

impl PollingConnection for PollSocket {
    fn waits(&self, poll: u64) -> bool {
        self.waiting(poll).is_some()
    }

    fn answer(&self, poll: u64, body: &[u8]) {
        let answer = self.waiting(poll).map(|lines| lines.answer(body));
        if let Some(answer) = answer {
            self.end(self.write(answer));
        }
    }

    fn give_up(&self, poll: u64) {
        if self.waits(poll) {
            self.end(PollOutcome::SessionGone);
        }
    }
}

impl AsyncWrite for &PollSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.socket.borrow_mut()).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.socket.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.socket.borrow_mut()).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Wake;

    use socket2::SockRef;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::gateway::patient_stream;
    use protocol::Codec;

    /// A socket, and its client's end.
    async fn connected() -> (Rc<PollSocket>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let socket = Socket::Tcp(listener.accept().await.unwrap().0);
        (PollSocket::new(socket), client)
    }

    fn lines() -> AnswerLines {
        AnswerLines::new(Codec::Json, "", "")
    }

    fn send(reply: PollReply, body: &'static str) {
        reply.send(&Bytes::from_static(body.as_bytes()));
    }

    /// What the client was told until the socket is closed.
    async fn told(socket: Rc<PollSocket>, mut client: TcpStream) -> String {
        drop(socket.into_socket().expect("nobody else has it"));
        let mut told = String::new();
        client.read_to_string(&mut told).await.unwrap();
        told
    }

    /// Of a connection: whether it was woken.
    struct Task(AtomicBool);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the task of the connection is woken by what happens after it began to wait.
    fn wakes(socket: &PollSocket, ahead: &mut Vec<u8>, happens: impl FnOnce()) -> bool {
        let task = Arc::new(Task(AtomicBool::new(false)));
        let waker = Waker::from(task.clone());
        assert!(
            pin!(socket.outcome(ahead))
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        happens();
        task.0.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn an_answer_is_written_where_it_is_given_and_its_connection_woken_only_if_it_must_know() {
        for (came, must_know) in [("", false), ("POST /poll", true)] {
            let (socket, client) = connected().await;
            let mut ahead = came.into();
            let reply = socket.reply(&lines());
            assert!(!reply.is_closed());
            assert_eq!(wakes(&socket, &mut ahead, || send(reply, "{}")), must_know, "{came:?}");
            assert!(matches!(socket.outcome(&mut ahead).await, PollOutcome::Answered(_)));
            let told = told(socket, client).await;
            assert!(told.starts_with("HTTP/1.1 200 OK\r\n"), "{told}");
            assert!(told.ends_with("\r\nContent-Length: 2\r\n\r\n{}"), "{told}");
        }
    }

    #[tokio::test]
    async fn what_the_socket_does_not_take_is_left_to_the_connection() {
        let (socket, mut client) = connected().await;
        SockRef::from(&*socket.socket.borrow())
            .set_send_buffer_size(65_536)
            .unwrap();
        let body = Bytes::from(vec![b'x'; 4 * 1_048_576]);
        let (reply, mut ahead) = (socket.reply(&lines()), Vec::new());
        assert!(wakes(&socket, &mut ahead, || reply.send(&body)));
        let PollOutcome::Unwritten(mut rest) = socket.outcome(&mut ahead).await else {
            panic!("4 MiB have no room");
        };
        let whole = lines().answer(&body).len();
        assert!((1..whole).contains(&rest.len()), "{} bytes are left", rest.len());
        let reads = async {
            let mut answer = vec![0; whole];
            client.read_exact(&mut answer).await.unwrap();
            answer
        };
        let mut writer = &*socket;
        let (written, answer) = tokio::join!(patient_stream::write(&mut writer, &mut rest), reads);
        written.unwrap();
        assert!(answer.ends_with(&body));
    }

    #[tokio::test]
    async fn a_poll_that_is_over_gets_nothing_and_takes_nothing_from_the_next() {
        let (socket, client) = connected().await;
        let forgotten = socket.reply(&lines());
        socket.forget();
        assert!(forgotten.is_closed());
        let late = socket.reply(&lines());
        let next = socket.reply(&lines());
        assert!(forgotten.is_closed() && late.is_closed() && !next.is_closed());
        send(forgotten, "{\"a\":1}");
        drop(late);
        assert!(!next.is_closed(), "it waits on");
        send(next, "{\"b\":2}");
        let told = told(socket, client).await;
        assert!(told.ends_with("{\"b\":2}") && !told.contains("{\"a\":1}"), "{told}");
    }

    #[tokio::test]
    async fn the_connection_is_told_when_there_will_be_no_answer() {
        let (socket, client) = connected().await;
        let (reply, mut ahead) = (socket.reply(&lines()), Vec::new());
        assert!(wakes(&socket, &mut ahead, || drop(reply)));
        assert!(matches!(socket.outcome(&mut ahead).await, PollOutcome::SessionGone));
        let reply = socket.reply(&lines());
        drop(client);
        assert!(matches!(socket.outcome(&mut ahead).await, PollOutcome::ClientGone));
        drop(socket);
        assert!(reply.is_closed());
        send(reply, "{}");
    }
}

//! The deadlines of a connection: its heartbeat, and how long it waits for the client. Does not know what happens then.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use protocol::codes::{self, CloseCode};

/// Heartbeats vary by this part of their time, so that connections opened together drift apart.
const JITTER: f64 = 0.1;
/// Bytes a second that a message has to grow by, once it has taken twice the time of a heartbeat. Many slow lines bring
/// more, and nobody keeps a half message for ever.
const SLOWEST_MESSAGE: u32 = 500;

/// What is expected of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// That it answers heartbeats, or says something else.
    Answers,
    /// That it takes heartbeats: it has no way to answer.
    Reads,
    /// That it polls again, within this time after its last poll was answered.
    Polls(Duration),
}

pub(super) struct Liveness {
    expected: Expected,
    /// Between two heartbeats of this connection: the node's, jittered.
    ping: Duration,
    next_ping: Instant,
    /// When the client was last heard, or counts as heard.
    heard: Instant,
    heartbeat: Heartbeat,
    /// Since when the client sends a message that is not whole yet, as far as it was read from.
    message_since: Option<Instant>,
    /// The deadline of `connect`; none after it came.
    connect_by: Option<Instant>,
}

/// The first heartbeat since the client was last heard.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heartbeat {
    /// There is none.
    Answered,
    /// It waits to be written, with so many bytes before it, its own included.
    Waits(usize),
    Written,
}

impl Liveness {
    pub(super) fn new(expected: Expected, ping: Duration, connect_timeout: Duration) -> Self {
        let now = Instant::now();
        let random = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
        let ping = ping.mul_f64(1.0 - JITTER + 2.0 * JITTER * random);
        Self {
            expected,
            ping,
            next_ping: now + ping,
            heard: now,
            heartbeat: Heartbeat::Answered,
            message_since: None,
            connect_by: Some(now + connect_timeout),
        }
    }

    /// The client sent something.
    pub(super) fn heard(&mut self) {
        self.heard = Instant::now();
        if self.heartbeat == Heartbeat::Written {
            self.heartbeat = Heartbeat::Answered;
        }
    }

    /// What was decoded of the client's bytes ends within a message if `is_within`, and has whole ones before it if
    /// `had_whole`.
    pub(super) fn decoded(&mut self, is_within: bool, had_whole: bool) {
        let goes_on = !had_whole && self.message_since.is_some();
        if !is_within {
            self.message_since = None;
        } else if !goes_on {
            self.message_since = Some(Instant::now());
        }
    }

    /// The client could not send anything: nothing is read from it while its requests wait, or it reads no replies.
    pub(super) fn not_read(&mut self) {
        self.heard();
        self.message_not_read();
    }

    /// The same for a client whose silence counts all the same.
    pub(super) fn message_not_read(&mut self) {
        self.message_since = self.message_since.map(|_| Instant::now());
    }

    /// Nothing is read from the client, because its requests wait. That is not its silence.
    pub(super) fn held_up(&mut self, now: Instant) {
        self.not_read();
        if self.connect_by.is_some_and(|at| at <= now) {
            self.connect_by = Some(now + self.ping);
        }
    }

    /// A heartbeat was queued; with it so many bytes wait.
    pub(super) fn pinged(&mut self, waiting: usize) {
        if self.heartbeat == Heartbeat::Answered {
            self.heartbeat = Heartbeat::Waits(waiting);
        }
    }

    /// What waits was written, as far as the socket takes it without a wait.
    pub(super) fn flushed(&mut self, waiting: usize) {
        if waiting == 0 && matches!(self.heartbeat, Heartbeat::Waits(_)) {
            self.heartbeat = Heartbeat::Written;
            self.taken();
        }
    }

    /// The client made room, and less waits than before. While a heartbeat waits, that is all that can be heard of a client;
    /// once it is written, the client has its time to answer.
    pub(super) fn wrote(&mut self, before: usize, waiting: usize) {
        let Heartbeat::Waits(ahead) = self.heartbeat else {
            return;
        };
        let written = before.saturating_sub(waiting);
        if written > 0 {
            self.heard = Instant::now();
            self.message_not_read();
            // What was dropped instead of written is no longer ahead either.
            let ahead = ahead.saturating_sub(written).min(waiting);
            self.heartbeat = match ahead {
                0 => Heartbeat::Written,
                ahead => Heartbeat::Waits(ahead),
            };
            self.taken();
        }
    }

    /// A client that only reads has answered a heartbeat when it is written.
    fn taken(&mut self) {
        if self.heartbeat == Heartbeat::Written && self.expected == Expected::Reads {
            self.heard();
        }
    }

    /// The client's last poll waits until then at most, or was answered then.
    pub(super) fn polled(&mut self, until: Instant) {
        self.heard = until;
    }

    pub(super) fn connected(&mut self) {
        self.connect_by = None;
    }

    /// The next deadline.
    pub(super) fn next(&self) -> Instant {
        let next = match self.expected {
            // A poll may be answered before its time.
            Expected::Polls(time) => self.silent_at().min(Instant::now() + time),
            Expected::Answers | Expected::Reads => self.next_ping.min(self.silent_at()),
        };
        self.connect_by.map_or(next, |connect_by| next.min(connect_by))
    }

    /// Why the connection has to end now, if it has to. `unfinished`: bytes of the message that the client is amid of.
    pub(super) fn overdue(&self, now: Instant, unfinished: usize) -> Option<CloseCode> {
        if self.connect_by.is_some_and(|at| at <= now) {
            return Some(codes::CONNECT_TIMEOUT);
        }
        let is_stuck = self.message_since.is_some_and(|since| {
            let seconds = unfinished as f64 / f64::from(SLOWEST_MESSAGE);
            since + self.ping * 2 + Duration::from_secs_f64(seconds) <= now
        });
        (is_stuck || self.silent_at() <= now).then_some(codes::NO_HEARTBEAT)
    }

    /// Whether a heartbeat is due. Sets the time of the next one.
    pub(super) fn take_ping(&mut self, now: Instant) -> bool {
        let is_due = !matches!(self.expected, Expected::Polls(_)) && self.next_ping <= now;
        if is_due {
            self.next_ping = now + self.ping;
        }
        is_due
    }

    fn silent_at(&self) -> Instant {
        let silence = match self.expected {
            Expected::Answers | Expected::Reads => self.ping * 2,
            Expected::Polls(time) => time,
        };
        self.heard + silence
    }
}

/// The `Instant` of a wall-clock time.
pub(super) fn at_epoch_ms(epoch_ms: u64) -> Instant {
    let wall = UNIX_EPOCH + Duration::from_millis(epoch_ms);
    let left = wall.duration_since(SystemTime::now()).unwrap_or_default();
    // A time beyond the clock's range counts as a year from now, and is computed again then.
    let year = Duration::from_hours(365 * 24);
    Instant::now() + left.min(year)
}

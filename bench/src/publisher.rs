//! The publishers: at a pace, or as fast as messages are received or acknowledged. They use
//! connections that were opened for them.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::crowd::Crowd;
use crate::dialect::Dialect;

/// Between two looks at the pace or the window. Shorter, and a closed loop would send every message alone; so
/// the messages that a turn of the server freed go out together, as those of many independent publishers would.
const TURN: Duration = Duration::from_millis(1);
/// When nothing came for this long, what is missing is lost.
const SILENCE: Duration = Duration::from_secs(1);

/// When the next message may go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// So many a second, evenly.
    PerSecond(f64),
    /// Whenever fewer than this many are still on their way to some subscriber, on average.
    Window(u64),
    /// Whenever fewer than this many of a publisher's are unacknowledged.
    InFlight(u64),
}

/// Publish in turns, and count what they published.
pub(crate) struct Publishers<'t> {
    dialect: &'t Dialect<'t>,
    pace: Pace,
    filled: String,
    subscribers: u64,
    each: Vec<Publisher>,
    /// Their connections.
    connections: Range<usize>,
    /// Tells messages apart over all runs.
    number: u64,
}

#[derive(Default)]
struct Publisher {
    sent: u64,
    /// What its socket had no room for.
    waiting: Vec<u8>,
}

impl<'t> Publishers<'t> {
    /// Those with these connections, to this channel, whose messages are filled with so many bytes.
    pub(crate) fn new(
        dialect: &'t Dialect<'t>,
        channel: usize,
        pace: Pace,
        fill: usize,
        subscribers: u64,
        connections: Range<usize>,
    ) -> Self {
        Self {
            dialect,
            pace,
            filled: dialect.target.filled(channel, fill),
            subscribers,
            each: std::iter::repeat_with(Publisher::default)
                .take(connections.len())
                .collect(),
            connections,
            number: 0,
        }
    }

    /// Whether the server acknowledges messages.
    pub(crate) fn are_acknowledged(&self) -> bool {
        self.dialect.ack.is_some()
    }

    /// How many messages were published ever.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Publish for `time`, wait until all has arrived or nothing comes any more, and tell how many messages
    /// it were.
    pub(crate) fn run(&mut self, crowd: &mut Crowd<'_>, time: Duration) -> Result<u64> {
        crowd.reset();
        for publisher in &mut self.each {
            publisher.sent = 0;
        }
        let first = self.number;
        let begin = Instant::now();
        while begin.elapsed() < time {
            self.turn(crowd, begin.elapsed(), self.number - first)?;
            self.flush(crowd)?;
            crowd.rest(TURN)?;
        }
        self.drain(crowd, self.number - first)?;
        Ok(self.number - first)
    }

    /// Whoever may publishes.
    fn turn(&mut self, crowd: &mut Crowd<'_>, elapsed: Duration, sent: u64) -> Result<()> {
        let count = self.each.len();
        if let Pace::InFlight(most) = self.pace {
            let acks: Vec<u64> = crowd
                .connections(self.connections.clone())
                .iter()
                .map(|connection| connection.acks)
                .collect();
            for (publisher, acks) in self.each.iter_mut().zip(acks) {
                while publisher.sent < acks + most {
                    publisher.publish(self.dialect, &self.filled, &mut self.number)?;
                }
            }
            return Ok(());
        }
        for _ in sent..self.due(elapsed, sent, crowd.tally.deliveries) {
            let turn = usize::try_from(self.number).unwrap_or_default() % count;
            self.each[turn].publish(self.dialect, &self.filled, &mut self.number)?;
        }
        Ok(())
    }

    /// How many messages should have been sent by now.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation
    )] // Far below 2^53.
    fn due(&self, elapsed: Duration, sent: u64, deliveries: u64) -> u64 {
        match self.pace {
            Pace::PerSecond(rate) => sent.max((elapsed.as_secs_f64() * rate) as u64),
            Pace::Window(window) => sent.max(deliveries / self.subscribers + window),
            Pace::InFlight(_) => sent,
        }
    }

    fn drain(&mut self, crowd: &mut Crowd<'_>, sent: u64) -> Result<()> {
        let acks = if self.are_acknowledged() { sent } else { 0 };
        let expected = sent * self.subscribers + acks;
        let arrived = |crowd: &Crowd<'_>| crowd.tally.deliveries + crowd.tally.acks;
        let mut newest = (arrived(crowd), Instant::now());
        while arrived(crowd) < expected && newest.1.elapsed() < SILENCE {
            self.flush(crowd)?;
            crowd.turn(Duration::from_millis(10))?;
            if arrived(crowd) > newest.0 {
                newest = (arrived(crowd), Instant::now());
            }
        }
        Ok(())
    }

    fn flush(&mut self, crowd: &mut Crowd<'_>) -> Result<()> {
        let connections = crowd.connections(self.connections.clone());
        for (publisher, connection) in self.each.iter_mut().zip(connections) {
            if !publisher.waiting.is_empty() {
                let written = connection.write(&publisher.waiting)?;
                publisher.waiting.drain(..written);
            }
        }
        Ok(())
    }
}

impl Publisher {
    fn publish(&mut self, dialect: &Dialect<'_>, filled: &str, number: &mut u64) -> Result<()> {
        self.waiting.extend(dialect.message(filled, *number)?);
        self.sent += 1;
        *number += 1;
        Ok(())
    }
}

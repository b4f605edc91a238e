//! The publisher: at a pace, or as fast as the subscribers receive. Uses the connection that was opened last.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::crowd::Crowd;
use crate::target::Target;
use crate::websocket;

/// Between two looks at the pace or the window. Shorter, and a closed loop would send every message alone; so
/// the messages that a turn of the server freed go out together, as those of many independent publishers would.
const TURN: Duration = Duration::from_millis(1);
/// When no delivery came for this long, what is missing is lost.
const SILENCE: Duration = Duration::from_secs(1);

/// When the next message may go.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// So many a second, evenly.
    PerSecond(f64),
    /// Whenever fewer than this many are still on their way to some subscriber, on average.
    Window(u64),
}

/// Publishes, and counts what it published.
pub struct Publisher<'t> {
    pub target: &'t Target,
    pub pace: Pace,
    pub fill: String,
    pub subscribers: u64,
    /// Tells messages apart over all runs on one connection.
    pub number: u64,
}

impl Publisher<'_> {
    /// Publishes for `time`, waits until all has arrived or nothing comes any more, and tells how many messages
    /// it were.
    pub fn run(&mut self, crowd: &mut Crowd<'_>, time: Duration) -> Result<u64> {
        crowd.reset();
        let begin = Instant::now();
        let mut sent = 0;
        let mut waiting = Vec::new();
        while begin.elapsed() < time {
            let due = self.due(begin.elapsed(), sent, crowd.tally.deliveries);
            for _ in sent..due {
                waiting.extend(websocket::text_frame(&self.target.message(self.number, &self.fill)));
                self.number += 1;
            }
            sent = due;
            flush(crowd, &mut waiting)?;
            crowd.rest(TURN)?;
        }
        self.drain(crowd, sent, &mut waiting)?;
        Ok(sent)
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
        }
    }

    fn drain(&self, crowd: &mut Crowd<'_>, sent: u64, waiting: &mut Vec<u8>) -> Result<()> {
        let expected = sent * self.subscribers;
        let mut newest = (crowd.tally.deliveries, Instant::now());
        while crowd.tally.deliveries < expected && newest.1.elapsed() < SILENCE {
            flush(crowd, waiting)?;
            crowd.turn(Duration::from_millis(10))?;
            if crowd.tally.deliveries > newest.0 {
                newest = (crowd.tally.deliveries, Instant::now());
            }
        }
        Ok(())
    }
}

fn flush(crowd: &mut Crowd<'_>, waiting: &mut Vec<u8>) -> Result<()> {
    if !waiting.is_empty() {
        let written = crowd.newest().write(waiting)?;
        waiting.drain(..written);
    }
    Ok(())
}

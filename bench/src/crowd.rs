//! All connections, on one thread: waits for whichever has something to read.

use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use bench::latency::Latencies;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use crate::connection::{Connection, Role, Tally};
use crate::dialect::Dialect;
use crate::stream::Trust;

/// Bytes read from a connection at once.
const READ_BYTES: usize = 65_536;
/// Connections that one wait reports at most.
const EVENTS: usize = 1024;
/// How long opened connections may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The connections, and what they have seen.
pub(crate) struct Crowd<'t> {
    /// Channels of each subscriber's own; 0: those who are opened together share one.
    channels: usize,
    trust: Option<Trust>,
    poll: OwnedFd,
    connections: Vec<Connection<'t>>,
    events: Vec<epoll::Event>,
    buffer: Box<[u8]>,
    pub tally: Tally,
}

impl<'t> Crowd<'t> {
    /// Nobody yet. With `trust` they speak TLS.
    pub(crate) fn new(channels: usize, trust: Option<Trust>) -> Result<Self> {
        Ok(Self {
            channels,
            trust,
            poll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            connections: Vec::new(),
            events: Vec::with_capacity(EVENTS),
            buffer: vec![0; READ_BYTES].into(),
            tally: Tally {
                ready: 0,
                closed: 0,
                deliveries: 0,
                acks: 0,
                latencies: Latencies::new(),
            },
        })
    }

    /// Opens `count` connections to `server`, at most `ramp` of them at a time, and says which they are. Subscribers, whose channel
    /// is the given one, take turns with the dialects; publishers have the first.
    pub(crate) fn open(
        &mut self,
        role: Role,
        dialects: &'t [Dialect<'t>],
        channel: usize,
        server: SocketAddr,
        count: usize,
        ramp: usize,
    ) -> Result<Range<usize>> {
        let begin = self.connections.len();
        let end = self.connections.len() + count;
        while self.connections.len() < end {
            for index in self.connections.len()..end.min(self.connections.len() + ramp) {
                let channels = match self.channels {
                    0 => channel..channel + 1,
                    each => index * each..(index + 1) * each,
                };
                let dialect = match role {
                    Role::Subscriber => &dialects[index % dialects.len()],
                    Role::Publisher => &dialects[0],
                };
                let connection = Connection::open(dialect, server, role, index, channels, self.trust.as_ref())?;
                let data = epoll::EventData::new_u64(index as u64);
                epoll::add(&self.poll, &connection.stream, data, epoll::EventFlags::IN)?;
                self.tally.ready += usize::from(connection.is_ready());
                self.connections.push(connection);
            }
            self.wait_until_ready()?;
        }
        Ok(begin..end)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let begin = Instant::now();
        while self.tally.ready < self.connections.len() {
            self.turn(Duration::from_millis(10))?;
            ensure!(self.tally.closed == 0, "the server hung up on a connection that opens");
            if begin.elapsed() > READY_WITHIN {
                let (ready, opened) = (self.tally.ready, self.connections.len());
                bail!("after {READY_WITHIN:?} only {ready} of {opened} connections are ready");
            }
        }
        Ok(())
    }

    /// These connections.
    pub(crate) fn connections(&mut self, which: Range<usize>) -> &mut [Connection<'t>] {
        &mut self.connections[which]
    }

    /// Waits at most `wait`, then reads once from every connection that has something.
    pub(crate) fn turn(&mut self, wait: Duration) -> Result<()> {
        let wait = Timespec::try_from(wait)?;
        self.events.clear();
        match epoll::wait(&self.poll, spare_capacity(&mut self.events), Some(&wait)) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            outcome => outcome?,
        };
        for event in &self.events {
            let index = usize::try_from(event.data.u64())?;
            let connection = &mut self.connections[index];
            if !connection.read(&mut self.buffer, &mut self.tally)? {
                self.tally.closed += 1;
                epoll::delete(&self.poll, &connection.stream)?;
            }
        }
        Ok(())
    }

    /// Only reads, for this time.
    pub(crate) fn rest(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.turn(left)?;
        }
        Ok(())
    }

    /// Only reads, until stdin ends.
    pub(crate) fn rest_until_eof(&mut self) -> Result<()> {
        let ended = thread::spawn(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        while !ended.is_finished() {
            self.turn(Duration::from_millis(10))?;
        }
        Ok(())
    }

    /// Forgets the deliveries and acknowledgements so far.
    pub(crate) fn reset(&mut self) {
        self.tally.deliveries = 0;
        self.tally.acks = 0;
        for connection in &mut self.connections {
            connection.acks = 0;
        }
        self.tally.latencies = Latencies::new();
    }
}

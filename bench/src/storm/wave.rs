//! Many clients on one thread, all of which make their next steps at once.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use crate::client::{Missed, Progress, Stage, StormClient};

/// Bytes that are read from a client at once.
const READ_BYTES: usize = 65_536;
/// Clients that one wait reports at most.
const EVENTS: usize = 1_024;
/// How long steps may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// The clients, and what they say.
pub(crate) struct Wave<'a> {
    token: &'a str,
    /// What each client missed, by its number; of more clients they begin anew.
    missed: &'a [Missed],
    poll: OwnedFd,
    clients: Vec<StormClient>,
    servers: Vec<SocketAddr>,
    number: u8,
    /// How often a client was told to try again, and did.
    pub retries: u64,
    events: Vec<epoll::Event>,
    buffer: Box<[u8]>,
}

// === impl Wave ===

impl<'a> Wave<'a> {
    /// Nobody yet.
    pub(crate) fn new(token: &'a str, missed: &'a [Missed]) -> Result<Self> {
        Ok(Self {
            token,
            missed,
            poll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            clients: Vec::new(),
            servers: Vec::new(),
            number: 0,
            retries: 0,
            events: Vec::with_capacity(EVENTS),
            buffer: vec![0; READ_BYTES].into(),
        })
    }

    pub(crate) fn clients(&mut self) -> &mut [StormClient] {
        &mut self.clients
    }

    /// Adds clients on their way to the servers, evenly; waves of another `number` come from other addresses.
    pub(crate) fn open(&mut self, servers: &[SocketAddr], number: u8, count: usize) -> Result<()> {
        (self.servers, self.number) = (servers.to_vec(), number);
        for index in self.clients.len()..self.clients.len() + count {
            let client = self.client(index)?;
            self.clients.push(client);
        }
        Ok(())
    }

    fn client(&self, index: usize) -> Result<StormClient> {
        let client = StormClient::open(self.servers[index % self.servers.len()], self.number, index)?;
        let data = epoll::EventData::new_u64(index as u64);
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(&self.poll, client.stream(), data, flags)?;
        Ok(client)
    }

    /// All clients that have not made them make these steps, each as soon as it can, and `meanwhile` is called again and again. Returns how long the
    /// last of them took.
    pub(crate) fn make(&mut self, steps: &[Stage], mut meanwhile: impl FnMut() -> Result<()>) -> Result<Duration> {
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else {
            bail!("no step to make");
        };
        let begin = Instant::now();
        let clients = self.clients.iter_mut().zip(self.missed.iter().cycle());
        for (client, missed) in clients.filter(|(client, _)| client.stage() < *first) {
            client.begin(*first, self.token, missed)?;
        }
        let mut left = self.clients.iter().filter(|client| client.stage() != *last).count();
        while left > 0 {
            ensure!(
                begin.elapsed() < PATIENCE,
                "after {PATIENCE:?} {left} clients are not {last:?}"
            );
            left -= self.turn(Duration::from_millis(1), steps)?;
            meanwhile()?;
        }
        Ok(begin.elapsed())
    }

    /// Reads what is there.
    pub(crate) fn listen(&mut self) -> Result<()> {
        self.turn(Duration::ZERO, &[]).map(drop)
    }

    /// All of them are gone.
    pub(crate) fn reset(&mut self) -> Result<()> {
        self.clients.drain(..).try_for_each(StormClient::reset)
    }

    /// Waits so long at most, then goes on with whoever can. Returns how many made the last of the steps.
    fn turn(&mut self, wait: Duration, steps: &[Stage]) -> Result<usize> {
        let wait = Timespec::try_from(wait)?;
        self.events.clear();
        match epoll::wait(&self.poll, spare_capacity(&mut self.events), Some(&wait)) {
            Err(rustix::io::Errno::INTR) => return Ok(0),
            outcome => outcome?,
        };
        let mut made = 0;
        let events = std::mem::take(&mut self.events);
        for event in &events {
            let index = usize::try_from(event.data.u64())?;
            let (client, missed) = (&mut self.clients[index], &self.missed[index % self.missed.len()]);
            let flags = event.flags;
            if flags.contains(epoll::EventFlags::OUT) {
                client.writable()?;
            }
            if !flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP) {
                continue;
            }
            loop {
                match client.readable(&mut self.buffer, missed)? {
                    Progress::Waits => break,
                    Progress::Made => match next(client.stage(), steps) {
                        Some(step) => client.begin(step, self.token, missed)?,
                        None => made += 1,
                    },
                    Progress::TriesAgain => {
                        self.retries += 1;
                        let mut again = self.client(index)?;
                        again.begin(Stage::Upgraded, self.token, missed)?;
                        self.clients[index] = again;
                        break;
                    }
                }
            }
        }
        self.events = events;
        Ok(made)
    }
}

/// The step after `stage`, up to the last of these. Who had to begin anew goes through what the others made before.
fn next(stage: Stage, steps: &[Stage]) -> Option<Stage> {
    let last = *steps.last()?;
    match stage {
        _ if stage >= last => None,
        Stage::Nowhere => Some(Stage::Upgraded),
        Stage::Upgraded => Some(Stage::Connected),
        _ => steps.iter().copied().find(|step| *step > stage),
    }
}

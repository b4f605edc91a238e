//! The faults of a run and their times, all drawn from the seed before the run begins.

use std::env;
use std::time::Duration;

use super::random::Random;

/// The variable with the settings of a long run: words like `minutes=10 seed=7 topology=cluster`.
const SETTINGS: &str = "SLUICEGATE_CHAOS";

/// Which Redis there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topology {
    /// One server.
    Single,
    /// Master and replica under three sentinels.
    Sentinel,
    /// Three masters.
    Cluster,
}

/// Length, seed and topology of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// New faults come until this time is over.
    pub length: Duration,
    /// The same seed draws the same run; timing differs.
    pub seed: u64,
    /// Which Redis there is.
    pub topology: Topology,
}

impl Settings {
    /// The short run that belongs to the tests, unless a longer one is asked for.
    pub(super) fn wanted() -> Self {
        Self::read(&env::var(SETTINGS).unwrap_or_default())
    }

    fn read(text: &str) -> Self {
        let mut settings = Self {
            length: Duration::from_secs(20),
            seed: 20_261_122,
            topology: Topology::Single,
        };
        for word in text.split_whitespace() {
            match word.split_once('=') {
                Some(("minutes", minutes)) => {
                    let minutes: u64 = minutes.parse().expect("minutes are a number");
                    settings.length = Duration::from_mins(minutes);
                }
                Some(("seed", seed)) => settings.seed = seed.parse().expect("a seed is a number"),
                Some(("topology", "single")) => settings.topology = Topology::Single,
                Some(("topology", "sentinel")) => settings.topology = Topology::Sentinel,
                Some(("topology", "cluster")) => settings.topology = Topology::Cluster,
                _ => panic!("{SETTINGS}: {word}"),
            }
        }
        settings
    }
}

/// A fault of the system, which ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A Redis is killed, and comes back with its data from disk.
    RedisDies { server: usize, down: Duration },
    /// A Redis stops, with all its connections open.
    RedisPauses { server: usize, pause: Duration },
    /// All subscribers of Redis are disconnected, twice within 500 ms.
    SubscribersKicked { again: Duration },
    /// The output buffers of Redis for subscribers are almost 0.
    TinyBuffers { server: usize, lasts: Duration },
    /// All data is deleted.
    FlushAll,
    /// All scripts are deleted.
    FlushScripts,
    /// The master is killed, and the replica takes over.
    FailOver,
    /// The slots of one channel move to another master.
    SlotsMove { channel: usize },
    /// A node is killed, and is back later.
    NodeDies { node: usize, down: Duration },
    /// All nodes are restarted, one after the other, each after it drained.
    RollingRestart,
}

/// A fault and the time without one before it.
pub(super) type Step = (Duration, Fault);

/// The faults of a run, without an end.
pub(super) struct Plan {
    random: Random,
    topology: Topology,
    longest_pause: Duration,
    nodes: usize,
    channels: usize,
    bag: Vec<usize>,
}

impl Plan {
    /// The plan of these settings for so many nodes and channels.
    pub(super) fn new(settings: Settings, nodes: usize, channels: usize) -> Self {
        let is_long = settings.length > Duration::from_mins(1);
        Self {
            random: Random::of(settings.seed, "plan"),
            topology: settings.topology,
            longest_pause: Duration::from_secs(if is_long { 60 } else { 2 }),
            nodes,
            channels,
            bag: Vec::new(),
        }
    }

    fn servers(&self) -> usize {
        match self.topology {
            Topology::Single => 1,
            Topology::Sentinel => 2,
            Topology::Cluster => 3,
        }
    }

    /// One of each fault that this topology can have.
    fn kinds(&mut self) -> Vec<Fault> {
        let second = Duration::from_secs(1);
        let server = self.random.below(self.servers());
        let mut kinds = vec![
            Fault::SubscribersKicked {
                again: self.random.between(Duration::ZERO, Duration::from_millis(500)),
            },
            Fault::TinyBuffers { server, lasts: second },
            Fault::FlushAll,
            Fault::FlushScripts,
            Fault::NodeDies {
                node: self.random.below(self.nodes),
                down: self.random.between(Duration::ZERO, 3 * second),
            },
            Fault::RollingRestart,
        ];
        // A long pause is rarer than a short one.
        let longest = if self.random.one_in(4) {
            self.longest_pause
        } else {
            2 * second
        };
        let pause = self.random.between(second, longest);
        let down = self.random.between(Duration::ZERO, 2 * second);
        match self.topology {
            // A paused master would be replaced and lose what it acknowledged after that, which tests nothing.
            Topology::Sentinel => kinds.push(Fault::FailOver),
            Topology::Single => {
                kinds.push(Fault::RedisDies { server, down });
                kinds.push(Fault::RedisPauses { server, pause });
            }
            Topology::Cluster => {
                let channel = self.random.below(self.channels);
                kinds.push(Fault::RedisDies { server, down });
                kinds.push(Fault::RedisPauses { server, pause });
                kinds.push(Fault::SlotsMove { channel });
            }
        }
        kinds
    }
}

impl Iterator for Plan {
    type Item = Step;

    /// All kinds come once before one comes again.
    fn next(&mut self) -> Option<Step> {
        let kinds = self.kinds();
        if self.bag.is_empty() {
            self.bag = (0..kinds.len()).collect();
            self.random.shuffle(&mut self.bag);
        }
        let quiet = self
            .random
            .between(Duration::from_millis(300), Duration::from_millis(1500));
        let kind = self.bag.pop()?;
        Some((quiet, kinds[kind].clone()))
    }
}

#[test]
fn settings_are_read() {
    let long = Settings::read("minutes=3 seed=7 topology=cluster");
    let expected = Settings {
        length: Duration::from_mins(3),
        seed: 7,
        topology: Topology::Cluster,
    };
    assert_eq!(long, expected);
    assert!(Settings::read("").length < Duration::from_mins(1));
}

#[test]
fn a_seed_is_a_plan() {
    let plan = |seed| {
        let settings = Settings {
            seed,
            ..Settings::read("minutes=5")
        };
        Plan::new(settings, 3, 4).take(50).collect::<Vec<_>>()
    };
    assert_eq!(plan(1), plan(1));
    assert_ne!(plan(1), plan(2));
}

#[test]
fn every_fault_comes_round() {
    for topology in [Topology::Single, Topology::Sentinel, Topology::Cluster] {
        let settings = Settings {
            topology,
            ..Settings::read("minutes=5")
        };
        let mut plan = Plan::new(settings, 3, 4);
        let count = plan.kinds().len();
        let kinds: Vec<_> = plan
            .take(2 * count)
            .map(|(_, fault)| std::mem::discriminant(&fault))
            .collect();
        for round in kinds.chunks(count) {
            for kind in round {
                assert_eq!(round.iter().filter(|other| *other == kind).count(), 1, "{topology:?}");
            }
        }
    }
}

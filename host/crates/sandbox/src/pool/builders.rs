//! Makes instances, on threads of its own: whoever serves connections asks for one, and hears when it is there. Knows
//! no plugin; a [`Recipe`] does.
//!
//! Whose `init` loops must not make another tenant wait, however many such tenants there are, and must not take the
//! shards' cores. Therefore:
//!
//! - Each build has a thread of its own, so the kernel gives each its turns, and tenants come one after the other: each
//!   has one build at a time.
//! - Builds that turn out to be slow ([`lanes::QUICK`]) leave the quick lane at once and go on in the slow one, where
//!   they begin the next time. So a quick one waits for quick ones only, each of which takes at most that long.
//! - When the slow lane is full as well, a build that leaves the quick lane is broken off and made again when it has a
//!   place there.
//! - Both lanes have few places for each core, and the kernel gives their threads what the shards leave over, except for
//!   a small part ([`QUICK_NICE`], [`SLOW_NICE`]).

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::super::build_watch::{BuildWatch, SLOW_NICE, lower_priority};
use super::super::instance::{Instance, MakeError};
use super::lanes::{BuildJob, BuildLane, BuildLanes, Overrun, QUICK};
use super::pending::{self, Delivery, Made, PendingInstance};

/// Instances that were asked for and are not made, at most. Each slot asks for one at a time, so this is more than the
/// number of slots.
const QUEUE: usize = 65_536;
/// The kernel's weight for a build against a shard, as a nice value: a tenth (sched(7)). A slow one has less,
/// because there are more of them.
const QUICK_NICE: i32 = 10;
/// Where there is no room for an instance, it is made so much later …
const NO_ROOM_PAUSE: Duration = Duration::from_millis(20);
/// … until its slot has waited so long.
const NO_ROOM_LONGEST: Duration = Duration::from_secs(4);

/// The way to the threads. They end when this is dropped.
pub(super) struct Builders(Arc<BuilderQueue>);

type Make = Box<dyn Fn(&Arc<BuildWatch>) -> Option<Made> + Send>;

/// How an instance is made.
pub(super) struct Recipe {
    /// Whose it is.
    pub tenant: Arc<str>,
    /// Whether the last one took long. Kept up to date here.
    pub slow: Arc<AtomicBool>,
    /// Makes it; none if nobody can use it any more.
    pub make: Make,
}

struct BuilderQueue {
    state: Mutex<BuildersState>,
    changed: Condvar,
}

struct BuildersState {
    lanes: BuildLanes<BuildOrder>,
    watches: HashMap<u64, Arc<BuildWatch>>,
    /// Instances that nobody needs any more.
    discarded: Vec<Instance>,
    closed: bool,
}

/// A recipe, and who gets what comes of it.
struct BuildOrder {
    recipe: Recipe,
    delivery: Delivery,
    asked: Instant,
}

/// A build's place in its lane, given back when dropped.
struct BuildPlace {
    shared: Arc<BuilderQueue>,
    build: u64,
}

// === impl Builders ===

impl Builders {
    pub(super) fn start() -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let shared = Arc::new(BuilderQueue {
            state: Mutex::new(BuildersState {
                lanes: BuildLanes::new(cores),
                watches: HashMap::new(),
                discarded: Vec::new(),
                closed: false,
            }),
            changed: Condvar::new(),
        });
        let dispatched = Arc::clone(&shared);
        thread::Builder::new()
            .name("builders".into())
            .spawn(move || dispatch(&dispatched))?;
        Ok(Self(shared))
    }

    /// Has an instance made, after `delay`. None: the threads have too much to do.
    pub(super) fn request(&self, recipe: Recipe, delay: Duration) -> Option<PendingInstance> {
        let due = Instant::now() + delay;
        let (pending, delivery) = pending::pair(due);
        let mut state = self.0.state.lock();
        if state.lanes.waiting() >= QUEUE {
            return None;
        }
        let order = BuildOrder {
            recipe,
            delivery,
            asked: due,
        };
        state.lanes.push(order, due);
        drop(state);
        self.0.changed.notify_one();
        Some(pending)
    }

    /// Takes an instance apart, which takes as long as making one.
    pub(super) fn discard(&self, instance: Instance) {
        self.0.state.lock().discarded.push(instance);
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
impl Builders {
    /// How many builds of a tenant wait, and how many run.
    pub(super) fn builds_of(&self, tenant: &str) -> (usize, usize) {
        self.0.state.lock().lanes.builds_of(tenant)
    }
}

impl Drop for Builders {
    fn drop(&mut self) {
        self.0.state.lock().closed = true;
        self.0.changed.notify_one();
    }
}

impl BuildJob for BuildOrder {
    fn tenant(&self) -> &Arc<str> {
        &self.recipe.tenant
    }

    fn is_slow(&self) -> bool {
        self.recipe.slow.load(Ordering::Relaxed)
    }

    fn is_wanted(&self) -> bool {
        self.delivery.is_wanted()
    }
}

impl Drop for BuildPlace {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.lanes.ended(self.build);
        state.watches.remove(&self.build);
        drop(state);
        self.shared.changed.notify_one();
    }
}

/// Starts builds as they get their places, and looks after those that run.
fn dispatch(shared: &Arc<BuilderQueue>) {
    let mut state = shared.state.lock();
    while !state.closed {
        // Before a build begins that needs the room.
        if !state.discarded.is_empty() {
            let discarded = std::mem::take(&mut state.discarded);
            MutexGuard::unlocked(&mut state, || drop(discarded));
            continue;
        }
        let now = Instant::now();
        for (build, overrun) in state.lanes.overruns(now) {
            if let Some(watch) = state.watches.get(&build) {
                match overrun {
                    Overrun::Slow => watch.slow_down(),
                    Overrun::Displaced => watch.displace(),
                }
            }
        }
        if let Some((build, lane, order)) = state.lanes.start(now) {
            let watch = Arc::new(BuildWatch::new(order.delivery.demand()));
            state.watches.insert(build, Arc::clone(&watch));
            drop(state);
            let place = BuildPlace {
                shared: Arc::clone(shared),
                build,
            };
            spawn(place, lane, order, watch);
            state = shared.state.lock();
            continue;
        }
        if let Some(at) = state.lanes.next_event() {
            shared.changed.wait_until(&mut state, at);
        } else {
            shared.changed.wait(&mut state);
        }
    }
}

fn spawn(place: BuildPlace, lane: BuildLane, order: BuildOrder, watch: Arc<BuildWatch>) {
    // In a cell, because a thread that does not start takes what it was given with it.
    let order = Arc::new(Mutex::new(Some(order)));
    let given = Arc::clone(&order);
    let started = thread::Builder::new().name("build".into()).spawn(move || {
        if let Some(order) = given.lock().take() {
            lower_priority(if lane == BuildLane::Slow { SLOW_NICE } else { QUICK_NICE });
            build(place, order, &watch);
        }
    });
    if let Err(error) = started
        && let Some(order) = order.lock().take()
    {
        order
            .delivery
            .deliver(Err(MakeError::Host(format!("no thread for it: {error}"))));
    }
}

fn build(place: BuildPlace, order: BuildOrder, watch: &Arc<BuildWatch>) {
    let begin = Instant::now();
    let made = (order.recipe.make)(watch);
    order.recipe.slow.store(begin.elapsed() > QUICK, Ordering::Relaxed);
    if watch.was_displaced() && order.delivery.is_wanted() {
        // It is asked for again before its place is given back, so that nobody sees a tenant without a build.
        place.shared.state.lock().lanes.push(order, begin);
    } else if is_full(made.as_ref()) && order.delivery.is_wanted() && order.asked.elapsed() < NO_ROOM_LONGEST {
        // What has the room is busy now, and may be idle soon.
        place
            .shared
            .state
            .lock()
            .lanes
            .push(order, Instant::now() + NO_ROOM_PAUSE);
    } else if let Some(made) = made {
        order.delivery.deliver(made);
    }
    drop(place);
}

fn is_full(made: Option<&Made>) -> bool {
    matches!(made, Some(Err(MakeError::Full(_))))
}

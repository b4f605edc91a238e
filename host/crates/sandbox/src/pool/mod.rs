//! All instances of a process: makes them, within the room that there is, and takes the least recently used away when
//! another needs it, of whatever tenant and shard. A call in progress is never disturbed.

mod builders;
mod cell;
mod lanes;
mod pending;
mod recency;
mod unusable;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::binding::Binding;
use super::build_watch::BuildWatch;
use super::call_time::Ticks;
use super::instance::{Instance, MakeError};
use super::room::{Exhausted, InstancePlace, Room};
use super::usage::MemoryUsage;
use builders::{Builders, Recipe};
pub(super) use cell::{InstanceCell, UseStamp};
use pending::Made;
pub(super) use pending::{PendingInstance, Progress};
use recency::Recency;
pub use unusable::UnusablePlugin;
use unusable::UnusableQueue;

/// Instances that go where the kernel gives no more mappings, before it is asked again.
const ROOM_FOR_MAPPINGS: usize = 8;

/// Between two looks for an instance that can be given back, while all are in use.
const ALL_IN_USE: Duration = Duration::from_millis(50);

/// The instances.
pub(super) struct InstancePool {
    builders: Builders,
    shared: Arc<PoolShared>,
}

/// What builds and slots share.
struct PoolShared {
    room: Arc<Room>,
    usage: Arc<MemoryUsage>,
    ticks: Ticks,
    recency: Mutex<Recency>,
    unusable: UnusableQueue,
}

// === impl InstancePool ===

impl InstancePool {
    /// An empty one. Its threads end when it is dropped.
    pub(super) fn start(room: Arc<Room>, usage: Arc<MemoryUsage>, ticks: Ticks) -> io::Result<Self> {
        let shared = Arc::new(PoolShared {
            room,
            usage,
            ticks,
            recency: Mutex::default(),
            unusable: UnusableQueue::default(),
        });
        let relieved = Arc::clone(&shared);
        thread::Builder::new()
            .name("instances".into())
            .spawn(move || relieved.relieve())?;
        Ok(Self {
            builders: Builders::start()?,
            shared,
        })
    }

    /// Has an instance of `binding` made and put into `cell`, after `delay`. None: the builders have too much to do.
    pub(super) fn request(
        &self,
        binding: &Arc<Binding>,
        cell: &Arc<InstanceCell>,
        delay: Duration,
    ) -> Option<PendingInstance> {
        // After a reload the binding is gone, and with it whoever waited.
        let weak = Arc::downgrade(binding);
        let cell = Arc::downgrade(cell);
        let shared = Arc::clone(&self.shared);
        let recipe = Recipe {
            tenant: Arc::clone(binding.tenant()),
            slow: Arc::clone(binding.slow()),
            make: Box::new(move |watch| Some(shared.make(&*weak.upgrade()?, &cell.upgrade()?, watch))),
        };
        self.builders.request(recipe, delay)
    }

    /// Makes an instance on this thread, to see whether it can be made, and drops it.
    pub(super) fn try_out(&self, binding: &Binding) -> Result<(), MakeError> {
        self.shared
            .with_room(binding, |place| Instance::try_out(binding, place))
    }

    /// Gives back an instance that is whole. Taking it apart takes as long as making one, so others do it.
    pub(super) fn discard(&self, instance: Box<Instance>) {
        self.builders.discard(*instance);
    }

    /// Plugins that could not be used when they were first asked.
    pub(super) fn unusable(&self) -> &UnusableQueue {
        &self.shared.unusable
    }

    #[cfg(test)]
    pub(super) fn builds_of(&self, tenant: &str) -> (usize, usize) {
        self.builders.builds_of(tenant)
    }
}

impl Drop for InstancePool {
    fn drop(&mut self) {
        self.shared.usage.close();
    }
}

// === impl PoolShared ===

impl PoolShared {
    fn make(&self, binding: &Binding, cell: &Arc<InstanceCell>, watch: &Arc<BuildWatch>) -> Made {
        match self.with_room(binding, |place| Instance::make(binding, watch, place)) {
            Ok(instance) => {
                binding.served();
                // It comes back if the slot is gone, and is dropped here.
                if cell.put(instance, UseStamp::new(self.ticks.now(), 0)).is_ok() {
                    self.recency.lock().list(cell);
                }
                Ok(())
            }
            Err(error) => {
                if error.is_of_guest() && watch.was_whole() && binding.fails_at_first_use() {
                    self.unusable.push(UnusablePlugin::new(binding, &error));
                }
                Err(error)
            }
        }
    }

    /// Does what needs a place, once more if the kernel has less room than it said.
    fn with_room<T>(
        &self,
        binding: &Binding,
        make: impl Fn(InstancePlace) -> Result<T, MakeError>,
    ) -> Result<T, MakeError> {
        match make(self.place(binding)?) {
            Err(MakeError::Full(exhausted)) => {
                for _ in 0..ROOM_FOR_MAPPINGS {
                    self.give_way(exhausted)?;
                }
                make(self.place(binding)?)
            }
            made => made,
        }
    }

    /// A place for an instance of `binding`, if need be in place of another's.
    fn place(&self, binding: &Binding) -> Result<InstancePlace, MakeError> {
        let plugin = binding.plugin();
        while self.usage.bytes() + plugin.usual_bytes() > self.usage.most() {
            // Where nothing is left to give back, at least one may be there.
            if self.room.instances() == 0 {
                break;
            }
            self.give_way(Exhausted::Memory(self.usage.most()))?;
        }
        loop {
            match self.room.take(plugin.needs()) {
                Ok(place) => return Ok(place),
                Err(exhausted) => self.give_way(exhausted)?,
            }
        }
    }

    /// Takes the least recently used instance away.
    fn give_way(&self, exhausted: Exhausted) -> Result<(), MakeError> {
        let least = self.recency.lock().take_least(self.ticks.now());
        match least {
            Some(mut instance) => {
                instance.retire();
                Ok(())
            }
            None => Err(MakeError::Full(exhausted)),
        }
    }

    /// Gives back what is over the memory that all instances may have, as they grow, for ever.
    fn relieve(&self) {
        while self.usage.wait_for_pressure() {
            while self.usage.is_over() {
                let gives_way = self.give_way(Exhausted::Memory(self.usage.most())).is_ok();
                // All are in use; some will not be soon.
                if !gives_way && !self.usage.pause(ALL_IN_USE) {
                    return;
                }
            }
        }
    }
}

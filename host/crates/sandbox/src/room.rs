//! Room for instances: how many there may be at once, by the operator's setting and by what the process can map. Knows no
//! instance; whoever makes one takes a [`InstancePlace`] first.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

const MIB: usize = 1024 * 1024;

/// What one instance takes of what ends first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) memories: usize,
    pub(super) tables: usize,
}

/// How much there is of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capacity {
    /// `sandbox.instances`; none: what the machine has room for.
    pub(super) instances: Option<usize>,
    /// Places in the reserved address space.
    pub(super) memories: usize,
    pub(super) tables: usize,
    /// Memories that the kernel's limit of mappings leaves room for; none: it has no limit that we know.
    pub(super) mapped_memories: Option<usize>,
}

/// What there is no more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exhausted {
    /// `sandbox.instances`.
    Instances(usize),
    /// `sandbox.memory_mib`, in bytes.
    Memory(usize),
    /// Mappings of the process; memories that there is room for, as far as that is known.
    Mappings(Option<usize>),
    /// Addresses for so many memories.
    Addresses(usize),
    /// Tables that are reserved.
    Tables(usize),
}

/// Room for all instances of a process.
#[derive(Debug)]
pub(super) struct Room {
    capacity: Capacity,
    taken: Mutex<RoomTaken>,
}

#[derive(Clone, Copy, Debug, Default)]
struct RoomTaken {
    instances: usize,
    memories: usize,
    tables: usize,
}

/// An instance's place, given back when dropped.
#[derive(Debug)]
pub(super) struct InstancePlace {
    room: Arc<Room>,
    needs: Needs,
}

// === impl Room ===

impl Room {
    pub(super) fn new(capacity: Capacity) -> Arc<Self> {
        Arc::new(Self {
            capacity,
            taken: Mutex::default(),
        })
    }

    /// Takes a place for an instance.
    pub(super) fn take(self: &Arc<Self>, needs: Needs) -> Result<InstancePlace, Exhausted> {
        let mut taken = self.taken.lock();
        let after = RoomTaken {
            instances: taken.instances + 1,
            memories: taken.memories + needs.memories,
            tables: taken.tables + needs.tables,
        };
        self.capacity.check(after)?;
        *taken = after;
        Ok(InstancePlace {
            room: Arc::clone(self),
            needs,
        })
    }

    /// Instances that there are, those in the making included.
    pub(super) fn instances(&self) -> usize {
        self.taken.lock().instances
    }
}

impl Capacity {
    fn check(&self, taken: RoomTaken) -> Result<(), Exhausted> {
        if let Some(most) = self.instances
            && taken.instances > most
        {
            return Err(Exhausted::Instances(most));
        }
        if let Some(most) = self.mapped_memories
            && taken.memories > most
        {
            return Err(Exhausted::Mappings(Some(most)));
        }
        if taken.memories > self.memories {
            return Err(Exhausted::Addresses(self.memories));
        }
        if taken.tables > self.tables {
            return Err(Exhausted::Tables(self.tables));
        }
        Ok(())
    }
}

impl Drop for InstancePlace {
    fn drop(&mut self) {
        let mut taken = self.room.taken.lock();
        taken.instances -= 1;
        taken.memories -= self.needs.memories;
        taken.tables -= self.needs.tables;
    }
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instances(most) => write!(f, "sandbox.instances allows {most}; raise it, or set it to 0"),
            Self::Memory(bytes) => write!(
                f,
                "all of them together have {} MiB (sandbox.memory_mib), and none is idle; raise it",
                bytes / MIB
            ),
            Self::Mappings(most) => {
                f.write_str("the kernel gives this process no more mappings")?;
                if let Some(most) = most {
                    write!(f, " (there is room for {most} memories of instances)")?;
                }
                f.write_str("; raise vm.max_map_count, for example with `sysctl -w vm.max_map_count=262144`")
            }
            Self::Addresses(most) => write!(
                f,
                "the address space of this process has room for {most} memories of instances; is it limited (ulimit -v)?"
            ),
            Self::Tables(most) => write!(
                f,
                "the {most} tables that this process reserved are in use; use plugins with fewer tables"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Needs = Needs { memories: 1, tables: 2 };
    const WIDE: Capacity = Capacity {
        instances: None,
        memories: 1_000,
        tables: 2_000,
        mapped_memories: None,
    };

    #[test]
    fn what_ends_first_is_told_and_what_is_dropped_is_free_again() {
        for (capacity, needs, places, end) in [
            (
                Capacity {
                    instances: Some(3),
                    ..WIDE
                },
                ONE,
                3,
                Exhausted::Instances(3),
            ),
            (
                Capacity {
                    mapped_memories: Some(5),
                    ..WIDE
                },
                ONE,
                5,
                Exhausted::Mappings(Some(5)),
            ),
            (Capacity { memories: 7, ..WIDE }, ONE, 7, Exhausted::Addresses(7)),
            (
                Capacity { memories: 7, ..WIDE },
                Needs { memories: 4, ..ONE },
                1,
                Exhausted::Addresses(7),
            ),
            (Capacity { tables: 9, ..WIDE }, ONE, 4, Exhausted::Tables(9)),
        ] {
            let room = Room::new(capacity);
            let taken: Vec<InstancePlace> = std::iter::from_fn(|| room.take(needs).ok()).collect();
            assert_eq!((taken.len(), room.instances()), (places, places));
            assert_eq!(room.take(needs).expect_err("it is full"), end);
            drop(taken);
            assert_eq!(room.instances(), 0);
            room.take(needs).expect("it is free again");
        }
    }

    #[test]
    fn each_end_names_what_the_operator_can_do() {
        for (end, words) in [
            (Exhausted::Instances(3), "sandbox.instances allows 3"),
            (Exhausted::Memory(5 * MIB), "5 MiB (sandbox.memory_mib)"),
            (Exhausted::Mappings(Some(9)), "vm.max_map_count"),
            (Exhausted::Mappings(None), "vm.max_map_count"),
            (Exhausted::Addresses(9), "ulimit -v"),
        ] {
            assert!(end.to_string().contains(words), "{end}");
        }
    }
}

//! Which build begins next: tenants take turns, and slow builds do not stand in the way of quick ones. Pure: the time
//! comes from outside.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A build that takes longer is a slow one.
pub(super) const QUICK: Duration = Duration::from_millis(20);
/// Quick builds at the same time, for each core …
const QUICK_PER_CORE: usize = 2;
/// … and slow ones.
const SLOW_PER_CORE: usize = 8;

/// What is to be built.
pub(super) trait BuildJob {
    fn tenant(&self) -> &Arc<str>;
    /// Whether it begins in the slow lane.
    fn is_slow(&self) -> bool;
    /// Whether somebody still waits for it.
    fn is_wanted(&self) -> bool;
}

/// Where a build runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BuildLane {
    Quick,
    Slow,
}

/// What becomes of a build that turns out to be slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overrun {
    /// It goes on in the slow lane.
    Slow,
    /// There is no place, so it has to end.
    Displaced,
}

/// The builds of all tenants.
pub(super) struct BuildLanes<J> {
    quick_places: usize,
    slow_places: usize,
    /// Not to begin before their time.
    delayed: BTreeMap<(Instant, u64), J>,
    /// May begin, in the order in which they came, by tenant.
    ready: HashMap<Arc<str>, VecDeque<J>>,
    /// The tenants with such ones. Whose turn it was goes to the back.
    turns: VecDeque<Arc<str>>,
    running: HashMap<u64, RunningBuild>,
    building: HashSet<Arc<str>>,
    waiting: usize,
    next_number: u64,
}

struct RunningBuild {
    tenant: Arc<str>,
    began: Instant,
    /// None: it is displaced and about to end.
    lane: Option<BuildLane>,
}

// === impl BuildLanes ===

impl<J: BuildJob> BuildLanes<J> {
    pub(super) fn new(cores: usize) -> Self {
        Self {
            quick_places: cores * QUICK_PER_CORE,
            slow_places: cores * SLOW_PER_CORE,
            delayed: BTreeMap::new(),
            ready: HashMap::new(),
            turns: VecDeque::new(),
            running: HashMap::new(),
            building: HashSet::new(),
            waiting: 0,
            next_number: 0,
        }
    }

    /// Builds that have not begun.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Adds a build that begins at `due` at the earliest.
    pub(super) fn push(&mut self, job: J, due: Instant) {
        let number = self.number();
        self.waiting += 1;
        self.delayed.insert((due, number), job);
    }

    /// The next build that has a place, now running there. A tenant has one at a time.
    pub(super) fn start(&mut self, now: Instant) -> Option<(u64, BuildLane, J)> {
        self.promote(now);
        for _ in 0..self.turns.len() {
            let tenant = self.turns.pop_front()?;
            let started = self.start_of(&tenant);
            if self.ready.contains_key(&tenant) {
                self.turns.push_back(Arc::clone(&tenant));
            }
            if let Some((lane, job)) = started {
                let build = self.number();
                self.building.insert(Arc::clone(&tenant));
                let running = RunningBuild {
                    tenant,
                    began: now,
                    lane: Some(lane),
                };
                self.running.insert(build, running);
                return Some((build, lane, job));
            }
        }
        None
    }

    /// The builds that left the quick lane because they run for too long, and what becomes of each.
    pub(super) fn overruns(&mut self, now: Instant) -> Vec<(u64, Overrun)> {
        let mut free = self.slow_places.saturating_sub(self.count(BuildLane::Slow));
        let mut overruns = Vec::new();
        for (build, running) in &mut self.running {
            if running.lane != Some(BuildLane::Quick) || now < running.began + QUICK {
                continue;
            }
            if free > 0 {
                free -= 1;
                running.lane = Some(BuildLane::Slow);
                overruns.push((*build, Overrun::Slow));
            } else {
                running.lane = None;
                overruns.push((*build, Overrun::Displaced));
            }
        }
        overruns
    }

    /// A build is over.
    pub(super) fn ended(&mut self, build: u64) {
        if let Some(running) = self.running.remove(&build) {
            self.building.remove(&running.tenant);
        }
    }

    /// When there is something to do, if nothing happens before.
    pub(super) fn next_event(&self) -> Option<Instant> {
        let due = self.delayed.first_key_value().map(|((due, _), _)| *due);
        let quick = self
            .running
            .values()
            .filter(|running| running.lane == Some(BuildLane::Quick));
        quick.map(|running| running.began + QUICK).chain(due).min()
    }

    #[cfg(test)]
    pub(super) fn builds_of(&self, tenant: &str) -> (usize, usize) {
        let delayed = self.delayed.values().filter(|job| **job.tenant() == *tenant).count();
        let ready = self.ready.get(tenant).map_or(0, VecDeque::len);
        let running = self.running.values().filter(|build| *build.tenant == *tenant).count();
        (delayed + ready, running)
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Those whose time has come may begin.
    fn promote(&mut self, now: Instant) {
        while let Some(first) = self.delayed.first_entry()
            && first.key().0 <= now
        {
            let job = first.remove();
            let tenant = job.tenant();
            if !self.ready.contains_key(tenant) {
                self.turns.push_back(Arc::clone(tenant));
            }
            self.ready.entry(Arc::clone(tenant)).or_default().push_back(job);
        }
    }

    fn start_of(&mut self, tenant: &Arc<str>) -> Option<(BuildLane, J)> {
        let free = [
            self.count(BuildLane::Quick) < self.quick_places,
            self.count(BuildLane::Slow) < self.slow_places,
        ];
        let jobs = self.ready.get_mut(tenant)?;
        let before = jobs.len();
        jobs.retain(BuildJob::is_wanted);
        self.waiting -= before - jobs.len();
        let lane_of = |job: &J| {
            if job.is_slow() {
                BuildLane::Slow
            } else {
                BuildLane::Quick
            }
        };
        let lane = jobs.front().map(lane_of);
        let may_begin = lane.is_some_and(|lane| free[lane as usize]) && !self.building.contains(tenant);
        let job = if may_begin { jobs.pop_front() } else { None };
        if jobs.is_empty() {
            self.ready.remove(tenant);
        }
        let job = job?;
        self.waiting -= 1;
        Some((lane?, job))
    }

    fn count(&self, lane: BuildLane) -> usize {
        self.running
            .values()
            .filter(|running| running.lane == Some(lane))
            .count()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    const CORES: usize = 2;
    const QUICK_PLACES: usize = CORES * QUICK_PER_CORE;
    const SLOW_PLACES: usize = CORES * SLOW_PER_CORE;

    #[derive(Clone)]
    struct TestBuild {
        tenant: Arc<str>,
        name: &'static str,
        slow: bool,
        wanted: Rc<Cell<bool>>,
    }

    impl BuildJob for TestBuild {
        fn tenant(&self) -> &Arc<str> {
            &self.tenant
        }

        fn is_slow(&self) -> bool {
            self.slow
        }

        fn is_wanted(&self) -> bool {
            self.wanted.get()
        }
    }

    fn quick(tenant: &str, name: &'static str) -> TestBuild {
        TestBuild {
            tenant: tenant.into(),
            name,
            slow: false,
            wanted: Rc::new(Cell::new(true)),
        }
    }

    fn slow(tenant: &str, name: &'static str) -> TestBuild {
        TestBuild {
            slow: true,
            ..quick(tenant, name)
        }
    }

    /// `BuildLanes` with these builds, which may begin at once.
    fn lanes(now: Instant, builds: impl IntoIterator<Item = TestBuild>) -> BuildLanes<TestBuild> {
        let mut lanes = BuildLanes::new(CORES);
        for build in builds {
            lanes.push(build, now);
        }
        lanes
    }

    fn tenants(count: usize) -> impl Iterator<Item = String> {
        (0..count).map(|n| format!("t{n}"))
    }

    #[test]
    fn tenants_take_turns_and_have_one_build_each() {
        let now = Instant::now();
        let mut lanes = lanes(
            now,
            [quick("a", "a1"), quick("a", "a2"), quick("a", "a3"), quick("b", "b1")],
        );
        let (first, _, job) = lanes.start(now).unwrap();
        assert_eq!(job.name, "a1");
        let (second, _, job) = lanes.start(now).unwrap();
        assert_eq!(job.name, "b1");
        assert!(lanes.start(now).is_none(), "a has one");
        lanes.push(quick("b", "b2"), now);
        lanes.ended(second);
        lanes.ended(first);
        let order: Vec<&str> = std::iter::from_fn(|| {
            let (build, _, job) = lanes.start(now)?;
            lanes.ended(build);
            Some(job.name)
        })
        .collect();
        assert_eq!(order, ["a2", "b2", "a3"]);
        assert_eq!(lanes.waiting(), 0);
    }

    #[test]
    fn a_quick_build_has_its_place_whatever_slow_ones_there_are() {
        let now = Instant::now();
        let mut lanes = lanes(now, tenants(100).map(|tenant| slow(&tenant, "slow")));
        for _ in 0..SLOW_PLACES {
            assert_eq!(lanes.start(now).unwrap().1, BuildLane::Slow);
        }
        assert!(lanes.start(now).is_none());
        lanes.push(quick("victim", "quick"), now);
        assert_eq!(lanes.start(now).unwrap().2.name, "quick");
    }

    #[test]
    fn a_build_that_turns_out_slow_leaves_the_quick_lane_at_once() {
        let now = Instant::now();
        let mut lanes = lanes(now, tenants(QUICK_PLACES).map(|tenant| quick(&tenant, "loops")));
        while lanes.start(now).is_some() {}
        lanes.push(quick("victim", "quick"), now);
        assert!(lanes.start(now).is_none());
        assert_eq!(lanes.next_event(), Some(now + QUICK));
        assert!(lanes.overruns(now + QUICK / 2).is_empty());
        let later = now + QUICK;
        let overruns = lanes.overruns(later);
        assert_eq!(overruns.len(), QUICK_PLACES);
        assert!(overruns.iter().all(|(_, overrun)| *overrun == Overrun::Slow));
        assert_eq!(lanes.start(later).unwrap().2.name, "quick");
    }

    #[test]
    fn where_the_slow_lane_is_full_too_it_is_displaced() {
        let now = Instant::now();
        let mut lanes = lanes(now, tenants(SLOW_PLACES).map(|tenant| slow(&tenant, "slow")));
        while lanes.start(now).is_some() {}
        for n in 0..QUICK_PLACES {
            lanes.push(quick(&format!("loops{n}"), "loops"), now);
        }
        while lanes.start(now).is_some() {}
        let later = now + QUICK;
        let overruns = lanes.overruns(later);
        assert_eq!(overruns.len(), QUICK_PLACES);
        assert!(overruns.iter().all(|(_, overrun)| *overrun == Overrun::Displaced));
        lanes.push(quick("victim", "quick"), later);
        assert_eq!(lanes.start(later).unwrap().2.name, "quick");
    }

    #[test]
    fn a_build_waits_for_its_time_and_one_that_nobody_wants_is_left_out() {
        let now = Instant::now();
        let later = now + Duration::from_millis(50);
        let (early, late) = (quick("a", "early"), quick("a", "late"));
        let gone = Rc::clone(&early.wanted);
        let mut lanes = lanes(now, []);
        lanes.push(late, later);
        lanes.push(early, later.checked_sub(Duration::from_millis(1)).unwrap());
        assert!(lanes.start(now).is_none());
        assert_eq!(
            lanes.next_event(),
            Some(later.checked_sub(Duration::from_millis(1)).unwrap())
        );
        gone.set(false);
        assert_eq!(lanes.start(later).unwrap().2.name, "late");
        assert_eq!(lanes.waiting(), 0);
        assert!(lanes.start(later).is_none());
    }
}

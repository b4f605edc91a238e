//! An instance in the making: the end of the slot that asked for it, that of the build, and those of the calls that wait.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use parking_lot::Mutex;

use super::super::build_watch::{Demand, DemandToken};
use super::super::instance::MakeError;
use chain::PendingCall;

/// Calls that wait for one instance at most; one more is refused.
const WAITING_CALLS: usize = 1_024;

/// What came of a build. The instance itself is in its slot's cell.
pub(in super::super) type Made = Result<(), MakeError>;

/// The slot's end. Nobody wants the instance when it is dropped.
pub(in super::super) struct PendingInstance {
    making: Arc<Making>,
    /// Tells the build that it is wanted.
    _wanted: Arc<DemandToken>,
    due: Instant,
}

/// How far it is.
pub(in super::super) enum Progress {
    Waiting,
    Done(Made),
    /// Nobody works on it.
    Lost,
}

/// The build's end. The instance is lost when it is dropped.
pub(super) struct Delivery {
    making: Arc<Making>,
    wanted: Weak<DemandToken>,
}

/// A call that waits until the instance is there, or will never be.
struct WaitingCall {
    making: Arc<Making>,
    number: u64,
}

struct Making(Mutex<MakingState>);

struct MakingState {
    stage: BuildStage,
    /// In the order in which they came.
    calls: BTreeMap<u64, Option<Waker>>,
    next_call: u64,
}

enum BuildStage {
    Building,
    Built(Made),
    /// It was taken or given up.
    Over,
}

/// The two ends of an instance that is to be made from `due` on.
pub(super) fn pair(due: Instant) -> (PendingInstance, Delivery) {
    let making = Arc::new(Making(Mutex::new(MakingState {
        stage: BuildStage::Building,
        calls: BTreeMap::new(),
        next_call: 0,
    })));
    let wanted = Arc::new(DemandToken);
    let delivery = Delivery {
        making: Arc::clone(&making),
        wanted: Arc::downgrade(&wanted),
    };
    let pending = PendingInstance {
        making,
        _wanted: wanted,
        due,
    };
    (pending, delivery)
}

// === impl PendingInstance ===

impl PendingInstance {
    /// Whether its build may not even begin yet.
    pub(in super::super) fn is_delayed(&self, now: Instant) -> bool {
        now < self.due
    }

    /// Takes what came of it, once.
    pub(in super::super) fn poll(&self) -> Progress {
        let mut state = self.making.0.lock();
        match std::mem::replace(&mut state.stage, BuildStage::Over) {
            BuildStage::Building => {
                state.stage = BuildStage::Building;
                Progress::Waiting
            }
            BuildStage::Built(made) => Progress::Done(made),
            BuildStage::Over => Progress::Lost,
        }
    }

    /// A call that waits for it. None: too many do.
    pub(in super::super) fn wait(&self) -> Option<PendingCall> {
        let mut state = self.making.0.lock();
        if state.calls.len() >= WAITING_CALLS {
            return None;
        }
        let number = state.next_call;
        state.next_call += 1;
        state.calls.insert(number, None);
        Some(Box::pin(WaitingCall {
            making: Arc::clone(&self.making),
            number,
        }))
    }
}

impl Drop for PendingInstance {
    fn drop(&mut self) {
        self.making.end(BuildStage::Over, |_| true);
    }
}

// === impl Delivery ===

impl Delivery {
    pub(super) fn deliver(self, made: Made) {
        self.making.end(BuildStage::Built(made), BuildStage::is_building);
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.strong_count() > 0
    }

    pub(super) fn demand(&self) -> Demand {
        Demand::of(Weak::clone(&self.wanted))
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.making.end(BuildStage::Over, BuildStage::is_building);
    }
}

// === impl Making ===

impl Making {
    /// Goes over to `stage`, if the present one may end so.
    fn end(&self, stage: BuildStage, may_end: impl FnOnce(&BuildStage) -> bool) {
        let mut state = self.0.lock();
        if !may_end(&state.stage) {
            return;
        }
        let before = std::mem::replace(&mut state.stage, stage);
        let first = state.next_to_wake();
        // Nobody is woken under the lock.
        drop(state);
        drop(before);
        wake(first);
    }
}

impl BuildStage {
    fn is_building(&self) -> bool {
        matches!(self, Self::Building)
    }
}

impl MakingState {
    /// Calls are woken one by one, each when the one before it is about to be served: between two of them others have
    /// their turn.
    fn next_to_wake(&mut self) -> Option<Waker> {
        if self.stage.is_building() {
            return None;
        }
        self.calls.values_mut().find_map(Option::take)
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

// === impl WaitingCall ===

impl Future for WaitingCall {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.making.0.lock();
        if !state.stage.is_building() {
            return Poll::Ready(());
        }
        state.calls.insert(self.number, Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for WaitingCall {
    /// Whoever got what it waited for drops this before it asks, so the next one runs after it.
    fn drop(&mut self) {
        let mut state = self.making.0.lock();
        state.calls.remove(&self.number);
        let next = state.next_to_wake();
        drop(state);
        wake(next);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::super::super::room::Exhausted;
    use super::*;

    const FULL: Exhausted = Exhausted::Instances(1);

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll(call: &mut PendingCall, counter: &Arc<Counter>) -> Poll<()> {
        call.as_mut()
            .poll(&mut Context::from_waker(&Arc::clone(counter).into()))
    }

    /// So many calls that wait, and what counts their wakes.
    fn waiting(pending: &PendingInstance, count: usize) -> (Vec<PendingCall>, Arc<Counter>) {
        let counter = Arc::default();
        let mut calls: Vec<PendingCall> = (0..count).map(|_| pending.wait().expect("room")).collect();
        for call in &mut calls {
            assert!(poll(call, &counter).is_pending());
        }
        (calls, counter)
    }

    #[test]
    fn calls_are_woken_one_after_the_other_each_when_the_one_before_it_is_served() {
        let (pending, delivery) = pair(Instant::now());
        let (calls, counter) = waiting(&pending, 4);
        delivery.deliver(Err(MakeError::Full(FULL)));
        assert!(matches!(pending.poll(), Progress::Done(Err(MakeError::Full(_)))));
        for (served, mut call) in calls.into_iter().enumerate() {
            assert_eq!(counter.0.load(Ordering::Relaxed), served + 1);
            assert!(poll(&mut call, &counter).is_ready());
        }
    }

    #[test]
    fn a_woken_call_that_is_given_up_wakes_the_next_one() {
        let (pending, delivery) = pair(Instant::now());
        let (mut calls, counter) = waiting(&pending, 3);
        let unpolled = pending.wait().expect("room");
        delivery.deliver(Err(MakeError::Full(FULL)));
        // One that was not polled is not woken, and holds up nobody.
        drop(calls.remove(0));
        assert_eq!(counter.0.load(Ordering::Relaxed), 2);
        drop(calls);
        drop(unpolled);
        assert!(pending.making.0.lock().calls.is_empty());
    }

    #[test]
    fn whoever_waits_is_told_also_when_nothing_comes() {
        for give_up in [true, false] {
            let (pending, delivery) = pair(Instant::now());
            let (_calls, counter) = waiting(&pending, 1);
            let lost = if give_up {
                drop(pending);
                !delivery.is_wanted()
            } else {
                drop(delivery);
                matches!(pending.poll(), Progress::Lost)
            };
            assert!(lost);
            assert_eq!(counter.0.load(Ordering::Relaxed), 1);
        }
    }
}

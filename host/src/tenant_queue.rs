//! A queue in which each tenant has places and a turn of its own: one that is flooded takes no place of another's, and
//! nobody waits behind all of it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Items of tenants that wait. An item keeps its place until it was dealt with.
pub struct TenantQueue<T> {
    /// Places of one tenant.
    places: usize,
    state: Mutex<QueueState<T>>,
    pushed: Notify,
}

struct QueueState<T> {
    tenants: HashMap<Arc<str>, TenantItems<T>, RandomState>,
    /// The tenants with items that wait, each once.
    turns: VecDeque<Arc<str>>,
}

struct TenantItems<T> {
    waiting: VecDeque<T>,
    /// Of items that wait, and of those that are being dealt with.
    taken: usize,
}

/// The place of an item that is being dealt with, given back when dropped.
pub struct QueuePlace<T> {
    queue: Arc<TenantQueue<T>>,
    tenant: Arc<str>,
}

// === impl TenantQueue ===

impl<T> TenantQueue<T> {
    /// A queue with so many places for each tenant.
    pub fn new(places: usize) -> Arc<Self> {
        Arc::new(Self {
            places,
            state: Mutex::new(QueueState {
                tenants: HashMap::default(),
                turns: VecDeque::new(),
            }),
            pushed: Notify::new(),
        })
    }

    /// Adds an item of a tenant; gives it back if all of the tenant's places are taken.
    pub fn push(&self, tenant: &Arc<str>, item: T) -> Result<(), T> {
        let mut state = self.state.lock();
        let items = state.tenants.entry(tenant.clone()).or_insert_with(|| TenantItems {
            waiting: VecDeque::new(),
            taken: 0,
        });
        if items.taken >= self.places {
            return Err(item);
        }
        items.taken += 1;
        items.waiting.push_back(item);
        if items.waiting.len() == 1 {
            state.turns.push_back(tenant.clone());
        }
        drop(state);
        self.pushed.notify_one();
        Ok(())
    }

    /// Waits for the next item, of the tenant whose turn it is. Safe to drop while it waits.
    pub async fn next(self: &Arc<Self>) -> (T, QueuePlace<T>) {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.pushed.notified().await;
        }
    }

    fn take(self: &Arc<Self>) -> Option<(T, QueuePlace<T>)> {
        let mut state = self.state.lock();
        let tenant = state.turns.pop_front()?;
        let waiting = &mut state.tenants.get_mut(&tenant)?.waiting;
        let item = waiting.pop_front()?;
        if !waiting.is_empty() {
            state.turns.push_back(tenant.clone());
        }
        let queue = self.clone();
        Some((item, QueuePlace { queue, tenant }))
    }
}

// === impl QueuePlace ===

impl<T> Drop for QueuePlace<T> {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock();
        if let Some(items) = state.tenants.get_mut(&self.tenant) {
            items.taken -= 1;
            if items.taken == 0 {
                state.tenants.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_flood_takes_no_place_and_no_turn_of_others() {
        let queue = TenantQueue::new(4);
        let (attacker, victim): (Arc<str>, Arc<str>) = ("attacker".into(), "victim".into());
        let refused = (0..1000).filter(|n| queue.push(&attacker, *n).is_err()).count();
        assert_eq!(refused, 996);
        queue.push(&victim, 5000).unwrap();
        let mut places = Vec::new();
        let mut order = Vec::new();
        for _ in 0..5 {
            let (item, place) = queue.next().await;
            order.push(item);
            places.push(place);
        }
        assert_eq!(order, [0, 5000, 1, 2, 3]);
        assert_eq!(
            queue.push(&attacker, 7),
            Err(7),
            "what is being dealt with keeps its place"
        );
        places.remove(0);
        queue.push(&attacker, 8).unwrap();
        assert_eq!(queue.next().await.0, 8);
        drop(places);
        assert!(
            queue.state.lock().tenants.is_empty(),
            "nothing is left of tenants without items"
        );
    }
}

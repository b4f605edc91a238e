//! A node as far as plugins see it: `kv` and `limiter` of one plugin.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis_client::Topology;
use redis_client::testing::TestServer;

use crate::redis::RedisStore;
use crate::shared::{OnReply, SharedKv, SharedLimiter, SharedStore, StoreHandle, StoreLink, StoreRequest};
use crate::{Clock, Kv, Limiter, StoreId, WaitBudget};

/// How long it takes at most until something that heals by itself has healed.
const HEALED: Duration = Duration::from_secs(10);

/// A node.
pub(super) struct Node {
    pub kv: SharedKv,
    pub limiter: SharedLimiter,
    pub asked: Arc<AtomicUsize>,
}

struct Counted {
    store: RedisStore,
    asked: Arc<AtomicUsize>,
}

impl SharedStore for Counted {
    fn send(&self, id: &StoreId, request: StoreRequest, on_reply: OnReply) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.store.send(id, request, on_reply)
    }

    fn stalled(&self) {
        self.store.stalled();
    }
}

impl Node {
    /// A node that is connected. Its thread ends with the test.
    pub(super) fn start(server: &TestServer) -> Self {
        Self::of(server, "acme")
    }

    /// The same for another tenant than `acme`.
    pub(super) fn of(server: &TestServer, tenant: &str) -> Self {
        let settings = server.settings();
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let topology = Topology::connect(settings);
                let store = RedisStore::new(topology, "sg", tokio::runtime::Handle::current(), || {});
                tell.send(store).unwrap();
                std::future::pending::<()>().await;
            });
        });
        let asked = Arc::new(AtomicUsize::new(0));
        let store = Counted {
            store: told.recv().unwrap(),
            asked: asked.clone(),
        };
        let link = Arc::new(StoreLink::default());
        link.connect(Arc::new(store));
        let handle = StoreHandle::new(link, (tenant.into(), "p".into()));
        let node = Self {
            kv: SharedKv::new(handle.clone()),
            limiter: SharedLimiter::new(handle, Clock::System),
            asked,
        };
        node.heals();
        node
    }

    /// Waits until the store answers.
    pub(super) fn heals(&self) {
        let start = Instant::now();
        while self.kv.get("healed", &mut patient()).is_err() {
            assert!(start.elapsed() < HEALED, "the store answers again");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Takes until the store was asked. Returns how many were taken.
    pub(super) fn settles(&self, take: impl Fn() -> usize) -> usize {
        let start = Instant::now();
        let asked = self.asked.load(Ordering::Relaxed);
        let mut taken = 0;
        while self.asked.load(Ordering::Relaxed) == asked {
            assert!(start.elapsed() < HEALED, "the store is asked again");
            thread::sleep(Duration::from_millis(5));
            taken += take();
        }
        taken
    }

    /// Takes a token.
    pub(super) fn take(&self, key: &str, per_second: f64, burst: u32, patience: &mut WaitBudget) -> Result<(), u64> {
        self.limiter.take(key, per_second, burst, 1, patience).unwrap()
    }
}

/// That of a hook with the default deadline.
pub(super) fn usual() -> WaitBudget {
    WaitBudget::within(Duration::from_millis(5))
}

/// For tests of what is answered, not of how soon.
pub(super) fn patient() -> WaitBudget {
    WaitBudget::of(Duration::from_secs(5))
}

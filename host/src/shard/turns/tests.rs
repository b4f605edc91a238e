//! Who gets how much of the time while others want it too. The clock stands still but for what is done here.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::task::LocalSet;

use super::*;
use crate::hub::{ClientConnection, ConnectionShape};
use crate::observe::Metrics;
use crate::transport::ClientStream;
use crate::transport::memory::MemoryStream;
use backplane::Envelope;
use protocol::names::{Channel, Topic};

const MS: Duration = Duration::from_millis(1);
/// What the shard does for one envelope.
const DELIVERY: Duration = Duration::from_micros(100);
/// What is measured over.
const LONG: Duration = Duration::from_secs(2);

/// A tenant that wants more time than it gets.
#[derive(Clone, Copy)]
struct Wants {
    weight: u32,
    /// How many sessions have something to do all the time, and how long each turn of them takes.
    sessions: (usize, Duration),
    /// Whether something is to be delivered all the time.
    delivers: bool,
}

const NOTHING: Wants = Wants {
    weight: 1,
    sessions: (0, MS),
    delivers: false,
};
const HOOKS: Wants = Wants {
    sessions: (20, Duration::from_millis(2)),
    ..NOTHING
};
const FLOOD: Wants = Wants {
    delivers: true,
    ..NOTHING
};

/// A shard's turns, with tenants that want them.
struct Scene {
    turns: Rc<ShardTurns>,
    clock: Arc<Mutex<Instant>>,
    metrics: Metrics,
    tenants: RefCell<Vec<Tenant>>,
}

#[derive(Clone)]
struct Tenant {
    name: Arc<str>,
    share: Rc<TenantShare>,
    delivers: bool,
    used: Rc<Cell<Duration>>,
}

impl Scene {
    fn new() -> Rc<Self> {
        let clock = Arc::new(Mutex::new(Instant::now()));
        let turns = Rc::<ShardTurns>::default();
        turns.hold_clock(clock.clone());
        let scene = Rc::new(Self {
            turns,
            clock,
            metrics: Metrics::new(),
            tenants: RefCell::default(),
        });
        tokio::task::spawn_local(scene.clone().deliver());
        scene
    }

    fn add(self: &Rc<Self>, wants: Wants) -> Tenant {
        let name: Arc<str> = format!("t{}", self.tenants.borrow().len()).into();
        let share = TenantShare::new(self.metrics.tenant(&name));
        share.weigh(wants.weight);
        let tenant = Tenant {
            name,
            share,
            delivers: wants.delivers,
            used: Rc::default(),
        };
        self.tenants.borrow_mut().push(tenant.clone());
        let (sessions, took) = wants.sessions;
        for _ in 0..sessions {
            self.session(&tenant, took);
        }
        tenant
    }

    fn session(self: &Rc<Self>, tenant: &Tenant, took: Duration) -> Rc<Cell<Duration>> {
        let stream = ClientStream::Memory(MemoryStream::new(0));
        let client = ClientConnection::new(
            0,
            "s".into(),
            ConnectionShape::websocket(stream, protocol::Codec::Json, None),
            1024,
            &Arc::default(),
        );
        let share = SessionShare::new(&tenant.share, &client);
        let (scene, tenant, own) = (self.clone(), tenant.clone(), Rc::<Cell<Duration>>::default());
        let used = own.clone();
        tokio::task::spawn_local(async move {
            loop {
                scene.turns.poll_begins();
                while scene.turns.may_run(&share) {
                    scene.work(&tenant, took);
                    used.update(|used| used + took);
                }
                scene.turns.poll_ends(&share);
                client.signaled().await;
            }
        });
        own
    }

    fn work(&self, tenant: &Tenant, took: Duration) {
        *self.clock.lock() += took;
        tenant.used.update(|used| used + took);
    }

    /// What the shard does, but for the hub.
    async fn deliver(self: Rc<Self>) {
        let mut deliveries = Deliveries::default();
        loop {
            for tenant in self.tenants.borrow().iter().filter(|tenant| tenant.delivers) {
                deliveries
                    .add(lost(&tenant.name), |_| Some(tenant.share.clone()))
                    .unwrap();
            }
            DeliveryRound::begin(&self.turns).run(&mut deliveries, |of, is_over| {
                let tenants = self.tenants.borrow();
                let tenant = tenants.iter().find(|tenant| Some(&tenant.name) == of.tenant()).unwrap();
                while !is_over() {
                    self.work(tenant, DELIVERY);
                }
            });
            tokio::task::yield_now().await;
        }
    }

    async fn pass(&self, time: Duration) {
        let until = *self.clock.lock() + time;
        while *self.clock.lock() < until {
            tokio::task::yield_now().await;
        }
    }

    /// How much of the time each tenant has from now on.
    async fn shares(&self) -> Vec<f64> {
        for tenant in self.tenants.borrow().iter() {
            tenant.used.take();
        }
        let began = *self.clock.lock();
        self.pass(LONG).await;
        let all = (*self.clock.lock() - began).as_secs_f64();
        let tenants = self.tenants.borrow();
        tenants
            .iter()
            .map(|tenant| tenant.used.get().as_secs_f64() / all)
            .collect()
    }
}

fn lost(tenant: &Arc<str>) -> Envelope {
    Envelope::Lost(Topic {
        tenant: tenant.clone(),
        channel: Channel::parse("c").unwrap(),
    })
}

fn about(share: f64) -> Range<f64> {
    share - 0.02..share + 0.02
}

async fn alone(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn who_wants_the_time_has_a_share_of_it_by_weight_whatever_it_is_for() {
    let weighed = |weight, wants| Wants { weight, ..wants };
    let both = Wants {
        delivers: true,
        ..HOOKS
    };
    let many = Wants {
        sessions: (400, MS / 4),
        ..NOTHING
    };
    let one = Wants {
        sessions: (1, MS / 4),
        ..NOTHING
    };
    // What tenants want, and the share of the first.
    let cases: Vec<(Vec<Wants>, f64)> = vec![
        (vec![HOOKS, HOOKS], 0.5),
        (vec![FLOOD, FLOOD], 0.5),
        (vec![FLOOD, HOOKS], 0.5),
        (vec![both, HOOKS], 0.5),
        (vec![both, FLOOD], 0.5),
        (vec![many, one], 0.5),
        (vec![weighed(3, HOOKS), HOOKS], 0.75),
        (vec![weighed(3, FLOOD), FLOOD], 0.75),
        (vec![weighed(3, FLOOD), HOOKS], 0.75),
        (vec![weighed(3, HOOKS), FLOOD], 0.75),
        (vec![weighed(100, HOOKS), HOOKS], 100.0 / 101.0),
        (vec![weighed(2, many), HOOKS, FLOOD], 0.5),
        ([vec![FLOOD], vec![HOOKS; 9]].concat(), 0.1),
        ([vec![HOOKS], vec![FLOOD; 9]].concat(), 0.1),
        // Those that want nothing hold nobody up.
        (vec![HOOKS, weighed(100, NOTHING)], 1.0),
        (vec![FLOOD, weighed(100, NOTHING)], 1.0),
    ];
    for (number, (wants, expected)) in cases.into_iter().enumerate() {
        alone(async {
            let scene = Scene::new();
            for wants in wants {
                scene.add(wants);
            }
            let shares = scene.shares().await;
            assert!(about(expected).contains(&shares[0]), "case {number}: {shares:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn sessions_of_one_tenant_share_its_time_however_long_their_turns_are() {
    alone(async {
        let scene = Scene::new();
        let tenant = scene.add(NOTHING);
        let used = [MS * 3, MS / 3].map(|took| scene.session(&tenant, took));
        scene.pass(LONG).await;
        let [long, short] = used.map(|used| used.get().as_secs_f64());
        assert!(about(0.5).contains(&(long / (long + short))), "{long} {short}");
    })
    .await;
}

#[tokio::test]
async fn what_a_tenant_did_not_use_is_not_saved_for_later() {
    for (first, second) in [(HOOKS, HOOKS), (FLOOD, FLOOD), (HOOKS, FLOOD), (FLOOD, HOOKS)] {
        alone(async {
            let scene = Scene::new();
            scene.add(first);
            scene.pass(LONG).await;
            let late = scene.add(second);
            scene.pass(MS * 20).await;
            let used = late.used.get();
            assert!((MS * 7..=MS * 14).contains(&used), "{used:?} of 20 ms");
        })
        .await;
    }
}

#[tokio::test]
async fn a_message_for_a_quiet_tenant_comes_before_all_that_waits_for_a_flooded_one() {
    alone(async {
        let scene = Scene::new();
        for _ in 0..5 {
            scene.add(FLOOD);
        }
        scene.add(HOOKS);
        let quiet = scene.add(NOTHING);
        scene.pass(LONG).await;
        let mut deliveries = Deliveries::default();
        for tenant in scene.tenants.borrow().iter() {
            deliveries
                .add(lost(&tenant.name), |_| Some(tenant.share.clone()))
                .unwrap();
        }
        let mut order = Vec::new();
        DeliveryRound::begin(&scene.turns).run(&mut deliveries, |of, _| {
            order.extend(of.tenant().cloned());
            of.envelopes.clear();
        });
        assert_eq!(order[0], quiet.name);
    })
    .await;
}

#[tokio::test]
async fn what_waits_is_counted_and_deliveries_are_counted_in_time() {
    alone(async {
        let scene = Scene::new();
        let (hooks, flood) = (scene.add(HOOKS), scene.add(FLOOD));
        scene.pass(LONG).await;
        let [hooks, flood] = [hooks, flood].map(|tenant| {
            tenant.share.report();
            (scene.metrics.tenant(&tenant.name), tenant.used.get())
        });
        assert_eq!(
            (hooks.0.request_time.get(), hooks.0.delivery_time.get()),
            (hooks.1, Duration::ZERO)
        );
        assert_eq!(
            (flood.0.request_time.get(), flood.0.delivery_time.get()),
            (Duration::ZERO, flood.1)
        );
        assert!((1..=20).contains(&hooks.0.waiting.get()), "{}", hooks.0.waiting.get());
        assert!(flood.0.waiting_deliveries.get() > 0);
        let text = String::from_utf8(scene.metrics.render()).unwrap();
        let seconds = "sluicegate_tenant_delivery_seconds_total{tenant=\"t1\"}";
        assert!(text.contains(seconds), "{text}");
        assert!(
            text.contains("sluicegate_tenant_waiting{tenant=\"t0\",what=\"sessions\"}"),
            "{text}"
        );
    })
    .await;
}

#[test]
fn a_tenant_that_sleeps_has_no_series() {
    let metrics = Metrics::new();
    let (asleep, awake) = (metrics.tenant(&"asleep".into()), metrics.tenant(&"awake".into()));
    awake.published.inc();
    let text = String::from_utf8(metrics.render()).unwrap();
    assert!(!text.contains("asleep"), "{text}");
    assert!(
        text.contains("sluicegate_publishes_total{result=\"accepted\",tenant=\"awake\"} 1"),
        "{text}"
    );
    drop((asleep, awake));
    let text = String::from_utf8(metrics.render()).unwrap();
    assert!(!text.contains("awake"), "nobody has that tenant any more: {text}");
}

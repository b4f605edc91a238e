//! A shard's thread: its runtime, and the few tasks that run on it beside the sessions.

use std::io;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use crate::gateway::{self, Gateway, ShardListener};
use crate::shard::{Common, Control, NewTenant, Shard};
use crate::systemd::ThreadProgress;
use backplane::InboxReceiver;

/// Bytes of a shard thread's stack. Guests run on it, within the sandbox's limit for them.
const STACK_BYTES: usize = 4 * 1024 * 1024;

/// What a shard begins with.
pub(super) struct ShardSetup {
    pub index: usize,
    pub listeners: Vec<ShardListener>,
    pub inbox: InboxReceiver,
    pub control: mpsc::Receiver<Control>,
    pub common: Common,
    pub gateway: Arc<Gateway>,
    pub tenants: Vec<NewTenant>,
    /// What the watchdog hears of it.
    pub progress: Option<ThreadProgress>,
}

/// A shard that runs.
pub(super) struct Running {
    control: mpsc::Sender<Control>,
    ended: oneshot::Receiver<()>,
}

impl Running {
    pub(super) fn start(setup: ShardSetup) -> io::Result<Self> {
        let control = setup.common.controls[setup.index].clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name(format!("shard-{}", setup.index))
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let local = LocalSet::new();
                local.block_on(&runtime, run(setup));
                // Sessions that outlived the drain release everything while their runtime still exists.
                drop(local);
                drop(end);
            })?;
        Ok(Self { control, ended })
    }

    /// Sends the shard a control message.
    pub(super) async fn tell(&self, control: Control) {
        if self.control.send(control).await.is_err() {
            tracing::error!("a shard is gone");
        }
    }

    /// Has the shard change tenants. Tells when it has done so.
    pub(super) async fn change_tenants(&self, put: Vec<NewTenant>, removed: Vec<Arc<str>>) -> oneshot::Receiver<()> {
        let (done, told) = oneshot::channel();
        self.tell(Control::Tenants { put, removed, done }).await;
        told
    }

    /// Waits for its end.
    pub(super) async fn ended(self) {
        drop(self.ended.await);
    }
}

async fn run(setup: ShardSetup) {
    let shard = Shard::new(setup.index, setup.common, setup.tenants);
    tokio::task::spawn_local(shard.clone().deliver(setup.inbox));
    if let Some(progress) = setup.progress {
        tokio::task::spawn_local(progress.count());
    }
    let clock = shard.clone();
    tokio::task::spawn_local(async move { clock.alarms.ring().await });
    gateway::accept(setup.listeners, &setup.gateway, &shard);
    shard.obey(setup.control).await;
}

//! Plugins that could not be used when they were first asked, for whoever quarantines their tenants.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::super::binding::{Binding, FirstUse};
use super::super::instance::MakeError;

/// That wait to be read, at most. There is one for each tenant until it is loaded again.
const WAITING: usize = 65_536;

/// A plugin whose first instance could not be made.
#[derive(Debug)]
pub struct UnusablePlugin {
    pub tenant: Arc<str>,
    /// Its name in the config.
    pub plugin: Arc<str>,
    /// Shared by the tenant's bindings that were made with it.
    pub first_use: Arc<FirstUse>,
    /// What went wrong, in words of which the guest chose some.
    pub reason: String,
}

#[derive(Default)]
pub(in super::super) struct UnusableQueue(Mutex<UnreadPlugins>);

#[derive(Default)]
struct UnreadPlugins {
    plugins: VecDeque<UnusablePlugin>,
    reader: Option<Waker>,
}

// === impl UnusablePlugin ===

impl UnusablePlugin {
    pub(super) fn new(binding: &Binding, error: &MakeError) -> Self {
        Self {
            tenant: Arc::clone(binding.tenant()),
            plugin: Arc::clone(binding.name()),
            first_use: Arc::clone(binding.first_use()),
            reason: error.to_string(),
        }
    }
}

// === impl UnusableQueue ===

impl UnusableQueue {
    pub(super) fn push(&self, unusable: UnusablePlugin) {
        let mut waiting = self.0.lock();
        if waiting.plugins.len() >= WAITING {
            let (tenant, plugin) = (&*unusable.tenant, &*unusable.plugin);
            tracing::error!(tenant, plugin, "too many plugins cannot be used at their first use");
            return;
        }
        waiting.plugins.push_back(unusable);
        let reader = waiting.reader.take();
        drop(waiting);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// All that there are, once there is one.
    pub(in super::super) fn poll(&self, cx: &Context<'_>) -> Poll<Vec<UnusablePlugin>> {
        let mut waiting = self.0.lock();
        if waiting.plugins.is_empty() {
            waiting.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(waiting.plugins.drain(..).collect())
    }
}

//! The shard brings what arrives in its inbox to the subscribers, in the turns of their tenants.

use std::rc::Rc;

use super::Shard;
use super::turns::{Deliveries, DeliveryRound, TenantDeliveries};
use crate::hub::flush_until;
use backplane::{Envelope, InboxReceiver};

/// Envelopes of a tenant that are delivered together, so that what each connection gets is written at once.
const BATCH_ENVELOPES: usize = 256;

impl Shard {
    /// Delivers what arrives in the inbox to its subscribers, for ever.
    pub async fn deliver(self: Rc<Self>, mut inbox: InboxReceiver) {
        let mut deliveries = Deliveries::default();
        let mut arrived = Vec::new();
        loop {
            if deliveries.is_empty() {
                inbox.receive(&mut arrived).await;
            } else {
                inbox.take_arrived(&mut arrived);
            }
            self.sort(&mut deliveries, &mut arrived, &inbox);
            DeliveryRound::begin(&self.turns).run(&mut deliveries, |tenant, is_over| {
                self.deliver_of(tenant, &inbox, is_over)
            });
            // The sessions run now; what they publish meanwhile arrives together.
            tokio::task::yield_now().await;
        }
    }

    fn sort(&self, deliveries: &mut Deliveries, arrived: &mut Vec<Envelope>, inbox: &InboxReceiver) {
        for envelope in arrived.drain(..) {
            let share = |tenant: &str| self.tenant(tenant).map(|tenant| tenant.share.clone());
            // The sessions of a tenant that was removed are being closed.
            if let Err(nobodys) = deliveries.add(envelope, share) {
                inbox.delivered(&nobodys.topic().tenant, std::slice::from_ref(&nobodys));
            }
        }
    }

    /// Delivers of one tenant, until it is over.
    fn deliver_of(&self, of: &mut TenantDeliveries, inbox: &InboxReceiver, is_over: &dyn Fn() -> bool) {
        let mut hub = self.hub.borrow_mut();
        let mut has_queued = false;
        loop {
            // Before more is queued: what arrives meanwhile then leaves together, in one write a connection.
            let is_written = flush_until(&mut of.dirty, is_over);
            if !is_written || of.envelopes.is_empty() || (has_queued && is_over()) {
                break;
            }
            // A batch may wrap around in the queue's memory.
            let batch = of.envelopes.as_slices().0;
            let batch = &batch[..batch.len().min(BATCH_ENVELOPES)];
            let queued = hub.deliver_until(batch, &mut of.dirty, is_over);
            if let Some(tenant) = of.tenant() {
                inbox.delivered(tenant, &batch[..queued]);
            }
            of.count_delivered(queued);
            of.envelopes.drain(..queued);
            has_queued = true;
        }
        self.common.metrics.deliveries.inc_by(hub.take_deliveries());
    }
}

//! What Redis had lost of the pushed tenants, and has again.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::control::{Bus, Order};

/// Has the other nodes look when this one gave the store of pushed tenants back what it had lost.
pub(super) async fn tell_of_restored(bus: Arc<dyn Bus>, restored: Arc<Notify>) {
    loop {
        restored.notified().await;
        let order = Order::ReadTenant { tenant: String::new() };
        if let Err(error) = bus.ask(order).await {
            tracing::debug!(%error, "the other nodes find by themselves what was restored");
        }
    }
}

//! The bus of many nodes: an order is told to all, and each reports. Knows no Redis, only that notes can be sent.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Bus;
use super::local::{Local, ORDER_WAIT};
use super::order::{NodeReport, Order, Report};
use crate::backplane::{Nodes, Reply};

/// How long reports may take: as long as a node takes at most, and the way there and back.
const REPORT_WAIT: Duration = ORDER_WAIT.saturating_add(Duration::from_secs(1));
/// Orders that are carried out at the same time at most.
const AT_ONCE: usize = 32;

/// The bus of the nodes that have a backplane in common.
pub struct ClusterBus {
    nodes: Arc<dyn Nodes>,
    local: Local,
    orders: AtomicU64,
    /// Who waits for the reports on which order.
    asked: Mutex<HashMap<u64, mpsc::Sender<Answered>>>,
    at_once: Arc<Semaphore>,
}

/// An instance, and what it answered.
type Answered = (String, Result<Report, String>);

/// What is sent from node to node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
enum Note {
    /// Do this, and report to the instance that asks.
    Ask { number: u64, asks: String, what: Order },
    /// It is done, or why not.
    Tell {
        number: u64,
        tells: String,
        result: Result<Report, String>,
    },
}

impl ClusterBus {
    /// A bus for this node's part. Its notes have to be given to [`ClusterBus::serve`].
    pub fn new(nodes: Arc<dyn Nodes>, local: Local) -> Arc<Self> {
        Arc::new(Self {
            nodes,
            local,
            orders: AtomicU64::new(1),
            asked: Mutex::default(),
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
        })
    }

    /// Takes what other nodes send, for ever.
    pub async fn serve(self: Arc<Self>, mut notes: mpsc::Receiver<Bytes>) {
        while let Some(note) = notes.recv().await {
            match serde_json::from_slice(&note) {
                Ok(Note::Ask { number, asks, what }) => self.clone().take_order(number, asks, what),
                Ok(Note::Tell { number, tells, result }) => {
                    if let Some(waiting) = self.asked.lock().get(&number) {
                        // One that comes twice, or too late, is nobody's.
                        let _full = waiting.try_send((tells, result));
                    }
                }
                Err(error) => tracing::warn!(%error, "a note of another node cannot be read: is it a newer version?"),
            }
        }
    }

    fn take_order(self: Arc<Self>, number: u64, asks: String, what: Order) {
        if let Ok(turn) = self.at_once.clone().try_acquire_owned() {
            tokio::spawn(self.obey(number, asks, what, turn));
        } else {
            // Whoever asks hears nothing, and says so.
            tracing::warn!(asks, "an order is not carried out: {AT_ONCE} are under way");
        }
    }

    async fn obey(self: Arc<Self>, number: u64, asks: String, what: Order, _turn: OwnedSemaphorePermit) {
        let report = self.local.report(&what).await;
        let tell = Note::Tell {
            number,
            tells: self.nodes.instance().to_owned(),
            result: report.result,
        };
        let tell = serde_json::to_vec(&tell).expect("a note can be written");
        if let Err(error) = self.nodes.send(Some(&asks), tell).await {
            tracing::warn!(%error, "an order was carried out, and who asked could not be told");
        }
    }

    async fn reports(&self, live: &[String], answers: &mut mpsc::Receiver<Answered>) -> HashMap<String, Answered> {
        let mut reports = HashMap::new();
        let all = async {
            while reports.len() < live.len() {
                let Some((instance, result)) = answers.recv().await else {
                    break;
                };
                if live.contains(&instance) {
                    reports.insert(instance.clone(), (instance, result));
                }
            }
        };
        drop(tokio::time::timeout(REPORT_WAIT, all).await);
        reports
    }
}

impl Bus for ClusterBus {
    fn ask(&self, order: Order) -> Reply<'_, Vec<NodeReport>> {
        Box::pin(async move {
            let live = self.nodes.live().await?;
            let number = self.orders.fetch_add(1, Ordering::Relaxed);
            let (waiting, mut answers) = mpsc::channel(live.len().max(1));
            self.asked.lock().insert(number, waiting);
            let asked = Asked { bus: self, number };
            let ask = Note::Ask {
                number,
                asks: self.nodes.instance().to_owned(),
                what: order,
            };
            let ask = serde_json::to_vec(&ask).expect("a note can be written");
            self.nodes.send(None, ask).await?;
            let mut reports = self.reports(&live, &mut answers).await;
            drop(asked);
            let report = |instance: String| {
                let result = reports.remove(&instance).map_or_else(
                    || Err(format!("no answer within {REPORT_WAIT:?}")),
                    |(_, result)| result,
                );
                NodeReport {
                    node: node_of(&instance).to_owned(),
                    result,
                }
            };
            Ok(live.into_iter().map(report).collect())
        })
    }
}

/// Reports that are waited for; dropped, they are not any more.
struct Asked<'a> {
    bus: &'a ClusterBus,
    number: u64,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.bus.asked.lock().remove(&self.number);
    }
}

/// An instance's name is its node's, `~`, and something random.
fn node_of(instance: &str) -> &str {
    instance.rsplit_once('~').map_or(instance, |(node, _)| node)
}

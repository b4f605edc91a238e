//! The broker's log on stderr. Guests and clients choose parts of its lines, so every value is escaped and then cut
//! (`line.rs`), lines that speak of a tenant come out of that tenant's budget (`budget.rs`), and what reads stderr slowly loses
//! lines, told by their number, instead of stopping a shard (`sink.rs`).

mod budget;
mod line;
mod sink;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use prometheus::{IntCounterVec, Opts};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, registry};

use budget::{Charge, LogBudgets};
pub use line::LogFormat;
use line::LogLine;
use sink::Sink;

/// The log of this process.
pub struct BrokerLog {
    writer: Arc<LogWriter>,
}

/// Makes a line of each event and passes it on.
struct LogWriter {
    format: LogFormat,
    budgets: LogBudgets,
    sink: Sink,
    lost: IntCounterVec,
}

/// Why a line was not written: label `why` of the metric.
const OVER_BUDGET: &str = "budget";
const SLOW_READER: &str = "slow_reader";

// === impl BrokerLog ===

impl BrokerLog {
    /// Begins to write to stderr what `RUST_LOG` lets through, by default all from `info` on.
    pub fn start(format: LogFormat) -> io::Result<Self> {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        let writer = LogWriter::new(format, io::stderr())?;
        registry().with(filter).with(LogLayer(writer.clone())).init();
        Ok(Self { writer })
    }

    /// From now on plugins of `tenants` may write so many bytes a second, and the broker as many about each of them.
    pub fn set_budgets<'a>(&self, tenants: impl Iterator<Item = (&'a str, u64)>) {
        self.writer.budgets.set(tenants);
    }

    /// There is no such tenant any more: lines about it come out of what all unknown names share.
    pub fn forget_budget(&self, tenant: &str) {
        self.writer.budgets.forget(tenant);
    }

    /// Counts the lines that were not written, by why.
    pub fn lost(&self) -> IntCounterVec {
        self.writer.lost.clone()
    }
}

/// Waits until all that was logged so far is written, but not long.
impl Drop for BrokerLog {
    fn drop(&mut self) {
        self.writer.sink.flush();
    }
}

// === impl LogWriter ===

impl LogWriter {
    fn new(format: LogFormat, to: impl io::Write + Send + 'static) -> io::Result<Arc<Self>> {
        let help =
            "Lines that were not written to the log, by why: over a tenant's budget, or stderr was read too slowly.";
        let name = "sluicegate_log_lines_lost_total";
        let lost = IntCounterVec::new(Opts::new(name, help), &["why"]).map_err(io::Error::other)?;
        let slow = lost.with_label_values(&[SLOW_READER]);
        lost.with_label_values(&[OVER_BUDGET]);
        Ok(Arc::new(Self {
            format,
            budgets: LogBudgets::default(),
            sink: Sink::start(to, format, slow)?,
            lost,
        }))
    }

    fn write(&self, line: &LogLine<'_>) {
        let bytes = line.render(self.format);
        let Some(tenant) = line.tenant() else {
            self.sink.write(bytes);
            return;
        };
        match self
            .budgets
            .charge(tenant, line.is_of_plugin(), bytes.len(), Instant::now())
        {
            Charge::Within { left_out: 0 } => {}
            Charge::Within { left_out } => {
                let notice = LogLine::left_out(tenant, left_out);
                self.sink.write(notice.render(self.format));
            }
            Charge::Over => {
                self.lost.with_label_values(&[OVER_BUDGET]).inc();
                return;
            }
        }
        self.sink.write(bytes);
    }
}

struct LogLayer(Arc<LogWriter>);

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.0.write(&LogLine::of(event));
    }
}

#[cfg(test)]
mod tests;

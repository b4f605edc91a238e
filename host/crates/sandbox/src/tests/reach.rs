//! What guests reach outside themselves: log, store, buckets, counters, output.

use std::io;

use parking_lot::Mutex;
use tracing_subscriber::fmt::MakeWriter;

use super::*;

/// Collects what this thread logs.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(super) fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let lines = self.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(lines).finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub(super) fn of(&self, word: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().clone()).unwrap();
        text.lines()
            .filter(|line| line.contains(word))
            .map(str::to_owned)
            .collect()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[test]
fn capabilities_work_and_outlive_the_binding() {
    let stage = Stage::new();
    let mut verdicts = Vec::new();
    for _ in 0..3 {
        let mut slot = stage.slot("counts");
        verdicts.push(publish(&mut slot, "1").unwrap().verdict);
    }
    let allow = PublishVerdict::Allow;
    assert_eq!(
        verdicts,
        [allow.clone(), allow, PublishVerdict::Discard],
        "two tokens, for all instances"
    );
    assert_eq!(stage.counted("sluicegate_plugin_seen_total", &["acme", "counts"]), 3);
}

#[test]
fn tenants_do_not_share_what_plugins_store() {
    let stage = Stage::new();
    let plugin = stage.load("counts").unwrap();
    for tenant in ["acme", "globex"] {
        let mut options = options();
        options.tenant = tenant.into();
        let mut slot = stage.slot_of(&stage.bind_plugin(&plugin, options).unwrap());
        for _ in 0..2 {
            assert_eq!(
                publish(&mut slot, "1").unwrap().verdict,
                PublishVerdict::Allow,
                "{tenant}"
            );
        }
    }
}

#[test]
fn a_flood_of_lines_is_bounded_and_told() {
    let stage = Stage::new();
    let lines = Lines::default();
    let _listening = lines.listen();
    let mut slot = stage.slot("log-flood");
    publish(&mut slot, "1").unwrap();
    assert_eq!(lines.of("flood").len(), 100);
    stage.clock.advance(Duration::from_secs(1));
    publish(&mut slot, "1").unwrap();
    let told = lines.of("were not written");
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("900 lines") && told[0].contains("acme"), "{}", told[0]);
}

#[test]
fn output_goes_to_the_log_line_by_line() {
    let stage = Stage::new();
    let lines = Lines::default();
    let _listening = lines.listen();
    let mut slot = stage.slot("prints");
    publish(&mut slot, "1").unwrap();
    assert_eq!(lines.of("ends").len(), 1);
    assert_eq!(lines.of("hello").len(), 0, "the line has not ended");
    publish(&mut slot, "1").unwrap();
    assert_eq!(lines.of("hello, line ends").len(), 1);
    drop(slot);
    assert_eq!(
        lines.of("hello, line ").len(),
        2,
        "the rest comes when the instance goes"
    );
    assert!(
        lines
            .of("ends")
            .iter()
            .all(|line| line.contains("acme") && line.contains("prints"))
    );
}

#[test]
fn a_fault_is_logged_with_tenant_plugin_and_hook() {
    let stage = Stage::new();
    let lines = Lines::default();
    let _listening = lines.listen();
    assert!(publish(&mut stage.slot("trap"), "1").is_err());
    let told = lines.of("plugin fault");
    assert_eq!(told.len(), 1);
    for word in ["acme", "trap", "publish", "unreachable"] {
        assert!(told[0].contains(word), "{word}: {}", told[0]);
    }
}

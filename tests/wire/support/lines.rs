//! What a process prints, line by line, for tests that wait for a line.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex};
use std::thread;

use tokio::sync::{OwnedMutexGuard, watch};

use super::within;

/// The lines of one pipe so far. Cheap to clone; all clones see the same lines.
#[derive(Clone)]
pub(crate) struct Lines {
    seen: Arc<Mutex<Vec<String>>>,
    progress: watch::Receiver<Progress>,
    /// Held by a test while nothing may be read.
    gate: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Copy)]
struct Progress {
    ended: bool,
}

impl Lines {
    /// Reads `pipe` on a thread of its own until it ends.
    pub(crate) fn read(pipe: impl Read + Send + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (tell, progress) = watch::channel(Progress { ended: false });
        let lines = Self {
            seen: seen.clone(),
            progress,
            gate: Arc::default(),
        };
        let gate = lines.gate.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n') {
                let Ok(line) = line else { break };
                drop(gate.blocking_lock());
                seen.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
                tell.send_replace(Progress { ended: false });
            }
            tell.send_replace(Progress { ended: true });
        });
        lines
    }

    /// Reads nothing more until the guard is dropped: the pipe fills.
    pub(crate) async fn hold(&self) -> OwnedMutexGuard<()> {
        self.gate.clone().lock_owned().await
    }

    /// Everything so far.
    pub(crate) fn text(&self) -> String {
        self.seen.lock().unwrap().join("\n")
    }

    /// How many lines there are so far: a mark for [`Lines::wait_after`].
    pub(crate) fn mark(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The first line that has all of `words`, waiting for it.
    pub(crate) async fn wait_for(&self, words: &[&str]) -> String {
        self.wait_after(0, words).await
    }

    /// The first line after `mark` that has all of `words`, waiting for it.
    pub(crate) async fn wait_after(&self, mark: usize, words: &[&str]) -> String {
        let mut progress = self.progress.clone();
        let search = async {
            loop {
                let ended = progress.borrow_and_update().ended;
                let found = self.find_after(mark, words);
                if found.is_some() || ended {
                    return found;
                }
                progress.changed().await.ok();
            }
        };
        let line = within(search, || format!("no line with {words:?} in:\n{}", self.text())).await;
        line.unwrap_or_else(|| panic!("the pipe ended without {words:?}:\n{}", self.text()))
    }

    fn find_after(&self, mark: usize, words: &[&str]) -> Option<String> {
        let seen = self.seen.lock().unwrap();
        let fits = |line: &&String| words.iter().all(|word| line.contains(word));
        seen.iter().skip(mark).find(fits).cloned()
    }

    /// Waits until the process closed the pipe.
    pub(crate) async fn end(&self) {
        let mut progress = self.progress.clone();
        let ended = progress.wait_for(|progress| progress.ended);
        within(async { ended.await.map_or((), drop) }, || "the pipe stays open".into()).await;
    }
}

/// The last of these lines, each cut short.
pub(crate) fn tail(lines: &[String]) -> String {
    const LAST: usize = 20;
    let last = &lines[lines.len().saturating_sub(LAST)..];
    let cut = last
        .iter()
        .map(|line| format!("  {}\n", line.chars().take(600).collect::<String>()));
    if last.is_empty() {
        "  (nothing)".into()
    } else {
        cut.collect()
    }
}

//! Gives the places of sessions that left back.

use std::sync::{Arc, LazyLock};

use futures_util::future::join_all;
use redis_client::{Script, ScriptCall};

use super::{AGAIN, BATCH, RedisCluster};
use crate::admission::AdmissionRequest;

static RELEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("release.lua")));

impl RedisCluster {
    /// Releases the places of sessions that left, for ever.
    pub(super) async fn release_all(self: Arc<Self>) {
        loop {
            let batch: Vec<AdmissionRequest> = self.sessions.lock().unreleased.values().take(BATCH).cloned().collect();
            if batch.is_empty() {
                self.left.notified().await;
                continue;
            }
            let calls: Vec<ScriptCall> = batch
                .iter()
                .map(|request| {
                    let [tenant, user] = self.places(request);
                    RELEASE
                        .call([tenant, user, self.connection(request)])
                        .arg(self.place(request))
                })
                .collect();
            let answers = join_all(calls.iter().map(|call| self.servers.call(call))).await;
            self.forget(
                batch
                    .iter()
                    .zip(&answers)
                    .filter(|(_, answer)| answer.is_ok())
                    .map(|(request, _)| request),
            );
            if answers.iter().any(Result::is_err) {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    fn forget<'a>(&self, released: impl Iterator<Item = &'a AdmissionRequest>) {
        let mut sessions = self.sessions.lock();
        for request in released {
            sessions.unreleased.swap_remove(&request.session);
        }
        drop(sessions);
        self.released.notify_one();
    }
}

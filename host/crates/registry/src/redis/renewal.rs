//! Renews what Redis has of a node's sessions.

use std::sync::LazyLock;

use futures_util::future::join_all;
use redis_client::{Script, ScriptCall};

use super::missed::missed_order;
use super::{BATCH, CONNECTION, Listed, PLACE, RedisCluster, millis};

static RENEW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("renew.lua")));

impl RedisCluster {
    /// Renews what Redis has of the sessions, and reports revocations of which this node did not hear.
    pub(super) async fn renew_once(&self) {
        let listed = self.sessions.lock().admitted();
        for batch in listed.chunks(BATCH) {
            let calls: Vec<ScriptCall> = batch.iter().map(|listed| self.renewal(listed)).collect();
            // One that fails is renewed in the next round; those on other servers are not to wait for it.
            let answers = join_all(calls.iter().map(|call| self.servers.call(call))).await;
            self.undo_renewals(batch);
            for (listed, answer) in batch.iter().zip(answers) {
                if let Some(order) = answer.ok().and_then(|answer| missed_order(&listed.request, &answer)) {
                    // One that finds no room comes again in the next round.
                    let _full = self.missed.try_send(order);
                }
            }
        }
    }

    pub(super) fn renewal(&self, listed: &Listed) -> ScriptCall {
        let request = &listed.request;
        let [tenant, user] = self.places(request);
        let [token, of_user] = self.revocations(&request.tenant, request.user.as_deref(), &request.token);
        let call = RENEW
            .call([tenant, user, self.connection(request), token, of_user])
            .arg(self.place(request))
            .arg(u8::from(request.user.is_some()))
            .arg(millis(PLACE))
            .arg(millis(CONNECTION))
            .arg(request.token.issued_in_script());
        self.fields(call, listed)
    }

    /// A session that left while it was renewed is released once more.
    fn undo_renewals(&self, renewed: &[Listed]) {
        let mut sessions = self.sessions.lock();
        for Listed { request, .. } in renewed {
            if !sessions.present.contains_key(&request.session) {
                sessions.unreleased.insert(request.session.clone(), request.clone());
            }
        }
        drop(sessions);
        self.left.notify_one();
    }
}

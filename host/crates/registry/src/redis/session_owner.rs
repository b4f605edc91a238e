//! Which instance has a session, as Redis says.

use std::sync::{Arc, LazyLock};

use redis_client::{Failure, Script, Value, cmd};
use sluicegate_contract::hex;

use super::missed::text;
use super::{RedisCluster, millis};
use crate::opens::{OPEN, OPENS};
use crate::session_owner::{OpenClaim, Owned, OwnerUnknown, SecretHash, SessionOwner, is_same};

static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("open.lua")));

impl RedisCluster {
    pub(super) async fn find_owner(
        &self,
        tenant: &str,
        session: &str,
        key: &SecretHash,
    ) -> Result<Owned, OwnerUnknown> {
        let name = self.connection_name(tenant, session);
        let mut get = cmd("HMGET");
        get.arg(&name).arg("instance").arg("key");
        let Value::Array(fields) = self.servers.run(name.as_bytes(), &get).await? else {
            return Ok(Owned::ByNobody);
        };
        let [Some(instance), Some(expected)] = [0, 1].map(|place| fields.get(place).and_then(text)) else {
            return Ok(Owned::ByNobody);
        };
        let is_its_key = is_same(expected.as_bytes(), hex::encode(key).as_bytes());
        Ok(if is_its_key {
            Owned::By(self.instance_named(instance))
        } else {
            Owned::ByAnotherKey
        })
    }

    pub(super) async fn claim(
        &self,
        tenant: &str,
        open: &SecretHash,
        session: &Arc<str>,
    ) -> Result<OpenClaim, OwnerUnknown> {
        let hash = hex::encode(open);
        let call = CLAIM
            .call([self.name(tenant, &format!("open:{hash}")), self.name(tenant, "opens")])
            .arg(hash)
            .arg(format!("{}\n{session}", self.instance))
            .arg(millis(OPEN))
            .arg(OPENS)
            .arg(self.name(tenant, "open:"));
        let answer = self.servers.call(&call).await?;
        if answer == Value::Nil {
            return Ok(OpenClaim::Mine);
        }
        let claimed = text(&answer).and_then(|claimed| claimed.split_once('\n'));
        let Some((instance, first)) = claimed else {
            return Err(OwnerUnknown("Redis answers what it should not".into()));
        };
        Ok(OpenClaim::of(self.instance_named(instance), &first.into(), session))
    }

    fn instance_named(&self, instance: &str) -> SessionOwner {
        if *instance == *self.instance {
            return SessionOwner::Here;
        }
        SessionOwner::Instance(instance.into())
    }
}

impl From<Failure> for OwnerUnknown {
    fn from(failure: Failure) -> Self {
        Self(failure.to_string())
    }
}

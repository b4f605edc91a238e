//! Bans and revocations in Redis: each subject's orders in a hash of its own, and the tenant's bans in the order in which they give way
//! and are listed.

use std::sync::LazyLock;
use std::time::Instant;

use redis_client::{Script, ScriptCall, Value};

use super::missed::text;
use super::{RedisCluster, millis};
use crate::admission::AdmissionError;
use crate::ban_list::{BanEntry, BannedBy};
use crate::ban_order::{BanChange, BanOrder, EXTENSIONS, REMEMBER};
use crate::ban_subject::BanSubject;
use crate::bans::{BanKind, BansFull};
use crate::cluster::NotRecorded;
use crate::stamp::OrderStamp;
use crate::token_claims::TokenClaims;

/// Milliseconds that are added to the end of an operator's ban, so that it comes after all of plugins: beyond the year
/// 5000, and far from what a number of Redis cannot tell apart.
const OPERATORS: u64 = 100_000_000_000_000;
static REVOKED: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("token_revoked.lua"), include_str!("revoked.lua"))));
static BAN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("ban.lua")));
static BANS: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("bans.lua")));

/// What became of an order.
enum Recorded {
    There,
    Full,
    /// A later one replaced what came before it.
    Later(OrderStamp),
}

impl RedisCluster {
    /// `ban.lua` makes such names too.
    pub(super) fn ban_name(&self, tenant: &str, subject: &BanSubject) -> String {
        match subject {
            BanSubject::User(user) => self.name(tenant, &format!("ban:{user}")),
            BanSubject::Address(address) => self.name(tenant, &format!("address-ban:{address}")),
            BanSubject::Token(jti) => self.name(tenant, &format!("revoked-token:{jti}")),
            BanSubject::TokensOf(user) => self.name(tenant, &format!("revoked-user:{user}")),
        }
    }

    fn bans_name(&self, tenant: &str, kind: BanKind) -> String {
        match kind {
            BanKind::Bans => self.name(tenant, "bans"),
            BanKind::Revocations => self.name(tenant, "revocations"),
        }
    }

    pub(super) async fn record_order(
        &self,
        order: &BanOrder,
        at_most: usize,
    ) -> Result<Option<OrderStamp>, NotRecorded> {
        let change = match order.change {
            BanChange::Replace(_) | BanChange::Lift => "replace",
            BanChange::Extend(_) => "extend",
        };
        let call = BAN
            .call([
                self.ban_name(&order.tenant, &order.subject),
                self.bans_name(&order.tenant, BanKind::of(&order.subject)),
            ])
            .arg(order.stamp.time_ms)
            .arg(order.stamp.sequence)
            .arg(&*order.stamp.instance)
            .arg(change)
            .arg(millis(order.left(Instant::now())))
            .arg(millis(REMEMBER))
            .arg(EXTENSIONS)
            .arg(order.subject.member())
            .arg(at_most)
            .arg(self.name(&order.tenant, ""))
            .arg(OPERATORS);
        match read_recorded(&self.ask_about_bans(&call).await?) {
            Some(Recorded::There) => Ok(None),
            Some(Recorded::Later(stamp)) => Ok(Some(stamp)),
            Some(Recorded::Full) => Err(BansFull {
                kind: BanKind::of(&order.subject),
                limit: at_most,
            }
            .into()),
            None => Err(not_of_the_script()),
        }
    }

    pub(super) async fn list_bans(
        &self,
        kind: BanKind,
        tenant: &str,
        after: Option<&BanEntry>,
        limit: usize,
    ) -> Result<Vec<BanEntry>, NotRecorded> {
        let score = |entry: &BanEntry| match entry.by {
            BannedBy::Plugin => entry.until_ms,
            BannedBy::Operator => entry.until_ms.saturating_add(OPERATORS),
        };
        let call = BANS
            .call([self.bans_name(tenant, kind)])
            .arg(OPERATORS)
            .arg(limit)
            .arg(after.map_or(0, score))
            .arg(after.map_or_else(String::new, |after| after.subject.member()));
        read_bans(&self.ask_about_bans(&call).await?).ok_or_else(not_of_the_script)
    }

    /// What revokes a token: by its id, and by its user. Without an id, or a user, a name that no revocation has.
    pub(super) fn revocations(&self, tenant: &str, user: Option<&str>, token: &TokenClaims) -> [String; 2] {
        let jti = token.jti.clone().unwrap_or_default();
        [
            self.ban_name(tenant, &BanSubject::Token(jti)),
            self.ban_name(tenant, &BanSubject::TokensOf(user.unwrap_or_default().into())),
        ]
    }

    /// Refuses a token that is revoked. While Redis does not answer, none is.
    pub(super) async fn ask_about_token(
        &self,
        tenant: &str,
        user: Option<&str>,
        token: &TokenClaims,
    ) -> Result<(), AdmissionError> {
        let call = REVOKED
            .call(self.revocations(tenant, user, token))
            .arg(token.issued_in_script());
        match self.servers.call(&call).await {
            Ok(Value::Int(1)) => Err(AdmissionError::Revoked),
            _ => Ok(()),
        }
    }

    async fn ask_about_bans(&self, call: &ScriptCall) -> Result<Value, NotRecorded> {
        let answer = self.servers.call(call).await;
        answer.map_err(|error| NotRecorded::Unreachable(error.to_string()))
    }
}

fn not_of_the_script() -> NotRecorded {
    NotRecorded::Unreachable("an answer that is none of the script's".into())
}

/// Reads the answer of `ban.lua`.
fn read_recorded(answer: &Value) -> Option<Recorded> {
    let Value::Array(fields) = answer else { return None };
    match fields.as_slice() {
        [] => Some(Recorded::There),
        [word] => (text(word)? == "full").then_some(Recorded::Full),
        [time_ms, sequence, instance] => Some(Recorded::Later(OrderStamp {
            time_ms: text(time_ms)?.parse().ok()?,
            sequence: text(sequence)?.parse().ok()?,
            instance: text(instance)?.into(),
        })),
        _ => None,
    }
}

/// Reads the answer of `bans.lua`. Subjects of a later version are left out.
fn read_bans(answer: &Value) -> Option<Vec<BanEntry>> {
    let Value::Array(fields) = answer else { return None };
    let mut bans = Vec::with_capacity(fields.len() / 2);
    for pair in fields.chunks_exact(2) {
        let score: u64 = text(&pair[1])?.parse().ok()?;
        let (by, until_ms) = match score.checked_sub(OPERATORS) {
            Some(until_ms) => (BannedBy::Operator, until_ms),
            None => (BannedBy::Plugin, score),
        };
        if let Some(subject) = BanSubject::read(text(&pair[0])?) {
            bans.push(BanEntry { by, until_ms, subject });
        }
    }
    Some(bans)
}

//! Revokes tokens, lists revocations, and takes them back.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::nodes::{self, Affected};
use crate::control::{self, Order};
use crate::gateway::api::context::Api;
use crate::gateway::api::endpoint::{AdminCall, Endpoint, Nothing, Verb};
use crate::gateway::api::problem::{
    BAD_BODY, ProblemDetails, ProblemKind, TOO_MANY_REVOCATIONS, UNAVAILABLE, UNREACHED,
};
use crate::gateway::api::values::{
    Limit, Reason, RevocationCursor, RevocationId, RevocationPath, TokenId, UntilSeconds, UserId,
};
use backplane::Unavailable;
use config::{Scope, Tenant};
use registry::{BanEntry, BanKind, BanSubject, LONGEST_BAN};
use std::time::Duration;
use wall_clock::now_ms;

const FULL: (BanKind, ProblemKind) = (BanKind::Revocations, TOO_MANY_REVOCATIONS);
/// A time from here on (the year 5138) is one in milliseconds.
const MILLISECONDS: u64 = 100_000_000_000;

pub(super) struct RevokeTokens;
pub(super) struct ListRevocations;
pub(super) struct DeleteRevocation;

/// Which tokens are revoked: one, or all of a user that were issued before now.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["jti"] }, { "required": ["user"] }]))]
pub(super) struct RevocationBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TokenId")]
    jti: Option<TokenId>,
    /// All tokens of this user whose `iat` is before now, and those without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "UserId")]
    user: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "UntilSeconds")]
    until: Option<UntilSeconds>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Reason")]
    reason: Option<Reason>,
}

/// What was revoked, and whom it sent away.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Revoked {
    id: RevocationId,
    /// When it may be forgotten, in seconds since the Unix epoch.
    until: u64,
    /// Connections that were ended.
    affected: u64,
}

/// Which revocations to list.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RevocationsQuery {
    /// Only what comes after this: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RevocationCursor")]
    after: Option<RevocationCursor>,
    #[serde(default)]
    limit: Limit,
}

/// A page of the revocations that are remembered, each by its end.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RevocationsAnswer {
    revocations: Vec<ShownRevocation>,
    /// The `after` of the next page; absent in the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A revocation: of one token, or of a user's.
#[derive(Debug, Serialize, JsonSchema)]
struct ShownRevocation {
    id: RevocationId,
    /// The id of the token that is revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    /// The user whose tokens are revoked that were issued before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// When it may be forgotten, in seconds since the Unix epoch.
    until: u64,
}

impl Endpoint for RevokeTokens {
    const NAME: &'static str = "revokeTokens";
    const VERB: Verb = Verb::Post;
    const PATH: &'static str = "/tenants/{tenant}/revocations";
    const SUMMARY: &'static str =
        "Refuse a token, or all tokens of a user that were issued before now, and end the connections by them.";
    const SCOPE: Scope = Scope::Ban;
    const PROBLEMS: &'static [ProblemKind] = &[TOO_MANY_REVOCATIONS, UNAVAILABLE, UNREACHED];
    type Tenant = Arc<Tenant>;
    type Path = Nothing;
    type Query = Nothing;
    type Body = RevocationBody;
    type Answer = Revoked;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<Revoked, ProblemDetails> {
        let RevocationBody { jti, user, until, .. } = call.body;
        let subject = match (jti, user) {
            (Some(jti), None) => BanSubject::Token(jti.0.into()),
            (None, Some(user)) => BanSubject::TokensOf(user.0.into()),
            // The schema refuses it before.
            _ => return Err(BAD_BODY.because("the body must have exactly one of \"jti\", \"user\"")),
        };
        let now_ms = now_ms();
        let length = length(until, now_ms)?;
        let (seconds, less_ms) = control::in_seconds(length);
        let id = RevocationId::of(&subject);
        let order = Order::Ban {
            tenant: call.tenant.name.to_string(),
            subject,
            seconds,
            less_ms,
            at_least: false,
            stamp: None,
        };
        let done = nodes::have_banned(&api, order, FULL).await;
        if done.as_ref().is_err_and(|problem| problem.kind == TOO_MANY_REVOCATIONS) {
            api.metrics.tenant(&call.tenant.name).revocations_refused.inc();
        }
        Ok(Revoked {
            id,
            until: in_seconds(now_ms.saturating_add(millis(length))),
            affected: done?.affected,
        })
    }
}

impl Endpoint for ListRevocations {
    const NAME: &'static str = "listRevocations";
    const VERB: Verb = Verb::Get;
    const PATH: &'static str = "/tenants/{tenant}/revocations";
    const SUMMARY: &'static str = "List the revocations that are remembered.";
    const SCOPE: Scope = Scope::Ban;
    const PROBLEMS: &'static [ProblemKind] = &[UNAVAILABLE];
    type Tenant = Arc<Tenant>;
    type Path = Nothing;
    type Query = RevocationsQuery;
    type Body = Nothing;
    type Answer = RevocationsAnswer;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<RevocationsAnswer, ProblemDetails> {
        let RevocationsQuery { after, limit } = call.query;
        let after = after.as_ref().map(|after| &after.0);
        let entries = limit.entries();
        let listed = api
            .registry
            .bans(BanKind::Revocations, &call.tenant.name, after, entries + 1)
            .await;
        let mut listed = listed.map_err(|error| Unavailable(error.to_string()))?;
        let more = listed.len() > entries;
        listed.truncate(entries);
        let next = listed.last().filter(|_| more).map(BanEntry::cursor);
        Ok(RevocationsAnswer {
            revocations: listed.into_iter().map(ShownRevocation::from).collect(),
            next,
        })
    }
}

impl Endpoint for DeleteRevocation {
    const NAME: &'static str = "deleteRevocation";
    const VERB: Verb = Verb::Delete;
    const PATH: &'static str = "/tenants/{tenant}/revocations/{id}";
    const SUMMARY: &'static str = "Refuse the tokens of a revocation no longer.";
    const SCOPE: Scope = Scope::Ban;
    const PROBLEMS: &'static [ProblemKind] = nodes::PROBLEMS;
    type Tenant = Arc<Tenant>;
    type Path = RevocationPath;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Affected;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<Affected, ProblemDetails> {
        let Some(subject) = call.path.id.subject() else {
            return Ok(Affected { affected: 0 });
        };
        let order = Order::Unban {
            tenant: call.tenant.name.to_string(),
            subject,
            stamp: None,
        };
        nodes::have_done(&api, order).await
    }
}

/// For how long a revocation is remembered.
fn length(until: Option<UntilSeconds>, now_ms: u64) -> Result<Duration, ProblemDetails> {
    let Some(UntilSeconds(until)) = until else {
        return Ok(LONGEST_BAN);
    };
    let left = until.saturating_mul(1_000).saturating_sub(now_ms);
    let why = if left == 0 {
        "which has passed"
    } else if until >= MILLISECONDS {
        "which looks like milliseconds"
    } else if left > millis(LONGEST_BAN) {
        "which is too far away"
    } else {
        return Ok(Duration::from_millis(left));
    };
    Err(BAD_BODY.because(format!(
        "\"until\": must be a Unix time in seconds, after now and at most a year from now, not {until}, {why}"
    )))
}

/// The nearest second: two clocks may have rounded it.
fn in_seconds(ms: u64) -> u64 {
    ms.saturating_add(500) / 1_000
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl From<BanEntry> for ShownRevocation {
    fn from(entry: BanEntry) -> Self {
        let (jti, user) = match &entry.subject {
            BanSubject::Token(jti) => (Some(jti.to_string()), None),
            BanSubject::TokensOf(user) => (None, Some(user.to_string())),
            // They are in a list of their own.
            BanSubject::User(_) | BanSubject::Address(_) => (None, None),
        };
        Self {
            id: RevocationId::of(&entry.subject),
            jti,
            user,
            until: in_seconds(entry.until_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_what_it_revokes() {
        for subject in [
            BanSubject::Token("a/b c?#%".into()),
            BanSubject::Token("räume".into()),
            BanSubject::TokensOf("ann".into()),
        ] {
            let id = RevocationId::of(&subject);
            assert_eq!(id.subject(), Some(subject));
        }
        for id in ["jff", "j", "x61", "j6", "", "é1"] {
            let id: RevocationId = serde_json::from_value(id.into()).unwrap();
            let subject = id.subject();
            assert!(
                subject.is_none() || subject == Some(BanSubject::Token("".into())),
                "{subject:?}"
            );
        }
    }

    #[test]
    fn until_is_seconds_after_now_and_at_most_a_year_away() {
        let now_ms = 1_800_000_000_250;
        let year = LONGEST_BAN.as_secs();
        for (until, expected) in [
            (None, Ok(LONGEST_BAN)),
            (Some(1_800_000_001), Ok(Duration::from_millis(750))),
            (
                Some(1_800_000_000 + year),
                Ok(Duration::from_millis(year * 1_000 - 250)),
            ),
            (Some(1_800_000_000), Err("has passed")),
            (Some(1), Err("has passed")),
            (Some(1_800_000_001 + year), Err("too far away")),
            (Some(1_800_000_001_000), Err("milliseconds")),
            (Some(u64::MAX), Err("milliseconds")),
        ] {
            let found = length(until.map(UntilSeconds), now_ms);
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{until:?}"),
                (Err(problem), Err(word)) => {
                    let (code, detail) = problem.as_part();
                    assert_eq!(code, "bad_body");
                    assert!(detail.contains(word), "{until:?}: {detail}");
                }
                (found, _) => panic!("{until:?}: {found:?}"),
            }
        }
    }
}

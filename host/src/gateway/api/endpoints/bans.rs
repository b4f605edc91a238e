//! Lists bans, page by page.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gateway::api::context::Api;
use crate::gateway::api::endpoint::{AdminCall, Endpoint, Nothing, Verb};
use crate::gateway::api::problem::{ProblemDetails, ProblemKind, UNAVAILABLE};
use crate::gateway::api::values::{BanCursor, Limit};
use backplane::Unavailable;
use config::{Scope, Tenant};
use registry::{BanEntry, BanKind, BanSubject, BannedBy};

pub(super) struct ListBans;

/// Which bans to list.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BansQuery {
    /// Only what comes after this: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "BanCursor")]
    after: Option<BanCursor>,
    #[serde(default)]
    limit: Limit,
}

/// A page of the bans that hold: those of plugins first, then the operator's, each by its end.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct BansAnswer {
    bans: Vec<ShownBan>,
    /// The `after` of the next page; absent in the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A ban: of a user, or of an address.
#[derive(Debug, Serialize, JsonSchema)]
struct ShownBan {
    /// The user who is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// The address from which clients without a user are refused: an IPv4 address, or the /64 of an IPv6 address.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    by: ShownBy,
    /// When it ends, in milliseconds since the Unix epoch.
    until_ms: u64,
}

/// Who gave it. The operator, if the operator's still holds beside a plugin's.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ShownBy {
    Plugin,
    Operator,
}

impl Endpoint for ListBans {
    const NAME: &'static str = "listBans";
    const VERB: Verb = Verb::Get;
    const PATH: &'static str = "/tenants/{tenant}/bans";
    const SUMMARY: &'static str = "List the bans that hold, of users and of addresses.";
    const SCOPE: Scope = Scope::Ban;
    const PROBLEMS: &'static [ProblemKind] = &[UNAVAILABLE];
    type Tenant = Arc<Tenant>;
    type Path = Nothing;
    type Query = BansQuery;
    type Body = Nothing;
    type Answer = BansAnswer;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<BansAnswer, ProblemDetails> {
        let BansQuery { after, limit } = call.query;
        let after = after.as_ref().map(|after| &after.0);
        let entries = limit.entries();
        let mut bans = api
            .registry
            .bans(BanKind::Bans, &call.tenant.name, after, entries + 1)
            .await
            .map_err(|error| Unavailable(error.to_string()))?;
        let more = bans.len() > entries;
        bans.truncate(entries);
        let next = bans.last().filter(|_| more).map(BanEntry::cursor);
        Ok(BansAnswer {
            bans: bans.into_iter().map(ShownBan::from).collect(),
            next,
        })
    }
}

impl From<BanEntry> for ShownBan {
    fn from(entry: BanEntry) -> Self {
        let (user, address) = match entry.subject {
            BanSubject::User(user) => (Some(user.to_string()), None),
            BanSubject::Address(address) => (None, Some(address.to_string())),
            // They are in a list of their own.
            BanSubject::Token(_) | BanSubject::TokensOf(_) => (None, None),
        };
        Self {
            user,
            address,
            by: match entry.by {
                BannedBy::Plugin => ShownBy::Plugin,
                BannedBy::Operator => ShownBy::Operator,
            },
            until_ms: entry.until_ms,
        }
    }
}

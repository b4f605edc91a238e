//! Bans users and addresses, and lifts bans.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::nodes::{self, Affected};
use crate::control::Order;
use crate::gateway::api::context::Api;
use crate::gateway::api::endpoint::{AdminCall, Endpoint, Nothing, Verb};
use crate::gateway::api::problem::{ProblemDetails, ProblemKind, TOO_MANY_BANS, UNAVAILABLE, UNREACHED};
use crate::gateway::api::values::{AddressPath, BanSeconds, Reason, UserPath};
use config::{Scope, Tenant};
use registry::{BanKind, BanSubject};

const FULL: (BanKind, ProblemKind) = (BanKind::Bans, TOO_MANY_BANS);
const PROBLEMS: &[ProblemKind] = &[TOO_MANY_BANS, UNAVAILABLE, UNREACHED];

pub(super) struct BanUser;
pub(super) struct UnbanUser;
pub(super) struct BanAddress;
pub(super) struct UnbanAddress;

/// How long somebody is banned, and why.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BanBody {
    seconds: BanSeconds,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

impl Endpoint for BanUser {
    const NAME: &'static str = "banUser";
    const VERB: Verb = Verb::Put;
    const PATH: &'static str = "/tenants/{tenant}/users/{user}/ban";
    const SUMMARY: &'static str =
        "Refuse a user for a while, in place of a ban that there is, and end their connections.";
    const SCOPE: Scope = Scope::Ban;
    const PROBLEMS: &'static [ProblemKind] = PROBLEMS;
    type Tenant = Arc<Tenant>;
    type Path = UserPath;
    type Query = Nothing;
    type Body = BanBody;
    type Answer = Affected;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<Affected, ProblemDetails> {
        let subject = BanSubject::User(call.path.user.0.into());
        nodes::have_banned(&api, ban(&call.tenant, subject, &call.body), FULL).await
    }
}

impl Endpoint for UnbanUser {
    const NAME: &'static str = "unbanUser";
    const VERB: Verb = Verb::Delete;
    const PATH: &'static str = "/tenants/{tenant}/users/{user}/ban";
    const SUMMARY: &'static str = "Refuse a user no longer.";
    const SCOPE: Scope = Scope::Ban;
    const PROBLEMS: &'static [ProblemKind] = nodes::PROBLEMS;
    type Tenant = Arc<Tenant>;
    type Path = UserPath;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Affected;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<Affected, ProblemDetails> {
        let subject = BanSubject::User(call.path.user.0.into());
        nodes::have_done(&api, unban(&call.tenant, subject)).await
    }
}

impl Endpoint for BanAddress {
    const NAME: &'static str = "banAddress";
    const VERB: Verb = Verb::Put;
    const PATH: &'static str = "/tenants/{tenant}/addresses/{address}/ban";
    const SUMMARY: &'static str = "Refuse clients without a user that come from an address for a while, in place of a \
                                   ban that there is, and end their connections.";
    const SCOPE: Scope = Scope::Ban;
    const PROBLEMS: &'static [ProblemKind] = PROBLEMS;
    type Tenant = Arc<Tenant>;
    type Path = AddressPath;
    type Query = Nothing;
    type Body = BanBody;
    type Answer = Affected;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<Affected, ProblemDetails> {
        let subject = BanSubject::Address(call.path.address.0);
        nodes::have_banned(&api, ban(&call.tenant, subject, &call.body), FULL).await
    }
}

impl Endpoint for UnbanAddress {
    const NAME: &'static str = "unbanAddress";
    const VERB: Verb = Verb::Delete;
    const PATH: &'static str = "/tenants/{tenant}/addresses/{address}/ban";
    const SUMMARY: &'static str = "Refuse clients without a user that come from an address no longer.";
    const SCOPE: Scope = Scope::Ban;
    const PROBLEMS: &'static [ProblemKind] = nodes::PROBLEMS;
    type Tenant = Arc<Tenant>;
    type Path = AddressPath;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Affected;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<Affected, ProblemDetails> {
        let subject = BanSubject::Address(call.path.address.0);
        nodes::have_done(&api, unban(&call.tenant, subject)).await
    }
}

fn ban(tenant: &Tenant, subject: BanSubject, body: &BanBody) -> Order {
    Order::Ban {
        tenant: tenant.name.to_string(),
        subject,
        seconds: body.seconds.0,
        less_ms: 0,
        at_least: false,
        stamp: None,
    }
}

fn unban(tenant: &Tenant, subject: BanSubject) -> Order {
    Order::Unban {
        tenant: tenant.name.to_string(),
        subject,
        stamp: None,
    }
}

//! Reads, pushes and deletes the configs of tenants. What is wanted is stored first; then every node is asked what became of
//! it. A node that does not answer brings itself up to date later.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout_at};

use crate::control::{NodeReport, Order, Report};
use crate::gateway::api::answer::{TomlDocument, Versioned};
use crate::gateway::api::call_tenant::TenantName;
use crate::gateway::api::context::Api;
use crate::gateway::api::endpoint::{AdminCall, BodyMedia, Endpoint, Nothing, Verb};
use crate::gateway::api::precondition::{EntityTags, Precondition};
use crate::gateway::api::problem::{
    BAD_TENANT, CONFIGURED_TENANT, OTHER_VERSION, ProblemDetails, ProblemKind, TOO_MANY_TENANTS, UNAVAILABLE,
    UNKNOWN_TENANT,
};
use crate::pushed::{NameClaimed, PushRefused, TenantOutcome};
use backplane::Unavailable;
use config::Scope;
use printable::printable;
use sluicegate_contract::hex;
use tenant_store::{ChangeRefused, ExpectedVersion, FILE_BYTES, StoreUnavailable, TenantVersion};

/// What is kept of the call's time for its answer.
const ANSWER_TIME: Duration = Duration::from_millis(250);
const PATH: &str = "/tenants/{tenant}/config";
/// Problems of a tenant that are answered at most.
const SHOWN_PROBLEMS: usize = 100;
/// Bytes that are shown of a problem's key.
const KEY_BYTES: usize = 1_024;

pub(super) struct ReadTenantConfig;
pub(super) struct PushTenantConfig;
pub(super) struct DeleteTenantConfig;

/// The file of a tenant. In the audit log only its digest: it holds secrets.
#[derive(Deserialize)]
pub(super) struct TenantToml(String);

impl Serialize for TenantToml {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("TenantToml", 2)?;
        fields.serialize_field("sha256", &hex::encode(&Sha256::digest(&self.0)))?;
        fields.serialize_field("bytes", &self.0.len())?;
        fields.end()
    }
}

impl JsonSchema for TenantToml {
    fn schema_name() -> Cow<'static, str> {
        "TenantToml".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "title": format!("TOML of at most {FILE_BYTES} bytes"),
            "description": "The content of one [[tenants]] table, as a file of `server.tenants_dir` has it.",
            "maxLength": FILE_BYTES,
            "x-maxBytes": FILE_BYTES,
            "examples": ["hosts = []\nanonymous = true\n"],
        })
    }
}

/// What became of a tenant.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PushedAnswer {
    tenant: String,
    /// The version that is wanted on all nodes from now on, as in `ETag`.
    version: String,
    /// The nodes that live.
    nodes: Vec<NodeOutcome>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct NodeOutcome {
    node: String,
    /// Whether this version, or a later one, is in force there; of a deletion, whether the tenant is gone.
    done: bool,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Endpoint for ReadTenantConfig {
    const NAME: &'static str = "readTenantConfig";
    const VERB: Verb = Verb::Get;
    const PATH: &'static str = PATH;
    const SUMMARY: &'static str = "Read the config of a pushed tenant, without its secrets.";
    const SCOPE: Scope = Scope::Tenants;
    const PROBLEMS: &'static [ProblemKind] = &[UNKNOWN_TENANT, CONFIGURED_TENANT, UNAVAILABLE];
    type Tenant = TenantName;
    type Path = Nothing;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = TomlDocument;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<TomlDocument, ProblemDetails> {
        let TenantName(name) = &call.tenant;
        let found = api.pushed.find(name).await.map_err(unavailable)?;
        let Some((version, text)) = found else {
            return Err(not_pushed(&api, name));
        };
        Ok(TomlDocument {
            version: version.to_string(),
            text,
        })
    }
}

impl Endpoint for PushTenantConfig {
    const NAME: &'static str = "pushTenantConfig";
    const VERB: Verb = Verb::Put;
    const PATH: &'static str = PATH;
    const SUMMARY: &'static str = "Create a tenant, or replace its config, on all nodes.";
    const SCOPE: Scope = Scope::Tenants;
    const PROBLEMS: &'static [ProblemKind] = &[
        CONFIGURED_TENANT,
        TOO_MANY_TENANTS,
        OTHER_VERSION,
        BAD_TENANT,
        UNAVAILABLE,
    ];
    const BODY: BodyMedia = BodyMedia::Toml { bytes: FILE_BYTES };
    const CONDITIONAL: bool = true;
    const IN_TURN: bool = true;
    type Tenant = TenantName;
    type Path = Nothing;
    type Query = Nothing;
    type Body = TenantToml;
    type Answer = Versioned<PushedAnswer>;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<Versioned<PushedAnswer>, ProblemDetails> {
        let TenantName(name) = &call.tenant;
        let put = api.pushed.put(name, &call.body.0, expected(&call.precondition)).await;
        let (version, here) = put.map_err(|refused| problem(refused, name))?;
        let is_done = move |there: Option<TenantVersion>| there.is_some_and(|there| there >= version);
        Ok(answer(&api, name, version, here, is_done, call.until).await)
    }
}

impl Endpoint for DeleteTenantConfig {
    const NAME: &'static str = "deleteTenantConfig";
    const VERB: Verb = Verb::Delete;
    const PATH: &'static str = PATH;
    const SUMMARY: &'static str = "Delete a pushed tenant on all nodes, and send its clients away.";
    const SCOPE: Scope = Scope::Tenants;
    const PROBLEMS: &'static [ProblemKind] = &[UNKNOWN_TENANT, CONFIGURED_TENANT, OTHER_VERSION, UNAVAILABLE];
    const CONDITIONAL: bool = true;
    type Tenant = TenantName;
    type Path = Nothing;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = Versioned<PushedAnswer>;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<Versioned<PushedAnswer>, ProblemDetails> {
        let TenantName(name) = &call.tenant;
        let deleted = api.pushed.delete(name, expected(&call.precondition)).await;
        let (version, here) = deleted.map_err(|refused| problem(refused, name))?;
        let is_done = move |there: Option<TenantVersion>| there.is_none_or(|there| there >= version);
        Ok(answer(&api, name, version, here, is_done, call.until).await)
    }
}

/// Asks all nodes what became of a change, for as long as the caller waits.
async fn answer(
    api: &Api,
    name: &Arc<str>,
    version: TenantVersion,
    here: TenantOutcome,
    is_done: impl Fn(Option<TenantVersion>) -> bool,
    until: Instant,
) -> Versioned<PushedAnswer> {
    let order = Order::ReadTenant {
        tenant: name.to_string(),
    };
    let reports = timeout_at(until - ANSWER_TIME, api.bus.ask(order)).await;
    let nodes = match reports {
        Ok(Ok(reports)) => reports.into_iter().map(|report| outcome(report, &is_done)).collect(),
        // It is stored, and other nodes will find it: only what they make of it is not known.
        Ok(Err(_)) | Err(_) => vec![NodeOutcome {
            node: api.node.to_string(),
            done: here.hindrance.is_none(),
            reason: here.hindrance,
        }],
    };
    Versioned {
        version: version.to_string(),
        answer: PushedAnswer {
            tenant: name.to_string(),
            version: version.to_string(),
            nodes,
        },
    }
}

fn outcome(report: NodeReport, is_done: impl Fn(Option<TenantVersion>) -> bool) -> NodeOutcome {
    let reason = match report.result {
        Ok(Report::Tenant { version, hindrance }) => {
            let version = version.and_then(|version| version.parse().ok());
            hindrance.or_else(|| (!is_done(version)).then(|| "it has an earlier version".to_owned()))
        }
        Ok(_) => Some("it answered something else".to_owned()),
        Err(why) => Some(why),
    };
    NodeOutcome {
        node: report.node,
        done: reason.is_none(),
        reason,
    }
}

fn expected(precondition: &Precondition) -> ExpectedVersion {
    match precondition {
        Precondition {
            if_match: None,
            if_none_match: false,
        } => ExpectedVersion::Any,
        Precondition {
            if_match: None,
            if_none_match: true,
        } => ExpectedVersion::Absent,
        Precondition {
            if_match: Some(EntityTags::Any),
            if_none_match: false,
        } => ExpectedVersion::Present,
        Precondition {
            if_match: Some(EntityTags::These(tags)),
            if_none_match: false,
        } => ExpectedVersion::OneOf(tags.iter().filter_map(|tag| tag.parse().ok()).collect()),
        // There has to be one, and none.
        Precondition { if_match: Some(_), .. } => ExpectedVersion::OneOf(Vec::new()),
    }
}

fn problem(refused: PushRefused, name: &str) -> ProblemDetails {
    match refused {
        PushRefused::Configured => CONFIGURED_TENANT.because(configured(name)),
        PushRefused::Bad(problems) => {
            let shown = problems.iter().take(SHOWN_PROBLEMS).map(problem_of).collect();
            bad_tenant(shown, problems.iter().len())
        }
        PushRefused::Ending => unavailable(StoreUnavailable(refused.to_string())),
        PushRefused::Store(refused) => match refused {
            ChangeRefused::OtherVersion { present } => {
                let version = present.map_or(Value::Null, |version| version.to_string().into());
                let problem = OTHER_VERSION.because(refused.to_string());
                if present.is_some() {
                    problem.with("version", version)
                } else {
                    problem
                }
            }
            ChangeRefused::Absent => UNKNOWN_TENANT.because(format!("no tenant {name:?} was pushed")),
            ChangeRefused::Claimed { claim, .. } => bad_tenant(vec![claimed(&claim)], 1),
            ChangeRefused::TooMany(_) | ChangeRefused::TooLarge(_) => TOO_MANY_TENANTS.because(refused.to_string()),
            ChangeRefused::Unavailable(error) => unavailable(error),
        },
    }
}

fn problem_of(problem: &config::Problem) -> Value {
    let place = problem.place();
    let mut value = json!({ "key": printable(place.key(), KEY_BYTES), "reason": problem.text() });
    if let Some(line) = place.line() {
        value["line"] = line.into();
    }
    value
}

/// Another pushed tenant has it. Whose it is is nobody's business.
fn claimed(claim: &str) -> Value {
    let (key, reason) = match NameClaimed::read(claim) {
        NameClaimed::Host(host) => ("hosts", format!("the host {host:?} is another tenant's")),
        NameClaimed::Name(_) => ("name", "another tenant's name differs from it by case only".to_owned()),
    };
    json!({ "key": key, "reason": reason })
}

/// `count` problems, of which the first are `problems`.
fn bad_tenant(problems: Vec<Value>, count: usize) -> ProblemDetails {
    let detail = match count {
        1 => "there is a problem, and nothing was changed".to_owned(),
        _ if count > problems.len() => {
            format!("there are {count} problems or more, and nothing was changed; here are the first")
        }
        _ => format!("there are {count} problems, and nothing was changed"),
    };
    BAD_TENANT.because(detail).with("problems", problems.into())
}

fn not_pushed(api: &Api, name: &str) -> ProblemDetails {
    if api.pushed.is_configured(name) {
        return CONFIGURED_TENANT.because(configured(name));
    }
    UNKNOWN_TENANT.because(format!("no tenant {name:?} was pushed"))
}

fn configured(name: &str) -> String {
    format!("the tenant {name:?} is in this node's files, which are changed on its disk")
}

fn unavailable(error: StoreUnavailable) -> ProblemDetails {
    Unavailable(error.to_string()).into()
}

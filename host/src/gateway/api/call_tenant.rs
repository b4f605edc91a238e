//! The tenant that a call's path names: one that there is, or one that may come to be.

use std::sync::Arc;

use serde_json::{Value, json};

use super::context::Api;
use super::problem::{BAD_PATH, ProblemDetails, ProblemKind, UNKNOWN_TENANT};
use config::{NAME_RULE, Tenant, is_name};

/// What an endpoint needs of the tenant in its path.
pub(super) trait CallTenant: Sized + Send {
    /// The problem of one that does not serve, beside a path that is none.
    const PROBLEMS: &'static [ProblemKind];

    /// What its name may be, for the document.
    fn schema() -> Value;

    fn find(api: &Api, name: &str) -> Result<Self, ProblemDetails>;

    /// Bytes of a message that it allows.
    fn message_bytes(&self) -> usize;
}

impl CallTenant for Arc<Tenant> {
    const PROBLEMS: &'static [ProblemKind] = &[UNKNOWN_TENANT];

    fn schema() -> Value {
        json!({ "type": "string", "minLength": 1 })
    }

    fn find(api: &Api, name: &str) -> Result<Self, ProblemDetails> {
        let tenant = api.gateway.directory.named(name);
        tenant.ok_or_else(|| UNKNOWN_TENANT.because(format!("there is no tenant {name:?}")))
    }

    fn message_bytes(&self) -> usize {
        self.limits.message_bytes
    }
}

/// The name of a tenant, whether there is one or not.
pub(super) struct TenantName(pub Arc<str>);

impl CallTenant for TenantName {
    const PROBLEMS: &'static [ProblemKind] = &[];

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$" })
    }

    fn find(_: &Api, name: &str) -> Result<Self, ProblemDetails> {
        if !is_name(name) {
            return Err(BAD_PATH.because(format!("{name:?} is not a tenant's name: {NAME_RULE}")));
        }
        Ok(Self(name.into()))
    }

    fn message_bytes(&self) -> usize {
        0
    }
}

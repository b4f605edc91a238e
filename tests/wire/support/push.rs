//! Tenants as an operator's server pushes them.

use super::admin::{Answer, KEY, request_with};
use super::broker::Broker;
use super::token;
use serde_json::{Value, json};

/// A tenant whose users bring tokens that are signed with this secret, and may do everything. `more`: lines before its
/// chain.
pub(crate) fn keyed(secret: &str, more: &str) -> String {
    format!(
        r#"
        default = "allow"
        {more}
        [[chain]]
        plugin = "authorize"
        hooks = ["connect"]
        deadline_ms = 1000
        config = {{ keys = [{{ alg = "HS256", secret = "{secret}" }}] }}
        "#
    )
}

/// A token for `user` that is signed with this secret.
pub(crate) fn token_by(secret: &str, user: &str) -> String {
    let claims = json!({ "sub": user, "exp": token::seconds(3600) });
    token::hs256(secret.as_bytes(), &json!({ "alg": "HS256", "typ": "JWT" }), &claims)
}

impl Answer {
    /// The entity tag, with its quotes.
    #[track_caller]
    pub(crate) fn tag(&self) -> String {
        assert_eq!(self.response.status, 200, "{self:?}");
        self.response.header("etag").expect("an ETag").to_owned()
    }

    /// The keys and reasons of a tenant that does not check out.
    #[track_caller]
    pub(crate) fn problems(self) -> Vec<(String, String)> {
        let problem = self.problem(422, "bad_tenant");
        let problems = problem["problems"].as_array().expect("a list").iter();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        problems.map(|one| (text(&one["key"]), text(&one["reason"]))).collect()
    }
}

impl Broker {
    /// Pushes a tenant, whatever is there.
    pub(crate) async fn push(&self, tenant: &str, text: &str) -> Answer {
        self.push_if(tenant, text, "").await
    }

    /// Pushes a tenant under conditions: lines of headers.
    pub(crate) async fn push_if(&self, tenant: &str, text: &str, headers: &str) -> Answer {
        self.config_call(KEY, "PUT", tenant, headers, text).await
    }

    /// Deletes a tenant.
    pub(crate) async fn delete(&self, tenant: &str) -> Answer {
        self.config_call(KEY, "DELETE", tenant, "", "").await
    }

    /// Reads a tenant.
    pub(crate) async fn pushed(&self, tenant: &str) -> Answer {
        self.config_call(KEY, "GET", tenant, "", "").await
    }

    /// A call about the config of a tenant.
    pub(crate) async fn config_call(&self, key: &str, method: &str, tenant: &str, headers: &str, body: &str) -> Answer {
        let path = format!("/tenants/{tenant}/config");
        request_with(self.admin, method, &path, Some(key), headers, body.as_bytes()).await
    }

    /// Pushes a tenant that is in force everywhere when it is answered.
    pub(crate) async fn push_everywhere(&self, tenant: &str, text: &str) -> String {
        let answer = self.push(tenant, text).await;
        let tag = answer.tag();
        let nodes = answer.json["nodes"].as_array().expect("a list");
        assert!(nodes.iter().all(|node| node["done"] == true), "{answer:?}");
        tag
    }
}

//! The settings as the operator writes them. Knows their shape, not what makes them work together.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Settings of the plugin authorize.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The keys that a token may be signed with. Without one, every token is refused.
    #[serde(default)]
    pub keys: Vec<KeySettings>,
    /// What `iss` must be. Not given: it is not looked at.
    pub issuer: Option<String>,
    /// What `aud` must be or hold. Not given: it is not looked at.
    pub audience: Option<String>,
    /// How far the clocks of issuer and broker may differ, in seconds; at most an hour.
    #[serde(default = "default_leeway")]
    #[schemars(range(max = 3600))]
    pub leeway_seconds: u64,
    /// Whether a token must say when it ends. False accepts sessions that never do.
    #[serde(default = "default_require_exp")]
    pub require_exp: bool,
    /// How far off `exp` may be at most, in seconds; a token that is good for longer is refused. A token without `exp`, if those
    /// are accepted, is good for so long. Not given: it is not looked at.
    #[schemars(range(min = 1, max = 315_360_000))]
    pub max_session_seconds: Option<u64>,
    /// For how long an allowed publish of a session to a channel is not asked about again, in seconds; a new
    /// token or config ends it. 0: every time anew.
    #[serde(default = "default_cache")]
    #[schemars(range(max = 3600))]
    pub cache_seconds: u32,
    /// Who may do what in which channels. What no rule allows is denied.
    #[serde(default)]
    pub rules: Vec<RuleSettings>,
}

fn default_leeway() -> u64 {
    30
}

fn default_cache() -> u32 {
    60
}

fn default_require_exp() -> bool {
    true
}

/// One key (`alg` with `secret` or `public_pem`), or a set of them (`jwks`).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeySettings {
    /// The one algorithm that this key is for.
    pub alg: Option<Algorithm>,
    /// HS: the shared secret, at least 16 bytes; 32 or more are recommended.
    #[schemars(extend("writeOnly" = true))]
    pub secret: Option<String>,
    /// RS, PS, ES, `EdDSA`: the public key as PEM text.
    pub public_pem: Option<String>,
    /// A JWK Set as JSON text. `use`, `kid` and `alg` are taken from its keys.
    pub jwks: Option<String>,
    /// The name of this key. A token that names another is not tried with it.
    pub kid: Option<String>,
}

/// The algorithms that can be configured; `none` is not one of them.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
    /// RSA PKCS#1 v1.5 with SHA-256.
    RS256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    RS384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    RS512,
    /// RSA PSS with SHA-256.
    PS256,
    /// RSA PSS with SHA-384.
    PS384,
    /// RSA PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// ECDSA on P-521 with SHA-512.
    ES512,
    /// Ed25519.
    EdDSA,
}

/// What the sessions that fit may do in the channels that fit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleSettings {
    /// A channel pattern; `{user}` and `{claim:NAME}` are filled from the session.
    pub channels: String,
    /// What is allowed.
    pub allow: Vec<Action>,
    /// Claims that the session must have, each equal to the value here or a list that holds it.
    #[serde(default)]
    pub when: BTreeMap<String, Scalar>,
}

/// Something that a session does in a channel.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Listen.
    Subscribe,
    /// Send.
    Publish,
    /// Ask who is present.
    Presence,
    /// Read and recover history.
    History,
}

/// The value of a claim.
#[derive(Clone, Debug, Deserialize, PartialEq, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// Text.
    Text(String),
}

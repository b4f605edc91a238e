//! Development tokens: JSON Web Tokens (RFC 7519) signed with a tenant's own HS256 key. Knows where the
//! authorize plugin's settings keep keys, and asks no plugin.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;
use sluicegate_contract::verdict;
use thiserror::Error;

use config::{ChainEntry, Problem, Settings, Tenant};

/// Claims for the user and the lifetime. They come from the arguments alone.
const RESERVED: [&str; 3] = ["sub", "iat", "exp"];

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MintError {
    /// No plugin of the tenant's chain has an HS256 key with a secret.
    #[error(
        "the chain of tenant {0:?} has no HS256 key: no entry's config has keys = [{{ alg = \"HS256\", secret = … }}]"
    )]
    NoKey(String),
    /// The string stands elsewhere and cannot be taken.
    #[error("{0}")]
    Elsewhere(Problem),
    /// The user's name is none that plugins accept.
    #[error("a user {0}")]
    User(String),
    /// `claims` has a claim that the arguments set.
    #[error("the claim {0:?} is set by the user and the time to live")]
    Reserved(&'static str),
    /// The clock shows a time before 1970.
    #[error("the clock stands before 1970")]
    Clock,
}

/// A token for `user` of `tenant` that is valid from `now` for `ttl` (in whole seconds), signed with the
/// first HS256 key in the tenant's chain.
///
/// `claims` are added unchanged; `sub`, `iat` and `exp` are refused in them. If the settings with the key have
/// an `issuer` or an `audience`, `iss` and `aud` are added, unless `claims` has them.
///
/// # Errors
/// As [`MintError`] says.
pub fn mint(
    tenant: &Tenant,
    user: &str,
    claims: Option<&Map<String, Value>>,
    ttl: Duration,
    now: SystemTime,
) -> Result<String, MintError> {
    verdict::check_user(user).map_err(MintError::User)?;
    let mut payload = claims.cloned().unwrap_or_default();
    if let Some(claim) = RESERVED.into_iter().find(|claim| payload.contains_key(*claim)) {
        return Err(MintError::Reserved(claim));
    }
    let key = Key::first(tenant)?.ok_or_else(|| MintError::NoKey(tenant.name.to_string()))?;
    let now = now.duration_since(UNIX_EPOCH).map_err(|_| MintError::Clock)?;

    for (claim, setting) in [("iss", "issuer"), ("aud", "audience")] {
        if payload.contains_key(claim) {
            continue;
        }
        if let Some(wanted) = key.settings.text(&format!("/{setting}")) {
            payload.insert(claim.to_owned(), taken(wanted)?.into());
        } else if let Some(wanted) = key.settings.written().get(setting) {
            payload.insert(claim.to_owned(), wanted.clone());
        }
    }
    payload.insert("sub".to_owned(), user.into());
    payload.insert("iat".to_owned(), now.as_secs().into());
    payload.insert("exp".to_owned(), now.as_secs().saturating_add(ttl.as_secs()).into());
    Ok(key.sign(&Value::Object(payload)))
}

/// An HS256 key and the settings that contain it.
struct Key<'a> {
    secret: &'a str,
    id: Option<&'a str>,
    settings: &'a Settings,
}

fn taken<'a>(text: Result<&'a str, &Problem>) -> Result<&'a str, MintError> {
    text.map_err(|problem| MintError::Elsewhere(problem.clone()))
}

impl<'a> Key<'a> {
    fn first(tenant: &'a Tenant) -> Result<Option<Self>, MintError> {
        for ChainEntry { settings, .. } in &tenant.chain {
            let keys = settings.written().get("keys").and_then(Value::as_array);
            for index in 0..keys.map_or(0, Vec::len) {
                let text = |name| settings.text(&format!("/keys/{index}/{name}")).map(taken).transpose();
                if text("alg")? != Some("HS256") {
                    continue;
                }
                if let Some(secret) = text("secret")? {
                    let id = text("kid")?;
                    return Ok(Some(Self { secret, id, settings }));
                }
            }
        }
        Ok(None)
    }

    /// `payload` in the compact form of RFC 7515.
    fn sign(&self, payload: &Value) -> String {
        let mut header = json!({ "alg": "HS256", "typ": "JWT" });
        if let Some(id) = self.id {
            header["kid"] = id.into();
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(payload));
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(signed.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        format!("{signed}.{signature}")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn tenant(settings: &str) -> Arc<Tenant> {
        let text = format!(
            "plugins.other.file = \"o\"\nplugins.authorize.file = \"a\"\n[[tenants]]\nname = \"acme\"\n\
             [[tenants.chain]]\nplugin = \"other\"\nconfig = {{ keys = 3 }}\n\
             [[tenants.chain]]\nplugin = \"authorize\"\n[tenants.chain.config]\n{settings}"
        );
        let config = config::parse(Path::new("sg.toml"), &text).expect("a good config");
        config.tenants[0].clone()
    }

    fn claims(value: Value) -> Map<String, Value> {
        let Value::Object(claims) = value else {
            panic!("an object")
        };
        claims
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// The header and the payload of a token for ann, minted at 1,700,000,000.
    fn read(tenant: &Tenant, extra: Value) -> (Value, Value) {
        let token = mint(tenant, "ann", Some(&claims(extra)), HOUR, at(1_700_000_000)).expect("a token");
        let part = |n| {
            let bytes = URL_SAFE_NO_PAD
                .decode(token.split('.').nth(n).expect("three parts"))
                .expect("base64");
            serde_json::from_slice::<Value>(&bytes).expect("JSON")
        };
        (part(0), part(1))
    }

    /// The expected text was made with Python's `hmac`, `hashlib` and `base64`.
    #[test]
    fn signs_as_others_do() {
        let tenant = tenant("keys = [{ alg = \"HS256\", secret = \"a-shared-secret\" }]");
        let token = mint(
            &tenant,
            "ann",
            Some(&claims(json!({ "role": "admin" }))),
            HOUR,
            at(1_700_000_000),
        );
        assert_eq!(token.as_deref(), Ok(EXPECTED));
    }

    const EXPECTED: &str = concat!(
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.",
        "eyJleHAiOjE3MDAwMDM2MDAsImlhdCI6MTcwMDAwMDAwMCwicm9sZSI6ImFkbWluIiwic3ViIjoiYW5uIn0.",
        "Ptf2F2OlQbp7ltxGI6hW1RHMj7c0kzjbDqmicOWoUes",
    );

    #[test]
    fn takes_the_first_key_that_can_sign() {
        let tenant = tenant(
            "keys = [{ alg = \"RS256\", public_pem = \"x\" }, { alg = \"HS256\" }, { alg = \"HS256\", secret = \"s\", kid = \"k1\" },
             { alg = \"HS256\", secret = \"t\" }]",
        );
        let (header, payload) = read(&tenant, json!({}));
        assert_eq!(header, json!({ "alg": "HS256", "typ": "JWT", "kid": "k1" }));
        assert_eq!(
            payload,
            json!({ "sub": "ann", "iat": 1_700_000_000, "exp": 1_700_003_600 })
        );
    }

    #[test]
    fn fills_in_what_the_plugin_wants() {
        let tenant = tenant("issuer = \"https://id\"\naudience = \"sg\"\nkeys = [{ alg = \"HS256\", secret = \"s\" }]");
        let (_, payload) = read(&tenant, json!({ "aud": "other", "role": ["x"] }));
        let expected = json!({ "sub": "ann", "iat": 1_700_000_000, "exp": 1_700_003_600, "iss": "https://id", "aud": "other", "role": ["x"] });
        assert_eq!(payload, expected);
    }

    #[test]
    fn refuses_what_would_not_hold() {
        let good = tenant("keys = [{ alg = \"HS256\", secret = \"s\" }]");
        let keyless = tenant("keys = [{ jwks = \"{}\" }]");
        assert_eq!(
            mint(&keyless, "ann", None, HOUR, at(1)),
            Err(MintError::NoKey("acme".into()))
        );
        for user in ["", &"x".repeat(256), "a\nb"] {
            let minted = mint(&good, user, None, HOUR, at(1));
            assert!(matches!(minted, Err(MintError::User(_))), "{user:?}: {minted:?}");
        }
        for claim in RESERVED {
            let claims = claims(json!({ claim: 1 }));
            assert_eq!(
                mint(&good, "ann", Some(&claims), HOUR, at(1)),
                Err(MintError::Reserved(claim))
            );
        }
        assert_eq!(mint(&good, "ann", None, HOUR, UNIX_EPOCH - HOUR), Err(MintError::Clock));
    }
}

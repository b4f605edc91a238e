//! The keys of the config: which of them a request brings, and whether it is good for the call.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::HeaderMap;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tokio::sync::Semaphore;

use super::problem::{BAD_KEY, MISSING_SCOPE, NO_KEYS, OTHER_ADDRESS, OTHER_TENANT, ProblemDetails};
use crate::gateway::bearer;
use config::{Admin, AdminKey, Scope};

/// Bytes of a key at least. `sluicegate admin-key` makes keys of 32 random bytes. Such a key needs neither salt nor a slow
/// hash, because whoever has its SHA-256 would have to try 2^256 keys. A password would need both, so what is shorter is
/// refused even if its hash is in the config.
const KEY_BYTES: usize = 32;

/// Calls with one key that are carried out at once; one more is answered 503. Slow bodies of one key take nobody else's places.
pub(super) const CALLS: usize = 16;

/// A key and the places of its calls.
#[derive(Debug)]
pub(super) struct KeyPlaces {
    pub key: AdminKey,
    /// A permit for each of [`CALLS`].
    pub calls: Arc<Semaphore>,
    /// The one permit for calls that are carried out one after the other.
    pub turn: Semaphore,
}

pub(super) struct AdminKeys(Vec<Arc<KeyPlaces>>);

impl AdminKeys {
    pub(super) fn new(admin: &Admin) -> Self {
        let keys = admin.keys.iter().map(|key| {
            Arc::new(KeyPlaces {
                key: key.clone(),
                calls: Arc::new(Semaphore::new(CALLS)),
                turn: Semaphore::new(1),
            })
        });
        Self(keys.collect())
    }

    /// The key that a request brings.
    pub(super) fn of(&self, headers: &HeaderMap) -> Result<Arc<KeyPlaces>, ProblemDetails> {
        if self.0.is_empty() {
            return Err(NO_KEYS.because("the config has no [[admin.keys]]; `sluicegate admin-key` makes one"));
        }
        let key = bearer::header_token(headers).map_err(|error| BAD_KEY.because(error.to_string()))?;
        let Some(key) = key else {
            return Err(BAD_KEY.because("send a key: Authorization: Bearer KEY"));
        };
        if key.len() < KEY_BYTES {
            return Err(BAD_KEY.because(format!("a key has at least {KEY_BYTES} bytes")));
        }
        self.find(&key).ok_or_else(|| BAD_KEY.because("this key is not known"))
    }

    /// Compares with every key in full, so that the time it takes tells nothing of how near a guess was.
    fn find(&self, key: &str) -> Option<Arc<KeyPlaces>> {
        let hash: [u8; 32] = Sha256::digest(key).into();
        let (mut found, mut place) = (Choice::from(0), 0u32);
        for (index, known) in (0u32..).zip(&self.0) {
            let same = known.key.sha256.ct_eq(&hash);
            place.conditional_assign(&index, same);
            found |= same;
        }
        let place = usize::try_from(place).ok()?;
        bool::from(found).then(|| self.0[place].clone())
    }
}

/// Whether a key is good now, for a call from there. Said to whom has the key, so it may be told.
pub(super) fn check_holder(key: &AdminKey, remote: Option<SocketAddr>, now_ms: u64) -> Result<(), ProblemDetails> {
    if key.expires_ms.is_some_and(|end| end <= now_ms) {
        return Err(BAD_KEY.because(format!("the key {:?} has expired", &*key.name)));
    }
    let Some(ranges) = &key.addresses else { return Ok(()) };
    let is_within = |remote: SocketAddr| ranges.iter().any(|range| range.contains(remote.ip()));
    if remote.is_some_and(is_within) {
        return Ok(());
    }
    Err(OTHER_ADDRESS.because(format!("the key {:?} is not good from this address", &*key.name)))
}

/// Whether a key is good for a scope of a tenant. The tenant is checked first, and before it is looked up, so that a key
/// does not learn which other tenants there are.
pub(super) fn check(key: &AdminKey, scope: Scope, tenant: &str) -> Result<(), ProblemDetails> {
    if let Some(tenants) = &key.tenants
        && !tenants.iter().any(|name| **name == *tenant)
    {
        return Err(OTHER_TENANT.because(format!("the key {:?} does not name this tenant", &*key.name)));
    }
    if !key.scopes.contains(&scope) {
        let detail = format!("the key {:?} lacks the scope {:?}", &*key.name, scope.name());
        return Err(MISSING_SCOPE.because(detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use axum::http::header::AUTHORIZATION;

    use super::*;

    fn key(name: &str, secret: &str, tenants: Option<&[&str]>) -> AdminKey {
        AdminKey {
            name: name.into(),
            sha256: Sha256::digest(secret).into(),
            scopes: vec![Scope::Read],
            tenants: tenants.map(|names| names.iter().map(|name| Arc::from(*name)).collect()),
            expires_ms: None,
            addresses: None,
        }
    }

    fn keys() -> AdminKeys {
        let secrets = ["a", "b", "short"];
        let keys = secrets.map(|secret| match secret {
            "short" => key(secret, secret, None),
            _ => key(secret, &secret.repeat(32), None),
        });
        AdminKeys::new(&Admin {
            keys: keys.into(),
            ..Admin::default()
        })
    }

    fn found(authorization: &str) -> Result<String, &'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
        let key = keys().of(&headers).map_err(|problem| problem.kind.code)?;
        Ok(key.key.name.to_string())
    }

    #[test]
    fn finds_the_key_and_no_other() {
        for secret in ["a", "b"] {
            assert_eq!(found(&format!("Bearer {}", secret.repeat(32))), Ok(secret.to_owned()));
        }
        let wrong = [
            "c".repeat(32),
            "a".repeat(33),
            "a".repeat(31),
            "short".into(),
            String::new(),
        ];
        for secret in wrong {
            assert_eq!(found(&format!("Bearer {secret}")), Err("bad_key"), "{secret}");
        }
        assert_eq!(found(&format!("Basic {}", "a".repeat(32))), Err("bad_key"));
        assert_eq!(keys().of(&HeaderMap::new()).unwrap_err().kind.code, "bad_key");
        let none = AdminKeys::new(&Admin::default());
        assert_eq!(none.of(&HeaderMap::new()).unwrap_err().kind.code, "no_keys");
    }

    #[test]
    fn a_key_is_good_until_its_end_and_from_its_addresses() {
        let limited = AdminKey {
            expires_ms: Some(1_000),
            addresses: Some(vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()]),
            ..key("ops", "x", None)
        };
        for (address, now_ms, expected) in [
            (Some("192.0.2.7"), 999, Ok(())),
            (Some("::ffff:192.0.2.7"), 999, Ok(())),
            (Some("2001:db8::7"), 999, Ok(())),
            (Some("192.0.3.7"), 999, Err("other_address")),
            (Some("2001:db9::7"), 999, Err("other_address")),
            (None, 999, Err("other_address")),
            (Some("192.0.2.7"), 1_000, Err("bad_key")),
        ] {
            let remote = address.map(|address| SocketAddr::new(address.parse().unwrap(), 1));
            let checked = check_holder(&limited, remote, now_ms).map_err(|problem| problem.kind.code);
            assert_eq!(checked, expected, "{address:?} {now_ms}");
        }
        assert!(check_holder(&key("ops", "x", None), None, u64::MAX).is_ok());
    }

    #[test]
    fn a_key_is_good_for_its_tenants_and_scopes() {
        let code = |key: &AdminKey, scope, tenant| check(key, scope, tenant).map_err(|problem| problem.kind.code);
        let acme = key("ops", "x", Some(&["acme"]));
        assert_eq!(code(&acme, Scope::Read, "acme"), Ok(()));
        assert_eq!(code(&acme, Scope::Ban, "acme"), Err("missing_scope"));
        assert_eq!(code(&acme, Scope::Read, "other"), Err("other_tenant"));
        assert_eq!(code(&key("all", "x", None), Scope::Read, "other"), Ok(()));
    }
}

//! `[admin]`: who may use the admin API, who may read what needs no key, and where calls are written down.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use client_address::AddressRange;
use wall_clock::now_ms;

use super::instant::moment_ms;
use super::name::{NAME_RULE, is_name};
use super::open_pages::OpenPages;
use super::plugins::digest;
use super::proxies::address_ranges;
use super::references::References;
use super::section::{Section, Value};

/// Keys at most: each call is compared with all of them.
const KEYS: usize = 1_000;

/// The admin API's settings.
#[derive(Clone, Debug, Default)]
pub struct Admin {
    /// Who may use it. None: nobody.
    pub keys: Vec<AdminKey>,
    /// Where calls are written down; none writes them to the log.
    pub audit_log: Option<PathBuf>,
    /// Who may read what needs no key.
    pub open_pages: OpenPages,
}

/// A key of the admin API, as a hash.
#[derive(Clone)]
pub struct AdminKey {
    /// Whose it is, for the audit log; unique.
    pub name: Arc<str>,
    /// SHA-256 of the key.
    pub sha256: [u8; 32],
    /// What it is good for.
    pub scopes: Vec<Scope>,
    /// Of which tenants; none is all there are.
    pub tenants: Option<Vec<Arc<str>>>,
    /// When it ends, in milliseconds since the Unix epoch.
    pub expires_ms: Option<u64>,
    /// Where calls with it may come from; none is everywhere.
    pub addresses: Option<Vec<AddressRange>>,
}

impl fmt::Debug for AdminKey {
    /// Without the hash: it belongs in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminKey")
            .field("name", &self.name)
            .field("scopes", &self.scopes)
            .field("tenants", &self.tenants)
            .field("expires_ms", &self.expires_ms)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

/// What a key may be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Say something in channels.
    Publish,
    /// Read channels, their presence and history, and counts.
    Read,
    /// See and end connections and subscriptions.
    Connections,
    /// Refuse users, and no longer.
    Ban,
    /// Read, push and delete tenants.
    Tenants,
}

impl Scope {
    pub const ALL: [Self; 5] = [Self::Publish, Self::Read, Self::Connections, Self::Ban, Self::Tenants];

    /// Its name in the config.
    pub fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Read => "read",
            Self::Connections => "connections",
            Self::Ban => "ban",
            Self::Tenants => "tenants",
        }
    }
}

pub(super) fn read(mut section: Section<'_>, base: &Path, references: &mut References) -> Admin {
    let mut keys: Vec<(AdminKey, Value<'_>)> = Vec::new();
    let items = section.list("keys");
    if let Some(one_too_many) = items.get(KEYS) {
        one_too_many.problem("is one key too many", format!("there are at most {KEYS}"));
    }
    for item in items {
        let Some(key) = key(&item, references) else { continue };
        if let Some((_, first)) = keys.iter().find(|(other, _)| other.name == key.name) {
            twice(&item, first, "name");
        } else if let Some((_, first)) = keys.iter().find(|(other, _)| other.sha256 == key.sha256) {
            twice(&item, first, "hash");
        }
        keys.push((key, item));
    }
    let audit_log = section.value("audit_log").and_then(|value| file(&value));
    let open_pages = OpenPages::read(&mut section);
    section.finish();
    Admin {
        open_pages,
        keys: keys.into_iter().map(|(key, _)| key).collect(),
        audit_log: audit_log.map(|file| base.join(file)),
    }
}

fn key(item: &Value<'_>, references: &mut References) -> Option<AdminKey> {
    let mut section = item.section();
    let name = section.need("name").and_then(|value| name(&value));
    let sha256 = section.need("sha256").and_then(|value| key_digest(&value));
    let scopes = section.need("scopes").map(|value| scopes(&value));
    let tenants = section.value("tenants").map(|value| named(&value, references));
    let expires_ms = section.value("expires").and_then(|value| end(&value));
    let addresses = section.value("addresses").map(|value| address_ranges(&value));
    section.finish();
    Some(AdminKey {
        name: name?.into(),
        sha256: sha256?,
        scopes: scopes?,
        tenants,
        expires_ms,
        addresses,
    })
}

fn name<'a>(value: &Value<'a>) -> Option<&'a str> {
    let name = value.text()?;
    if !is_name(&name) {
        value.problem(format!("{name:?} is not a key name"), NAME_RULE);
        return None;
    }
    Some(name.get())
}

fn key_digest(value: &Value<'_>) -> Option<[u8; 32]> {
    digest(
        value,
        "write the 64 hexadecimal digits that `sluicegate admin-key` prints",
    )
}

fn scopes(value: &Value<'_>) -> Vec<Scope> {
    let words = Scope::ALL.map(|scope| (scope.name(), scope));
    let items = value.list().unwrap_or_default();
    if items.is_empty() && value.raw.is_array() {
        value.problem(
            "names no scope",
            "a key is good for publish, read, connections, ban or tenants",
        );
    }
    items.iter().filter_map(|item| item.word(&words)).collect()
}

fn named(value: &Value<'_>, references: &mut References) -> Vec<Arc<str>> {
    let items = value.list().unwrap_or_default();
    if items.is_empty() && value.raw.is_array() {
        value.problem("names no tenant", "leave the key out for all tenants");
    }
    let names = items.iter().map(|item| references.tenant_that_may_come(item));
    names.flatten().collect()
}

/// A key whose end has passed is no problem: reloads go on when it has.
fn end(value: &Value<'_>) -> Option<u64> {
    let end = moment_ms(value)?;
    if end <= now_ms() {
        value.warn(
            "has passed, so the key is good for nothing",
            "take the key out, or make a new one",
        );
    }
    Some(end)
}

fn twice(item: &Value<'_>, first: &Value<'_>, what: &str) {
    let line = first.place.line().unwrap_or(1);
    item.problem(
        format!("has the {what} of another key"),
        format!("the first one is {} in line {line}", first.place.key()),
    );
}

fn file<'a>(value: &Value<'a>) -> Option<&'a str> {
    let file = value.text()?;
    if file.is_empty() {
        value.problem(
            "is empty",
            "write a path, or leave the key out to have calls in the log",
        );
        return None;
    }
    Some(file.get())
}

//! What a pushed tenant has and no other may have, as the store knows it: its hosts, and its name without case.

use config::Tenant;
use tenant_store::Claims;

const HOST: &str = "host:";
const NAME: &str = "name:";

/// One of these, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameClaimed<'a> {
    Host(&'a str),
    /// In lower case: people do not tell `Acme` from `acme`.
    Name(&'a str),
}

impl<'a> NameClaimed<'a> {
    pub fn read(claim: &'a str) -> Self {
        match claim.strip_prefix(HOST) {
            Some(host) => Self::Host(host),
            None => Self::Name(claim.strip_prefix(NAME).unwrap_or(claim)),
        }
    }
}

/// What `tenant` claims.
pub fn claims_of(tenant: &Tenant) -> Claims {
    let hosts = tenant.hosts.iter().map(|host| format!("{HOST}{host}"));
    let name = format!("{NAME}{}", tenant.name.to_ascii_lowercase());
    Claims::new(hosts.chain([name]))
}

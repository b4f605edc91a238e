//! Names and hosts, each of one tenant: compared without case, because hosts are, and because people do not tell `Acme`
//! from `acme`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::problem::{Place, Problem};
use super::tenant::{ReadTenant, Tenant};

/// Reports each name and host that an earlier tenant has, at the later one.
pub(super) fn check<'a>(tenants: impl Iterator<Item = &'a ReadTenant>, problems: &mut Vec<Problem>) {
    let mut names = HashMap::new();
    let mut hosts = HashMap::new();
    for read in tenants {
        let name = &*read.tenant.name;
        // What has no good name was reported as that.
        if !name.is_empty() {
            problems.extend(claim(&mut names, "tenant", name, &read.name_place));
        }
        for (host, place) in read.tenant.hosts.iter().zip(&read.host_places) {
            problems.extend(claim(&mut hosts, "host", host, place));
        }
    }
}

fn claim<'a>(
    taken: &mut HashMap<String, (&'a str, &'a Place)>,
    what: &str,
    text: &'a str,
    place: &'a Place,
) -> Option<Problem> {
    let (first, first_place) = match taken.entry(text.to_ascii_lowercase()) {
        Entry::Vacant(entry) => {
            entry.insert((text, place));
            return None;
        }
        Entry::Occupied(entry) => *entry.get(),
    };
    let reason = if first == text {
        format!("the {what} {text:?} is there twice")
    } else {
        format!("the {what} {text:?} is there twice, as {first:?} too, and case does not tell them apart")
    };
    let hint = format!("the first one is {}", whereabouts(first_place, place));
    Some(place.problem(reason).hint(hint))
}

/// Where the first one stands, for a reader of the second.
fn whereabouts(first: &Place, second: &Place) -> String {
    let line = first.line().map(|line| format!("in line {line}"));
    let file = (first.path() != second.path()).then(|| format!("of {}", first.path().display()));
    let key = Some(first.key().to_owned()).filter(|key| !key.is_empty());
    let parts = [key, line, file];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The names and hosts that tenants have.
#[derive(Clone, Debug, Default)]
pub struct TakenNames {
    /// By their lower case.
    names: HashMap<String, Arc<str>>,
    /// Whose they are.
    hosts: HashMap<String, Arc<str>>,
}

// === impl TakenNames ===

impl TakenNames {
    /// Its name and hosts are taken now.
    pub fn add(&mut self, tenant: &Tenant) {
        let name = &tenant.name;
        self.names.insert(name.to_ascii_lowercase(), name.clone());
        let hosts = tenant.hosts.iter().map(|host| (host.clone(), name.clone()));
        self.hosts.extend(hosts);
    }

    /// They are free again.
    pub fn remove(&mut self, tenant: &Tenant) {
        self.names.remove(&tenant.name.to_ascii_lowercase());
        for host in &tenant.hosts {
            if self.hosts.get(host).is_some_and(|owner| *owner == tenant.name) {
                self.hosts.remove(host);
            }
        }
    }

    /// What of this tenant another tenant has. One of the same name is no other. The places are keys of `root`.
    pub fn conflicts(&self, tenant: &Tenant, root: &Place) -> Vec<Problem> {
        let host_places = (0..tenant.hosts.len()).map(|index| root.child("hosts").item(index));
        self.conflicts_at(tenant, &root.child("name"), &host_places.collect::<Vec<_>>())
    }

    pub(super) fn conflicts_at(&self, tenant: &Tenant, name_place: &Place, host_places: &[Place]) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(other) = self.names.get(&tenant.name.to_ascii_lowercase())
            && *other != tenant.name
        {
            let reason = format!("another tenant's name differs from {:?} by case only", &*tenant.name);
            problems.push(name_place.problem(reason).hint("take another name"));
        }
        for (host, place) in tenant.hosts.iter().zip(host_places) {
            if self.hosts.get(host).is_some_and(|owner| *owner != tenant.name) {
                // Whose it is is nobody's business.
                problems.push(place.problem(format!("the host {host:?} is another tenant's")));
            }
        }
        problems
    }
}

impl<'a> FromIterator<&'a Tenant> for TakenNames {
    fn from_iter<T: IntoIterator<Item = &'a Tenant>>(tenants: T) -> Self {
        let mut taken = Self::default();
        for tenant in tenants {
            taken.add(tenant);
        }
        taken
    }
}

//! `[[tenants]]`: whose channels, whose rules, whose limits.

use std::collections::HashMap;
use std::sync::Arc;

use protocol::names::Channel;

use super::chain::{self, ChainEntry};
use super::channels::{self, ChannelRule, ChannelSettings};
use super::host::canonical_host;
use super::limits::{self, Limits};
use super::name::{NAME_RULE, is_name};
use super::origins::Origins;
use super::plugins::PluginFile;
use super::problem::Place;
use super::section::{Number, Section, Value};

/// What tenants without a weight have.
const WEIGHT: Number = Number {
    min: 1,
    max: 100,
    default: 1,
    unit: "times the share of a tenant with weight 1",
};
/// 0 stands for no ceiling.
const MEMORY: Number = Number {
    min: 0,
    max: 1_048_576,
    default: 0,
    unit: "MiB (0: no ceiling)",
};
const MIB: usize = 1_048_576;

/// Bytes of a cookie's name at most.
const COOKIE_BYTES: usize = 256;

#[derive(Clone, Debug)]
pub struct Tenant {
    /// `[a-zA-Z0-9_-]{1,64}`, unique in the config.
    pub name: Arc<str>,
    /// The hosts that mean this tenant and no other, as [`canonical_host`] spells them.
    pub hosts: Vec<String>,
    /// Whether a connection that no plugin accepted may be, without a name.
    pub anonymous: bool,
    /// Whether subscribe and publish need no plugin's allow.
    pub default_allow: bool,
    /// Which web pages may connect.
    pub allowed_origins: Origins,
    /// The cookie that may hold a token.
    pub token_cookie: Option<String>,
    /// Its share of a shard's time while others want it too, compared with theirs: 1 to 100.
    pub weight: u32,
    /// Bytes of all that a node keeps for it: channels, histories, outboxes, caches, instances; none for no ceiling.
    pub memory_bytes: Option<usize>,
    /// The plugins, in the order they are asked.
    pub chain: Vec<ChainEntry>,
    /// The channels' settings; the first that fits counts.
    pub channels: Vec<ChannelRule>,
    /// How much the tenant may take.
    pub limits: Limits,
    /// Of channels that no rule fits.
    plain: Arc<ChannelSettings>,
}

impl Tenant {
    /// The settings of the first rule that fits `channel`, else the defaults.
    pub fn channel(&self, channel: &Channel) -> &Arc<ChannelSettings> {
        let fits = |rule: &&ChannelRule| rule.pattern.matches(channel.as_str());
        self.channels
            .iter()
            .find(fits)
            .map_or(&self.plain, |rule| &rule.settings)
    }
}

pub(super) fn read(items: &[Value<'_>], plugins: &[PluginFile]) -> Vec<Arc<Tenant>> {
    let mut taken = Taken::default();
    items
        .iter()
        .map(|item| Arc::new(tenant(item.section(), plugins, &mut taken)))
        .collect()
}

/// What earlier tenants hold, and where.
#[derive(Default)]
struct Taken {
    names: HashMap<String, Place>,
    hosts: HashMap<String, Place>,
}

fn tenant(mut section: Section<'_>, plugins: &[PluginFile], taken: &mut Taken) -> Tenant {
    let name = section.need("name").and_then(|value| name(&value));
    if let Some((name, value)) = &name {
        claim(&mut taken.names, value, name, "tenant");
    }
    let hosts = section.list("hosts");
    let hosts = hosts.iter().filter_map(|value| {
        let host = host(value)?;
        claim(&mut taken.hosts, value, &host, "host");
        Some(host)
    });
    let hosts = hosts.collect();
    let tenant = Tenant {
        name: name.map_or_else(Arc::default, |(name, _)| name.into()),
        hosts,
        anonymous: section.flag("anonymous", false),
        default_allow: section
            .value("default")
            .and_then(|value| value.word(&[("deny", false), ("allow", true)]))
            .unwrap_or(false),
        allowed_origins: origins(&section.list("allowed_origins")),
        token_cookie: section.value("token_cookie").and_then(|value| cookie(&value)),
        weight: u32::try_from(section.number("weight", &WEIGHT)).unwrap_or(1),
        memory_bytes: match section.count("memory_mib", &MEMORY) {
            0 => None,
            mib => Some(mib.saturating_mul(MIB)),
        },
        chain: chain::read(&section.list("chain"), plugins),
        channels: channels::read(&section.list("channels")),
        limits: limits::read(section.section("limits")),
        plain: Arc::default(),
    };
    section.finish();
    tenant
}

fn name<'a>(value: &Value<'a>) -> Option<(&'a str, Value<'a>)> {
    let name = value.text()?;
    if !is_name(name) {
        value.problem(format!("{name:?} is not a tenant name"), NAME_RULE);
        return None;
    }
    Some((name, value.clone()))
}

/// Notes that `text` is this tenant's; that it already was someone's is a problem.
fn claim(taken: &mut HashMap<String, Place>, value: &Value<'_>, text: &str, what: &str) {
    if let Some(first) = taken.get(text) {
        let line = first.line().unwrap_or(1);
        value.problem(
            format!("the {what} {text:?} is there twice"),
            format!("the first one is {} in line {line}", first.key()),
        );
    } else {
        taken.insert(text.to_owned(), value.place.clone());
    }
}

fn host(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    let host = canonical_host(text);
    if host.is_none() {
        value.problem(
            format!("{text:?} is not a host name"),
            "write it without scheme and port, in ASCII, like \"acme.example\"",
        );
    }
    host
}

fn origins(items: &[Value<'_>]) -> Origins {
    let mut origins = Origins::default();
    for item in items {
        let Some(text) = item.text() else { continue };
        if !origins.add(text) {
            item.problem(
                format!("{text:?} is not an origin"),
                "write scheme and host, and a port if there is one, like \"https://acme.example\", or \"*\" for all",
            );
        }
    }
    origins
}

fn cookie(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    // RFC 6265: a cookie's name is an HTTP token.
    let good = (1..=COOKIE_BYTES).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    if !good {
        value.problem(format!("{text:?} is not a cookie name"), "use letters, digits, - and _");
    }
    good.then(|| text.to_owned())
}

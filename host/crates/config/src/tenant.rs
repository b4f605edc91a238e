//! `[[tenants]]`: whose channels, whose rules, whose limits.

use std::sync::Arc;

use protocol::names::Channel;

use super::ceilings::Ceilings;
use super::chain::{self, ChainEntry};
use super::channels::{self, ChannelRule, ChannelSettings};
use super::host::canonical_host;
use super::limits::{self, Limits};
use super::name::{NAME_RULE, is_name};
use super::number::Number;
use super::origins::Origins;
use super::plugins::PluginFile;
use super::problem::Place;
use super::ranges::{MIB, TENANT_MEMORY, WEIGHT};
use super::section::{Section, Value};
use super::text::Text;

/// Hosts of one tenant at most.
const HOSTS: usize = 1_000;
/// Web pages' origins of one tenant at most: each request is compared with all of them.
const ORIGINS: usize = 1_000;
/// Plugins of one chain at most: all of them may be asked about each message.
const CHAIN_STEPS: usize = 32;
/// Channel rules of one tenant at most: each channel is compared with them in turn.
const CHANNEL_RULES: usize = 1_000;
/// Bytes of a cookie's name at most.
const COOKIE_BYTES: usize = 256;

/// Whose channels, users, rules and limits. Equal: nothing would change if one were put in place of the other.
#[derive(Clone, Debug, PartialEq)]
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
    /// Whether permessage-deflate is agreed to.
    pub compression: bool,
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
    /// One that has this name and these hosts, and lets nobody do anything.
    pub fn closed(name: Arc<str>, hosts: Vec<String>) -> Self {
        Self {
            name,
            hosts,
            anonymous: false,
            default_allow: false,
            allowed_origins: Origins::default(),
            token_cookie: None,
            compression: false,
            weight: 1,
            memory_bytes: None,
            chain: Vec::new(),
            channels: Vec::new(),
            limits: Limits::default(),
            plain: Arc::default(),
        }
    }

    /// The settings of the first rule that fits `channel`, else the defaults.
    pub fn channel(&self, channel: &Channel) -> &Arc<ChannelSettings> {
        let fits = |rule: &&ChannelRule| rule.pattern.matches(channel.as_str());
        self.channels
            .iter()
            .find(fits)
            .map_or(&self.plain, |rule| &rule.settings)
    }
}

/// A tenant as it was read, with the places of what no other tenant may have.
#[derive(Clone, Debug)]
pub(super) struct ReadTenant {
    pub tenant: Arc<Tenant>,
    /// Where its name stands.
    pub name_place: Place,
    /// Of each of its hosts.
    pub host_places: Vec<Place>,
}

/// What a tenant's table is read with.
#[derive(Clone, Copy)]
pub(super) struct TenantReading<'a> {
    pub plugins: &'a [PluginFile],
    /// What it may not exceed, if it was pushed.
    pub ceilings: Option<&'a Ceilings>,
    /// The name that it must have, if it has a file of its own.
    pub name: Option<&'a str>,
}

// === impl TenantReading ===

impl TenantReading<'_> {
    pub(super) fn tenant(self, mut section: Section<'_>) -> ReadTenant {
        let Self { plugins, ceilings, .. } = self;
        section.default("default", "deny");
        if let Some(name) = self.name {
            section.default("name", name);
        }
        let (name, name_place) = self.name(&mut section);
        let hosts = section.list_of("hosts", HOSTS);
        let hosts = hosts.iter().filter_map(|value| {
            let host = host(value)?;
            if ceilings.is_some_and(|ceilings| !ceilings.allows_host(&host)) {
                value.problem(
                    format!("the host {host:?} may not be a pushed tenant's"),
                    "the node's ceilings.hosts names which may",
                );
            }
            Some((host, value.place.clone()))
        });
        let (hosts, host_places) = hosts.unzip();
        let weight = WEIGHT.up_to(ceilings.map(|ceilings| ceilings.weight.into()));
        let tenant = Tenant {
            name,
            hosts,
            anonymous: section.flag("anonymous", false),
            default_allow: section
                .value("default")
                .and_then(|value| value.word(&[("deny", false), ("allow", true)]))
                .unwrap_or(false),
            allowed_origins: origins(&section.list_of("allowed_origins", ORIGINS)),
            token_cookie: section.value("token_cookie").and_then(|value| cookie(&value)),
            compression: section.flag("compression", false),
            weight: u32::try_from(section.number("weight", &weight)).unwrap_or(1),
            memory_bytes: memory(&mut section, ceilings),
            chain: chain::read(&section.list_of("chain", CHAIN_STEPS), plugins, ceilings),
            channels: channels::read(&section.list_of("channels", CHANNEL_RULES)),
            limits: limits::read(section.section("limits"), ceilings.map(|ceilings| &ceilings.limits)),
            plain: Arc::default(),
        };
        section.finish();
        ReadTenant {
            tenant: Arc::new(tenant),
            name_place,
            host_places,
        }
    }

    /// The tenant's name, and where it stands. A file gives its own to the tenant, which may repeat it.
    fn name(self, section: &mut Section<'_>) -> (Arc<str>, Place) {
        let value = match self.name {
            Some(_) => section.value("name"),
            None => section.need("name"),
        };
        let place = value.as_ref().map_or(&section.place, |value| &value.place).clone();
        let written = value.as_ref().and_then(|value| name(value));
        if let (Some(value), Some(written), Some(wanted)) = (&value, written, self.name)
            && written.get() != wanted
        {
            value.problem(
                format!("is {written:?}, where the name is {wanted:?} already"),
                "leave the key out, or write the same name",
            );
        }
        let name = self
            .name
            .or(written.map(Text::get))
            .map_or_else(Arc::default, Arc::from);
        (name, place)
    }
}

/// Bytes that a node may keep of the tenant; none for no ceiling.
fn memory(section: &mut Section<'_>, ceilings: Option<&Ceilings>) -> Option<usize> {
    let mib = match ceilings.and_then(|ceilings| ceilings.tenant_memory_mib) {
        // Under a ceiling, none is none that may be.
        Some(ceiling) => {
            let number = Number {
                min: 1,
                default: ceiling,
                ..TENANT_MEMORY
            };
            section.count("memory_mib", &number.up_to(Some(ceiling)))
        }
        None => section.count("memory_mib", &TENANT_MEMORY),
    };
    (mib > 0).then(|| mib.saturating_mul(MIB))
}

fn name<'a>(value: &Value<'a>) -> Option<Text<'a>> {
    let name = value.text()?;
    if !is_name(&name) {
        value.problem(format!("{name:?} is not a tenant name"), NAME_RULE);
        return None;
    }
    Some(name)
}

fn host(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    let host = canonical_host(&text);
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
        if !origins.add(&text) {
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
    good.then(|| text.get().to_owned())
}

//! Which proxies `[server]` believes, and what it reads of them.

use client_address::{AddressHeader, AddressRange, TrustedProxies};

use super::listeners::{ListenAddress, ListenerSettings};
use super::section::{Section, Value};

/// Addresses that callers of the admin listener may have, at most.
const RANGES: usize = 100;
/// Networks of trusted proxies at most.
const NETWORKS: usize = 1_000;

/// Where the address of a client behind proxies comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Who may speak for others. Whoever connects over a Unix socket may in any case.
    pub trusted: TrustedProxies,
    /// The one header that is looked at; none looks at none.
    pub header: Option<AddressHeader>,
}

/// Reads what `listeners` need to know of proxies.
pub(super) fn read(section: &mut Section<'_>, listeners: &[ListenerSettings]) -> Proxies {
    let items = section.list_of("trusted_proxies", NETWORKS);
    let networks: Vec<_> = items.iter().filter_map(address_range).collect();
    let header = section.value("client_address_header");
    let has_any = !items.is_empty();
    let is_over_tcp = |listener: &&ListenerSettings| matches!(listener.address, ListenAddress::Tcp(_));
    if let Some(header) = &header
        && !has_any
        && listeners.iter().all(|listener| is_over_tcp(&listener))
    {
        header.problem(
            "is looked at for no one",
            "set trusted_proxies to the addresses of the proxies that write it",
        );
    }
    let unreachable = listeners
        .iter()
        .filter(is_over_tcp)
        .any(|listener| listener.proxy_protocol);
    if unreachable && !has_any {
        let asked = section.value("proxy_protocol").or_else(|| section.value("listen"));
        if let Some(asked) = asked {
            asked.problem(
                "has everybody send a PROXY header, and nobody's is believed",
                "set trusted_proxies to the addresses of the proxies that send it",
            );
        }
    }
    Proxies {
        trusted: TrustedProxies::new(networks),
        header: header.and_then(|header| header.word(&AddressHeader::BY_NAME)),
    }
}

/// Reads one range of addresses.
pub(super) fn address_range(value: &Value<'_>) -> Option<AddressRange> {
    let text = value.text()?;
    let network = text.parse();
    if let Err(error) = &network {
        value.report(value.place.problem(format!("{text:?} {error}")));
    }
    network.ok()
}

/// Addresses that something is good from.
pub(super) fn address_ranges(value: &Value<'_>) -> Vec<AddressRange> {
    let items = value.list().unwrap_or_default();
    if items.is_empty() && value.raw.is_array() {
        value.problem("names no address", "leave the key out for calls from everywhere");
    }
    if let Some(one_too_many) = items.get(RANGES) {
        one_too_many.problem("is one address too many", format!("there are at most {RANGES}"));
    }
    items.iter().filter_map(address_range).collect()
}

//! Who may read what the admin listener tells without a key. A page in an operator's browser is not to: it could have its
//! own name resolved to the listener's address (DNS rebinding), and would then send that name as the host.

use std::net::{IpAddr, Ipv4Addr};

use client_address::AddressRange;

use super::host_pattern::HostPattern;
use super::proxies::address_ranges;
use super::section::Section;

/// Patterns of hosts at most.
const HOSTS: usize = 1_000;

/// Who may read what needs no key.
#[derive(Clone, Debug, Default)]
pub struct OpenPages {
    /// Names that the listener is called by, beside those that no stranger can have.
    hosts: Vec<HostPattern>,
    /// Where such requests may come from; none is everywhere.
    addresses: Option<Vec<AddressRange>>,
}

// === impl OpenPages ===

impl OpenPages {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            hosts: section
                .list_of("hosts", HOSTS)
                .iter()
                .filter_map(HostPattern::read)
                .collect(),
            addresses: section.value("open_addresses").map(|value| address_ranges(&value)),
        }
    }

    /// Whether the listener may be called by `host`, which is in its one spelling. Addresses, names under `localhost` and names
    /// without a dot always fit: no stranger can have one for the name of a page.
    pub fn fits_host(&self, host: &str) -> bool {
        let is_address = host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok();
        let is_local = !host.contains('.') || host.ends_with(".localhost");
        is_address || is_local || self.hosts.iter().any(|pattern| pattern.fits(host))
    }

    /// Whether such a request may come from there.
    pub fn fits_address(&self, address: IpAddr) -> bool {
        let ranges = self.addresses.as_deref();
        ranges.is_none_or(|ranges| ranges.iter().any(|range| range.contains(address)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    fn pages(lines: &str) -> super::OpenPages {
        let text = format!("[[tenants]]\nname = \"t\"\n[admin]\n{lines}\n");
        crate::parse(Path::new("t.toml"), &text).unwrap().admin.open_pages
    }

    #[test]
    fn names_that_a_page_could_have_are_refused_unless_they_are_listed() {
        let (none, listed) = (pages(""), pages(r#"hosts = ["Broker.Internal.", "*.ops.example"]"#));
        let all = pages(r#"hosts = ["*"]"#);
        for (host, always, if_listed) in [
            ("localhost", true, true),
            ("a.localhost", true, true),
            ("127.0.0.1", true, true),
            ("192.0.2.7", true, true),
            ("[::1]", true, true),
            ("[2001:db8::7]", true, true),
            ("broker", true, true),
            ("notlocalhost", true, true),
            ("broker.internal", false, true),
            ("a.ops.example", false, true),
            ("a.b.ops.example", false, false),
            ("ops.example", false, false),
            ("evil.example", false, false),
            ("localhost.evil.example", false, false),
            ("not.a-localhost", false, false),
            ("127.0.0.1.evil.example", false, false),
            ("127.0.0.1.nip.io", false, false),
            ("127.1", false, false),
        ] {
            assert_eq!(none.fits_host(host), always, "{host}");
            assert_eq!(listed.fits_host(host), if_listed, "{host}");
            assert!(all.fits_host(host), "{host}");
        }
    }

    #[test]
    fn requests_come_from_everywhere_or_from_where_the_config_says() {
        let limited = pages(r#"open_addresses = ["10.0.0.0/8", "::1"]"#);
        for (address, fits) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("::1", true),
            ("127.0.0.1", false),
            ("192.0.2.1", false),
        ] {
            let address = address.parse().unwrap();
            assert!(pages("").fits_address(address));
            assert_eq!(limited.fits_address(address), fits, "{address}");
        }
    }
}

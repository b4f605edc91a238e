//! Whom a connection, and then a request, comes from: the one place that decides which address a client has.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue};

use crate::observe::LogThrottle;
use config::Proxies;
use proxy_protocol::ProxiedPeer;

/// The address of who connects over a Unix socket, and names no other.
const THIS_MACHINE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Whom a connection comes from.
#[derive(Clone, Debug)]
pub(super) struct ClientPeer {
    address: IpAddr,
    /// Whether it is a proxy that may speak for others.
    is_proxy: bool,
    /// What was in force when it was accepted.
    proxies: Arc<Proxies>,
}

// === impl ClientPeer ===

impl ClientPeer {
    /// That of an accepted connection. Without an `address` it came over a Unix socket, whose peers are trusted: whoever
    /// may open its file is let in by the operator.
    pub(super) fn accepted(address: Option<IpAddr>, proxies: Arc<Proxies>) -> Self {
        match address {
            Some(address) => Self::at(address, proxies),
            None => Self {
                address: THIS_MACHINE,
                is_proxy: true,
                proxies,
            },
        }
    }

    fn at(address: IpAddr, proxies: Arc<Proxies>) -> Self {
        Self {
            address: address.to_canonical(),
            is_proxy: proxies.trusted.contains(address),
            proxies,
        }
    }

    /// The same after the PROXY header that it sent.
    pub(super) fn behind(self, header: ProxiedPeer) -> Self {
        match header {
            ProxiedPeer::Peer => self,
            ProxiedPeer::Client(address) => Self::at(address, self.proxies),
        }
    }

    /// Whether it may speak for others.
    pub(super) fn is_proxy(&self) -> bool {
        self.is_proxy
    }

    /// Whom a connection counts for at the door before a request is read. None: whoever it is may stand behind a proxy.
    pub(super) fn counted(&self) -> Option<IpAddr> {
        (!self.is_proxy).then_some(self.address)
    }

    /// Whom a request's `client` counts for at the door. None: a proxy, for which others may stand.
    pub(super) fn counted_of_request(&self, client: IpAddr) -> Option<IpAddr> {
        (self.is_proxy && client != self.address && !self.proxies.trusted.contains(client)).then_some(client)
    }

    /// The address of the client that sent a request with these headers.
    pub(super) fn client(&self, headers: &HeaderMap) -> IpAddr {
        static NO_HEADER: LogThrottle = LogThrottle::new();
        let Some(header) = self.proxies.header.filter(|_| self.is_proxy) else {
            return self.address;
        };
        let lines = headers.get_all(header.name());
        if lines.iter().next().is_none()
            && let Some(others) = NO_HEADER.allow()
        {
            tracing::warn!(
                proxy = %self.address,
                header = header.name(),
                others,
                "a request came through a trusted proxy that did not write the header with the client's address: all such \
                 clients count as one"
            );
        }
        self.proxies
            .trusted
            .client(self.address, header, lines.iter().map(HeaderValue::as_bytes))
    }
}

/// As the log shows it.
impl fmt::Display for ClientPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use client_address::{AddressHeader, TrustedProxies};

    use super::*;

    #[test]
    fn only_a_proxy_speaks_for_others_and_only_in_one_header() {
        let proxies = Arc::new(Proxies {
            trusted: TrustedProxies::new(["10.0.0.0/8".parse().unwrap()]),
            header: Some(AddressHeader::XForwardedFor),
        });
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "203.0.113.9".parse().unwrap());
        headers.append("x-forwarded-for", "192.0.2.1, 10.0.0.2".parse().unwrap());
        headers.append("x-real-ip", "192.0.2.2".parse().unwrap());
        headers.append("forwarded", "for=192.0.2.3".parse().unwrap());
        let address = |text: &str| -> IpAddr { text.parse().unwrap() };
        let proxied = |text| ProxiedPeer::Client(address(text));
        for (from, header, client) in [
            (Some("10.0.0.1"), None, "192.0.2.1"),
            (Some("::ffff:10.0.0.1"), None, "192.0.2.1"),
            (Some("198.51.100.1"), None, "198.51.100.1"),
            (None, None, "192.0.2.1"),
            // A PROXY header that names a client which is no proxy ends it.
            (Some("10.0.0.1"), Some(proxied("198.51.100.7")), "198.51.100.7"),
            (Some("10.0.0.1"), Some(proxied("10.0.0.9")), "192.0.2.1"),
            (Some("10.0.0.1"), Some(ProxiedPeer::Peer), "192.0.2.1"),
            (None, Some(proxied("198.51.100.7")), "198.51.100.7"),
        ] {
            let mut peer = ClientPeer::accepted(from.map(address), proxies.clone());
            if let Some(header) = header {
                peer = peer.behind(header);
            }
            assert_eq!(peer.client(&headers).to_string(), client, "{from:?} {header:?}");
        }
        let no_header = Arc::new(Proxies {
            header: None,
            ..Proxies::clone(&proxies)
        });
        assert_eq!(ClientPeer::accepted(None, no_header).client(&headers), THIS_MACHINE);
    }

    #[test]
    fn nobody_counts_for_a_proxy_that_others_stand_behind() {
        let proxies = Arc::new(Proxies {
            trusted: TrustedProxies::new(["10.0.0.0/8".parse().unwrap()]),
            header: Some(AddressHeader::XForwardedFor),
        });
        let (proxy, inside, client) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), [192, 0, 2, 1].into());
        let stranger = ClientPeer::accepted(Some(client), proxies.clone());
        assert_eq!(
            (stranger.counted(), stranger.counted_of_request(client)),
            (Some(client), None)
        );
        let peer = ClientPeer::accepted(Some(proxy), proxies);
        assert_eq!(peer.counted(), None);
        for (found, counted) in [(client, Some(client)), (inside, None), (proxy, None)] {
            assert_eq!(peer.counted_of_request(found), counted);
        }
    }
}

//! The proxies that are believed, and the way from a connection's peer to the client.

use std::net::IpAddr;

use super::forwarded;
use super::header::AddressHeader;
use super::list::FromTheEnd;
use super::network::AddressRange;
use super::node;

/// Trusted proxies that a request may have passed, and as many entries are read of a header. Who has more behind each
/// other is known by the last of these.
const PROXIES: usize = 64;

/// The networks whose proxies are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<AddressRange>);

// === impl TrustedProxies ===

impl TrustedProxies {
    pub fn new(networks: impl IntoIterator<Item = AddressRange>) -> Self {
        Self(networks.into_iter().collect())
    }

    /// Whether what comes from this address is believed.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }

    /// The address of the client whose request came from the trusted proxy `proxy`, with these `lines` of `header`, in
    /// their order.
    ///
    /// Each proxy adds the address that it was reached from at the end. So the list is read from there, for as long as
    /// what is found is trusted too; the first that is not is the client. If all are trusted, the client is the first of
    /// the list, and without a list the proxy itself.
    ///
    /// An entry that is no address ends the reading. The proxy that wrote it is then the client, because nobody knows
    /// better: what stands before that entry may be forged.
    pub fn client<'a>(
        &self,
        proxy: IpAddr,
        header: AddressHeader,
        lines: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> IpAddr {
        let mut client = proxy.to_canonical();
        let mut lines = lines.rev().map(|line| str::from_utf8(line).ok());
        match header {
            AddressHeader::XForwardedFor => self.walk(&mut client, lines, false, node::address),
            AddressHeader::Forwarded => self.walk(&mut client, lines, true, forwarded::address),
            // These are no lists. Of several lines, nobody knows which the proxy wrote.
            AddressHeader::XRealIp | AddressHeader::CfConnectingIp => {
                if let (Some(Some(line)), None) = (lines.next(), lines.next()) {
                    client = node::address(line.trim_matches([' ', '\t'])).unwrap_or(client);
                }
            }
        }
        client
    }

    /// Goes from `client` to the one before it for as long as it is trusted. A line that is not UTF-8 ends the walk.
    fn walk<'a>(
        &self,
        client: &mut IpAddr,
        lines: impl Iterator<Item = Option<&'a str>>,
        has_quotes: bool,
        read: fn(&str) -> Option<IpAddr>,
    ) {
        let entries = lines.flat_map(|line| {
            let entries = line.map(|line| FromTheEnd::new(line, has_quotes));
            // The line as one entry that cannot be read.
            let unreadable = line.is_none().then_some("");
            entries.into_iter().flatten().chain(unreadable)
        });
        for entry in entries.take(PROXIES) {
            let Some(address) = read(entry) else {
                return;
            };
            *client = address;
            if !self.contains(address) {
                return;
            }
        }
    }
}

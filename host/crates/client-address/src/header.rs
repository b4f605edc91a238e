//! The headers in which proxies write a client's address. All are in use, and a proxy passes on those that it does not
//! write, so that only its operator can know which one to believe.

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressHeader {
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
    XRealIp,
    CfConnectingIp,
}

// === impl AddressHeader ===

impl AddressHeader {
    /// All, by their names.
    pub const BY_NAME: [(&str, Self); 4] = [
        ("x-forwarded-for", Self::XForwardedFor),
        ("forwarded", Self::Forwarded),
        ("x-real-ip", Self::XRealIp),
        ("cf-connecting-ip", Self::CfConnectingIp),
    ];

    /// The name of the header, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
            Self::XRealIp => "x-real-ip",
            Self::CfConnectingIp => "cf-connecting-ip",
        }
    }
}

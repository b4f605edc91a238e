//! The one spelling of a host by which hosts are compared. Pure; looks no name up.

use std::net::Ipv6Addr;

/// Lower case, without the dot that may end a name (`acme.example.`, the root of DNS), an IPv6 address in its shortest
/// form (RFC 5952). None: not a name in ASCII, an IPv4 address, or an IPv6 address in brackets.
pub fn canonical_host(text: &str) -> Option<String> {
    if let Some(address) = text.strip_prefix('[') {
        let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name.split('.').all(is_label).then(|| name.to_ascii_lowercase())
}

#[test]
fn one_host_has_one_spelling() {
    for (text, canonical) in [
        ("acme.example", "acme.example"),
        ("ACME.Example.", "acme.example"),
        ("_dmarc.x-1", "_dmarc.x-1"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("[0:0::0001]", "[::1]"),
        ("[2001:DB8::A]", "[2001:db8::a]"),
    ] {
        assert_eq!(canonical_host(text).as_deref(), Some(canonical), "{text}");
    }
    for text in [
        "",
        ".",
        "..",
        "acme.example..",
        ".acme",
        "acme..example",
        "acme.example:80",
        "%61cme.example",
        "ann@acme.example",
        "acme example",
        "acm\u{e9}.example",
        "::1",
        "[::1",
        "[::1].",
        "[fe80::1%25eth0]",
        "[v7.x]",
        "[acme]",
        "a/b",
    ] {
        assert_eq!(canonical_host(text), None, "{text}");
    }
}

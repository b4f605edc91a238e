//! The rule of names that the operator chooses: tenants, plugins, nodes.

/// Bytes of a name at most.
const NAME_BYTES: usize = 64;

/// The rule in words, for hints.
pub const NAME_RULE: &str = "use 1 to 64 of a-z, A-Z, 0-9, _ and -";

/// Whether `name` may be a tenant's or a plugin's name: it travels in paths, metrics and store keys.
pub fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Node names may have dots as well, so that a host name serves.
pub(crate) fn is_node_name(name: &str) -> bool {
    is_name(&name.replace('.', "-"))
}

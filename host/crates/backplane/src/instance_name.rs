//! What a start of a node is called: the node's name, `~`, and something random. One that took over from another on the same
//! machine has, behind `-`, also what is random in the name of the first of all that took over from each other: so every node
//! knows that several may live, whichever of them are gone.

/// The name of a start of a node, unlike that of any other.
#[derive(Clone, Debug)]
pub struct InstanceName {
    text: String,
    pub(crate) nonce: u64,
}

// === impl InstanceName ===

impl InstanceName {
    /// A name for a start of this node, which takes over from the instance `previous`.
    pub fn new(node: &str, previous: Option<&str>) -> Self {
        let nonce = getrandom::u64().expect("the system gives random bytes");
        let text = match previous {
            Some(previous) => format!("{node}~{nonce:x}-{}", Parts::of(previous).first),
            None => format!("{node}~{nonce:x}"),
        };
        Self { text, nonce }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The node's name.
    pub fn node(&self) -> &str {
        node_of(&self.text)
    }
}

/// The node of an instance.
pub fn node_of(instance: &str) -> &str {
    Parts::of(instance).node
}

/// Whether one instance took over from the other, at once or by way of others. One that was killed and started again did not.
pub fn took_over(one: &str, other: &str) -> bool {
    let (one, other) = (Parts::of(one), Parts::of(other));
    (one.node, one.first) == (other.node, other.first)
}

struct Parts<'a> {
    node: &'a str,
    /// Of the first instance.
    first: &'a str,
}

impl<'a> Parts<'a> {
    fn of(instance: &'a str) -> Self {
        let (node, random) = instance.rsplit_once('~').unwrap_or((instance, ""));
        let first = random.split_once('-').map_or(random, |(_, first)| first);
        Self { node, first }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_tells_its_node_and_whom_it_took_over_from() {
        let first = InstanceName::new("node-1", None);
        let second = InstanceName::new("node-1", Some(first.as_str()));
        let third = InstanceName::new("node-1", Some(second.as_str()));
        let again = InstanceName::new("node-1", None);
        let moved = InstanceName::new("node-2", Some(first.as_str()));
        let names = [&first, &second, &third, &again, &moved].map(InstanceName::as_str);
        assert_eq!(names.map(node_of), ["node-1", "node-1", "node-1", "node-1", "node-2"]);
        for (one, other, took) in [
            (1, 0, true),
            (2, 1, true),
            (2, 0, true),
            (0, 2, true),
            (3, 0, false),
            (3, 1, false),
            (4, 0, false),
        ] {
            assert_eq!(took_over(names[one], names[other]), took, "{one} {other}");
        }
        assert_ne!(names[1], names[2]);
    }
}

//! The four hooks, and sets of them.

/// One of the four hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HookKind {
    /// `connect-hook`
    Connect,
    /// `subscribe-hook`
    Subscribe,
    /// `publish-hook`
    Publish,
    /// `disconnect-hook`
    Disconnect,
}

impl HookKind {
    /// All four, in the order of a connection's life.
    pub const ALL: [Self; 4] = [Self::Connect, Self::Subscribe, Self::Publish, Self::Disconnect];

    /// Its name in the config, the logs and the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Subscribe => "subscribe",
            Self::Publish => "publish",
            Self::Disconnect => "disconnect",
        }
    }
}

/// A set of hooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hooks(u8);

impl Hooks {
    /// Whether `kind` is in the set.
    pub fn has(self, kind: HookKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
    /// The set with `kind` in it.
    #[must_use]
    pub fn with(self, kind: HookKind) -> Self {
        Self(self.0 | (1 << kind as u8))
    }
    /// The hooks in the set, in the order of [`HookKind::ALL`].
    pub fn iter(self) -> impl Iterator<Item = HookKind> {
        HookKind::ALL.into_iter().filter(move |k| self.has(*k))
    }
}

impl FromIterator<HookKind> for Hooks {
    fn from_iter<I: IntoIterator<Item = HookKind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::default(), Self::with)
    }
}

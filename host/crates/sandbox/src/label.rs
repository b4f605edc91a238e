//! By what verdicts are told apart in the metrics.

use chain::{ConnectVerdict, HookKind, PublishVerdict, SubscribeVerdict};

/// Label `verdict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    Abstain,
    Accept,
    Allow,
    Replace,
    Discard,
    Deny,
    Done,
}

/// A verdict that can be counted.
pub(super) trait Labelled {
    fn label(&self) -> Label;
}

// === impl Label ===

impl Label {
    /// In the order of their numbers.
    pub(super) const ALL: [Self; 7] = [
        Self::Abstain,
        Self::Accept,
        Self::Allow,
        Self::Replace,
        Self::Discard,
        Self::Deny,
        Self::Done,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Abstain => "abstain",
            Self::Accept => "accept",
            Self::Allow => "allow",
            Self::Replace => "replace",
            Self::Discard => "discard",
            Self::Deny => "deny",
            Self::Done => "done",
        }
    }

    pub(super) fn is_of(self, hook: HookKind) -> bool {
        match hook {
            HookKind::Connect => matches!(self, Self::Abstain | Self::Accept | Self::Deny),
            HookKind::Subscribe => matches!(self, Self::Abstain | Self::Allow | Self::Deny),
            HookKind::Publish => !matches!(self, Self::Accept | Self::Done),
            HookKind::Disconnect => self == Self::Done,
        }
    }
}

impl Labelled for ConnectVerdict {
    fn label(&self) -> Label {
        match self {
            Self::Abstain => Label::Abstain,
            Self::Accept(_) => Label::Accept,
            Self::Deny(_) => Label::Deny,
        }
    }
}

impl Labelled for SubscribeVerdict {
    fn label(&self) -> Label {
        match self {
            Self::Abstain => Label::Abstain,
            Self::Allow(_) => Label::Allow,
            Self::Deny(_) => Label::Deny,
        }
    }
}

impl Labelled for PublishVerdict {
    fn label(&self) -> Label {
        match self {
            Self::Abstain => Label::Abstain,
            Self::Allow => Label::Allow,
            Self::Replace(_) => Label::Replace,
            Self::Discard => Label::Discard,
            Self::Deny(_) => Label::Deny,
        }
    }
}

impl Labelled for () {
    fn label(&self) -> Label {
        Label::Done
    }
}

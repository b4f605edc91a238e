//! The bans, or the revocations, of a tenant as the operator reads them, in an order in which they can be read page by page: those of plugins
//! first, then the operator's, each by its end.

use super::ban_subject::BanSubject;

/// Whose ban it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BannedBy {
    Plugin,
    Operator,
}

/// A ban that holds. Ordered as in the list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BanEntry {
    /// The operator's, if the operator's still holds beside a plugin's.
    pub by: BannedBy,
    /// When it ends, in milliseconds since the Unix epoch.
    pub until_ms: u64,
    pub subject: BanSubject,
}

// === impl BanEntry ===

impl BanEntry {
    /// The entry as a place in the list, which [`BanEntry::at`] reads.
    pub fn cursor(&self) -> String {
        let by = match self.by {
            BannedBy::Plugin => 'p',
            BannedBy::Operator => 'o',
        };
        format!("{by}{}{}", self.until_ms, self.subject.member())
    }

    /// The entry at a place in the list, whether it is still there or not.
    pub fn at(cursor: &str) -> Option<Self> {
        let by = match cursor.chars().next()? {
            'p' => BannedBy::Plugin,
            'o' => BannedBy::Operator,
            _ => return None,
        };
        let digits = cursor[1..].find(|c: char| !c.is_ascii_digit())?;
        let (until_ms, member) = cursor[1..].split_at(digits);
        Some(Self {
            by,
            until_ms: until_ms.parse().ok()?,
            subject: BanSubject::read(member)?,
        })
    }
}

// === impl BanSubject ===

impl BanSubject {
    /// The subject in one word, which [`BanSubject::read`] reads.
    pub(super) fn member(&self) -> String {
        match self {
            Self::User(user) => format!("u:{user}"),
            Self::Address(address) => format!("a:{address}"),
            Self::Token(jti) => format!("j:{jti}"),
            Self::TokensOf(user) => format!("t:{user}"),
        }
    }

    pub(super) fn read(member: &str) -> Option<Self> {
        match member.split_at_checked(2)? {
            ("u:", user) => Some(Self::User(user.into())),
            ("a:", address) => Some(Self::Address(address.parse().ok()?)),
            ("j:", jti) => Some(Self::Token(jti.into())),
            ("t:", user) => Some(Self::TokensOf(user.into())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_list_is_read_as_it_was_written() {
        let subjects = [
            BanSubject::User("ann".into()),
            BanSubject::User("17u:ünï".into()),
            BanSubject::Address("2001:db8::/64".parse().unwrap()),
            BanSubject::Token("u:1".into()),
            BanSubject::TokensOf("ann".into()),
        ];
        for subject in subjects {
            for by in [BannedBy::Plugin, BannedBy::Operator] {
                let entry = BanEntry {
                    by,
                    until_ms: 1_795_326_349_120,
                    subject: subject.clone(),
                };
                assert_eq!(BanEntry::at(&entry.cursor()), Some(entry));
            }
        }
        for cursor in [
            "",
            "p",
            "x1u:ann",
            "p12",
            "pu:ann",
            "p1x:ann",
            "é1u:ann",
            "p99999999999999999999u:ann",
        ] {
            assert_eq!(BanEntry::at(cursor), None, "{cursor}");
        }
    }
}

//! A pushed tenant as the store has it.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::Arc;

/// The version of a tenant: higher than that of every earlier change. It is the time of the change in microseconds since
/// the Unix epoch, or a little more where two changes came together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantVersion(pub(crate) u64);

impl fmt::Display for TenantVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TenantVersion {
    type Err = ParseIntError;
    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

/// A tenant that was pushed, or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedTenant {
    pub name: Arc<str>,
    pub version: TenantVersion,
    /// Its file; none if it was deleted.
    pub file: Option<PushedFile>,
}

/// The file of a tenant.
#[derive(Clone, PartialEq, Eq)]
pub struct PushedFile {
    /// As it was pushed. It may hold secrets.
    pub text: Arc<str>,
    pub claims: Claims,
}

impl fmt::Debug for PushedFile {
    /// Without the text: it holds signing keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushedFile")
            .field("bytes", &self.text.len())
            .field("claims", &self.claims)
            .finish()
    }
}

/// What a tenant has and no other pushed tenant may have, such as its hosts: words without white space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims(Vec<String>);

impl Claims {
    /// What is no such word is left out.
    pub fn new(claims: impl IntoIterator<Item = String>) -> Self {
        let is_word = |claim: &String| !claim.is_empty() && !claim.contains(char::is_whitespace);
        let mut claims: Vec<String> = claims.into_iter().filter(is_word).collect();
        claims.sort_unstable();
        claims.dedup();
        Self(claims)
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// With a space between them.
    pub(crate) fn joined(&self) -> String {
        self.0.join(" ")
    }

    pub(crate) fn split(joined: &str) -> Self {
        Self::new(joined.split_whitespace().map(str::to_owned))
    }
}

impl PushedTenant {
    /// Reads what stands in Redis: a line with the version, for a tenant that was not deleted a line with its claims, and
    /// then its file.
    pub(crate) fn read(name: &str, entry: &str) -> Option<Self> {
        let (version, rest) = match entry.split_once('\n') {
            Some((version, rest)) => (version, Some(rest)),
            None => (entry, None),
        };
        let file = match rest {
            Some(rest) => {
                let (claims, text) = rest.split_once('\n')?;
                Some(PushedFile {
                    text: text.into(),
                    claims: Claims::split(claims),
                })
            }
            None => None,
        };
        Some(Self {
            name: name.into(),
            version: version.parse().ok()?,
            file,
        })
    }

    /// What [`Self::read`] reads.
    pub(crate) fn entry(&self) -> String {
        match &self.file {
            Some(file) => format!("{}\n{}\n{}", self.version, file.claims.joined(), file.text),
            None => self.version.to_string(),
        }
    }
}

#[test]
fn a_file_is_read_as_it_was_written_whatever_it_begins_with() {
    let version = TenantVersion(7);
    for text in ["", "\n", "\n\nname = 'a'\n", "name = 'a'"] {
        let file = PushedFile {
            text: text.into(),
            claims: Claims::new(["b".to_owned(), "a".to_owned(), "not one".to_owned(), "a".to_owned()]),
        };
        let tenant = PushedTenant {
            name: "acme".into(),
            version,
            file: Some(file),
        };
        assert_eq!(tenant.entry(), format!("7\na b\n{text}"));
        assert_eq!(PushedTenant::read("acme", &tenant.entry()), Some(tenant));
    }
    let deleted = PushedTenant::read("acme", "7").unwrap();
    assert_eq!((deleted.version, deleted.file), (version, None));
    for broken in ["", "x", "7\n", "-1\n\n"] {
        assert_eq!(PushedTenant::read("acme", broken), None, "{broken:?}");
    }
}

//! A Redis URL: one server, servers watched by Sentinels, or a Cluster. Knows no connection.

use std::fmt;

/// Where Redis is, and how to get in.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    /// What the hosts are.
    pub kind: RedisKind,
    /// Where to begin: the server, the Sentinels, or some nodes of the Cluster. At least one.
    pub hosts: Vec<(String, u16)>,
    /// `default`, if a password comes without one.
    pub username: Option<String>,
    /// Of the Redis servers; Sentinels are asked without one.
    pub password: Option<String>,
    /// The database; 0 in a Cluster.
    pub database: u32,
    /// Whether connections are encrypted: `rediss` in the place of `redis`.
    pub tls: bool,
}

/// What stands behind a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisKind {
    /// `redis://[user:password@]host[:port][/database]`
    Single,
    /// `redis+sentinel://[user:password@]host[:port],…/name-of-the-master[/database]`
    Sentinel {
        /// What the Sentinels call the master.
        master: String,
    },
    /// `redis+cluster://[user:password@]host[:port],…`
    Cluster,
}

impl fmt::Debug for RedisUrl {
    /// Without the password: configs get logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisUrl")
            .field("kind", &self.kind)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26_379;

impl RedisUrl {
    /// Reads a URL. The error never repeats it: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("is not a Redis URL")?;
        let (tls, kind) = match scheme.strip_prefix("rediss") {
            Some(kind) => (true, kind),
            None => (false, scheme.strip_prefix("redis").ok_or("is not a Redis URL")?),
        };
        let port = match kind {
            "" | "+cluster" => PORT,
            "+sentinel" => SENTINEL_PORT,
            _ => return Err("is not a Redis URL"),
        };
        if rest.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#')) {
            return Err("holds characters that no Redis URL has");
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = authority
            .rsplit_once('@')
            .map_or((None, authority), |(l, h)| (Some(l), h));
        let hosts = hosts
            .split(',')
            .map(|host| read_host(host, port))
            .collect::<Option<Vec<_>>>();
        let hosts = hosts.ok_or("names a host or port that cannot be")?;
        let mut steps = path.split('/').filter(|step| !step.is_empty());
        let kind = match kind {
            "" if hosts.len() > 1 => return Err("names several hosts: say redis+sentinel:// or redis+cluster://"),
            "" => RedisKind::Single,
            "+cluster" => RedisKind::Cluster,
            _ => {
                let master = steps
                    .next()
                    .ok_or("does not name the master: write it behind the hosts")?;
                RedisKind::Sentinel {
                    master: unescape(master).ok_or("is not a Redis URL")?,
                }
            }
        };
        let database = match steps.next() {
            None => 0,
            Some(_) if kind == RedisKind::Cluster => return Err("names a database, and a Cluster has only one"),
            Some(number) => number.parse().map_err(|_| "names a database that is no number")?,
        };
        if steps.next().is_some() {
            return Err("has more parts than a Redis URL");
        }
        let (username, password) = match login {
            None => (None, None),
            Some(login) => {
                let (user, password) = login.split_once(':').ok_or("has a user without a password")?;
                let unescaped = |part: &str| unescape(part).ok_or("is not a Redis URL");
                let user = unescaped(user)?;
                ((!user.is_empty()).then_some(user), Some(unescaped(password)?))
            }
        };
        Ok(Self {
            kind,
            hosts,
            username,
            password,
            database,
            tls,
        })
    }
}

fn read_host(text: &str, port: u16) -> Option<(String, u16)> {
    // An IPv6 address stands in brackets, because it has colons of its own.
    let (host, rest) = match text.strip_prefix('[') {
        Some(text) => text.split_once(']')?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port > 0)?,
        None if rest.is_empty() => port,
        None => return None,
    };
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

/// Percent-decoding (RFC 3986, 2.1): a password may hold any character.
fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(url: &str) -> Vec<(String, u16)> {
        RedisUrl::parse(url).unwrap().hosts
    }

    #[test]
    fn reads_each_kind() {
        let single = RedisUrl::parse("redis://ann:p%40ss@[::1]:7000/3").unwrap();
        assert_eq!(single.kind, RedisKind::Single);
        assert_eq!(single.hosts, [("::1".to_owned(), 7000)]);
        assert_eq!(
            (single.username.as_deref(), single.password.as_deref(), single.database),
            (Some("ann"), Some("p@ss"), 3)
        );
        let sentinel = RedisUrl::parse("redis+sentinel://:secret@a,b:1/main/2").unwrap();
        assert_eq!(sentinel.kind, RedisKind::Sentinel { master: "main".into() });
        assert_eq!(sentinel.hosts, [("a".to_owned(), 26_379), ("b".to_owned(), 1)]);
        assert_eq!((sentinel.username, sentinel.database), (None, 2));
        assert_eq!(RedisUrl::parse("redis+cluster://a,b").unwrap().kind, RedisKind::Cluster);
        assert_eq!(hosts("redis://localhost"), [("localhost".to_owned(), 6379)]);
        for (url, kind, tls) in [
            ("rediss://a", RedisKind::Single, true),
            ("rediss+cluster://a,b", RedisKind::Cluster, true),
            (
                "rediss+sentinel://a/main",
                RedisKind::Sentinel { master: "main".into() },
                true,
            ),
            ("redis://a", RedisKind::Single, false),
            ("redis+cluster://a", RedisKind::Cluster, false),
        ] {
            let read = RedisUrl::parse(url).unwrap();
            assert_eq!((read.kind, read.tls), (kind, tls), "{url}");
        }
    }

    #[test]
    fn refuses_the_rest_and_never_tells_the_password() {
        for url in [
            "",
            "localhost:6379",
            "http://a",
            "redisss://a",
            "rediss+tls://a",
            "redis+://a",
            "redis://",
            "redis://a:0",
            "redis://a:x",
            "redis://a:70000",
            "redis://a,b",
            "redis://a/x",
            "redis://a/0/1",
            "redis://hunter2@a",
            "redis://u:%zz@a",
            "redis+sentinel://a",
            "redis+cluster://a/1",
            "redis://a b",
        ] {
            let error = RedisUrl::parse(url).unwrap_err();
            assert!(!error.contains("hunter2"), "{url}: {error}");
        }
        let url = RedisUrl::parse("redis://u:hunter2@a").unwrap();
        assert!(!format!("{url:?}").contains("hunter2"));
    }
}

//! `[backplane]`: what joins nodes into one broker.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::number::Number;
use super::problem::Place;
use super::redis_url::{RedisKind, RedisUrl};
use super::section::{Section, Value};

const URL: &str = "redis://127.0.0.1:6379/0";
const PREFIX: &str = "sg";
/// Bytes of a prefix at most: it stands before every key.
const PREFIX_BYTES: usize = 64;

const TIMEOUT: Number = Number {
    default: 1000,
    min: 50,
    max: 60_000,
    unit: "milliseconds",
};
const POSITION_CHECK: Number = Number {
    default: 30,
    min: 1,
    max: 3600,
    unit: "seconds",
};
const REPLICAS: Number = Number {
    default: 0,
    min: 0,
    max: 5,
    unit: "replicas",
};

const PARTITIONS: Number = Number {
    default: 256,
    min: 1,
    max: 4096,
    unit: "partitions",
};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a config has one of it")]
pub enum BackplaneKind {
    #[default]
    Memory,
    /// Redis joins the nodes that have the same server and prefix.
    Redis(RedisSettings),
}

/// How Redis is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    pub url: RedisUrl,
    /// What every key and channel begins with.
    pub prefix: String,
    /// How long a command may take before it fails.
    pub timeout: Duration,
    /// How long a subscribed channel may be quiet until its place in the history is checked.
    pub position_check: Duration,
    /// Replicas that must have a publish before it is acknowledged.
    pub replicas: u32,
    /// Partitions that channels are divided into: the same number on all nodes of a prefix, for ever.
    pub partitions: u16,
    /// For Sentinels; none: they are asked without a password, then with that of the servers.
    pub sentinel_login: Option<SentinelLogin>,
    /// Present if the URL asks for TLS.
    pub tls: Option<RedisTls>,
}

/// Who we are for Sentinels.
#[derive(Clone, PartialEq, Eq)]
pub struct SentinelLogin {
    /// `default`, if there is only a password.
    pub user: Option<String>,
    pub password: String,
}

/// Files for TLS to Redis. They are opened when the broker starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisTls {
    /// Where to report what is wrong with the files.
    pub place: Place,
    /// The authorities that may have signed the servers' certificates; none: those that the system trusts.
    pub ca: Option<PathBuf>,
    /// The broker's own certificate with its chain, and the key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl fmt::Debug for SentinelLogin {
    /// Without the password: configs get logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentinelLogin")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

pub(super) fn read(mut section: Section<'_>, base: &Path) -> BackplaneKind {
    section.default("kind", "memory");
    section.default("url", URL);
    section.default("prefix", PREFIX);
    let redis = section
        .value("kind")
        .and_then(|value| value.word(&[("memory", false), ("redis", true)]));
    // Read for both kinds, so that turning Redis off and on again is one word, and typos show early.
    let standard = || RedisUrl::parse(URL).expect("it is one");
    // None: it was reported, and nothing is said of what depends on it.
    let url = section
        .value("url")
        .map_or_else(|| Some(standard()), |value| url(&value));
    let tls = tls(&mut section, url.as_ref(), base);
    let sentinel_login = sentinel_login(&mut section, url.as_ref());
    let prefix = section
        .value("prefix")
        .and_then(|value| prefix(&value).map(str::to_owned));
    let timeout = section.millis("timeout_ms", &TIMEOUT);
    let position_check = section.seconds("position_check_seconds", &POSITION_CHECK);
    let replicas = section.number("replicas", &REPLICAS);
    let partitions = section.number("partitions", &PARTITIONS);
    section.finish();
    if redis != Some(true) {
        return BackplaneKind::Memory;
    }
    BackplaneKind::Redis(RedisSettings {
        url: url.unwrap_or_else(standard),
        prefix: prefix.unwrap_or_else(|| PREFIX.to_owned()),
        timeout,
        position_check,
        replicas: u32::try_from(replicas).expect("within its bounds"),
        partitions: u16::try_from(partitions).expect("within its bounds"),
        sentinel_login,
        tls,
    })
}

fn tls(section: &mut Section<'_>, url: Option<&RedisUrl>, base: &Path) -> Option<RedisTls> {
    let mut file = |key| {
        let value = section.value(key)?;
        if url.is_some_and(|url| !url.tls) {
            value.problem(
                "has no effect, because the URL does not ask for TLS",
                "write rediss:// in the place of redis:// in `url`, or leave the key out",
            );
        }
        let path = value.text()?.get();
        if path.is_empty() {
            value.problem("is empty", "write the path of a PEM file, or leave the key out");
        }
        Some((base.join(path), value))
    };
    let (ca, cert, key) = (file("ca"), file("client_cert"), file("client_key"));
    let alone = |value: &Value<'_>, other| value.problem("stands alone", format!("`{other}` belongs to it"));
    match (&cert, &key) {
        _ if url.is_none_or(|url| !url.tls) => {}
        (Some((_, cert)), None) => alone(cert, "client_key"),
        (None, Some((_, key))) => alone(key, "client_cert"),
        _ => {}
    }
    let place = match (&ca, &cert) {
        (Some((_, value)), _) | (None, Some((_, value))) => value.place.clone(),
        (None, None) => section.place_of("url"),
    };
    url?.tls.then(|| RedisTls {
        place,
        ca: ca.map(|(path, _)| path),
        identity: cert.zip(key).map(|((cert, _), (key, _))| (cert, key)),
    })
}

fn sentinel_login(section: &mut Section<'_>, url: Option<&RedisUrl>) -> Option<SentinelLogin> {
    let (user, password) = (section.value("sentinel_user"), section.value("sentinel_password"));
    if url.is_some_and(|url| !matches!(url.kind, RedisKind::Sentinel { .. })) {
        for value in user.iter().chain(&password) {
            value.problem(
                "has no effect, because the URL names no Sentinels",
                "write redis+sentinel:// or rediss+sentinel:// in `url`, or leave the key out",
            );
        }
    } else if let (Some(user), None) = (&user, &password) {
        user.problem("stands alone", "`sentinel_password` belongs to it");
    }
    let text = |value: Option<Value<'_>>| value.and_then(|value| Some(value.text()?.get().to_owned()));
    Some(SentinelLogin {
        user: text(user),
        password: text(password)?,
    })
}

fn url(value: &Value<'_>) -> Option<RedisUrl> {
    // The text stays out of the message: it may hold a password.
    RedisUrl::parse(value.text()?.get())
        .map_err(|wrong| value.problem(wrong, format!("write it like {URL:?}")))
        .ok()
}

fn prefix<'a>(value: &Value<'a>) -> Option<&'a str> {
    let text = value.text()?;
    // No braces: Redis Cluster would take what is between them for the whole of a key.
    let good = (1..=PREFIX_BYTES).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:".contains(&b));
    if !good {
        value.problem(
            format!("{text:?} is not a prefix"),
            "use 1 to 64 of a-z, A-Z, 0-9, _, -, . and :",
        );
    }
    good.then(|| text.get())
}

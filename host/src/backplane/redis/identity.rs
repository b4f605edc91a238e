//! Who a server is: a master or not, of which version, and which run of it.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Value};

/// The oldest server that has all we use.
pub(super) const OLDEST: Version = (6, 2);
/// The same of a Cluster: the first with pub/sub by slots.
pub(super) const OLDEST_IN_CLUSTER: Version = (7, 0);

/// Major and minor.
pub(super) type Version = (u32, u32);

/// A replica answers too, but takes nothing; and so does a master that still loads its data.
pub(super) async fn must_be_master(connection: &mut MultiplexedConnection) -> Result<(), String> {
    let ping: RedisResult<Value> = redis::cmd("PING").query_async(connection).await;
    ping.map_err(|error| error.to_string())?;
    let role: RedisResult<Vec<Value>> = redis::cmd("ROLE").query_async(connection).await;
    let role = role.map_err(|error| error.to_string())?;
    match role.first() {
        Some(Value::BulkString(role)) if role == b"master" => Ok(()),
        _ => Err("it is no master".into()),
    }
}

/// Which start of which server this is, and its how-many-th time as the master: with either, what others had
/// accepted may be lost.
pub(super) async fn identify(connection: &mut MultiplexedConnection, oldest: Version) -> Result<Arc<str>, String> {
    let mut info = String::new();
    for section in ["server", "replication"] {
        let part: RedisResult<String> = redis::cmd("INFO").arg(section).query_async(connection).await;
        info += &part.map_err(|error| error.to_string())?;
    }
    let field = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim).unwrap_or_default()
    };
    let mut version = field("redis_version").split('.').map(|part| part.parse().unwrap_or(0));
    let version = (version.next().unwrap_or(0), version.next().unwrap_or(0));
    if version < oldest {
        return Err(format!(
            "Redis {}.{} is needed, this is {}.{}",
            oldest.0, oldest.1, version.0, version.1
        ));
    }
    let short = |name| field(name).get(..12).unwrap_or("unknown").to_owned();
    Ok(format!("{}{}", short("run_id"), short("master_replid")).into())
}

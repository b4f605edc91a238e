//! What a server says of itself: whether it is a master, of which version, and which run of it this is.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Value};

/// The oldest server that has all we use.
pub(crate) const OLDEST: Version = (6, 2);
/// The same of a Cluster: the first with pub/sub by slots.
pub(crate) const OLDEST_IN_CLUSTER: Version = (7, 0);

pub(crate) type Version = (u32, u32);

/// Fails if the server is a replica, which answers and takes nothing, or a master that still loads its data.
pub(crate) async fn must_be_master(connection: &mut MultiplexedConnection) -> Result<(), String> {
    let ping: RedisResult<Value> = redis::cmd("PING").query_async(connection).await;
    ping.map_err(|error| error.to_string())?;
    // `ROLE` says the same, and needs a right more.
    let info = info(connection, "replication").await?;
    match field(&info, "role") {
        "master" => Ok(()),
        _ => Err("it is no master".into()),
    }
}

/// The run of the server: this process, and its present time as the master. With another of either, what was
/// accepted before may be lost.
pub(crate) async fn identify(connection: &mut MultiplexedConnection, oldest: Version) -> Result<Arc<str>, String> {
    let info = info(connection, "server").await? + &info(connection, "replication").await?;
    let mut version = field(&info, "redis_version")
        .split('.')
        .map(|part| part.parse().unwrap_or(0));
    let version = (version.next().unwrap_or(0), version.next().unwrap_or(0));
    if version < oldest {
        return Err(format!(
            "Redis {}.{} is needed, this is {}.{}",
            oldest.0, oldest.1, version.0, version.1
        ));
    }
    let short = |name| field(&info, name).get(..12).unwrap_or("unknown").to_owned();
    Ok(format!("{}{}", short("run_id"), short("master_replid")).into())
}

async fn info(connection: &mut MultiplexedConnection, section: &str) -> Result<String, String> {
    let answer: RedisResult<String> = redis::cmd("INFO").arg(section).query_async(connection).await;
    answer.map_err(|error| error.to_string())
}

fn field<'a>(info: &'a str, name: &str) -> &'a str {
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.map(str::trim).unwrap_or_default()
}

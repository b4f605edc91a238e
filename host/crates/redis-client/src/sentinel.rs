//! Which server is the master, as the Sentinels say.

use std::time::Duration;

use redis::RedisError;

use crate::address::Address;
use crate::login::Login;

/// Asks one Sentinel after the other. One that wants a password is given its `own`; if none is known, that of the
/// servers.
pub(crate) async fn find_master(
    sentinels: &[Address],
    master: &str,
    own: Option<&Login>,
    login: &Login,
    timeout: Duration,
) -> Result<Address, String> {
    let mut why = "no Sentinel answers".to_owned();
    for sentinel in sentinels {
        let mut answer = match own {
            Some(own) => ask(sentinel, master, own, timeout).await,
            None => ask(sentinel, master, &login.anonymous(), timeout).await,
        };
        let wants_login = |error: &RedisError| !error.is_io_error() && !error.is_timeout();
        if own.is_none() && login.password.is_some() && answer.as_ref().is_err_and(wants_login) {
            let login = Login {
                database: 0,
                ..login.clone()
            };
            answer = ask(sentinel, master, &login, timeout).await;
        }
        match answer {
            Ok(Some(address)) => return Ok(address),
            Ok(None) => why = format!("the Sentinel {}:{} knows no master {master:?}", sentinel.0, sentinel.1),
            Err(error) => why = format!("the Sentinel {}:{}: {error}", sentinel.0, sentinel.1),
        }
    }
    Err(why)
}

async fn ask(
    sentinel: &Address,
    master: &str,
    login: &Login,
    timeout: Duration,
) -> Result<Option<Address>, RedisError> {
    let mut connection = login.open(sentinel, timeout, timeout, |_| {}).await?;
    redis::cmd("SENTINEL")
        .arg("get-master-addr-by-name")
        .arg(master)
        .query_async(&mut connection)
        .await
}

//! A connection beside that of short commands, opened when it is first needed and again after it failed. What
//! becomes of it says nothing about the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{PushInfo, RedisResult};
use tokio::sync::Mutex;

use crate::address::Address;
use crate::failure::{self, Failure};
use crate::login::Login;
use crate::server_run::{self, OLDEST};

/// One connection, or none yet.
#[derive(Default)]
pub(crate) struct SideConnection {
    current: Mutex<Option<(u64, MultiplexedConnection)>>,
    opened: AtomicU64,
}

/// How a side connection is opened.
pub(crate) struct SideOptions<'a> {
    pub login: &'a Login,
    pub address: &'a Address,
    /// The run that it has to be of.
    pub run: &'a Arc<str>,
    pub timeout: Duration,
    pub answer_within: Duration,
}

/// A connection, and which one it is.
pub(crate) struct Opened {
    pub number: u64,
    pub connection: MultiplexedConnection,
}

impl SideConnection {
    /// The connection, opened if there is none.
    pub(crate) async fn get<F>(&self, opening: SideOptions<'_>, on_push: F) -> Result<Opened, Failure>
    where
        F: Fn(PushInfo) + Send + Sync + 'static,
    {
        let mut current = self.current.lock().await;
        if let Some((number, connection)) = &*current {
            return Ok(Opened {
                number: *number,
                connection: connection.clone(),
            });
        }
        let SideOptions {
            login,
            address,
            run,
            timeout,
            answer_within,
        } = opening;
        let opened: RedisResult<_> = login.open(address, timeout, answer_within, on_push).await;
        let mut connection = opened.map_err(|error| failure::classify(&error))?;
        match server_run::identify(&mut connection, OLDEST).await {
            Ok(its) if its == *run => {}
            Ok(_) => return Err(Failure::Unavailable("Redis was started again".into())),
            Err(why) => return Err(Failure::Unavailable(why)),
        }
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        *current = Some((number, connection.clone()));
        Ok(Opened { number, connection })
    }

    /// The connection, if it is open.
    pub(crate) fn now(&self) -> Option<MultiplexedConnection> {
        let current = self.current.try_lock().ok()?;
        current.as_ref().map(|(_, connection)| connection.clone())
    }

    /// The connection with this number is not used again: the next request opens another.
    pub(crate) async fn give_up(&self, number: u64) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|(its, _)| *its == number) {
            *current = None;
        }
    }
}

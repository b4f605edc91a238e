//! How a connection gets in.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, PushInfo, RedisConnectionInfo,
    RedisResult,
};

use crate::address::Address;

/// Commands that wait for the connection's task at most; more wait for room, within their deadline.
const QUEUED_COMMANDS: usize = 4096;

/// Who we are, and which database we want.
#[derive(Clone, Default)]
pub struct Login {
    /// `default`, if there is only a password.
    pub username: Option<String>,
    /// None: the server asks for none.
    pub password: Option<String>,
    /// 0 in a Cluster.
    pub database: i64,
}

impl Login {
    /// Opens a connection that gives `on_push` what comes unasked.
    pub(crate) async fn open<F>(
        &self,
        address: &Address,
        timeout: Duration,
        answer_within: Duration,
        on_push: F,
    ) -> RedisResult<MultiplexedConnection>
    where
        F: Fn(PushInfo) + Send + Sync + 'static,
    {
        let mut settings = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_db(self.database);
        if let Some(username) = &self.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
        }
        let info = ConnectionAddr::Tcp(address.0.clone(), address.1)
            .into_connection_info()?
            .set_redis_settings(settings);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(answer_within))
            .set_pipeline_buffer_size(QUEUED_COMMANDS)
            .set_push_sender(move |push| {
                on_push(push);
                Ok::<_, redis::aio::SendError>(())
            });
        Client::open(info)?
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }
}

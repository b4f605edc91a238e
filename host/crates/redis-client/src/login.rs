//! How a connection gets in.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ProtocolVersion, PushInfo, RedisConnectionInfo, RedisResult};
use tokio_rustls::rustls::ClientConfig;

use crate::address::Address;
use crate::stream::ServerStream;

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
    /// Whom we trust, and how we show who we are, in TLS; none: connections are not encrypted.
    pub tls: Option<Arc<ClientConfig>>,
}

impl Login {
    /// The same without a name, a password and a database.
    pub(crate) fn anonymous(&self) -> Self {
        Self {
            tls: self.tls.clone(),
            ..Self::default()
        }
    }

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
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(Some(answer_within))
            .set_pipeline_buffer_size(QUEUED_COMMANDS)
            .set_push_sender(move |push| {
                on_push(push);
                Ok::<_, redis::aio::SendError>(())
            });
        let opening = async {
            let stream = ServerStream::connect(address, self.tls.as_ref()).await?;
            MultiplexedConnection::new_with_config(&settings, stream, config).await
        };
        let late = |_| -> RedisResult<_> { Err(io::Error::from(io::ErrorKind::TimedOut).into()) };
        let (connection, driver) = tokio::time::timeout(timeout, opening).await.unwrap_or_else(late)?;
        // It ends with the last clone of the connection.
        tokio::spawn(driver);
        Ok(connection)
    }
}

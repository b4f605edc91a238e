//! A subscribed connection to one server: commands are pipelined and each is confirmed, messages go into the queue.
//! It never begins anew: whoever keeps it opens another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::address::Address;
use crate::connection::{ConnectedServer, ServerConnection};
use crate::handler::{Handler, PendingCommand};
use crate::liveness::SubscriptionLiveness;
use crate::login::Login;
use crate::push_queue::PushQueue;
use crate::resp::{self, NotResp, RespReply};
use crate::stream::ServerStream;

pub use crate::handler::Confirmed;

/// Commands that wait to be written at most; more wait for room.
const UNWRITTEN: usize = 64;
/// How long a command may wait for its confirmation.
const CONFIRM_WAIT: Duration = Duration::from_secs(5);
/// Bytes that are read at once, and kept as the connection's buffer.
const READ_BYTES: usize = 16 * 1024;

/// Numbers connections, so that each knows its own subscriptions.
static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// One subscribed connection. Dropped, it is closed.
pub struct SubscribedConnection {
    /// Tells it from every other.
    pub id: u64,
    sharded: bool,
    commands: mpsc::Sender<Vec<u8>>,
    handler: Arc<Handler>,
    liveness: SubscriptionLiveness,
    task: AbortHandle,
}

impl SubscribedConnection {
    /// Opens a connection beside `connection`, to the same server. What it receives goes into `queue`.
    pub async fn open(
        connection: &ServerConnection,
        server: &ConnectedServer,
        sharded: bool,
        queue: PushQueue,
    ) -> Result<Self, String> {
        let within = connection.timeout();
        let opening = timeout(within, open(&server.address, connection.login()));
        let (stream, buffer) = opening.await.map_err(|_| "no answer in time".to_owned())??;
        let handler = Handler::new(queue, None);
        let (commands, unwritten) = mpsc::channel(UNWRITTEN);
        let task = tokio::spawn(serve(stream, buffer, unwritten, handler.clone())).abort_handle();
        Ok(Self {
            id: CONNECTIONS.fetch_add(1, Ordering::Relaxed),
            sharded,
            commands,
            handler,
            liveness: SubscriptionLiveness::new(within),
            task,
        })
    }

    /// Subscribes to channels, in a Cluster all of one slot. Can be called again before it answers.
    pub async fn subscribe(&self, channels: &[Arc<str>]) -> Result<Confirmed, String> {
        let verb = if self.sharded { "SSUBSCRIBE" } else { "SUBSCRIBE" };
        let (confirm, confirmed) = oneshot::channel();
        let pending = PendingCommand::Subscribe {
            left: channels.len(),
            confirm,
        };
        self.send(pending, command(verb, channels), confirmed).await
    }

    /// Unsubscribes from channels, in a Cluster all of one slot. Can be called again before it answers.
    pub async fn unsubscribe(&self, channels: &[Arc<str>]) -> Result<Confirmed, String> {
        let verb = if self.sharded { "SUNSUBSCRIBE" } else { "UNSUBSCRIBE" };
        let (confirm, confirmed) = oneshot::channel();
        let pending = PendingCommand::Unsubscribe {
            leaving: channels
                .iter()
                .map(|name| Bytes::copy_from_slice(name.as_bytes()))
                .collect(),
            confirm,
        };
        let mut bytes = command(verb, channels);
        bytes.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
        self.send(pending, bytes, confirmed).await
    }

    async fn send(
        &self,
        pending: PendingCommand,
        bytes: Vec<u8>,
        confirmed: oneshot::Receiver<Result<Confirmed, String>>,
    ) -> Result<Confirmed, String> {
        let closed = || "the connection was closed".to_owned();
        let answer = async {
            let room = self.commands.reserve().await.map_err(|_| closed())?;
            self.handler.add(pending, || room.send(bytes));
            if self.handler.is_ended() {
                return Err(closed());
            }
            confirmed.await.map_err(|_| closed())?
        };
        let answer = timeout(CONFIRM_WAIT, answer).await;
        answer.unwrap_or_else(|_| Err(format!("no confirmation within {CONFIRM_WAIT:?}")))
    }

    /// Subscribes to `channel` to see by it whether the connection lives: see [`SubscribedConnection::check`].
    pub async fn watch_by(&mut self, channel: Arc<str>) -> Result<Confirmed, String> {
        self.handler.listen_for_liveness(&channel);
        let confirmed = self.subscribe(std::slice::from_ref(&channel)).await?;
        self.liveness
            .watch_by((confirmed == Confirmed::Done).then_some(channel));
        Ok(confirmed)
    }

    /// Whether there is a channel by which the connection is watched.
    pub fn is_watched(&self) -> bool {
        self.liveness.channel.is_some()
    }

    /// How often to [`SubscribedConnection::check`].
    pub fn check_every(&self) -> Duration {
        self.liveness.every
    }

    /// Fails if what was published by an earlier check did not come: a socket may live whose subscriptions do not.
    pub fn check(&mut self, connection: &Arc<ServerConnection>) -> Result<(), String> {
        self.liveness.check(&self.handler, connection, self.sharded)
    }

    /// Waits until a slot was taken away, or the connection has ended.
    pub async fn event(&self) {
        self.handler.event.notified().await;
    }

    /// The slots that were taken away since this was asked last: no channel of theirs is subscribed any more.
    pub fn take_lost_slots(&mut self) -> std::collections::HashSet<u16> {
        let lost = self.handler.take_lost_slots();
        if self.liveness.slot().is_some_and(|slot| lost.contains(&slot)) {
            self.liveness.channel = None;
        }
        lost
    }

    /// Whether the connection is of no use any more.
    pub fn is_ended(&self) -> bool {
        self.handler.is_ended()
    }
}

impl Drop for SubscribedConnection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A command as the server reads it.
fn command(verb: &str, arguments: &[impl AsRef<str>]) -> Vec<u8> {
    let mut command = redis::cmd(verb);
    for argument in arguments {
        command.arg(argument.as_ref());
    }
    command.get_packed_command()
}

/// Connects and gets in. Gives what was read beyond that, which is nothing.
async fn open(address: &Address, login: &Login) -> Result<(ServerStream, BytesMut), String> {
    let mut stream = ServerStream::connect(address, login.tls.as_ref())
        .await
        .map_err(|error| error.to_string())?;
    let mut words = vec!["3"];
    if let Some(password) = &login.password {
        words.extend(["AUTH", login.username.as_deref().unwrap_or("default"), password]);
    }
    let hello = command("HELLO", &words);
    stream.write_all(&hello).await.map_err(|error| error.to_string())?;
    stream.flush().await.map_err(|error| error.to_string())?;
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    loop {
        match resp::read(&mut buffer) {
            Ok(Some(RespReply::Error(error))) => return Err(error),
            Ok(Some(_)) => return Ok((stream, buffer)),
            Ok(None) => {}
            Err(NotResp) => return Err("what answers there is no Redis".into()),
        }
        match stream.read_buf(&mut buffer).await {
            Ok(0) => return Err("the connection was closed".into()),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Reads and writes until the connection ends.
async fn serve(
    stream: ServerStream,
    mut buffer: BytesMut,
    mut unwritten: mpsc::Receiver<Vec<u8>>,
    handler: Arc<Handler>,
) {
    let (mut from, mut to) = tokio::io::split(stream);
    let reading = async {
        while !handler.is_ended() {
            match resp::read(&mut buffer) {
                Ok(Some(reply)) => handler.handle(reply),
                Ok(None) => {
                    buffer.reserve(READ_BYTES);
                    if !matches!(from.read_buf(&mut buffer).await, Ok(1..)) {
                        return;
                    }
                }
                Err(NotResp) => return,
            }
        }
    };
    let writing = async {
        while let Some(bytes) = unwritten.recv().await {
            // TLS may keep the end of what was written.
            if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
    handler.end();
}

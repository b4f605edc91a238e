//! The connection to one Redis server, which comes back by itself. While the server is away or does not answer,
//! everything fails at once instead of waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, PushInfo, PushKind, RedisError, RedisResult, Value};
use tokio::sync::{Notify, Semaphore, watch};

use crate::address::Address;
use crate::backoff::ReconnectBackoff;
use crate::failure::{self, Failure, classify, is_answer, is_no_master};
use crate::login::Login;
use crate::permissions::{MissingRights, Trial};
use crate::request::{RedisRequest, Way};
use crate::sentinel;
use crate::server_run::{OLDEST, OLDEST_IN_CLUSTER, identify, must_be_master};
use crate::settings::ClientSettings;
use crate::side_connection::{Opened, SideConnection, SideOptions};

/// How often a connection that nobody complains about is checked.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// Connections to a server for large answers: one that is slow holds up every second read, and nothing else.
const LARGE: usize = 2;
/// How long a large answer may take, in times that a command may take: 9 MiB over a slow network are seconds.
const LARGE_WAIT: u32 = 5;

/// Numbers the times that a server was connected to, of all servers.
static CONNECTS: AtomicU64 = AtomicU64::new(1);

/// Who says where the server is.
pub(crate) enum Whereabouts {
    /// It stays where it is.
    Fixed(Address),
    /// It stays where it is, and is one of a Cluster.
    InCluster(Address),
    /// Sentinels say which one is the master.
    Sentinels {
        hosts: Vec<Address>,
        master: String,
        /// For the Sentinels; none: see [`sentinel::find_master`].
        login: Option<Login>,
    },
}

/// The connection to one server.
pub struct ServerConnection {
    whereabouts: Whereabouts,
    login: Login,
    timeout: Duration,
    trial: Trial,
    /// The rights that were missing when the last connection was opened.
    missing_rights: Mutex<Option<MissingRights>>,
    server: ArcSwapOption<ConnectedServer>,
    /// A short command went unanswered: until the server answers again, nothing more is sent to it.
    suspect: AtomicBool,
    trouble: Notify,
    up: watch::Sender<bool>,
    /// For requests that end with `WAIT`: one at a time, since on its connection one is held up by the next.
    turn: Semaphore,
}

/// A server that is connected.
pub struct ConnectedServer {
    short: MultiplexedConnection,
    replicated: SideConnection,
    large: [SideConnection; LARGE],
    next_large: AtomicUsize,
    closed: Arc<Notify>,
    pub address: Address,
    /// Changes when it is started again, and when it becomes the master again.
    pub run: Arc<str>,
    /// Tells this connection from every other that there was.
    pub connect: u64,
}

impl ServerConnection {
    pub(crate) fn new(whereabouts: Whereabouts, settings: &ClientSettings) -> Arc<Self> {
        Arc::new(Self {
            whereabouts,
            login: settings.login.clone(),
            timeout: settings.timeout,
            trial: Trial::of(settings),
            missing_rights: Mutex::default(),
            server: ArcSwapOption::empty(),
            suspect: AtomicBool::new(false),
            trouble: Notify::new(),
            up: watch::channel(false).0,
            turn: Semaphore::new(1),
        })
    }

    /// For a second connection to the same server.
    pub(crate) fn login(&self) -> &Login {
        &self.login
    }

    /// How long a command may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The rights that are missing, if the server is not used because of that.
    pub fn missing_rights(&self) -> Option<MissingRights> {
        self.missing_rights.lock().clone()
    }

    /// Whether commands get through, and when that changes.
    pub fn up(&self) -> watch::Receiver<bool> {
        self.up.subscribe()
    }

    /// The server, if commands get through to it.
    pub fn server(&self) -> Option<Arc<ConnectedServer>> {
        if self.suspect.load(Ordering::Relaxed) {
            return None;
        }
        self.server.load_full()
    }

    /// Keeps the connection, for ever.
    pub(crate) async fn keep(self: Arc<Self>) {
        let mut backoff = ReconnectBackoff::new();
        let mut logged = false;
        loop {
            match self.connect().await {
                Ok(server) => {
                    let (host, port) = server.address.clone();
                    let closed = server.closed.clone();
                    tracing::info!(host, port, "Redis is there");
                    self.suspect.store(false, Ordering::Relaxed);
                    self.server.store(Some(Arc::new(server)));
                    self.up.send_replace(true);
                    backoff.reset();
                    let why = self.watch(&closed).await;
                    self.up.send_replace(false);
                    self.server.store(None);
                    tracing::warn!(host, port, why, "Redis is gone");
                    logged = false;
                }
                Err(error) => {
                    // Once an outage: it may be a long one.
                    if !std::mem::replace(&mut logged, true) {
                        tracing::warn!(error, "Redis cannot be reached; trying again until it can");
                    }
                }
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    /// Runs one short command.
    pub async fn run(&self, command: &Cmd) -> Result<Value, Failure> {
        let server = self.server().ok_or_else(Failure::not_connected)?;
        let mut connection = server.short.clone();
        self.judge(command.query_async(&mut connection).await)
    }

    /// Runs what is made for this run of the server, on no other. Gives its answer, and that to `WAIT`.
    pub(crate) async fn send(&self, request: RedisRequest<'_>) -> Result<(Value, Value), Failure> {
        let server = self.server().ok_or_else(Failure::not_connected)?;
        match request.way {
            Way::Short => {
                let command = (request.make)(&server.run);
                let mut connection = server.short.clone();
                if request.is_single() {
                    let answer = command.query_async(&mut connection).await;
                    return Ok((self.judge(answer)?, Value::Nil));
                }
                let (pipeline, count) = request.pipeline(command);
                let answers = connection.send_packed_commands(&pipeline, 0, count).await;
                let (answer, rest) = request.read(self.judge(answers)?)?;
                Ok((self.judge(answer.extract_error())?, rest))
            }
            Way::Large => {
                let number = server.next_large.fetch_add(1, Ordering::Relaxed) % LARGE;
                let side = &server.large[number];
                let opened = side.get(self.opening(&server, LARGE_WAIT), |_| {}).await?;
                self.send_beside(side, opened, request, &server.run).await
            }
            Way::Replicated(_) => {
                let _turn = self.turn.acquire().await.expect("it is never closed");
                // While waiting for the turn the server may have been replaced.
                let server = self.server().ok_or_else(Failure::not_connected)?;
                let side = &server.replicated;
                let opened = side.get(self.opening(&server, 1), on_end(&server.closed)).await?;
                let answer = self.send_beside(side, opened, request, &server.run).await;
                if let Err(Failure::Unavailable(_)) = answer {
                    // The main connection may be well, and would be found so; this one is not to be used again.
                    server.closed.notify_one();
                }
                answer
            }
        }
    }

    /// Sends a request on a connection whose trouble is its own.
    async fn send_beside(
        &self,
        side: &SideConnection,
        opened: Opened,
        request: RedisRequest<'_>,
        run: &str,
    ) -> Result<(Value, Value), Failure> {
        let Opened { number, mut connection } = opened;
        let (pipeline, count) = request.pipeline((request.make)(run));
        let answers = match connection.send_packed_commands(&pipeline, 0, count).await {
            Ok(answers) => answers,
            Err(error) => {
                if !is_answer(&error) {
                    side.give_up(number).await;
                }
                return Err(classify(&error));
            }
        };
        let (answer, rest) = request.read(answers)?;
        // That of a server that is no master any more is trouble for all of its connections.
        Ok((self.judge(answer.extract_error())?, rest))
    }

    fn opening<'a>(&'a self, server: &'a ConnectedServer, patience: u32) -> SideOptions<'a> {
        SideOptions {
            login: &self.login,
            address: &server.address,
            run: &server.run,
            timeout: self.timeout,
            answer_within: self.timeout * patience,
        }
    }

    /// Sends a request over a connection of its own, to a server that has no [`ServerConnection`] yet.
    pub(crate) async fn send_once(
        login: &Login,
        address: &Address,
        timeout: Duration,
        request: RedisRequest<'_>,
    ) -> Result<(Value, Value), Failure> {
        let failed = |error: RedisError| Failure::Unavailable(error.to_string());
        let mut connection = login.open(address, timeout, timeout, |_| {}).await.map_err(failed)?;
        let run = identify(&mut connection, OLDEST).await.map_err(Failure::Unavailable)?;
        let (pipeline, count) = request.pipeline((request.make)(&run));
        let answers = connection.send_packed_commands(&pipeline, 0, count).await;
        let (answer, rest) = request.read(answers.map_err(failed)?)?;
        Ok((answer.extract_error().map_err(|error| failure::classify(&error))?, rest))
    }

    fn judge<T>(&self, answer: RedisResult<T>) -> Result<T, Failure> {
        answer.map_err(|error| {
            if !is_answer(&error) {
                self.suspect.store(true, Ordering::Relaxed);
            }
            if !is_answer(&error) || is_no_master(&error) {
                self.trouble.notify_one();
            }
            classify(&error)
        })
    }

    async fn connect(&self) -> Result<ConnectedServer, String> {
        let address = self.find().await?;
        let closed = Arc::new(Notify::new());
        let opened = self
            .login
            .open(&address, self.timeout, self.timeout, on_end(&closed))
            .await;
        let mut short = opened.map_err(|error| format!("{}:{}: {error}", address.0, address.1))?;
        self.try_rights(&mut short).await?;
        must_be_master(&mut short).await?;
        let oldest = match &self.whereabouts {
            Whereabouts::InCluster(_) => OLDEST_IN_CLUSTER,
            _ => OLDEST,
        };
        let run = identify(&mut short, oldest).await?;
        Ok(ConnectedServer {
            short,
            replicated: SideConnection::default(),
            large: Default::default(),
            next_large: AtomicUsize::new(0),
            closed,
            address,
            run,
            connect: CONNECTS.fetch_add(1, Ordering::Relaxed),
        })
    }

    async fn try_rights(&self, connection: &mut MultiplexedConnection) -> Result<(), String> {
        let missing = self.trial.run(connection).await?;
        let said = missing.as_ref().map(ToString::to_string);
        if *self.missing_rights.lock() != missing {
            if let Some(said) = &said {
                tracing::error!("{said}");
            }
            *self.missing_rights.lock() = missing;
        }
        said.map_or(Ok(()), Err)
    }

    async fn find(&self) -> Result<Address, String> {
        match &self.whereabouts {
            Whereabouts::Fixed(address) | Whereabouts::InCluster(address) => Ok(address.clone()),
            Whereabouts::Sentinels { hosts, master, login } => {
                sentinel::find_master(hosts, master, login.as_ref(), &self.login, self.timeout).await
            }
        }
    }

    /// Returns when the connection is of no use any more, and why.
    async fn watch(&self, closed: &Notify) -> String {
        let mut check = tokio::time::interval(CHECK_EVERY);
        loop {
            let in_trouble = tokio::select! {
                () = closed.notified() => return "the connection was closed".into(),
                () = self.trouble.notified() => true,
                _ = check.tick() => false,
            };
            let Some(server) = self.server.load_full() else {
                return "there is none".into();
            };
            let mut connection = server.short.clone();
            if let Err(error) = must_be_master(&mut connection).await {
                return error;
            }
            // It may be idle for long. A pending request checks the connection by itself.
            if let Some(mut replicated) = server.replicated.now()
                && let Ok(_turn) = self.turn.try_acquire()
                && let Err(error) = redis::cmd("PING").query_async::<Value>(&mut replicated).await
            {
                return error.to_string();
            }
            self.suspect.store(false, Ordering::Relaxed);
            if !in_trouble
                && matches!(self.whereabouts, Whereabouts::Sentinels { .. })
                && let Ok(address) = self.find().await
                && address != server.address
            {
                return format!("the Sentinels have another master: {}:{}", address.0, address.1);
            }
        }
    }
}

/// Notes the end of a connection, and nothing else that comes over it.
fn on_end(closed: &Arc<Notify>) -> impl Fn(PushInfo) + Send + Sync + 'static {
    let closed = closed.clone();
    move |push| {
        if push.kind == PushKind::Disconnection {
            closed.notify_one();
        }
    }
}

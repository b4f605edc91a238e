//! The way to one Redis server: a connection for commands that comes back by itself. While it is down or does
//! not answer, everything fails at once instead of waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, IntoConnectionInfo, ProtocolVersion, PushInfo,
    PushKind, RedisConnectionInfo, RedisError, RedisResult, Value,
};
use tokio::sync::{Notify, OnceCell, Semaphore, watch};

use super::backoff::Backoff;
use super::errand::{Errand, Failure, classify, is_no_master};
use super::identity::{OLDEST, OLDEST_IN_CLUSTER, identify, must_be_master};
use crate::config::RedisUrl;

/// Commands that wait for the connection's task at most; more wait for room, within their deadline.
const QUEUED_COMMANDS: usize = 4096;
/// How often a connection that nobody complains about is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Where a server is.
pub(crate) type Address = (String, u16);

/// How to get in.
#[derive(Clone)]
pub(crate) struct Login {
    username: Option<String>,
    password: Option<String>,
    database: i64,
}

/// Who says where the server is.
pub(crate) enum Whereabouts {
    /// It stays where it is.
    Fixed(Address),
    /// It stays where it is, and is one of a Cluster.
    InCluster(Address),
    /// Sentinels say which one is the master.
    Sentinels { hosts: Vec<Address>, master: String },
}

/// The way to one server.
pub(crate) struct Link {
    whereabouts: Whereabouts,
    login: Login,
    timeout: Duration,
    server: ArcSwapOption<Server>,
    /// A command went unanswered: until the server answers again, nothing more is sent to it.
    suspect: AtomicBool,
    trouble: Notify,
    up: watch::Sender<bool>,
    /// For errands that wait: one at a time, since on its connection one is held up by the next.
    turn: Semaphore,
}

/// A server that is connected.
pub(crate) struct Server {
    connection: MultiplexedConnection,
    /// For errands that wait, so that nothing else waits with them.
    patient: OnceCell<MultiplexedConnection>,
    closed: Arc<Notify>,
    /// Where it is.
    pub address: Address,
    /// Changes when it is started again, and when it becomes the master again.
    pub run: Arc<str>,
}

impl Login {
    pub fn of(url: &RedisUrl) -> Self {
        Self {
            username: url.username.clone(),
            password: url.password.clone(),
            database: url.database.into(),
        }
    }

    fn nobody() -> Self {
        Self {
            username: None,
            password: None,
            database: 0,
        }
    }

    /// Opens a connection that gives `ear` what comes unasked.
    pub async fn open<E>(&self, address: &Address, timeout: Duration, ear: E) -> RedisResult<MultiplexedConnection>
    where
        E: Fn(PushInfo) + Send + Sync + 'static,
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
            .set_response_timeout(Some(timeout))
            .set_pipeline_buffer_size(QUEUED_COMMANDS)
            .set_push_sender(move |push| {
                ear(push);
                Ok::<_, redis::aio::SendError>(())
            });
        Client::open(info)?
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }
}

impl Link {
    pub fn new(whereabouts: Whereabouts, login: Login, timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            whereabouts,
            login,
            timeout,
            server: ArcSwapOption::empty(),
            suspect: AtomicBool::new(false),
            trouble: Notify::new(),
            up: watch::channel(false).0,
            turn: Semaphore::new(1),
        })
    }

    /// How to get in, for a second connection.
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// Whether commands get through, and when that changes.
    pub fn up(&self) -> watch::Receiver<bool> {
        self.up.subscribe()
    }

    /// The server, if commands get through to it.
    pub fn server(&self) -> Option<Arc<Server>> {
        if self.suspect.load(Ordering::Relaxed) {
            return None;
        }
        self.server.load_full()
    }

    /// Keeps the connection, for ever.
    pub async fn keep(self: Arc<Self>) {
        let mut backoff = Backoff::new();
        let mut told = false;
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
                    told = false;
                }
                Err(error) => {
                    // Once an outage: it may be a long one.
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(error, "Redis cannot be reached; trying again until it can");
                    }
                }
            }
            tokio::time::sleep(backoff.next()).await;
        }
    }

    /// Runs one command.
    pub async fn run(&self, command: &Cmd) -> Result<Value, Failure> {
        let server = self.server().ok_or_else(Failure::not_connected)?;
        let mut connection = server.connection.clone();
        self.judge(command.query_async(&mut connection).await)
    }

    /// Runs what is made for this run of the server, on no other. Gives its answer, and that of what waits.
    pub async fn run_errand(&self, errand: Errand<'_>) -> Result<(Value, Value), Failure> {
        let _turn = match errand.wait {
            None => None,
            Some(_) => Some(self.turn.acquire().await.expect("it is never closed")),
        };
        let server = self.server().ok_or_else(Failure::not_connected)?;
        let mut connection = match errand.wait {
            None => server.connection.clone(),
            Some(_) => self.patient(&server).await?,
        };
        let command = (errand.make)(&server.run);
        if errand.wait.is_none() && !errand.asking {
            let answer = command.query_async(&mut connection).await;
            return Ok((self.judge(answer)?, Value::Nil));
        }
        let (pipeline, count) = errand.pipeline(command);
        let answers = connection.send_packed_commands(&pipeline, 0, count).await;
        if answers.is_err() && errand.wait.is_some() {
            // The other connection may be well, and would be found so; this one is not to be used again.
            server.closed.notify_one();
        }
        let (answer, waited) = errand.read(self.judge(answers)?)?;
        Ok((self.judge(answer.extract_error())?, waited))
    }

    /// The connection for errands that wait, opened for the first of them.
    async fn patient(&self, server: &Server) -> Result<MultiplexedConnection, Failure> {
        let open = async || {
            let told = tell_of_end(&server.closed);
            let mut connection = self.judge(self.login.open(&server.address, self.timeout, told).await)?;
            match identify(&mut connection, OLDEST).await {
                Ok(run) if run == server.run => Ok(connection),
                Ok(_) => Err(Failure::Unavailable("Redis was started again".into())),
                Err(why) => Err(Failure::Unavailable(why)),
            }
        };
        server.patient.get_or_try_init(open).await.cloned()
    }

    /// Runs an errand on a connection of its own, for a server that no link leads to yet.
    pub async fn run_errand_at(
        login: &Login,
        address: &Address,
        timeout: Duration,
        errand: Errand<'_>,
    ) -> Result<(Value, Value), Failure> {
        let failed = |error: RedisError| Failure::Unavailable(error.to_string());
        let mut connection = login.open(address, timeout, |_| {}).await.map_err(failed)?;
        let run = identify(&mut connection, OLDEST).await.map_err(Failure::Unavailable)?;
        let (pipeline, count) = errand.pipeline((errand.make)(&run));
        let answers = connection.send_packed_commands(&pipeline, 0, count).await;
        let (answer, waited) = errand.read(answers.map_err(failed)?)?;
        Ok((answer.extract_error().map_err(|error| classify(&error))?, waited))
    }

    fn judge<T>(&self, answer: RedisResult<T>) -> Result<T, Failure> {
        answer.map_err(|error| {
            let is_answer = matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension);
            if !is_answer {
                self.suspect.store(true, Ordering::Relaxed);
            }
            if !is_answer || is_no_master(&error) {
                self.trouble.notify_one();
            }
            classify(&error)
        })
    }

    async fn connect(&self) -> Result<Server, String> {
        let address = self.find().await?;
        let closed = Arc::new(Notify::new());
        let opened = self.login.open(&address, self.timeout, tell_of_end(&closed)).await;
        let mut connection = opened.map_err(|error| format!("{}:{}: {error}", address.0, address.1))?;
        must_be_master(&mut connection).await?;
        let oldest = match &self.whereabouts {
            Whereabouts::InCluster(_) => OLDEST_IN_CLUSTER,
            _ => OLDEST,
        };
        let run = identify(&mut connection, oldest).await?;
        Ok(Server {
            connection,
            patient: OnceCell::new(),
            closed,
            address,
            run,
        })
    }

    async fn find(&self) -> Result<Address, String> {
        match &self.whereabouts {
            Whereabouts::Fixed(address) | Whereabouts::InCluster(address) => Ok(address.clone()),
            Whereabouts::Sentinels { hosts, master } => {
                let mut why = "no Sentinel answers".to_owned();
                for host in hosts {
                    match ask_sentinel(host, master, self.timeout).await {
                        Ok(Some(address)) => return Ok(address),
                        Ok(None) => why = format!("the Sentinel {}:{} knows no master {master:?}", host.0, host.1),
                        Err(error) => why = format!("the Sentinel {}:{}: {error}", host.0, host.1),
                    }
                }
                Err(why)
            }
        }
    }

    /// Returns when the connection is of no use any more, and why.
    async fn watch(&self, closed: &Notify) -> String {
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            let looked = tokio::select! {
                () = closed.notified() => return "the connection was closed".into(),
                () = self.trouble.notified() => true,
                _ = look.tick() => false,
            };
            let Some(server) = self.server.load_full() else {
                return "there is none".into();
            };
            let mut connection = server.connection.clone();
            if let Err(error) = must_be_master(&mut connection).await {
                return error;
            }
            // Nothing may go over it for long. One with an errand under way is looked after by that.
            if let Some(mut patient) = server.patient.get().cloned()
                && let Ok(_turn) = self.turn.try_acquire()
                && let Err(error) = redis::cmd("PING").query_async::<Value>(&mut patient).await
            {
                return error.to_string();
            }
            self.suspect.store(false, Ordering::Relaxed);
            if !looked
                && matches!(self.whereabouts, Whereabouts::Sentinels { .. })
                && let Ok(address) = self.find().await
                && address != server.address
            {
                return format!("the Sentinels have another master: {}:{}", address.0, address.1);
            }
        }
    }
}

/// Listens to a connection for its end only.
fn tell_of_end(closed: &Arc<Notify>) -> impl Fn(PushInfo) + Send + Sync + 'static {
    let closed = closed.clone();
    move |push| {
        if push.kind == PushKind::Disconnection {
            closed.notify_one();
        }
    }
}

async fn ask_sentinel(host: &Address, master: &str, timeout: Duration) -> Result<Option<Address>, RedisError> {
    let mut connection = Login::nobody().open(host, timeout, |_| {}).await?;
    let answer: Option<(String, u16)> = redis::cmd("SENTINEL")
        .arg("get-master-addr-by-name")
        .arg(master)
        .query_async(&mut connection)
        .await?;
    Ok(answer)
}

/// Reads `host:port`; a host may have colons of its own.
pub(super) fn read_address(text: &str) -> Option<Address> {
    let (host, port) = text.rsplit_once(':')?;
    Some((host.trim_matches(['[', ']']).to_owned(), port.parse().ok()?))
}

//! A service manager of the test's own: it hears what a broker notifies, and passes it sockets.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::UnixDatagram;

use super::broker::{Broker, compiled};
use super::config::{Home, complete};
use super::process::{Process, binary, is_running};
use super::{PATIENCE, eventually, within};

/// Sets what has the number of the process itself, then becomes the broker.
const AS_SERVICE: &str = r#"export LISTEN_PID=$$ WATCHDOG_PID=$$; exec "$0" "$@""#;
/// The same with the numbers of a process that is none.
const AS_ANOTHER: &str = r#"export LISTEN_PID=0 WATCHDOG_PID=0; exec "$0" "$@""#;

/// The socket that notifications are sent to.
pub(crate) struct Manager {
    socket: UnixDatagram,
    name: OsString,
}

impl Manager {
    /// Hears at a path.
    pub(crate) fn at(path: &Path) -> Self {
        Self {
            socket: UnixDatagram::bind(path).expect("a socket"),
            name: path.into(),
        }
    }

    /// Hears under an abstract name.
    pub(crate) fn called(name: &str) -> Self {
        let address = SocketAddr::from_abstract_name(name).expect("a name");
        let socket = std::os::unix::net::UnixDatagram::bind_addr(&address).expect("a socket");
        socket.set_nonblocking(true).expect("a setting");
        Self {
            socket: UnixDatagram::from_std(socket).expect("a socket"),
            name: format!("@{name}").into(),
        }
    }

    /// The next notification.
    pub(crate) async fn next(&self) -> String {
        let mut bytes = [0; 4_096];
        let received = within(self.socket.recv(&mut bytes), || "nothing is notified".into()).await;
        String::from_utf8_lossy(&bytes[..received.expect("a notification")]).into_owned()
    }

    /// The next one that has this line, whatever comes before it.
    pub(crate) async fn hears(&self, line: &str) -> String {
        loop {
            let told = self.next().await;
            if told.lines().any(|other| other == line) {
                return told;
            }
        }
    }

    /// All that arrived already.
    pub(crate) fn waiting(&self) -> Vec<String> {
        let mut bytes = [0; 4_096];
        let mut waiting = Vec::new();
        while let Ok(count) = self.socket.try_recv(&mut bytes) {
            waiting.push(String::from_utf8_lossy(&bytes[..count]).into_owned());
        }
        waiting
    }
}

/// A broker to be, as a service manager starts it.
pub(crate) struct Service {
    home: Home,
    variables: Vec<(&'static str, OsString)>,
    sockets: Vec<OwnedFd>,
    script: &'static str,
    program: PathBuf,
}

impl Service {
    /// One with its config in `home`.
    pub(crate) fn new(home: Home) -> Self {
        Self {
            home,
            variables: Vec::new(),
            sockets: Vec::new(),
            script: AS_SERVICE,
            program: binary(),
        }
    }

    /// It notifies this manager.
    pub(crate) fn notifies(self, manager: &Manager) -> Self {
        self.variable("NOTIFY_SOCKET", &manager.name)
    }

    /// With this variable.
    pub(crate) fn variable(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// It is passed this descriptor too, and told the number of all.
    pub(crate) fn passes(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.sockets.push(socket.into());
        let count = self.sockets.len().to_string();
        self.variables.retain(|(name, _)| *name != "LISTEN_FDS");
        self.variable("LISTEN_FDS", count)
    }

    /// What it is passed was meant for a process that is gone.
    pub(crate) fn for_another_process(mut self) -> Self {
        self.script = AS_ANOTHER;
        self
    }

    /// It is started by this path.
    pub(crate) fn program(mut self, path: PathBuf) -> Self {
        self.program = path;
        self
    }

    /// Starts it with this config, completed.
    pub(crate) async fn launch(self, config: &str) -> (Home, Process) {
        self.home.write(&complete(config));
        compiled().await;
        let mut shell = Command::new("sh");
        shell
            .args(["-c", self.script])
            .arg(self.program)
            .envs(self.variables)
            .process_group(0);
        let numbered = (3..).zip(self.sockets);
        let mappings = numbered.map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd });
        shell
            .fd_mappings(mappings.collect())
            .expect("each has a number of its own");
        let config = self.home.config();
        let args = ["serve".as_ref(), "--config".as_ref(), config.as_os_str()];
        let process = Process::start_by(shell, args, "info").with_group();
        (self.home, process)
    }

    /// The same, and waits until it listens.
    pub(crate) async fn start(self, config: &str) -> Broker {
        let (home, process) = self.launch(config).await;
        Broker::started(home, process).await
    }
}

/// The process that serves at the addresses of a broker: the one that was started first, or one that took over.
pub(crate) struct Serving<'b> {
    broker: &'b Broker,
    pid: Pid,
}

impl<'b> Serving<'b> {
    /// The first one.
    pub(crate) fn first(broker: &'b Broker) -> Self {
        let pid = Pid::from_raw(broker.pid()).expect("a number");
        Self { broker, pid }
    }

    /// The number of the process.
    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("it runs");
    }

    /// `SIGUSR2`. Waits until another process has taken over.
    pub(crate) async fn hand_over(&self) -> Serving<'b> {
        let log = self.broker.log();
        let mark = log.mark();
        self.signal(Signal::USR2);
        let line = log.wait_after(mark, &["another process has taken over"]).await;
        let number = line
            .split_once("process=")
            .and_then(|(_, number)| number.trim().parse().ok());
        let pid = number.and_then(Pid::from_raw);
        Serving {
            broker: self.broker,
            pid: pid.unwrap_or_else(|| panic!("no process in {line}")),
        }
    }

    /// Waits until the process has ended. Its parent may have to end too until its number is free.
    pub(crate) async fn gone(&self) {
        let gone = async || (!is_running(self.pid())).then_some(());
        eventually(PATIENCE, "the end of a process", gone).await;
    }
}

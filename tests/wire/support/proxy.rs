//! Proxies of others in front of the broker, with the very configs that the documents show.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

use super::eventually;
use super::process::{Process, workspace};

/// Starts with other ports, until none of them is taken.
const TRIES: usize = 10;
/// How long a proxy may take to listen.
const START: Duration = Duration::from_secs(20);

/// The programs, each with a config in `docs/proxies/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyKind {
    Nginx,
    HaproxyHttp,
    /// With a PROXY header.
    HaproxyTcp,
    Caddy,
}

/// A running proxy. Ended when dropped.
pub(crate) struct Proxy {
    /// Where clients connect.
    pub address: SocketAddr,
    process: Process,
    _folder: TempDir,
}

// === impl ProxyKind ===

impl ProxyKind {
    fn file(self) -> &'static str {
        match self {
            Self::Nginx => "nginx.conf",
            Self::HaproxyHttp | Self::HaproxyTcp => "haproxy.cfg",
            Self::Caddy => "Caddyfile",
        }
    }

    /// Where the document has clients connect.
    fn shown(self) -> &'static str {
        match self {
            Self::HaproxyTcp => "127.0.0.1:8001",
            _ => "127.0.0.1:8000",
        }
    }

    /// The timeouts that the document has for what is at rest: a WebSocket, a stream, a poll; none if the proxy has none.
    pub(crate) fn rest_timeouts(self) -> &'static [&'static str] {
        match self {
            Self::Nginx => &["proxy_read_timeout 75s"],
            Self::HaproxyHttp | Self::HaproxyTcp => &["timeout tunnel 75s", "timeout client 75s", "timeout server 75s"],
            Self::Caddy => &[],
        }
    }

    /// Whether it asks another node at once when one answers 503.
    pub(crate) fn asks_another(self) -> bool {
        matches!(self, Self::Nginx | Self::HaproxyHttp)
    }

    /// Whether the nodes that it is given take PROXY headers.
    fn sends_header(self) -> bool {
        self == Self::HaproxyTcp
    }
}

// === impl Proxy ===

impl Proxy {
    /// Starts one before these nodes: each has its address, and that of its listener with `proxy_protocol`. `change` is made
    /// to the text of the document.
    pub(crate) async fn start(
        kind: ProxyKind,
        nodes: [(SocketAddr, SocketAddr); 2],
        change: impl Fn(String) -> String,
    ) -> Self {
        let path = workspace().join("docs/proxies").join(kind.file());
        let document = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let document = change(document);
        for _ in 0..TRIES {
            // Both frontends of HAProxy need a port.
            let (here, unused) = (free_address().await, free_address().await);
            let [(a, a_with_header), (b, b_with_header)] = nodes;
            let other = if kind.sends_header() {
                "127.0.0.1:8000"
            } else {
                "127.0.0.1:8001"
            };
            let addresses = [
                (kind.shown(), here),
                (other, unused),
                ("127.0.0.1:8080", a),
                ("127.0.0.1:8090", b),
                ("127.0.0.1:8081", a_with_header),
                ("127.0.0.1:8091", b_with_header),
            ];
            let text = with_addresses(&document, &addresses);
            let folder = TempDir::new().expect("a temporary folder");
            // nginx's workers are another user than root.
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a folder that all may read");
            let process = spawn(kind, folder.path(), &text);
            let up = eventually(START, "the proxy to listen", async || {
                if process.has_ended() {
                    return Some(false);
                }
                TcpStream::connect(here).await.is_ok().then_some(true)
            })
            .await;
            if up {
                return Self {
                    address: here,
                    process,
                    _folder: folder,
                };
            }
            eprintln!("{kind:?} ended:\n{}{}", process.stdout.text(), process.stderr.text());
        }
        panic!("{kind:?} does not start");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (said, log) = (self.process.stdout.text(), self.process.stderr.text());
            eprintln!("=== the proxy's log ===\n{said}\n{log}");
        }
        // Workers of nginx that lose their master go on, and a master that loses a worker starts another.
        let workers = self.process.children();
        self.process.signal(Signal::KILL);
        for child in workers {
            if let Some(child) = Pid::from_raw(child) {
                kill_process(child, Signal::KILL).ok();
            }
        }
    }
}

/// The document with other addresses than it shows: in one pass, because one may be what another was.
fn with_addresses(document: &str, addresses: &[(&str, SocketAddr)]) -> String {
    let mut words = document.split("127.0.0.1:");
    let mut text = words.next().unwrap_or_default().to_owned();
    for word in words {
        let port = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
        let shown = format!("127.0.0.1:{}", &word[..port]);
        let actual = addresses.iter().find(|(known, _)| *known == shown);
        let (_, actual) = actual.unwrap_or_else(|| panic!("an address that the test does not know: {shown}"));
        text.extend([&actual.to_string(), &word[port..]]);
    }
    text
}

/// An address that was free a moment ago.
async fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("its address")
}

/// A program that Debian may have in a folder which is not on everybody's path.
fn server(program: &str) -> Command {
    let mut command = Command::new(program);
    let path = env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/usr/local/sbin"));
    command
}

fn spawn(kind: ProxyKind, folder: &Path, text: &str) -> Process {
    let config = folder.join(kind.file());
    fs::write(&config, text).expect("the config is written");
    match kind {
        ProxyKind::Nginx => {
            // What stands in nginx.conf around the files of conf.d.
            let main = folder.join("main.conf");
            let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|what| format!("{what}_temp_path {0}/{what};\n", folder.display()))
                .concat();
            let around = format!(
                "daemon off;\nworker_processes 1;\npid {0}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log \
                 off;\n{temporary}include {1};\n}}\n",
                folder.display(),
                config.display()
            );
            fs::write(&main, around).expect("the config is written");
            let mut nginx = server("nginx");
            Process::spawn(nginx.arg("-e").arg("stderr").arg("-p").arg(folder).arg("-c").arg(main))
        }
        ProxyKind::HaproxyHttp | ProxyKind::HaproxyTcp => {
            let mut haproxy = server("haproxy");
            Process::spawn(haproxy.arg("-db").arg("-f").arg(config))
        }
        ProxyKind::Caddy => {
            let main = folder.join("Main.Caddyfile");
            fs::write(&main, format!("{{\n\tadmin off\n\tauto_https off\n}}\n{text}")).expect("the config is written");
            let mut caddy = server("caddy");
            caddy.args(["run", "--adapter", "caddyfile", "--config"]).arg(main);
            for variable in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
                caddy.env(variable, folder);
            }
            Process::spawn(&mut caddy)
        }
    }
}

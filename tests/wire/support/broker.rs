//! A real broker process with a config of its own.

use std::net::SocketAddr;
use std::thread;

use rustix::process::Signal;
use tokio::sync::OnceCell;

use super::client::Client;
use super::config::{Home, complete};
use super::dial::Dial;
use super::http::{self, Response};
use super::lines::Lines;
use super::metrics::Metrics;
use super::process::Process;
use super::usage::Usage;
use super::{PATIENCE, eventually, within};

/// A broker that listens. Killed when dropped; its log is shown if the test failed.
pub(crate) struct Broker {
    /// Where clients connect.
    pub address: SocketAddr,
    /// The admin listener.
    pub admin: SocketAddr,
    /// The folder of its config.
    pub home: Home,
    process: Process,
}

impl Broker {
    /// Starts one with this config, completed by [`complete`].
    pub(crate) async fn start(config: &str) -> Self {
        Self::start_logging("info", config).await
    }

    /// Starts one whose log has this level.
    pub(crate) async fn start_logging(level: &str, config: &str) -> Self {
        Self::start_at(Home::new(), level, config).await
    }

    /// Starts one in a folder that the test prepared.
    pub(crate) async fn start_at(home: Home, level: &str, config: &str) -> Self {
        home.write(&complete(config));
        let process = serve(&home, level).await;
        Self::started(home, process).await
    }

    /// Starts one that the system allows this number of open files.
    pub(crate) async fn start_with_open_files(open_files: u32, config: &str) -> Self {
        let home = Home::new();
        home.write(&complete(config));
        compiled().await;
        let file = home.config();
        let args = ["serve".as_ref(), "--config".as_ref(), file.as_os_str()];
        let process = Process::start_with_open_files(open_files, args, "info");
        Self::started(home, process).await
    }

    /// Starts one with these variables, in a folder that the test prepared; its log tells all.
    pub(crate) async fn start_with_variables(variables: &[(&str, &str)], home: Home, config: &str) -> Self {
        home.write(&complete(config));
        compiled().await;
        let file = home.config();
        let args = ["serve".as_ref(), "--config".as_ref(), file.as_os_str()];
        let process = Process::start_with_variables(variables, args, "trace");
        Self::started(home, process).await
    }

    /// Waits until a process listens, whose config is in `home`.
    pub(crate) async fn started(home: Home, process: Process) -> Self {
        let first = process.stdout.wait_for(&["listening on http"]);
        let ended = process.stderr.end();
        let line = tokio::select! {
            line = first => line,
            () = ended => panic!("the broker did not start:\n{}", process.stderr.text()),
        };
        let address = address_in(&line);
        let admin = address_in(&process.stdout.wait_for(&["admin on http"]).await);
        Self {
            address,
            admin,
            home,
            process,
        }
    }

    /// Where its listener of this number is, from 0; Unix sockets are not counted.
    pub(crate) async fn listener(&self, number: usize) -> SocketAddr {
        let find = async || {
            let text = self.printed().text();
            let mut lines = text.lines().filter(|line| line.starts_with("listening on http"));
            lines.nth(number).map(address_in)
        };
        eventually(PATIENCE, "the address of a listener", find).await
    }

    /// A client to be, called `name`.
    pub(crate) fn dial(&self, name: &str) -> Dial {
        Dial::new(self.address, name)
    }

    /// A client of the default tenant, connected.
    pub(crate) async fn connect(&self, name: &str) -> Client {
        self.dial(name).connect().await
    }

    /// Its log.
    pub(crate) fn log(&self) -> &Lines {
        &self.process.stderr
    }

    /// What it prints.
    pub(crate) fn printed(&self) -> &Lines {
        &self.process.stdout
    }

    /// `SIGTERM`.
    pub(crate) fn terminate(&self) {
        self.process.signal(Signal::TERM);
    }

    /// `SIGINT`.
    pub(crate) fn interrupt(&self) {
        self.process.signal(Signal::INT);
    }

    /// `SIGSTOP`: connections stay, nothing is answered.
    pub(crate) fn pause(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Goes on after [`Broker::pause`].
    pub(crate) fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    /// `SIGKILL`. Waits until the system has released the process's resources.
    pub(crate) async fn kill(&self) {
        self.process.signal(Signal::KILL);
        self.process.ended().await;
    }

    /// Waits for its end and gives its exit code, where another process may have its pipes.
    pub(crate) async fn own_exit_code(&self) -> Option<i32> {
        self.process.own_exit_code().await
    }

    /// Its number.
    pub(crate) fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// The numbers of its child processes.
    pub(crate) fn children(&self) -> Vec<i32> {
        self.process.children()
    }

    /// `SIGHUP`, without a wait for what comes of it.
    pub(crate) fn begin_reload(&self) {
        self.process.signal(Signal::HUP);
    }

    /// Its resources.
    pub(crate) fn usage(&self) -> Usage {
        Usage::of(self.process.pid())
    }

    /// `SIGHUP`, after the config file was changed to this. Waits until the reload is counted.
    pub(crate) async fn reload(&self, config: &str) {
        self.home.write(&complete(config));
        self.hang_up().await;
    }

    /// `SIGHUP`; waits until the reload is counted, as a success or not.
    pub(crate) async fn hang_up(&self) {
        let reloads = |metrics: &Metrics| metrics.sum("sluicegate_reloads_total", &[]).unwrap_or(0.0);
        let before = reloads(&self.metrics().await);
        self.process.signal(Signal::HUP);
        self.metrics_when("one reload more", |metrics| reloads(metrics) > before)
            .await;
    }

    /// Waits for its end and gives its exit code.
    pub(crate) async fn exit_code(&self) -> Option<i32> {
        self.process.exit_code().await
    }

    /// `GET` on the admin listener.
    pub(crate) async fn admin_get(&self, path: &str) -> Response {
        http::get(self.admin, path).await
    }

    /// One scrape of `/metrics`.
    pub(crate) async fn metrics(&self) -> Metrics {
        let response = self.admin_get("/metrics").await;
        assert_eq!(response.status, 200, "{response:?}");
        Metrics::read(&response.body)
    }

    /// Scrapes until the metrics are as wanted.
    pub(crate) async fn metrics_when(&self, what: &str, is_so: impl Fn(&Metrics) -> bool) -> Metrics {
        let scraping = async {
            loop {
                let metrics = self.metrics().await;
                if is_so(&metrics) {
                    return metrics;
                }
                tokio::task::yield_now().await;
            }
        };
        within(scraping, || format!("the metrics never showed {what}")).await
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("=== the broker's log ===\n{}", self.process.stderr.text());
        }
    }
}

/// `serve` with the config in `home`, wherever that leads.
pub(crate) async fn serve(home: &Home, level: &str) -> Process {
    compiled().await;
    let config = home.config();
    Process::start(["serve".as_ref(), "--config".as_ref(), config.as_os_str()], level)
}

/// `sluicegate` with these arguments, until it ends: exit code, stdout, stderr.
pub(crate) async fn run(args: &[&str]) -> (Option<i32>, String, String) {
    compiled().await;
    let process = Process::start(args, "info");
    let code = process.exit_code().await;
    (code, process.stdout.text(), process.stderr.text())
}

/// The same with these variables.
pub(crate) async fn run_with_variables(variables: &[(&str, &str)], args: &[&str]) -> (Option<i32>, String, String) {
    compiled().await;
    let process = Process::start_with_variables(variables, args, "trace");
    let code = process.exit_code().await;
    (code, process.stdout.text(), process.stderr.text())
}

/// Has the first-party plugins compiled once for all tests, into the cache that they share.
pub(crate) async fn compiled() {
    static DONE: OnceCell<()> = OnceCell::const_new();
    DONE.get_or_init(async || {
        let home = Home::new();
        home.write(&complete(
            r#"
            plugins = { a = { file = "plugins/authorize.wasm" }, t = { file = "plugins/transform.wasm" }, f = { file = "plugins/abuse_filter.wasm" } }
            tenants = [{ name = "t" }]
            "#,
        ));
        let config = home.config();
        let process = Process::start(["config".as_ref(), "check".as_ref(), "--config".as_ref(), config.as_os_str()], "info");
        // Without a limit, because a compiler is at work. Other tests check whether the config is good.
        process.ended().await;
    })
    .await;
}

fn address_in(line: &str) -> SocketAddr {
    let address = line
        .split_once("://")
        .map(|(_, rest)| rest.trim().trim_end_matches('/'));
    address
        .and_then(|a| a.parse().ok())
        .unwrap_or_else(|| panic!("no address in {line:?}"))
}

//! The variables by which a service manager speaks to a service.

use std::ffi::OsString;
use std::process;
use std::time::Duration;

/// As they were at the start of the process. Values that another process was meant to have are left out.
#[derive(Debug, Default)]
pub struct Environment {
    /// The socket that takes notifications.
    pub(super) notify_socket: Option<OsString>,
    /// Within which time the service has to say that it is well, again and again.
    pub(super) watchdog: Option<Duration>,
    /// How many descriptors were passed.
    pub(super) descriptors: Option<String>,
    /// What they are called, with `:` between them.
    pub(super) names: String,
}

// === impl Environment ===

impl Environment {
    /// That of this process.
    pub fn here() -> Self {
        Self::read(|name| std::env::var_os(name), process::id())
    }

    /// That of the process with this number. `variable` looks one up.
    fn read(variable: impl Fn(&str) -> Option<OsString>, process: u32) -> Self {
        let text = |name| Some(variable(name)?.to_string_lossy().into_owned());
        let is_ours = |name| text(name).map(|pid| pid.parse() == Ok(process));
        // systemd sets the first only where it differs, the second always.
        let is_watched = is_ours("WATCHDOG_PID").unwrap_or(true);
        let has_sockets = is_ours("LISTEN_PID").unwrap_or(false);
        let watchdog = text("WATCHDOG_USEC").and_then(|microseconds| microseconds.parse().ok());
        Self {
            notify_socket: variable("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()),
            watchdog: watchdog
                .filter(|microseconds| is_watched && *microseconds > 0)
                .map(Duration::from_micros),
            descriptors: text("LISTEN_FDS").filter(|_| has_sockets),
            names: text("LISTEN_FDNAMES").filter(|_| has_sockets).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_for_another_process_is_left_out() {
        let read = |variables: &'static [(&str, &str)]| {
            let find = move |name: &str| variables.iter().find(|(other, _)| *other == name);
            Environment::read(move |name| Some(find(name)?.1.into()), 7)
        };
        let second = Some(Duration::from_secs(1));
        for (variables, watchdog, descriptors) in [
            (&[][..], None, None),
            (&[("WATCHDOG_USEC", "1000000")], second, None),
            (&[("WATCHDOG_USEC", "1000000"), ("WATCHDOG_PID", "7")], second, None),
            (&[("WATCHDOG_USEC", "1000000"), ("WATCHDOG_PID", "8")], None, None),
            (&[("WATCHDOG_USEC", "0")], None, None),
            (&[("WATCHDOG_USEC", "soon")], None, None),
            (&[("LISTEN_FDS", "2"), ("LISTEN_PID", "7")], None, Some("2")),
            (&[("LISTEN_FDS", "2"), ("LISTEN_PID", "8")], None, None),
            (&[("LISTEN_FDS", "2")], None, None),
        ] {
            let found = read(variables);
            assert_eq!(
                (found.watchdog, found.descriptors.as_deref()),
                (watchdog, descriptors),
                "{variables:?}"
            );
        }
        assert!(read(&[("NOTIFY_SOCKET", "")]).notify_socket.is_none());
    }
}

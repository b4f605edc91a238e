//! Lines in the broker's log, with tenant and plugin beside them. Open to every plugin.
//!
//! A line is cut at 4 KiB; more than 100 lines a second are counted, not written.

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever writes the plugin.
    Debug,
    /// Worth knowing.
    Info,
    /// Something the operator should look at.
    Warn,
    /// Something is broken.
    Error,
}

/// Writes one line. The macros [`debug!`](crate::debug), [`info!`](crate::info), [`warn!`](crate::warn)
/// and [`error!`](crate::error) format first.
pub fn write(level: Level, message: &str) {
    crate::broker::log(level, message);
}

/// Writes a line at level debug, formatted as `format!` does.
#[macro_export]
macro_rules! debug {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Debug, &::std::format!($($text)+)) };
}

/// Writes a line at level info, formatted as `format!` does.
#[macro_export]
macro_rules! info {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Info, &::std::format!($($text)+)) };
}

/// Writes a line at level warn, formatted as `format!` does.
#[macro_export]
macro_rules! warn {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Warn, &::std::format!($($text)+)) };
}

/// Writes a line at level error, formatted as `format!` does.
#[macro_export]
macro_rules! error {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Error, &::std::format!($($text)+)) };
}

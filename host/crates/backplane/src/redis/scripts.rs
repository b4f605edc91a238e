//! The scripts of the backplane.

use std::sync::LazyLock;

use redis_client::Script;

pub(super) const PUBLISH_TEXT: &str = concat!(include_str!("unused.lua"), include_str!("publish.lua"));
pub(super) static PUBLISH: LazyLock<Script> = LazyLock::new(|| Script::new(PUBLISH_TEXT));
pub(super) static HISTORY: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("unused.lua"), include_str!("history.lua"))));
/// Remembers where an instance has sessions.
pub(super) static NOTE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("note.lua")));
/// Makes a session present.
pub(super) static ENTER: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("presence_version.lua"), include_str!("enter.lua"))));
pub(super) static EXIT: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("presence_version.lua"), include_str!("exit.lua"))));
/// Ends the presences of an instance that is gone.
pub(super) static REAP: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("presence_version.lua"), include_str!("reap.lua"))));
/// Says that an instance lives, and checks the number of partitions.
pub(super) static HEARTBEAT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("heartbeat.lua")));
/// Lists the instances that live.
pub(super) static LIVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("live.lua")));

/// What a script answered is not what it answers.
pub(super) const NOT_THE_SCRIPT: &str = "an answer that is none of the script's";

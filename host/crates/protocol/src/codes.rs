//! The one table of error and close codes: what a client sees of everything that can go wrong.

use sluicegate_contract::codes::{CLOSE_AND_RECONNECT, CLOSE_FOR_GOOD};

/// A code in an `error` reply. The connection stays open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode {
    /// The number on the wire.
    pub number: u16,
    /// The word that programs look at.
    pub reason: &'static str,
    /// Whether the same request may succeed later, unchanged.
    pub retry: bool,
}

const fn error(number: u16, reason: &'static str, retry: bool) -> ErrorCode {
    ErrorCode { number, reason, retry }
}

/// The request is not what the protocol says it should be.
pub const BAD_REQUEST: ErrorCode = error(4400, "bad_request", false);
/// No token, or one that does not verify.
pub const NOT_AUTHENTICATED: ErrorCode = error(4401, "not_authenticated", false);
/// No rule allows it.
pub const PERMISSION_DENIED: ErrorCode = error(4403, "permission_denied", false);
/// The envelope's `type` means nothing to this version.
pub const UNKNOWN_TYPE: ErrorCode = error(4404, "unknown_type", false);
/// The connection listens to the channel already.
pub const ALREADY_SUBSCRIBED: ErrorCode = error(4405, "already_subscribed", false);
/// The connection does not listen to the channel.
pub const NOT_SUBSCRIBED: ErrorCode = error(4406, "not_subscribed", false);
/// The token ran out.
pub const TOKEN_EXPIRED: ErrorCode = error(4410, "token_expired", false);
/// The message has more bytes than a rule, or the tenant, allows.
pub const TOO_LARGE: ErrorCode = error(4413, "too_large", false);
/// The position is not one that this channel ever had.
pub const UNRECOVERABLE_POSITION: ErrorCode = error(4416, "unrecoverable_position", false);
/// More requests than the tenant allows, or than it has time for.
pub const RATE_LIMITED: ErrorCode = error(4429, "rate_limited", true);
/// A count is at its limit.
pub const LIMIT_EXCEEDED: ErrorCode = error(4430, "limit_exceeded", false);
/// The user is banned for now.
pub const USER_BANNED: ErrorCode = error(4451, "banned", false);
/// A plugin faulted and its rule is to refuse.
pub const PLUGIN_FAULT: ErrorCode = error(4503, "plugin_fault", true);
/// The backplane does not answer.
pub const BACKPLANE_UNAVAILABLE: ErrorCode = error(4504, "backplane_unavailable", true);

/// A code in a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseCode {
    /// The number on the wire.
    pub number: u16,
    /// The word that programs look at.
    pub reason: &'static str,
    /// Whether a client should come back.
    pub reconnect: bool,
}

const fn close(number: u16, reason: &'static str, reconnect: bool) -> CloseCode {
    CloseCode {
        number,
        reason,
        reconnect,
    }
}

pub const SHUTTING_DOWN: CloseCode = close(4000, "shutting_down", true);
/// The outbox is full.
pub const SLOW_CONSUMER: CloseCode = close(4001, "slow_consumer", true);
/// A message may be missing; also in `unsubscribed`.
pub const INSUFFICIENT_STATE: CloseCode = close(4002, "insufficient_state", true);
/// Something on the server failed.
pub const SERVER_ERROR: CloseCode = close(4003, "server_error", true);
/// The session's token ran out.
pub const EXPIRED: CloseCode = close(4004, "token_expired", true);
/// Nothing came from the client for two heartbeats.
pub const NO_HEARTBEAT: CloseCode = close(4408, "no_heartbeat", true);
/// What came is not the protocol.
pub const BAD_PROTOCOL: CloseCode = close(4500, "bad_protocol", false);
/// No `connect` in time.
pub const CONNECT_TIMEOUT: CloseCode = close(4501, "connect_timeout", false);
/// The token is missing or does not verify.
pub const CLOSE_NOT_AUTHENTICATED: CloseCode = close(4502, "not_authenticated", false);
/// A plugin denied the connection; in `unsubscribed`: the operator ended the subscription.
pub const CLOSE_PERMISSION_DENIED: CloseCode = close(4503, "permission_denied", false);
/// A plugin or the operator ended the connection.
pub const KICKED: CloseCode = close(4504, "kicked", false);
/// The user is banned.
pub const BANNED: CloseCode = close(4505, "banned", false);
/// The tenant or the user has as many connections as it may.
pub const CONNECTION_LIMIT: CloseCode = close(4506, "connection_limit", false);
/// The tenant left the config.
pub const TENANT_DISABLED: CloseCode = close(4507, "tenant_disabled", false);

/// The close code with which a plugin's own denial code ends a connection, if it is one of those.
pub fn plugin_close(code: u16) -> Option<CloseCode> {
    match code {
        code if CLOSE_AND_RECONNECT.contains(&code) => Some(close(code, "closed_by_plugin", true)),
        code if CLOSE_FOR_GOOD.contains(&code) => Some(close(code, "closed_by_plugin", false)),
        _ => None,
    }
}

/// The close code of an operator who ends a connection: `kicked`, or one of those that plugins may choose too.
pub fn operator_close(code: u16) -> Option<CloseCode> {
    match code {
        4504 => Some(KICKED),
        code if CLOSE_AND_RECONNECT.contains(&code) => Some(close(code, "closed_by_operator", true)),
        code if CLOSE_FOR_GOOD.contains(&code) => Some(close(code, "closed_by_operator", false)),
        _ => None,
    }
}

/// The close after a `connect` that was refused with this error code.
pub fn close_after_refused_connect(error: u16) -> CloseCode {
    match error {
        4401 | 4410 => CLOSE_NOT_AUTHENTICATED,
        4430 => CONNECTION_LIMIT,
        4451 => BANNED,
        // A fault passes, and so does a rush: the client should come back. A denial it should take for an answer.
        4429 | 4503 | 4504 => SERVER_ERROR,
        code => plugin_close(code).unwrap_or(CLOSE_PERMISSION_DENIED),
    }
}

/// The message of a plugin's denial where the plugin gives none.
pub fn words(code: u16) -> &'static str {
    match code {
        4401 => "the token is missing or does not verify",
        4403 => "no rule allows this",
        4410 => "the token has expired; get a new one",
        4413 => "the message is too large",
        4422 => "a rule does not let this message pass",
        4429 => "too many requests; try again later",
        4430 => "a limit is reached",
        4451 => "this user is refused for now",
        _ => "refused by a plugin",
    }
}

/// Whether a client may send the same request again after this error code.
pub fn retry(error: u16) -> bool {
    matches!(error, 4429 | 4503 | 4504)
}

// When to connect and by which transport, when to ask for a token, when to give up, when a connection is dead. Pure: what happened and
// the time go in, effects come out. Knows no socket, no timer and no channel.

import { backoff } from './backoff.js';
import { fault, SluicegateError } from './error.js';

/** A connection that lasted so long was a good one: the wait after it begins at the least again. */
export const STABLE_MS = 5000;
/** As many heartbeats without anything heard are the end. */
const DEAD_AFTER_PINGS = 2.5;
/** So often, counting the loss, it is the transport that once worked which is tried: a broker that restarts refuses all of them, and the
 * others are no better than it. */
const FAITHFUL_ATTEMPTS = 4;
/** A token is refreshed when this part of its life has passed, and up to that much later. */
const REFRESH_AT = 0.7;
const REFRESH_JITTER = 0.2;
/** A token with hardly any life left is not asked for more often than this. */
const LEAST_REFRESH_MS = 1000;

/**
 * @typedef {"connect" | "refresh" | "expired"} TokenReason
 * @typedef {"websocket" | "sse" | "poll"} TransportName
 * @typedef {"disconnected" | "connecting" | "connected"} ClientState
 * @typedef {{ state: ClientState, code?: number, reason?: string, retryInMs?: number }} StateEvent
 *   `retryInMs`: the client comes back by itself after so long
 *
 * @typedef {["state", StateEvent] | ["token", TokenReason] | ["open", TransportName, string | undefined] | ["close"] | ["ping"]
 *   | ["refresh", string] | ["error", SluicegateError] | ["end", SluicegateError]} Effect
 *
 * @typedef {object} Ending how a connection ended, or an attempt
 * @property {number} [code] a close code, or an HTTP status
 * @property {string} [reason]
 * @property {string} [message]
 * @property {number} [retryAfterMs]
 *
 * @typedef {object} ConnectionSettings
 * @property {TransportName[]} transports
 * @property {{ baseMs: number, maxMs: number }} reconnect
 * @property {number} timeoutMs
 * @property {string} [token]
 * @property {unknown} [getToken] whether there is somebody to ask for a token
 */

/**
 * @param {ConnectionSettings} settings
 * @param {TransportName} [proven] the transport that worked, for another client of this page at first
 */
export function makeConnection({ transports, reconnect, timeoutMs, getToken, token }, proven) {
  /** @type {"idle" | "token" | "opening" | "open" | "waiting"} */
  let phase = 'idle';
  /** When `opening` or `waiting` ends by itself. */
  let due = Infinity;
  /** What is left to try in this attempt. @type {TransportName[]} */
  let untried = [];
  /** The transport that was opened last. @type {TransportName} */
  let current;
  let failures = 0;
  let notBefore = 0;
  /** @type {TokenReason} */
  let reasonToAsk = 'connect';
  /** Whether a new token was asked for since the last connection, because the old one was refused. */
  let renewed = false;
  let expiresAt = Infinity;
  let refreshAt = Infinity;
  let connectedAt = 0;
  let pingMs = Infinity;
  let heardAt = 0;
  /** Whether a ping waits for its answer. */
  let isPinged = false;
  /** Something was sent that is always answered: when silence since then means the end. */
  let answerBy = Infinity;
  if (proven && !transports.includes(proven)) proven = undefined;

  const self = {
    /** When `tick` wants to be called. */
    wakeAt: () => (phase === 'open' ? Math.min(isPinged ? Infinity : heardAt + pingMs, answerBy, refreshAt) : due),

    /** @param {number} now @returns {Effect[]} */
    connect(now) {
      if (phase !== 'idle') return self.wake(now);
      failures = 0;
      return begin(now);
    },

    /** @returns {Effect[]} */
    disconnect() {
      /** @type {Effect} */
      const end = ['end', fault('closed')];
      if (phase === 'idle') return [end];
      rest();
      return [['close'], end, ['state', { state: 'disconnected' }]];
    },

    /**
     * An answer of who was asked for a token.
     *
     * @param {number} now @param {unknown} answer @returns {Effect[]}
     */
    token(now, answer) {
      if (typeof answer !== 'string' || !answer) return self.tokenFailed(now, `no token: ${typeof answer}`);
      if (phase === 'open') return [['refresh', answer]];
      if (phase !== 'token') return [];
      token = answer;
      return open(now);
    },

    /** @param {number} now @param {unknown} cause @returns {Effect[]} */
    tokenFailed(now, cause) {
      const error = fault('token_failed', `getToken: ${cause}`, true, cause);
      return phase === 'token' ? wait(now, error, error) : self.refreshFailed(now, error);
    },

    /**
     * `connect` was acknowledged.
     *
     * @param {number} now @param {number} everyMs between heartbeats @param {number} lifeMs of the token @returns {Effect[]}
     */
    connected(now, everyMs, lifeMs) {
      phase = 'open';
      proven = current;
      connectedAt = now;
      renewed = false;
      pingMs = everyMs;
      self.refreshed(now, lifeMs);
      self.heard(now);
      return [['state', { state: 'connected' }]];
    },

    /** @param {number} now @param {number} lifeMs @param {string} [fresh] */
    refreshed(now, lifeMs, fresh = token) {
      token = fresh;
      reasonToAsk = 'refresh';
      expiresAt = now + lifeMs;
      refreshAt = now + Math.max(LEAST_REFRESH_MS, lifeMs * (REFRESH_AT + REFRESH_JITTER * Math.random()));
    },

    /** @param {number} now @param {SluicegateError} error @returns {Effect[]} */
    refreshFailed(now, error) {
      // Because the connection ended: the next one has a token, or asks for one.
      if (phase !== 'open') return [];
      // not_authenticated, token_expired
      if (error.code === 4401 || error.code === 4410) reasonToAsk = 'expired';
      refreshAt = now + Math.max(LEAST_REFRESH_MS, backoff(reconnect, failures++, error.retryAfterMs));
      return [['error', error]];
    },

    /** Anything at all came. @param {number} now */
    heard(now) {
      heardAt = now;
      isPinged = false;
      answerBy = Infinity;
    },

    /** A request was sent, which the broker always answers. A ping has its own time. @param {number} now */
    asked(now) {
      if (!isPinged) answerBy = Math.min(answerBy, now + Math.max(timeoutMs, pingMs));
    },

    /** @param {number} now @returns {Effect[]} */
    tick(now) {
      if (phase === 'open') return beat(now);
      if (now < due) return [];
      return phase === 'waiting' ? begin(now) : dead(now, 1006, 'timeout');
    },

    /**
     * The page came to the front, or the network came back. What the server asked for remains the least.
     *
     * @param {number} now @returns {Effect[]}
     */
    wake(now) {
      if (phase === 'waiting') due = Math.max(now, notBefore);
      if (phase !== 'open') return self.tick(now);
      // Timers of hidden pages are throttled, so no ping may have been sent in time. By now the broker has closed.
      if (now - heardAt >= DEAD_AFTER_PINGS * pingMs) return [...dead(now), ...self.wake(now)];
      answerBy = Math.min(answerBy, now + timeoutMs);
      return ping(now);
    },

    /**
     * The connection ended, or the attempt failed.
     *
     * @param {number} now @param {Ending} ending
     * @param {SluicegateError} [error] what the broker answered to `connect`: so the transport works, and another one is no better
     * @returns {Effect[]}
     */
    lost(now, { code = 1006, reason, message, retryAfterMs }, error) {
      reason ||= 'connection_lost';
      const opening = phase === 'opening';
      if (!opening && phase !== 'open') return [];
      if (!opening && now - connectedAt >= STABLE_MS) failures = 0;
      const renews = getToken && (code === 4004 || (code === 4502 && !renewed));
      if (renews) forget(code === 4502);
      else if ((code >= 4500 && code <= 4899) || code === 1009) {
        rest();
        return [['end', error ?? new SluicegateError(code, reason, message)], ['state', { state: 'disconnected', code, reason }]];
      } else if (opening && !error && untried.length) return open(now);
      const failure = opening && !renews ? error ?? new SluicegateError(code, 'connection_failed', message ?? reason, { retry: true }) : undefined;
      return wait(now, { code, reason, retryAfterMs: retryAfterMs ?? error?.retryAfterMs }, failure);
    },
  };
  return self;

  // --- inside -------------------------------------------------------------------------------------------------------------

  /** @param {number} now @returns {Effect[]} */
  function begin(now) {
    untried = transports.filter((transport) => transport !== proven && !(proven && failures < FAITHFUL_ATTEMPTS));
    if (proven) untried.unshift(proven);
    if (now >= expiresAt) forget(renewed);
    /** @type {Effect} */
    const state = ['state', { state: 'connecting' }];
    if (!getToken || token) return [state, ...open(now)];
    phase = 'token';
    due = Infinity;
    return [state, ['token', reasonToAsk]];
  }

  /** @param {number} now @returns {Effect[]} */
  function open(now) {
    phase = 'opening';
    due = now + timeoutMs;
    current = /** @type {TransportName} */ (untried.shift());
    return [['open', current, token]];
  }

  /**
   * @param {number} now @param {{ code: number, reason: string, retryAfterMs?: number }} why
   * @param {SluicegateError} [failure] what nobody else is told
   * @returns {Effect[]}
   */
  function wait(now, { code, reason, retryAfterMs = 0 }, failure) {
    const retryInMs = backoff(reconnect, failures++, retryAfterMs);
    phase = 'waiting';
    due = now + retryInMs;
    notBefore = now + retryAfterMs;
    /** @type {Effect[]} */
    const effects = [['state', { state: 'disconnected', code, reason, retryInMs }]];
    if (failure) effects.push(['error', failure]);
    return effects;
  }

  /** @param {number} now @returns {Effect[]} */
  function beat(now) {
    if (now >= answerBy) return dead(now);
    const effects = now >= heardAt + pingMs ? ping(now) : [];
    if (now >= refreshAt) {
      refreshAt = Infinity;
      if (getToken) effects.push(['token', reasonToAsk]);
    }
    return effects;
  }

  /** @param {number} now @returns {Effect[]} */
  function ping(now) {
    if (isPinged) return [];
    isPinged = true;
    // Not by the time of what was heard alone: a throttled timer may have sent the ping late, and its answer takes time too.
    answerBy = Math.min(answerBy, Math.max(heardAt + pingMs, now) + (DEAD_AFTER_PINGS - 1) * pingMs);
    return [['ping']];
  }

  /** @param {number} now @returns {Effect[]} */
  function dead(now, code = 4408, reason = 'no_heartbeat') {
    return [['close'], ...self.lost(now, { code, reason })];
  }

  /** Only of a token that somebody can replace. @param {boolean} isRenewed */
  function forget(isRenewed) {
    if (!getToken) return;
    token = undefined;
    reasonToAsk = 'expired';
    renewed = isRenewed;
    expiresAt = Infinity;
  }

  function rest() {
    forget(false);
    phase = 'idle';
    reasonToAsk = 'connect';
    due = Infinity;
  }
}

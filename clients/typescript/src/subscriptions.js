// When the broker is asked for which channels: in batches, and slower if it says so. Knows no socket.

import { backoff } from './backoff.js';
import { STABLE_MS } from './connection.js';
import { SluicegateError } from './error.js';

/**
 * @typedef {import('./channel.js').Channel} Channel
 * @typedef {ReturnType<typeof makeSubscriptions>} Subscriptions
 */

/** So many requests to subscribe are open at a time. The broker takes bursts of hundreds. */
const BATCH = 64;
/** Where the broker does not say when to ask again. */
const PAUSE_MS = 1000;

/**
 * @param {Map<string, Channel>} channels
 * @param {{ baseMs: number, maxMs: number }} reconnect
 * @param {import('./requests.js').Requests} requests
 */
export function makeSubscriptions(channels, reconnect, requests) {
  /** @type {Set<Channel>} */
  const waiting = new Set();
  let open = 0;
  /** An object for each connection, so that answers of another are told apart. @type {object | undefined} */
  let connection;
  /** @type {any} */
  let pause;

  const self = {
    /** There is a connection, or will be: what is asked now is sent behind `connect`. */
    begin() {
      connection = {};
      for (const channel of channels.values()) if (channel.wanted) waiting.add(channel);
      pump();
    },

    lost() {
      connection = undefined;
      open = 0;
      waiting.clear();
      clearTimeout(pause);
      pause = 0;
      for (const channel of channels.values()) channel.interrupted();
    },

    /** @param {Channel} channel */
    add(channel) {
      if (!connection) return;
      waiting.add(channel);
      pump();
    },

    /** @param {Channel} channel @returns {boolean} whether the broker knows of it */
    drop: (channel) => !waiting.delete(channel) && !!connection,

    /**
     * The broker ended a subscription, or could not begin it: once more, after a while.
     *
     * @param {Channel} channel @param {number} [retryAfterMs]
     */
    later(channel, retryAfterMs) {
      if (Date.now() - channel.since >= STABLE_MS) channel.tries = 0;
      channel.again = setTimeout(() => self.add(channel), backoff(reconnect, channel.tries++, retryAfterMs));
    },
  };
  return self;

  function pump() {
    for (const channel of waiting) {
      if (open >= BATCH || pause) return;
      waiting.delete(channel);
      open += 1;
      const asked = requests.ask('subscribe', channel.request(), { now: true, withinMs: 0 });
      // Only now: whoever hears of it may want something else, which goes behind.
      const round = channel.begins();
      const mine = connection;
      const settled = (/** @type {() => void} */ act) => {
        if (connection !== mine) return;
        open -= 1;
        if (channel.round === round) act();
        pump();
      };
      asked.then(
        (ack) => settled(() => channel.subscribed(ack)),
        (error) => settled(() => refused(channel, error)),
      );
    }
  }

  /** @param {Channel} channel @param {SluicegateError} error */
  function refused(channel, error) {
    if (error.code === 4429) {
      // Everything was asked at once: all wait, not this channel alone.
      waiting.add(channel);
      pause ||= setTimeout(() => {
        pause = 0;
        pump();
      }, error.retryAfterMs ?? PAUSE_MS);
    } else if (channel.refused(error)) self.later(channel, error.retryAfterMs);
  }
}

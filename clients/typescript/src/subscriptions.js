// When the broker is asked for which channels: in batches, and slower if it says so. Knows no socket.

import { backoff } from './backoff.js';
import { STABLE_MS } from './connection.js';
import { SluicegateError } from './error.js';

/** @typedef {import('./channel.js').Channel} Channel */

/** So many requests to subscribe are open at a time. The broker takes bursts of hundreds. */
const BATCH = 64;
/** Where the broker does not say when to ask again. */
const PAUSE_MS = 1000;

export class Subscriptions {
  #channels;
  #reconnect;
  #requests;
  /** @type {Set<Channel>} */
  #waiting = new Set();
  #open = 0;
  #connected = false;
  /** Counts connections, so that answers of another are told apart. */
  #connection = 0;
  /** @type {any} */
  #pause;

  /**
   * @param {Map<string, Channel>} channels
   * @param {{ baseMs: number, maxMs: number }} reconnect
   * @param {import('./requests.js').Requests} requests
   */
  constructor(channels, reconnect, requests) {
    this.#channels = channels;
    this.#reconnect = reconnect;
    this.#requests = requests;
  }

  /** There is a connection, or will be: what is asked now is sent behind `connect`. */
  begin() {
    this.#connected = true;
    for (const channel of this.#channels.values()) if (channel.wanted) this.#waiting.add(channel);
    this.#pump();
  }

  lost() {
    this.#connected = false;
    this.#connection += 1;
    this.#open = 0;
    this.#waiting.clear();
    clearTimeout(this.#pause);
    this.#pause = undefined;
    for (const channel of this.#channels.values()) channel.interrupted();
  }

  /** @param {Channel} channel */
  add(channel) {
    if (!this.#connected) return;
    this.#waiting.add(channel);
    this.#pump();
  }

  /** @param {Channel} channel @returns {boolean} whether the broker knows of it */
  drop(channel) {
    return !this.#waiting.delete(channel) && this.#connected;
  }

  /**
   * The broker ended a subscription, or could not begin it: once more, after a while.
   *
   * @param {Channel} channel @param {number} [retryAfterMs]
   */
  later(channel, retryAfterMs) {
    if (Date.now() - channel.since >= STABLE_MS) channel.tries = 0;
    const { round } = channel;
    setTimeout(() => channel.round === round && this.add(channel), backoff(this.#reconnect, channel.tries++, retryAfterMs));
  }

  #pump() {
    for (const channel of this.#waiting) {
      if (this.#open >= BATCH || this.#pause) return;
      this.#waiting.delete(channel);
      this.#open += 1;
      const round = channel.begins();
      const connection = this.#connection;
      const settled = (/** @type {() => void} */ act) => {
        if (this.#connection !== connection) return;
        this.#open -= 1;
        if (channel.round === round) act();
        this.#pump();
      };
      this.#requests.ask('subscribe', channel.request(), { now: true, withinMs: 0 }).then(
        (ack) => settled(() => channel.subscribed(ack)),
        (error) => settled(() => this.#refused(channel, error)),
      );
    }
  }

  /** @param {Channel} channel @param {SluicegateError} error */
  #refused(channel, error) {
    if (error.code === 4429) {
      // Everything was asked at once: all wait, not this channel alone.
      this.#waiting.add(channel);
      this.#pause ??= setTimeout(() => {
        this.#pause = undefined;
        this.#pump();
      }, error.retryAfterMs ?? PAUSE_MS);
    } else if (channel.refused(error)) this.later(channel, error.retryAfterMs);
  }
}

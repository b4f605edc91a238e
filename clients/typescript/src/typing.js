// Who types. Ephemeral messages say it, and everything expires by itself: nobody has to say that he has stopped.

import { Emitter } from './emitter.js';

/**
 * @typedef {{ user?: string, session: string }} Sender
 * @typedef {{ change: string[] }} TypingEvents `change`: who types now, without oneself, by user name, or by session where there is none
 */

/** The field of a message that says it. */
const FIELD = '$typing';
/** So long somebody counts as typing after he last said so. */
const LASTS_MS = 5000;
/** One's own typing is said again so often at most. */
const AGAIN_MS = 2000;

/**
 * Whether a message says that somebody types (true) or has stopped (false).
 *
 * @param {any} envelope
 * @returns {boolean | undefined}
 */
export function typingIn({ offset, payload }) {
  return offset ? undefined : payload?.[FIELD];
}

/** @extends {Emitter<TypingEvents>} */
export class Typing extends Emitter {
  #channel;
  #client;
  /** By session. @type {Map<string, { name: string, timer: any }>} */
  #typists = new Map();
  #saidAt = 0;

  /**
   * @internal
   * @param {import('./channel.js').Channel} channel
   * @param {import('./client.js').Client} client
   */
  constructor(channel, client) {
    super();
    this.#channel = channel;
    this.#client = client;
  }

  /** Who types now. */
  get users() {
    return [...new Set([...this.#typists.values()].map(({ name }) => name))];
  }

  /** @internal @override @param {import('./error.js').SluicegateError} error */
  failed(error) {
    this.#client.failed(error);
  }

  /** At each key stroke: it is said at most every two seconds. */
  start() {
    const now = Date.now();
    if (now - this.#saidAt < AGAIN_MS) return;
    this.#saidAt = now;
    this.#say(true);
  }

  /** It was sent, or deleted. Others see it at once, instead of after five seconds. */
  stop() {
    if (this.#saidAt) this.#say(false);
    this.#saidAt = 0;
  }

  /** @internal @param {any} envelope */
  heard({ payload, from }) {
    if (!from || from.session === this.#client.session) return;
    if (!payload[FIELD]) return this.left(from);
    const before = this.#typists.get(from.session);
    clearTimeout(before?.timer);
    const timer = setTimeout(() => this.left(from), LASTS_MS);
    this.#typists.set(from.session, { name: from.user ?? from.session, timer });
    if (!before) this.emit('change', this.users);
  }

  /** Who sent a message or left types no more. @internal @param {Sender | undefined} from */
  left(from) {
    const typist = from && this.#typists.get(from.session);
    if (!typist) return;
    clearTimeout(typist.timer);
    this.#typists.delete(from.session);
    this.emit('change', this.users);
  }

  /** @internal */
  clear() {
    this.#saidAt = 0;
    for (const session of this.#typists.keys()) this.left({ session });
  }

  /** Worth nothing later, so it is not queued, and nobody is told if it fails. @param {boolean} is */
  #say(is) {
    if (this.#channel.state !== 'subscribed') return;
    this.#channel.publish({ [FIELD]: is }, { ephemeral: true, echo: false }).catch(() => {});
  }
}

// A channel as its user sees it: subscribe, publish, members, history, messages in order. Knows no connection: it asks its client.

import { Emitter } from './emitter.js';
import { fault, refusal } from './error.js';
import { readHistory } from './history.js';
import { messageOf } from './message.js';
import { messagesOf } from './messages.js';
import { Order } from './order.js';
import { randomText } from './random_text.js';
import { Typing, typingIn } from './typing.js';
import { makeWaiters } from './waiters.js';

/**
 * @typedef {import('./message.js').Message} Message
 * @typedef {import('./message.js').Position} Position
 * @typedef {import('./message.js').Member} Member
 * @typedef {import('./message.js').Gap} Gap
 * @typedef {import('./error.js').SluicegateError} SluicegateError
 *
 * @typedef {object} ChannelOptions
 * @property {boolean} [recover] whether to ask for what was missed while there was no connection; true unless given. Without it, that is a `gap`
 * @property {boolean} [presence] whether to be told who is there, with `presence`
 *
 * @typedef {object} PublishOptions
 * @property {boolean} [ephemeral] for what is worth nothing later: it is in no history, and is the first to be dropped
 * @property {boolean} [echo] false: you do not get it yourself
 * @property {string} [key] the same key twice is one message; random unless given
 * @property {number} [timeoutMs] how long to wait for a connection and an answer: three times the client's `timeoutMs` unless given
 *
 * @typedef {{ id: string, epoch?: string, offset?: number, duplicate: boolean }} Published
 * @typedef {"unsubscribed" | "subscribing" | "subscribed"} ChannelState
 * @typedef {{ state: ChannelState, code?: number, reason?: string }} ChannelStateEvent
 *
 * @typedef {object} ChannelEvents
 * @property {Message} message
 * @property {Member} join
 * @property {Member} leave
 * @property {Member[]} presence who is there, each time that it changes; with the option `presence`
 * @property {ChannelStateEvent} state
 * @property {Gap} gap
 * @property {SluicegateError} error
 */

/** What is sent again on another connection waits for an answer, for finding out that there is none, and for an answer again. */
export const PATIENCE = 3;
/** The broker remembers the key of a publish for 120 s unless configured; nothing is sent again when it may have forgotten it. */
const KEY_MS = 110_000;
/** Messages of one answer of the history. The broker gives no more. */
const PAGE = 1000;
/** So many pushes wait for what comes before them. */
const HELD = 4096;

/** @extends {Emitter<ChannelEvents>} */
export class Channel extends Emitter {
  /** @type {ChannelState} */
  state = 'unsubscribed';
  /** Whether its user wants it. @internal */
  wanted = false;
  /** Counts what was begun and ended, so that late answers are told from present ones. @internal */
  round = 0;
  /** When it was subscribed, and how often it was refused since. @internal */
  since = 0;
  /** @internal */
  tries = 0;
  /** The timer after which it is asked for again. @internal @type {any} */
  again;
  /** Those `for await` that go on. @internal */
  loops = 0;
  #client;
  #options;
  #order = new Order();
  /** The message that came too early, while the history is asked for what lies before it. @type {any} */
  #ahead;
  /** Pushes that came before the answer to `subscribe`, or before what is missing before them. @type {any[]} */
  #held = [];
  /** @type {Map<string, Member> | undefined} */
  #members;
  /** Who waits for `subscribe`. */
  #callers = makeWaiters();
  /** @type {Typing | undefined} */
  #typing;

  /**
   * @internal
   * @param {import('./client.js').Client} client
   * @param {string} name
   * @param {ChannelOptions} options
   */
  constructor(client, name, options) {
    super();
    this.#client = client;
    this.#options = options;
    this.name = name;
  }

  /**
   * Resolves once the broker has agreed. From then on, also across connections, until `unsubscribe` or until the broker ends it.
   *
   * @returns {Promise<void>}
   */
  async subscribe() {
    if (this.state === 'subscribed') return;
    const agreed = this.#callers.wait('subscribe', this.#client.settings.timeoutMs * PATIENCE);
    if (!this.wanted) {
      this.wanted = true;
      this.#became('subscribing');
      this.#client.subscriptions.add(this);
    }
    return agreed;
  }

  /** Nothing comes any more, from now on. @returns {Promise<void>} */
  async unsubscribe() {
    if (!this.wanted) return;
    const isKnown = this.#client.subscriptions.drop(this);
    this.#end(fault('closed'));
    // If it fails: without a connection there is no subscription either, and what still comes is not handed out.
    if (isKnown) await this.leave();
  }

  /**
   * Waits for a connection if there is none. What has no answer when a connection is lost is sent again, with its key, for as
   * long as the broker remembers that, unless it is `ephemeral`.
   *
   * @param {any} data JSON, or a Uint8Array in a binary channel
   * @param {PublishOptions} [options]
   * @returns {Promise<Published>}
   */
  async publish(data, { ephemeral, echo, key, timeoutMs: withinMs = this.#client.settings.timeoutMs * PATIENCE } = {}) {
    const { codec } = this.#client.settings;
    const what = ArrayBuffer.isView(data) ? codec.bytes(/** @type {Uint8Array} */ (data)) : { data };
    if (!ephemeral) key ||= randomText();
    const payload = { ...what, key, ephemeral, echo };
    const ack = await this.#ask('publish', payload, { againMs: ephemeral ? undefined : KEY_MS, withinMs });
    const published = { ...ack, id: ack.message, duplicate: !!ack.duplicate };
    if (echo === false) this.#order.skip(published);
    return published;
  }

  /** Who is present, one entry for each session. @returns {Promise<Member[]>} */
  async members() {
    return (await this.#ask('presence', {}, { againMs: Infinity })).members;
  }

  /** One page of the history; `history.all` walks through all of them. @returns {import('./history.js').History} */
  get history() {
    return readHistory((payload) => this.#ask('history', payload, { againMs: Infinity }));
  }

  /** Who types, in this channel. */
  typing() {
    return (this.#typing ??= new Typing(this, this.#client));
  }

  /**
   * Messages as they come, from now on. Subscribes; leaving the loop unsubscribes, unless another loop is still there.
   *
   * @returns {AsyncIterableIterator<Message>}
   */
  [Symbol.asyncIterator]() {
    return messagesOf(this);
  }

  // --- for the client --------------------------------------------------------------------------------------------------------

  /** Tells the broker. @internal @returns {Promise<void>} */
  leave() {
    return this.#ask('unsubscribe', {}, { now: true }).catch(() => {});
  }

  /** @internal */
  request() {
    const { recover = true, presence } = this.#options;
    return { channel: this.name, since: recover ? this.#order.at : undefined, presence };
  }

  /** It is asked for now. @internal */
  begins() {
    if (this.state !== 'subscribing') this.#became('subscribing');
    return (this.round += 1);
  }

  /** @internal @param {any} ack */
  subscribed({ epoch, offset, recovered, messages = [], presence }) {
    const { round } = this;
    const from = this.#order.at;
    const to = epoch && { epoch, offset };
    this.since = Date.now();
    this.#became('subscribed');
    for (const message of messages) if (this.round === round) this.#handOut(message, true);
    if (this.round !== round) return;
    this.#order.at = to;
    // Without `recover` nothing was asked for, and nothing is missing only if the channel is where it was.
    if (from && !recovered && (from.epoch !== epoch || from.offset !== offset)) this.emit('gap', { from, to });
    if (presence) {
      this.#members = new Map(presence.map((/** @type {Member} */ member) => [member.session, member]));
      this.emit('presence', presence);
    }
    this.#callers.settle();
    this.#release();
  }

  /**
   * @internal
   * @param {SluicegateError} error
   * @returns {boolean} whether it is to be asked for again
   */
  refused(error) {
    const again = error.retry && this.since > 0;
    if (again) this.#became('subscribing', error);
    else this.#end(error);
    return again;
  }

  /** The connection is gone. @internal */
  interrupted() {
    this.round += 1;
    clearTimeout(this.again);
    this.#held = [];
    this.#ahead = undefined;
    this.#typing?.clear();
    if (this.wanted && this.state === 'subscribed') this.#became('subscribing');
  }

  /** The client ended. What was subscribed is subscribed again if it ever connects again. @internal @param {SluicegateError} error */
  closed(error) {
    this.#callers.settle(error);
    if (this.state === 'unsubscribed') return;
    if (error.code) this.emit('error', error);
    this.#became('unsubscribed', error);
  }

  /** @internal @param {any} envelope */
  push(envelope) {
    if (!this.wanted) return;
    const { type, payload } = envelope;
    if (this.state === 'subscribing' || this.#ahead) {
      // The messages go on with a gap rather than wait in memory without bound.
      if (this.#held.push(envelope) > HELD) this.#ahead ? this.#filled() : this.#held.shift();
      return;
    }
    if (type === 'message') {
      const verdict = this.#order.judge(envelope);
      if (verdict === 'new') this.#handOut(envelope, false);
      if (verdict === 'ahead') this.#fill(envelope);
      return;
    }
    if (type === 'unsubscribed') {
      // insufficient_state and an expired grant may be asked for again.
      if (payload.code !== 4002 && payload.code !== 4004) return this.#end(refusal(payload));
      this.interrupted();
      return this.#client.subscriptions.later(this);
    }
    if (type === 'join') this.#members?.set(payload.session, payload);
    else if (type === 'leave') {
      this.#members?.delete(payload.session);
      this.#typing?.left(payload);
    } else return;
    this.emit(type, payload);
    if (this.#members) this.emit('presence', [...this.#members.values()]);
  }

  /** @internal @override @param {SluicegateError} error */
  failed(error) {
    this.#client.failed(error);
  }

  // --- inside -------------------------------------------------------------------------------------------------------------

  /** @param {string} type @param {any} payload @param {import('./requests.js').RequestOptions} options */
  #ask(type, payload, options) {
    return this.#client.requests.ask(type, { channel: this.name, ...payload }, options);
  }

  /** Asks the history for what lies before a message. @param {any} ahead */
  async #fill(ahead) {
    this.#ahead = ahead;
    this.#held.unshift(ahead);
    try {
      for await (const message of this.history.all({ since: this.#order.at, limit: PAGE })) {
        if (this.#ahead !== ahead) return;
        this.#handOut(message, true);
      }
    } catch {
      // The history does not reach back so far, or there is no right to it. Or the connection is lost, and then nobody waits.
    }
    if (this.#ahead === ahead) this.#filled();
  }

  #filled() {
    const { epoch, offset } = this.#ahead;
    const { at: from } = this.#order;
    const isMissing = this.#order.judge(this.#ahead) === 'ahead';
    this.#ahead = undefined;
    if (isMissing) {
      const to = { epoch, offset: offset - 1 };
      this.#order.at = to;
      this.emit('gap', { from: /** @type {Position} */ (from), to });
    }
    this.#release();
  }

  #release() {
    // What still has to wait is held again.
    for (const envelope of this.#held.splice(0)) this.push(envelope);
  }

  /** @param {any} envelope @param {boolean} recovered */
  #handOut(envelope, recovered) {
    if (!this.#order.take(envelope)) return;
    if (typingIn(envelope) === undefined) {
      this.#typing?.left(envelope.from);
      this.emit('message', messageOf(envelope, recovered));
    } else this.#typing?.heard(envelope);
  }

  /** @param {SluicegateError} error */
  #end(error) {
    this.wanted = false;
    this.#order = new Order();
    this.#members = undefined;
    this.interrupted();
    this.closed(error);
  }

  /** @param {ChannelState} state @param {SluicegateError} [why] */
  #became(state, why) {
    this.state = state;
    this.emit('state', { state, code: why?.code, reason: why?.reason });
  }
}

// The client as its user sees it. What the state machine of `connection.js` decides is carried out here.

import { Channel } from './channel.js';
import { makeConnection } from './connection.js';
import { Emitter } from './emitter.js';
import { refusal, SluicegateError } from './error.js';
import { checked } from './options.js';
import { LONGEST_TIMER_MS, makeRequests } from './requests.js';
import { makeSubscriptions } from './subscriptions.js';
import { poll } from './transports/poll.js';
import { sse } from './transports/sse.js';
import { websocket } from './transports/websocket.js';
import { makeWaiters } from './waiters.js';
import { onWake } from './wake.js';

/**
 * @typedef {import('./channel.js').ChannelOptions} ChannelOptions
 * @typedef {ReturnType<typeof makeConnection>} Connection
 * @typedef {import('./connection.js').Effect} Effect
 * @typedef {import('./connection.js').Ending} Ending
 * @typedef {import('./connection.js').StateEvent} StateEvent
 * @typedef {import('./connection.js').TokenReason} TokenReason
 * @typedef {import('./connection.js').TransportName} TransportName
 * @typedef {import('./options.js').ClientOptions} ClientOptions
 *
 * @typedef {object} ClientEvents
 * @property {StateEvent} state
 * @property {SluicegateError} error what no promise tells: a token that could not be had, an attempt that failed, a listener that threw
 */

const TRANSPORTS = { websocket, sse, poll };

/** The transport that works, by URL, for this page. @type {Map<string, TransportName>} */
const proven = new Map();

/** @extends {Emitter<ClientEvents>} */
export class Client extends Emitter {
  /** @type {import('./connection.js').ClientState} */
  state = 'disconnected';
  /** The id of this connection's session. @type {string | undefined} */
  session;
  /** Who the broker says you are. @type {string | undefined} */
  user;
  /** What carries the connection. @type {TransportName | undefined} */
  transport;
  #connection;
  /** @type {Map<string, Channel>} */
  #channels = new Map();
  /** The present transport. @type {import('./transports/websocket.js').Transport | undefined} */
  #link;
  /** What `connect` was refused with on it. @type {SluicegateError | undefined} */
  #refused;
  /** A sentence about the last attempt; undefined until every transport was tried. @type {string | undefined} */
  #failure;
  /** Counts what the machine was told. */
  #step = 0;
  /** Counts the transports that were opened: only the last one is listened to. */
  #opened = 0;
  /** The timer of the last question for a token: only its answer counts. @type {any} */
  #asking;
  /** By how much the broker's clock is ahead of ours, in milliseconds. */
  #ahead = 0;
  /** @type {any} */
  #timer;
  #timerAt = Infinity;
  #callers = makeWaiters();
  /** @type {AbortController | undefined} */
  #waking;

  /**
   * Does nothing yet: see `connect`.
   *
   * @param {string | URL} url of the broker's `/ws`
   * @param {ClientOptions} [options]
   */
  constructor(url, options = {}) {
    super();
    const settings = checked(url, options);
    /** @internal @type {ReturnType<typeof checked>} */
    this.settings = settings;
    this.#connection = makeConnection(settings, proven.get(settings.endpoints.websocket));
    /** @internal @type {import('./requests.js').Requests} */
    this.requests = makeRequests(settings, (frame) => {
      this.#connection.asked(Date.now());
      this.#arm();
      this.#link?.send(frame);
    });
    /** @internal @type {import('./subscriptions.js').Subscriptions} */
    this.subscriptions = makeSubscriptions(this.#channels, settings.reconnect, this.requests);
  }

  /**
   * Resolves once connected. Rejects if the broker refuses for good, if there is no token, and after `timeoutMs` once every transport was
   * tried; in the last two cases the client goes on trying, until `disconnect`.
   *
   * @returns {Promise<void>}
   */
  async connect() {
    if (this.state === 'connected') return;
    const connected = this.#callers.wait('connect', this.settings.timeoutMs, () => this.#failure);
    this.#waking ??= onWake(() => this.#tell('wake'));
    this.#tell('connect');
    return connected;
  }

  /** Ends the connection, and all that waits for an answer. Channels are subscribed again at the next `connect`. */
  disconnect() {
    const { flush } = this.#link ?? {};
    if (flush) {
      for (const channel of this.#channels.values()) if (channel.wanted) channel.leave();
      flush();
    }
    this.#tell('disconnect');
  }

  /**
   * The channel of this name; always the same one. Options count the first time.
   *
   * @param {string} name
   * @param {ChannelOptions} [options]
   */
  channel(name, options = {}) {
    const channel = this.#channels.get(name) ?? new Channel(this, name, options);
    this.#channels.set(name, channel);
    return channel;
  }

  // --- effects ------------------------------------------------------------------------------------------------------------

  /**
   * Tells the machine what happened, and carries out what comes of it.
   *
   * @template {Exclude<keyof Connection, "wakeAt">} What
   * @param {What} what @param {any[]} more
   */
  #tell(what, ...more) {
    const step = ++this.#step;
    const act = /** @type {(...told: any[]) => Effect[] | void} */ (this.#connection[what]);
    for (const [effect, ...values] of act(Date.now(), ...more) ?? []) {
      // A listener may have told the machine something else meanwhile, such as the end.
      if (step === this.#step) /** @type {any} */ (this.#effects[effect])(...values);
    }
    this.#arm();
  }

  /** How each effect is carried out. @type {{ [E in Effect as E[0]]: (value: E[1], more: E[2]) => void }} */
  #effects = {
    state: (event) => {
      this.state = event.state;
      this.emit('state', event);
    },
    token: (reason) => {
      const { getToken, timeoutMs } = this.settings;
      /** @param {"token" | "tokenFailed"} what @returns {(told: unknown) => void} */
      const answered = (what) => (told) => {
        if (timer !== this.#asking) return;
        clearTimeout(timer);
        this.#tell(what, told);
      };
      const failed = answered('tokenFailed');
      clearTimeout(this.#asking);
      const timer = (this.#asking = setTimeout(failed, timeoutMs, `not within ${timeoutMs} ms`));
      Promise.resolve({ reason }).then((ask) => getToken?.(ask)).then(answered('token'), failed);
    },
    open: (name, token) => {
      const { settings } = this;
      this.#close();
      const opened = this.#opened;
      /** What an earlier one still tells is dropped. @param {(told: any) => void} hear @returns {(told?: any) => void} */
      const current = (hear) => (told) => opened === this.#opened && hear(told);
      const lost = current((ending) => this.#lost(ending));
      this.transport = name;
      this.#refused = undefined;
      try {
        const hello = settings.codec.encode({
          type: 'connect',
          id: 0,
          payload: { version: 1, token, client: { name: settings.name, version: settings.version }, data: settings.data },
        });
        this.#link = TRANSPORTS[name](
          { ...settings, token, hello },
          current(() => this.#connection.heard(Date.now())),
          current((envelope) => this.#receive(envelope)),
          lost,
        );
        this.subscriptions.begin();
      } catch (cause) {
        lost({ message: `${cause}` });
      }
    },
    close: () => this.#close(),
    // Its answer brings the next ping nearer.
    ping: () => this.requests.ask('ping', {}, { now: true }).then(() => this.#arm(), () => {}),
    refresh: (token) =>
      this.requests.ask('refresh', { token }, { now: true }).then(
        (payload) => this.#tell('refreshed', this.#lifeOf(payload), token),
        (error) => this.#tell('refreshFailed', error),
      ),
    error: (error) => {
      // Who waits to be connected is told at once that there is no token. A network may come back.
      if (error.reason === 'token_failed') this.#callers.settle(error);
      this.#failure = `. ${error}`;
      this.failed(error);
    },
    end: (error) => {
      this.state = 'disconnected';
      // Before whoever hears of it begins again.
      this.#waking?.abort();
      this.#waking = this.#failure = undefined;
      clearTimeout(this.#timer);
      clearTimeout(this.#asking);
      this.#timerAt = Infinity;
      this.#callers.settle(error);
      this.requests.end(error);
      for (const channel of this.#channels.values()) channel.closed(error);
      if (error.code) this.failed(error);
    },
  };

  /** One timer for everything that the machine waits for. */
  #arm() {
    const at = this.#connection.wakeAt();
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(
      () => {
        this.#timerAt = Infinity;
        this.#tell('tick');
      },
      Math.min(LONGEST_TIMER_MS, at - Date.now()),
    );
  }

  #close() {
    this.#opened += 1;
    this.#link?.close();
    this.#link = this.session = undefined;
    this.requests.lost();
    this.subscriptions.lost();
  }

  /** How long a token is good, by the broker's clock alone. @param {any} payload */
  #lifeOf({ expires_at: expiresAt = Infinity }) {
    return expiresAt - this.#ahead - Date.now();
  }

  // --- what comes -----------------------------------------------------------------------------------------------------------

  /** @param {any} envelope */
  #receive(envelope) {
    const { type, id, ts, channel, payload } = envelope;
    if (type === 'ack' || type === 'error') {
      // That of `connect` has the id 0, or none: SSE carries no request that could have one.
      if (id) return this.requests.settle(envelope);
      if (type === 'error') return (this.#refused = refusal(payload));
      this.#ahead = ts - Date.now();
      this.session = payload.session;
      this.user = payload.user;
      this.#failure = '';
      proven.set(this.settings.endpoints.websocket, /** @type {TransportName} */ (this.transport));
      // First what waits, then whoever hears of it: he may publish, or end the client.
      this.requests.connected(payload.limits);
      this.#tell('connected', payload.ping_ms, this.#lifeOf(payload));
      this.#callers.settle();
    } else if (type === 'disconnect') {
      this.#lost(refusal(payload));
    } else this.#channels.get(channel)?.push(envelope);
  }

  /** @param {Ending} ending */
  #lost(ending) {
    this.#close();
    this.#tell('lost', ending, this.#refused);
  }
}

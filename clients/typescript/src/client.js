// The client as its user sees it, and the hands of the state machine: what `Connection` decides is done here.

import { Channel } from './channel.js';
import { makeConnection } from './connection.js';
import { Emitter } from './emitter.js';
import { fault, refusal, SluicegateError } from './error.js';
import { checked } from './options.js';
import { Requests } from './requests.js';
import { Subscriptions } from './subscriptions.js';
import { poll } from './transports/poll.js';
import { sse } from './transports/sse.js';
import { websocket } from './transports/websocket.js';
import { Waiters } from './waiters.js';
import { onWake } from './wake.js';

/**
 * @typedef {import('./channel.js').ChannelOptions} ChannelOptions
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
/** Longer timers end at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

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
  /** @internal */
  settings;
  /** @internal */
  requests;
  /** @internal */
  subscriptions;
  #connection;
  /** @type {Map<string, Channel>} */
  #channels = new Map();
  /** The present transport. @type {import('./transports/websocket.js').Transport | undefined} */
  #link;
  /** What `connect` was refused with on it. @type {SluicegateError | undefined} */
  #refused;
  /** Counts questions for tokens: only the answer to the last one counts. */
  #asked = 0;
  /** By how much the broker's clock is ahead of ours, in milliseconds. */
  #ahead = 0;
  /** @type {any} */
  #timer;
  #timerAt = Infinity;
  #callers = new Waiters();
  /** @type {AbortController | undefined} */
  #waking;
  #isReporting = false;

  /**
   * Does nothing yet: see `connect`.
   *
   * @param {string | URL} url of the broker's `/ws`
   * @param {ClientOptions} [options]
   */
  constructor(url, options = {}) {
    super((/** @type {SluicegateError} */ error) => this.failed(error));
    const settings = checked(url, options);
    this.settings = settings;
    this.#connection = makeConnection(settings, proven.get(settings.endpoints.websocket));
    this.requests = new Requests(settings, (frame) => {
      this.#connection.asked(Date.now());
      this.#arm();
      this.#link?.send(frame);
    });
    this.subscriptions = new Subscriptions(this.#channels, settings.reconnect, this.requests);
  }

  /**
   * Resolves once connected. Rejects if the broker refuses for good, if there is no token, and after `timeoutMs` once every transport was
   * tried; in the last two cases the client goes on trying, until `disconnect`.
   *
   * @returns {Promise<void>}
   */
  async connect() {
    if (this.state === 'connected') return;
    const connected = this.#callers.wait('connect', this.settings.timeoutMs, () => !this.#connection.tried);
    this.#waking ??= onWake(() => this.#run(this.#connection.wake(Date.now())));
    this.#run(this.#connection.connect(Date.now()));
    return connected;
  }

  /** Ends the connection, and all that waits for an answer. Channels are subscribed again at the next `connect`. */
  disconnect() {
    this.#run(this.#connection.disconnect());
    this.#end(fault('closed', 'the client was disconnected'));
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

  /** @param {Effect[]} effects */
  #run(effects) {
    for (const effect of effects) this.#carryOut(effect);
    this.#arm();
  }

  /** @param {Effect} effect */
  #carryOut(effect) {
    switch (effect[0]) {
      case 'state':
        this.state = effect[1].state;
        return this.emit('state', effect[1]);
      case 'token':
        return this.#askForToken(effect[1]);
      case 'open':
        return this.#open(effect[1], effect[2]);
      case 'close':
        return this.#close();
      case 'ping':
        // Its answer brings the next ping nearer.
        return void this.requests.ask('ping', {}, { now: true }).then(() => this.#arm(), () => {});
      case 'refresh':
        return this.#refresh(effect[1]);
      case 'error':
        // Who waits to be connected is told at once that there is no token. A network may come back.
        if (effect[1].reason === 'token_failed') this.#callers.settle(effect[1]);
        return this.failed(effect[1]);
      case 'end':
        this.state = 'disconnected';
        this.failed(effect[1]);
        return this.#end(effect[1]);
    }
  }

  /** One timer for everything that the machine waits for. */
  #arm() {
    const at = this.#connection.wakeAt();
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    const tick = () => {
      this.#timerAt = Infinity;
      this.#run(this.#connection.tick(Date.now()));
    };
    this.#timer = setTimeout(tick, Math.min(LONGEST_TIMER_MS, at - Date.now()));
  }

  /** @param {TokenReason} reason */
  #askForToken(reason) {
    const asked = ++this.#asked;
    const { getToken, timeoutMs } = this.settings;
    /** @type {any} */
    let timer;
    /** @param {(now: number) => Effect[]} effects */
    const answered = (effects) => {
      clearTimeout(timer);
      if (asked === this.#asked) this.#run(effects(Date.now()));
    };
    new Promise((resolve, reject) => {
      timer = setTimeout(() => reject(`no answer within ${timeoutMs} ms`), timeoutMs);
      Promise.resolve({ reason }).then((ask) => getToken?.(ask)).then(resolve, reject);
    }).then(
      (token) => answered((now) => this.#connection.token(now, token)),
      (cause) => answered((now) => this.#connection.tokenFailed(now, fault('token_failed', `getToken: ${cause}`, true, cause))),
    );
  }

  /** @param {TransportName} name @param {string | undefined} token */
  #open(name, token) {
    const settings = this.settings;
    const { name: program = 'javascript', version = '0', data } = settings;
    const payload = { version: 1, token, client: { name: program, version }, data };
    let ended = false;
    this.#close();
    this.transport = name;
    this.#refused = undefined;
    /** @param {Ending} ending */
    const lost = (ending) => {
      if (ended) return;
      this.#close();
      this.#lost(ending);
    };
    try {
      const link = TRANSPORTS[name]({
        ...settings,
        token,
        hello: settings.codec.encode({ type: 'connect', id: 0, payload }),
        heard: () => ended || this.#connection.heard(Date.now()),
        envelope: (envelope) => ended || this.#receive(envelope),
        lost,
      });
      const close = () => {
        ended = true;
        link.close();
      };
      this.#link = { send: link.send, close };
      this.subscriptions.begin();
    } catch (cause) {
      lost({ code: 1006, message: `${cause}` });
    }
  }

  #close() {
    this.#link?.close();
    this.#link = this.session = undefined;
    this.requests.lost();
    this.subscriptions.lost();
  }

  /** @param {string} token */
  #refresh(token) {
    this.requests.ask('refresh', { token }, { now: true }).then(
      (payload) => this.#connection.refreshed(Date.now(), this.#lifeOf(payload), token),
      (error) => this.#run(this.#connection.refreshFailed(Date.now(), error)),
    );
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
      proven.set(this.settings.endpoints.websocket, /** @type {TransportName} */ (this.transport));
      this.#run(this.#connection.connected(Date.now(), payload.ping_ms, this.#lifeOf(payload)));
      this.requests.connected(payload.limits);
      this.#callers.settle();
    } else if (type === 'disconnect') {
      this.#close();
      this.#lost({ code: payload.code, reason: payload.reason, retryAfterMs: payload.retry_after_ms });
    } else this.#channels.get(channel)?.push(envelope);
  }

  /** @param {Ending} ending */
  #lost(ending) {
    const error = this.#refused;
    // Where there is no close code, as in SSE and long-poll, the refusal tells whether to come back.
    const code = error && !error.retry && ending.code < 4000 ? (error.code === 4401 || error.code === 4410 ? 4502 : 4503) : ending.code;
    this.#run(this.#connection.lost(Date.now(), { ...ending, code, error }));
  }

  // --- the end --------------------------------------------------------------------------------------------------------------

  /** @param {SluicegateError} error */
  #end(error) {
    this.#waking?.abort();
    this.#waking = undefined;
    clearTimeout(this.#timer);
    this.#timerAt = Infinity;
    this.#callers.settle(error);
    this.requests.end(error);
    for (const channel of this.#channels.values()) channel.closed(error);
  }

  /** @internal @param {SluicegateError} error */
  failed(error) {
    if (this.heeds('error') && !this.#isReporting) {
      this.#isReporting = true;
      this.emit('error', error);
      this.#isReporting = false;
      // Whoever listens for errors and throws has a console.
    } else if (error.reason === 'listener_failed') console.error(error);
  }
}

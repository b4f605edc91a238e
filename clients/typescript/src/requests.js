// Requests that wait for an answer, and those that wait for a connection: a queue bounded in bytes. Every promise settles. Knows what a
// frame is, but no channel.

import { fault, refusal, SluicegateError } from './error.js';
import { sizeOf } from './json.js';

/**
 * @typedef {import('./json.js').Frame} Frame
 *
 * @typedef {object} Limits what the broker said in its answer to `connect`
 * @property {number} [message_bytes]
 * @property {number} [channels]
 * @property {number} [publish_per_second]
 *
 * @typedef {object} Wish
 * @property {boolean} [again] it may be sent again on another connection, because twice is as good as once
 * @property {boolean} [now] it is of this connection, and waits in no queue
 * @property {number} [withinMs] how long to wait for the answer at most; 0: as long as the connection lasts
 *
 * @typedef {Wish & { id: number, type: string, frame: Frame, bytes: number, waited: boolean, timer: any,
 *   resolve: (payload: any) => void, reject: (error: SluicegateError) => void }} Request
 */

/** Where the broker does not say when to send again what is over its rate. */
const PAUSE_MS = 1000;

export class Requests {
  #settings;
  #write;
  #connected = false;
  /** @type {Map<number, Request>} */
  #open = new Map();
  /** @type {Map<number, Request>} */
  #queue = new Map();
  /** Of all that waits, for a connection or an answer: on the next connection it is sent again. */
  #bytes = 0;
  #lastId = 0;
  /** @type {Limits} */
  #limits = {};
  /** Publishes from the queue that the broker's rate has room for. */
  #credit = 0;
  /** @type {any} */
  #pause;

  /**
   * @param {{ codec: import('./json.js').Codec, queueBytes: number, timeoutMs: number }} settings
   * @param {(frame: Frame) => void} write
   */
  constructor(settings, write) {
    this.#settings = settings;
    this.#write = write;
  }

  /**
   * @param {string} type @param {any} payload @param {Wish} [wish]
   * @returns {Promise<any>} the payload of the `ack`
   */
  ask(type, payload, wish = {}) {
    return new Promise((resolve, reject) => {
      const { queueBytes, timeoutMs } = this.#settings;
      const { withinMs = timeoutMs, now } = wish;
      const id = ++this.#lastId;
      const frame = this.#frame({ type, id, payload });
      const bytes = sizeOf(frame);
      const most = this.#limits.message_bytes ?? Infinity;
      // Said here, because the broker closes the connection over it.
      if (bytes > most) throw new SluicegateError(4413, 'too_large', `${bytes} bytes; the broker takes ${most}`);
      if (!now && this.#bytes + bytes > queueBytes) throw fault('queue_full', `over ${queueBytes} bytes (queueBytes) wait`, true);
      /** @type {Request} */
      const request = { ...wish, id, type, frame, bytes, waited: false, timer: undefined, resolve, reject };
      const expire = () => this.#settled(request).reject(fault('timeout', `${type}: no answer within ${withinMs} ms`, true));
      if (withinMs) request.timer = setTimeout(expire, withinMs);
      this.#bytes += bytes;
      if (now || (this.#connected && !this.#queue.size)) this.#send(request);
      else this.#enqueue(request);
    });
  }

  /** An `ack` or an `error`. @param {any} envelope */
  settle({ type, id, payload }) {
    const request = this.#open.get(id);
    if (!request) return;
    if (type === 'ack') this.#settled(request).resolve(payload);
    else if (payload.code === 4429 && request.waited) {
      // It waited for a connection, so it can wait for its turn too.
      this.#enqueue(request);
      this.#sort();
      this.#wait(payload.retry_after_ms ?? PAUSE_MS);
    } else this.#settled(request).reject(refusal(payload));
  }

  /** There is a connection. @param {Limits} limits */
  connected(limits) {
    this.#connected = true;
    this.#limits = limits;
    // A new connection may send twice as much at once. The other half is for who publishes meanwhile.
    this.#credit = limits.publish_per_second ?? Infinity;
    this.#flush();
  }

  /** The connection is gone. What may be sent again waits for the next, before everything else. */
  lost() {
    this.#connected = false;
    clearTimeout(this.#pause);
    for (const request of this.#open.values()) {
      if (request.again) this.#enqueue(request);
      else this.#settled(request).reject(fault('connection_lost', `${request.type}: the connection was lost`, true));
    }
    this.#sort();
  }

  /** Nothing will be sent any more. @param {SluicegateError} error */
  end(error) {
    for (const requests of [this.#open, this.#queue]) for (const request of requests.values()) this.#settled(request).reject(error);
  }

  // --- inside -------------------------------------------------------------------------------------------------------------

  /** @param {any} envelope */
  #frame(envelope) {
    try {
      return this.#settings.codec.encode(envelope);
    } catch (cause) {
      throw new SluicegateError(4400, 'bad_request', `this cannot be sent: ${cause}`, { cause });
    }
  }

  /** Sends what waits, as far as the broker's rate allows. */
  #flush() {
    for (const request of this.#queue.values()) {
      if (request.type === 'publish' && --this.#credit < 0) {
        // One by one from now on.
        this.#credit = 1;
        return this.#wait(1000 / (this.#limits.publish_per_second ?? Infinity));
      }
      this.#queue.delete(request.id);
      this.#send(request);
    }
  }

  /** @param {number} ms */
  #wait(ms) {
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => this.#flush(), ms);
  }

  /** @param {Request} request */
  #send(request) {
    this.#open.set(request.id, request);
    this.#write(request.frame);
  }

  /** @param {Request} request */
  #enqueue(request) {
    request.waited = true;
    this.#open.delete(request.id);
    this.#queue.set(request.id, request);
  }

  /** What was sent before goes before what was not. */
  #sort() {
    this.#queue = new Map([...this.#queue].sort(([one], [other]) => one - other));
  }

  /** @param {Request} request */
  #settled(request) {
    clearTimeout(request.timer);
    if (this.#open.delete(request.id) || this.#queue.delete(request.id)) this.#bytes -= request.bytes;
    return request;
  }
}

// Requests that wait for an answer, and those that wait for a connection: a queue bounded in bytes. Every promise settles. Knows what a
// frame is, but no channel.

import { fault, refusal, SluicegateError } from './error.js';

/**
 * @typedef {import('./json.js').Frame} Frame
 *
 * @typedef {object} Limits what the broker said in its answer to `connect`
 * @property {number} [message_bytes]
 * @property {number} [publish_per_second]
 *
 * @typedef {object} RequestOptions
 * @property {number} [againMs] for so long after it was sent first it may be sent again on another connection, because twice is as good as once
 * @property {boolean} [now] it is of this connection, and waits in no queue
 * @property {number} [withinMs] how long to wait for the answer at most; 0: as long as the connection lasts
 *
 * @typedef {RequestOptions & { id: number, type: string, frame: Frame, bytes: number, waited?: boolean, until?: number, timer?: any,
 *   resolve: (payload: any) => void, reject: (error: SluicegateError) => void }} Request
 *
 * @typedef {ReturnType<typeof makeRequests>} Requests
 */

/** Longer timers end at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;
const SECOND_MS = 1000;

/**
 * @param {{ codec: import('./json.js').Codec, queueBytes: number, timeoutMs: number }} settings
 * @param {(frame: Frame) => void} write
 */
export function makeRequests({ codec, queueBytes, timeoutMs }, write) {
  let isConnected = false;
  /** @type {Map<number, Request>} */
  const open = new Map();
  /** @type {Map<number, Request>} */
  let queue = new Map();
  /** Of all that waits, for a connection or an answer: on the next connection it is sent again. */
  let waiting = 0;
  let lastId = 0;
  /** @type {Limits} */
  let limits = {};
  /** @type {any} */
  let pause;

  return {
    /**
     * @param {string} type @param {any} payload @param {RequestOptions} [options]
     * @returns {Promise<any>} the payload of the `ack`
     */
    ask: (type, payload, options = {}) =>
      new Promise((resolve, reject) => {
        const { withinMs = timeoutMs, now } = options;
        const id = ++lastId;
        let frame;
        try {
          frame = codec.encode({ type, id, payload });
        } catch (cause) {
          throw fault('bad_data', `${cause}`, false, cause);
        }
        const bytes = codec.sizeOf(frame);
        if (!now && waiting + bytes > queueBytes) throw fault('queue_full', `over ${queueBytes} bytes`, true);
        /** @type {Request} */
        const request = { ...options, id, type, frame, bytes, resolve, reject };
        if (withinMs) request.timer = setTimeout(late, Math.min(LONGEST_TIMER_MS, withinMs), request);
        waiting += bytes;
        now || (isConnected && !queue.size) ? send(request) : enqueue(request);
      }),

    /** An `ack` or an `error`. @param {any} envelope */
    settle({ type, id, payload }) {
      const request = open.get(id);
      if (!request) return;
      if (type === 'ack') settled(request).resolve(payload);
      else if (payload.code === 4429 && request.waited) {
        // It waited for a connection, so it can wait for its turn too.
        enqueue(request);
        sort();
        flushIn(payload.retry_after_ms ?? SECOND_MS);
      } else settled(request).reject(refusal(payload));
    },

    /** There is a connection. @param {Limits} said */
    connected(said) {
      isConnected = true;
      limits = said;
      flush();
    },

    /** The connection is gone. What may be sent again waits for the next, before everything else. */
    lost() {
      isConnected = false;
      clearTimeout(pause);
      for (const request of open.values()) {
        if (request.againMs) enqueue(request);
        else settled(request).reject(fault('connection_lost', undefined, true));
      }
      sort();
    },

    /** Nothing will be sent any more; the connection was lost before. @param {SluicegateError} error */
    end(error) {
      for (const request of queue.values()) settled(request).reject(error);
    },
  };

  // --- inside -------------------------------------------------------------------------------------------------------------

  /** Sends what waits, in each second as much as the broker allows. Over its rate it would refuse some, and take later ones before them. */
  function flush() {
    let room = limits.publish_per_second ?? Infinity;
    for (const request of queue.values()) {
      if (request.type === 'publish' && --room < 0) return flushIn(SECOND_MS);
      send(request);
      queue.delete(request.id);
    }
  }

  /** @param {number} ms */
  function flushIn(ms) {
    clearTimeout(pause);
    pause = setTimeout(flush, ms);
  }

  /** @param {Request} request */
  function send(request) {
    // Said here, because the broker closes the connection over it.
    if (request.bytes > (limits.message_bytes ?? Infinity)) return settled(request).reject(new SluicegateError(4413, 'too_large', `over ${limits.message_bytes} bytes`));
    request.until ??= Date.now() + (request.againMs ?? Infinity);
    if (Date.now() > request.until) return late(request);
    open.set(request.id, request);
    write(request.frame);
  }

  /** @param {Request} request */
  function enqueue(request) {
    request.waited = true;
    open.delete(request.id);
    queue.set(request.id, request);
  }

  /** What was sent before goes before what was not. */
  function sort() {
    queue = new Map([...queue].sort(([one], [other]) => one - other));
  }

  /** @param {Request} request */
  function late(request) {
    settled(request).reject(fault('timeout', `${request.type}: not in time`, true));
  }

  /** @param {Request} request */
  function settled(request) {
    clearTimeout(request.timer);
    if (open.delete(request.id) || queue.delete(request.id)) waiting -= request.bytes;
    return request;
  }
}

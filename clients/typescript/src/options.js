// What a client is made of, checked at the door.

import { endpointsOf } from './endpoints.js';
import { fault } from './error.js';
import { json } from './json.js';

/**
 * @typedef {import('./connection.js').TransportName} TransportName
 * @typedef {import('./connection.js').TokenReason} TokenReason
 * @typedef {import('./json.js').Codec} Codec
 *
 * @typedef {object} ClientOptions
 * @property {string} [token] for all connections. Without it and without `getToken`, a cookie may say who you are
 * @property {(ask: { reason: TokenReason }) => string | Promise<string>} [getToken] asked for a token before the first connection, before
 *   one ends, and after it was refused
 * @property {TransportName[]} [transports] in this order; the first that works is remembered for the page
 * @property {string} [sse] where `/sse` is, for a URL that does not end in `/ws`. `/send` is beside it
 * @property {string} [poll] where `/poll` is
 * @property {"json" | "msgpack"} [format] `"msgpack"` once `@sluicegate/client/msgpack` is imported
 * @property {string} [name] of the program, for plugins
 * @property {string} [version] of the program
 * @property {any} [data] any JSON, for plugins
 * @property {{ baseMs?: number, maxMs?: number }} [reconnect] the wait before the n-th try is any time up to `baseMs` × 2ⁿ, at most `maxMs`
 * @property {number} [timeoutMs] for a token, an attempt, an answer
 * @property {number} [queueBytes] of requests that wait for a connection or an answer
 * @property {any} [webSocket] the constructor, where there is no global one
 * @property {typeof globalThis.fetch} [fetch] for SSE and long-poll, in place of the global one
 */

/** Six days: some things wait for three times as long, and longer timers than `LONGEST_TIMER_MS` end at once. */
const LONGEST_TIMEOUT_MS = 2 ** 29;

/** Codecs by name. An import of another adds it. @type {Record<string, Codec>} */
export const formats = { json };

/** @param {string | URL} url @param {ClientOptions} options */
export function checked(url, options) {
  const endpoints = endpointsOf(`${url}`, options);
  const { format = 'json', timeoutMs = 10_000, queueBytes = 1_048_576, transports = /** @type {TransportName[]} */ (Object.keys(endpoints)), reconnect = {} } = options;
  const { baseMs = 500, maxMs = 20_000 } = reconnect;
  const usable = transports.filter((name) => endpoints[name]);
  const codec = formats[format];
  if (!codec) throw fault('bad_option', `format: ${format} not imported`);
  if (!usable.length) throw fault('bad_option', `transports: no URL for ${transports}`);
  return { ...options, timeoutMs: Math.min(LONGEST_TIMEOUT_MS, timeoutMs), queueBytes, reconnect: { baseMs, maxMs }, transports: usable, codec, endpoints };
}

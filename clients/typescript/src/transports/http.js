// What SSE and long-poll share: posts that are repeated until they are answered, and what an HTTP status means.

import { SluicegateError } from '../error.js';

/**
 * @typedef {import('./websocket.js').Context} Context
 * @typedef {import('../json.js').Frame} Frame
 */

/** So many requests go in one post, and so many characters or bytes, beside the last. */
const REQUESTS = 64;
const SIZE = 32_768;
/** Where no answer came, the same is posted again after this, and after twice as long each further time. */
const AGAIN_MS = 250;

/**
 * Takes from a queue what goes in one post.
 *
 * @param {Frame[]} queue
 */
export function batchOf(queue) {
  /** @type {Frame[]} */
  const batch = [];
  for (let size = 0; queue.length && batch.length < REQUESTS && size < SIZE; ) {
    const frame = /** @type {Frame} */ (queue.shift());
    size += frame.length;
    batch.push(frame);
  }
  return batch;
}

/**
 * `fetch`, with a status as an error.
 *
 * @param {Context} context
 * @param {string} url
 * @param {RequestInit} init
 * @param {(envelope: any) => void} [refused] hears why the broker refuses who we are; given while there is no session yet
 */
export async function request({ fetch = globalThis.fetch, token }, url, init, refused) {
  // Cookies only where nothing else says who we are: a browser that sends them takes no answer to `allowed_origins = ["*"]`.
  // Firefox lets a second request of a URL wait until it knows whether it may answer from the first: a stream never ends.
  const response = await fetch(url, { credentials: token ? 'same-origin' : 'include', cache: 'no-store', ...init });
  const { status, ok, headers } = response;
  if (ok) return response;
  if (refused) {
    // Without an envelope it may be a proxy that refuses, and another transport may get through.
    const envelope = await response.json().catch(() => {});
    const isFinal = envelope?.type === 'error';
    if (isFinal) refused(envelope);
    if (status === 401) throw new SluicegateError(4502, 'not_authenticated');
    if (isFinal) throw new SluicegateError(4503, 'permission_denied');
  }
  const retryAfterMs = Number(headers.get('retry-after')) * 1000 || undefined;
  throw new SluicegateError(status, `http_${status}`, `${status}: ${url}`, { retryAfterMs });
}

/**
 * Posts until there is an answer. With a session, the same again is carried out once. A post that hangs is its caller's business.
 *
 * @param {Context} context
 * @param {() => void} heard
 * @param {string | undefined} url
 * @param {Record<string, string>} headers
 * @param {BodyInit} body
 * @param {AbortSignal} [signal]
 * @param {(envelope: any) => void} [refused] see `request`
 * @returns {Promise<any>} what was answered, decoded
 */
export async function post(context, heard, url, headers, body, signal, refused) {
  const { codec, timeoutMs } = context;
  // Without a session it is another transport's turn soon.
  const giveUpAt = Date.now() + (refused ? 2 * AGAIN_MS : timeoutMs);
  const init = { method: 'POST', headers: { 'content-type': codec.contentType, ...headers }, body, signal };
  for (let waitMs = AGAIN_MS; ; waitMs *= 2) {
    try {
      const response = await request(context, /** @type {string} */ (url), init, refused);
      const answer = await codec.read(response);
      heard();
      return answer;
    } catch (cause) {
      const { reason, code, retryAfterMs = waitMs } = /** @type {any} */ (cause);
      waitMs = retryAfterMs;
      // 429 and 503 may come back, and so may a network. Every other status is the answer.
      if (signal?.aborted || Date.now() + waitMs > giveUpAt || (reason && code !== 429 && code !== 503)) throw cause;
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

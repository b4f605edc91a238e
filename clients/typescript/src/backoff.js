// How long to wait before trying again.

/**
 * Full jitter: any time from 0 to a bound that doubles with each try. A server's `retryAfterMs` comes on top, so that clients
 * that were all told the same time do not all come at that time.
 * See "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 *
 * @param {{ baseMs: number, maxMs: number }} bounds
 * @param {number} tries how often it failed before
 * @param {number} [retryAfterMs]
 */
export function backoff({ baseMs, maxMs }, tries, retryAfterMs = 0) {
  return retryAfterMs + Math.random() * Math.min(maxMs, baseMs * 2 ** tries);
}

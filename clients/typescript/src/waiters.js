// Those who wait for one and the same thing. Each is told in the end: that it came about, why it does not, or that it takes too long.

import { fault } from './error.js';

export function makeWaiters() {
  /** @type {Set<(error?: Error) => void>} */
  const all = new Set();
  return {
    /**
     * @param {string} what
     * @param {number} withinMs
     * @param {() => boolean} [isTooEarly] whether it should wait for longer, once the time is over
     * @param {() => unknown} [cause] what is known of the reason, then
     * @returns {Promise<void>}
     */
    wait: (what, withinMs, isTooEarly, cause) =>
      new Promise((resolve, reject) => {
        const expire = () => {
          if (isTooEarly?.()) timer = setTimeout(expire, withinMs / 4);
          else tell(fault('timeout', `${what}: not within ${withinMs} ms${cause?.() ?? ''}`, true));
        };
        const tell = (/** @type {Error | undefined} */ error) => {
          clearTimeout(timer);
          all.delete(tell);
          error ? reject(error) : resolve();
        };
        let timer = setTimeout(expire, withinMs);
        all.add(tell);
      }),

    /** @param {Error} [error] */
    settle: (error) => all.forEach((tell) => tell(error)),
  };
}

// Those who wait for one and the same thing. Each is told in the end: that it came about, why it does not, or that it takes too long.

import { fault } from './error.js';

export function makeWaiters() {
  /** @type {Set<(error?: Error) => void>} */
  const all = new Set();
  return {
    /**
     * @param {string} what
     * @param {number} withinMs
     * @param {() => string | undefined} [cause] what is known of the reason, once the time is over; undefined: wait for longer
     * @returns {Promise<void>}
     */
    wait: (what, withinMs, cause = () => '') =>
      new Promise((resolve, reject) => {
        const expire = () => {
          const why = cause();
          if (why === undefined) timer = setTimeout(expire, withinMs / 4);
          else tell(fault('timeout', `${what}: not within ${withinMs} ms${why}`, true));
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

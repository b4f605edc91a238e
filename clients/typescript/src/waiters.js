// Those who wait for one and the same thing. Each is told in the end: that it came about, why it does not, or that it takes too long.

import { fault } from './error.js';

export class Waiters {
  /** @type {Set<(error?: Error) => void>} */
  #all = new Set();

  /**
   * @param {string} what
   * @param {number} withinMs
   * @param {() => boolean} [isTooEarly] whether it should wait for longer, once the time is over
   * @returns {Promise<void>}
   */
  wait(what, withinMs, isTooEarly) {
    return new Promise((resolve, reject) => {
      const expire = () => {
        if (isTooEarly?.()) timer = setTimeout(expire, withinMs / 4);
        else tell(fault('timeout', `${what}: not within ${withinMs} ms`, true));
      };
      let timer = setTimeout(expire, withinMs);
      const tell = (/** @type {Error | undefined} */ error) => {
        clearTimeout(timer);
        this.#all.delete(tell);
        error ? reject(error) : resolve();
      };
      this.#all.add(tell);
    });
  }

  /** @param {Error} [error] */
  settle(error) {
    for (const tell of this.#all) tell(error);
  }
}

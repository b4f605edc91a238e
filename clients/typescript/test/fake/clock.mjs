// Virtual time and seeded chance for a whole process: timers, `Date.now` and `Math.random` are the test's.

const { setImmediate } = globalThis;

/** A seeded generator of numbers from 0 to 1 (mulberry32). */
export function chance(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Lets everything that is ready happen: promises, and what they cause. */
export const settle = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

export class Clock {
  now = 1_700_000_000_000;
  #timers = new Heap();

  /** From now on the process lives by this clock. */
  static install(seed = 1) {
    const clock = new Clock();
    // As everywhere: what does not fit in 31 bits is no time at all.
    globalThis.setTimeout = (act, ms = 0, ...values) => clock.#timers.add({ at: clock.now + (ms > 0 && ms < 2 ** 31 ? ms : 0), act: () => act(...values) });
    globalThis.clearTimeout = (timer) => {
      if (timer) timer.act = undefined;
    };
    Date.now = () => clock.now;
    Math.random = chance(seed);
    return clock;
  }

  /** Lets time pass. Everything that is due happens at its time, in order. */
  async pass(ms) {
    const until = this.now + ms;
    await settle();
    for (let first; (first = this.#timers.first) && first.at <= until; ) {
      this.now = Math.max(this.now, first.at);
      while (this.#timers.first && this.#timers.first.at <= this.now) this.#timers.take().act?.();
      await settle();
    }
    this.now = until;
  }

  /** Timers that somebody waits for. */
  get waiting() {
    return this.#timers.all.filter(({ act }) => act).length;
  }

  /** Time passes and nothing happens: the machine sleeps. What was due then happens at the next `pass`. */
  sleep(ms) {
    this.now += ms;
  }
}

/** Timers by their time, and by their age where that is the same. */
class Heap {
  #all = [];
  #count = 0;

  get first() {
    return this.#all[0];
  }

  get all() {
    return this.#all;
  }

  add(timer) {
    timer.order = this.#count++;
    const all = this.#all;
    let at = all.push(timer) - 1;
    for (let above; at > 0 && before(timer, all[(above = (at - 1) >> 1)]); at = above) all[at] = all[above];
    all[at] = timer;
    return timer;
  }

  take() {
    const all = this.#all;
    const [first] = all;
    const last = all.pop();
    if (!all.length) return first;
    let at = 0;
    for (let below; (below = 2 * at + 1) < all.length; at = below) {
      if (below + 1 < all.length && before(all[below + 1], all[below])) below += 1;
      if (!before(all[below], last)) break;
      all[at] = all[below];
    }
    all[at] = last;
    return first;
  }
}

function before(one, other) {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

// A channel's messages for `for await`, bounded. Knows a channel by its events only.

import { fault, SluicegateError } from './error.js';

/** @typedef {import('./message.js').Message} Message */

/** So many messages wait for a slow loop. A recovery of a long history comes at once, so it has to find room. */
const WAITING = 16384;

/**
 * @param {import('./channel.js').Channel} channel
 * @returns {AsyncIterableIterator<Message>}
 */
export function messagesOf(channel) {
  /** @type {Message[]} */
  const waiting = [];
  /** Why it ends; null: because somebody wants it so. @type {SluicegateError | null | undefined} */
  let ended;
  let wake = () => {};
  const end = (/** @type {SluicegateError | null} */ why) => {
    ended ??= why;
    wake();
  };
  const offs = [
    channel.on('message', (message) => {
      if (ended === undefined && waiting.push(message) > WAITING) end(fault('slow_consumer'));
      wake();
    }),
    channel.on('error', end),
    channel.on('state', ({ state }) => state === 'unsubscribed' && end(null)),
  ];
  channel.loops += 1;
  // A refusal is an event too, and a loop waits for as long as it takes.
  channel.subscribe().catch(() => {});

  function leave() {
    if (!offs.length) return;
    for (const off of offs.splice(0)) off();
    waiting.length = 0;
    end(null);
    if (!--channel.loops) channel.unsubscribe();
  }

  async function* walk() {
    for (;;) {
      while (!waiting.length && ended === undefined) await new Promise((/** @type {(value?: any) => void} */ go) => (wake = go));
      if (!waiting.length) break;
      yield /** @type {Message} */ (waiting.shift());
    }
    leave();
    if (ended) throw ended;
  }

  const loop = walk();
  // That of a generator would wait for the next message.
  const over = loop.return;
  loop.return = (value) => {
    leave();
    return over.call(loop, value);
  };
  return loop;
}

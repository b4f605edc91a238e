// Pages of a channel's history. Knows no connection.

import { Message } from './message.js';

/**
 * @typedef {import('./message.js').Position} Position
 *
 * @typedef {object} HistoryOptions
 * @property {number} [limit] messages at most: 100 unless given, and never over 1,000
 * @property {Position} [since] what comes after it; with `reverse`, before it
 * @property {boolean} [reverse] newest first
 */

/**
 * One answer to `history`: the messages, with the channel's newest position beside them. (That of the last message here is its own.)
 *
 * @typedef {Message[] & { epoch: string, offset: number, messages: Message[] }} Page
 */

/**
 * @param {string} channel
 * @param {(payload: any) => Promise<any>} ask
 */
export function readHistory(channel, ask) {
  /** @returns {Promise<Page>} */
  async function read(/** @type {HistoryOptions} */ { limit, since, reverse } = {}) {
    const ack = await ask({ channel, limit, since: since && { epoch: since.epoch, offset: since.offset }, reverse });
    const messages = ack.messages.map((/** @type {any} */ envelope) => new Message(envelope, true));
    return Object.assign(messages, { epoch: ack.epoch, offset: ack.offset, messages });
  }
  /**
   * Message by message, in pages of `limit`, until there are no more.
   *
   * @param {HistoryOptions} [options]
   */
  async function* all(options = {}) {
    let last = options.since;
    for (;;) {
      const page = await read({ ...options, since: last });
      if (!page.length) return;
      yield* page;
      last = /** @type {Position} */ (page.at(-1));
    }
  }
  return Object.assign(read, { all });
}

// Pages of a channel's history. Knows no connection.

import { messageOf } from './message.js';

/**
 * @typedef {import('./message.js').Message} Message
 * @typedef {import('./message.js').Position} Position
 *
 * @typedef {object} HistoryOptions
 * @property {number} [limit] messages at most: 100 unless given, and never over 1,000
 * @property {Position} [since] what comes after it; with `reverse`, before it
 * @property {boolean} [reverse] newest first
 */

/**
 * One answer to `history`: the messages, also as `messages`, with the channel's newest position. (That of the last message here is its own.)
 *
 * @typedef {Message[] & { epoch: string, offset: number, messages: Message[] }} Page
 *
 * @typedef {((options?: HistoryOptions) => Promise<Page>) & { all: (options?: HistoryOptions) => AsyncGenerator<Message, void, void> }} History
 *   `all` goes on, message by message, in pages of `limit`, until there are no more
 */

/**
 * @param {(payload: any) => Promise<any>} ask
 * @returns {History}
 */
export function readHistory(ask) {
  /** @returns {Promise<Page>} */
  async function read(/** @type {HistoryOptions} */ { limit, since, reverse } = {}) {
    const ack = await ask({ limit, since: since && { epoch: since.epoch, offset: since.offset }, reverse });
    for (const envelope of ack.messages) messageOf(envelope, true);
    return Object.assign(ack.messages, ack);
  }
  /**
   * Message by message, in pages of `limit`, until there are no more.
   *
   * @param {HistoryOptions} [options]
   */
  async function* all(options = {}) {
    /** @type {any} */
    let since = options.since;
    for (let page; !page || page.length; since = page.at(-1)) yield* page = await read({ ...options, since });
  }
  return Object.assign(read, { all });
}

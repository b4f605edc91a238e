// A message as listeners see it.

import { dataOf } from './json.js';

/**
 * @typedef {{ epoch: string, offset: number }} Position
 * @typedef {{ user?: string, session: string, info?: any }} Member
 * @typedef {{ from: Position, to?: Position }} Gap messages after `from`, up to `to`, were missed, and no history has them
 */

/** @template [Data=any] */
export class Message {
  /**
   * @param {any} envelope a push
   * @param {boolean} recovered
   */
  constructor(envelope, recovered) {
    /** What was published. Bytes in a binary channel. @type {Data} */
    this.data = dataOf(envelope);
    /** The same for every receiver. @type {string} */
    this.id = envelope.id;
    /** @type {string} */
    this.channel = envelope.channel;
    /** In a channel with history: grows by 1 from message to message of an epoch. @type {number | undefined} */
    this.offset = envelope.offset;
    /** @type {string | undefined} */
    this.epoch = envelope.epoch;
    /** Who published it. @type {{ user?: string, session: string } | undefined} */
    this.from = envelope.from;
    /** What plugins say about it. @type {Record<string, string> | undefined} */
    this.tags = envelope.tags;
    /** The broker's time, in milliseconds since 1970. @type {number} */
    this.ts = envelope.ts;
    /** Whether it was read from the history: you were away when it was published, or asked for it. */
    this.recovered = recovered;
  }
}

// A message as listeners see it: the envelope that was pushed, with what was published as `data`.

import { fromBase64 } from './base64.js';

/**
 * @typedef {{ epoch: string, offset: number }} Position
 * @typedef {{ user?: string, session: string, info?: any }} Member
 * @typedef {{ from: Position, to?: Position }} Gap messages after `from`, up to `to`, were missed. What the history has
 *   of them, all perhaps if the epoch is new, has to be read from there
 */

/**
 * @template [Data=any]
 * @typedef {object} Message
 * @property {Data} data what was published; bytes in a binary channel
 * @property {string} id the same for every receiver
 * @property {string} channel
 * @property {number} [offset] in a channel with history: grows by 1 from message to message of an epoch
 * @property {string} [epoch]
 * @property {{ user?: string, session: string }} [from] who published it
 * @property {Record<string, string>} [tags] what plugins say about it
 * @property {number} ts the broker's time, in milliseconds since 1970
 * @property {boolean} recovered whether it was read from the history: you were away when it was published, or asked for it
 */

/**
 * Not a copy: tens of thousands come in a second.
 *
 * @param {any} envelope
 * @param {boolean} recovered
 * @returns {Message}
 */
export function messageOf(envelope, recovered) {
  envelope.data = envelope.encoding ? fromBase64(envelope.payload) : envelope.payload;
  envelope.recovered = recovered;
  return envelope;
}

// The entry `@sluicegate/client/msgpack`: with it imported, `format: "msgpack"` is known.

import { decode } from './msgpack/decode.js';
import { encode, encodeList } from './msgpack/encode.js';
import { formats } from './options.js';

/**
 * What a whole number beyond 64 bits becomes is a BigInt, and what no type holds exactly is a `NumberText`. Both can be published.
 *
 * @type {import('./json.js').Codec}
 */
export const msgpack = {
  subprotocol: 'sluicegate.v1.msgpack',
  contentType: 'application/vnd.sluicegate.v1+msgpack',
  encode,
  decode,
  sizeOf: (frame) => frame.length,
  read: async (response) => decode(await response.arrayBuffer()),
  bytes: (data) => ({ data }),
  body: (head, frames) => encodeList(head, 'requests', /** @type {Uint8Array[]} */ (frames)),
};

formats.msgpack = msgpack;

export * from './index.js';
export { NumberText } from './msgpack/number_text.js';
export { decode, encode };

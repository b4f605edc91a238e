// MessagePack to values. What comes may be anything: lengths are believed as far as there are bytes, and depth has a bound.

import { DEEPEST, NUMBER_EXT } from './encode.js';
import { fromText } from './number_text.js';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * @param {ArrayBuffer | Uint8Array} from one value, and nothing after it
 * @returns {any} whole numbers beyond 2⁵³ are BigInts
 */
export function decode(from) {
  const reader = new Reader(from instanceof Uint8Array ? from : new Uint8Array(from));
  const value = reader.read(0);
  reader.end();
  return value;
}

class Reader {
  #bytes;
  #view;
  #at = 0;

  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  end() {
    if (this.#at < this.#bytes.length) throw new RangeError(`${this.#bytes.length - this.#at} bytes after the value`);
  }

  /** @param {number} depth @returns {any} */
  read(depth) {
    if (depth > DEEPEST) throw new RangeError(`deeper than ${DEEPEST}`);
    const code = this.#uint(1);
    if (code < 0x80) return code;
    if (code < 0x90) return this.#map(code & 0x0f, depth);
    if (code < 0xa0) return this.#array(code & 0x0f, depth);
    if (code < 0xc0) return this.#text(code & 0x1f);
    if (code >= 0xe0) return code - 0x100;
    switch (code) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#take(this.#uint(1 << (code - 0xc4))).slice();
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#ext(this.#uint(1 << (code - 0xc7)));
      case 0xca:
        return finite(this.#view.getFloat32(this.#skip(4)));
      case 0xcb:
        return finite(this.#view.getFloat64(this.#skip(8)));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#uint(1 << (code - 0xcc));
      case 0xcf:
        return safe(this.#view.getBigUint64(this.#skip(8)));
      case 0xd0:
        return this.#view.getInt8(this.#skip(1));
      case 0xd1:
        return this.#view.getInt16(this.#skip(2));
      case 0xd2:
        return this.#view.getInt32(this.#skip(4));
      case 0xd3:
        return safe(this.#view.getBigInt64(this.#skip(8)));
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#ext(1 << (code - 0xd4));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#uint(1 << (code - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#uint(2 << (code - 0xdc)), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(2 << (code - 0xde)), depth);
      default:
        throw new RangeError(`the code ${code} is none`);
    }
  }

  /** @param {number} length @param {number} depth */
  #array(length, depth) {
    this.#promised(length);
    const array = [];
    for (let at = 0; at < length; at += 1) array.push(this.read(depth + 1));
    return array;
  }

  /** @param {number} length @param {number} depth */
  #map(length, depth) {
    this.#promised(2 * length);
    /** @type {Record<string, any>} */
    const map = {};
    for (let at = 0; at < length; at += 1) {
      const key = this.read(DEEPEST);
      if (typeof key !== 'string') throw new TypeError('a key that is no string');
      // In an envelope nobody could say which of two counts. Data is as its publisher made it, and the last one counts, as in JSON.
      if (depth === 0 && Object.hasOwn(map, key)) throw new TypeError(`the key ${key} twice`);
      const value = this.read(depth + 1);
      // As JSON.parse does it: it makes a field of that name, and leaves the prototype alone.
      if (key === '__proto__') Object.defineProperty(map, key, { value, writable: true, enumerable: true, configurable: true });
      else map[key] = value;
    }
    return map;
  }

  /** @param {number} length */
  #text(length) {
    return utf8.decode(this.#take(length));
  }

  /** @param {number} length */
  #ext(length) {
    const type = this.#view.getInt8(this.#skip(1));
    const bytes = this.#take(length);
    if (type !== NUMBER_EXT) throw new TypeError(`the ext type ${type} is unknown`);
    return fromText(utf8.decode(bytes));
  }

  /** @param {number} size 1, 2 or 4 bytes */
  #uint(size) {
    const at = this.#skip(size);
    return size === 1 ? this.#view.getUint8(at) : size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  /** @param {number} length */
  #take(length) {
    const at = this.#skip(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** @param {number} length @returns {number} where it begins */
  #skip(length) {
    this.#promised(length);
    this.#at += length;
    return this.#at - length;
  }

  /** So many bytes at least must be there. Nothing is allocated for more. @param {number} length */
  #promised(length) {
    if (length > this.#bytes.length - this.#at) throw new RangeError(`${length} bytes are promised, and ${this.#bytes.length - this.#at} are there`);
  }
}

/** @param {number} value */
function finite(value) {
  if (!Number.isFinite(value)) throw new RangeError(`${value} is no number of JSON`);
  return value;
}

/** @param {bigint} value */
function safe(value) {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

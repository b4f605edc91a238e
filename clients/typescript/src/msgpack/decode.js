// MessagePack to values. What comes may be anything: lengths are believed as far as there are bytes, and nothing recurses, because whoever
// publishes chooses how deep a message is.

import { NUMBER_EXT } from './encode.js';
import { fromText } from './number_text.js';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * @param {ArrayBuffer | Uint8Array} from one value, and nothing after it
 * @returns {any} whole numbers beyond 2⁵³ are BigInts
 */
export function decode(from) {
  const reader = new Reader(from instanceof Uint8Array ? from : new Uint8Array(from));
  const value = reader.read();
  reader.end();
  return value;
}

/** An array or a map, of which elements or entries are to come. */
class Container {
  /** What is in it so far. @type {any} */
  value;
  left;
  isMap;
  /** Of a map's next entry. */
  key = '';

  /** @param {any} value @param {number} left @param {boolean} isMap */
  constructor(value, left, isMap) {
    this.value = value;
    this.left = left;
    this.isMap = isMap;
  }

  /** @param {any} value */
  put(value) {
    this.left -= 1;
    if (!this.isMap) this.value.push(value);
    // As JSON.parse does it: it makes a field of that name, and leaves the prototype alone.
    else if (this.key === '__proto__') Object.defineProperty(this.value, this.key, { value, writable: true, enumerable: true, configurable: true });
    else this.value[this.key] = value;
  }
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

  /** A value, and all that is in it. @returns {any} */
  read() {
    /** The container that the next value is put into. @type {Container | undefined} */
    let inner;
    /** Those around it, the outermost first. @type {(Container | undefined)[]} */
    const outer = [];
    for (;;) {
      if (inner?.isMap) inner.key = this.#key(outer.length === 1 ? inner.value : undefined);
      let value = this.#next();
      if (value instanceof Container) {
        outer.push(inner);
        inner = value;
      } else inner?.put(value);
      while (inner && !inner.left) {
        ({ value } = inner);
        inner = outer.pop();
        inner?.put(value);
      }
      if (!inner) return value;
    }
  }

  /** A value; of an array or a map only the beginning. @returns {any} */
  #next() {
    const code = this.#uint(1);
    if (code < 0x80) return code;
    if (code < 0x90) return this.#map(code & 0x0f);
    if (code < 0xa0) return this.#array(code & 0x0f);
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
        return this.#array(this.#uint(2 << (code - 0xdc)));
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(2 << (code - 0xde)));
      default:
        throw new RangeError(`the code ${code} is none`);
    }
  }

  /** @param {number} length */
  #array(length) {
    this.#promised(length);
    return new Container([], length, false);
  }

  /** @param {number} length */
  #map(length) {
    this.#promised(2 * length);
    return new Container({}, length, true);
  }

  /** @param {any} [envelope] what may not have it yet */
  #key(envelope) {
    const key = this.#next();
    if (typeof key !== 'string') throw new TypeError('a key that is no string');
    // In an envelope nobody could say which of two counts. Data is as its publisher made it, and the last one counts, as in JSON.
    if (envelope && Object.hasOwn(envelope, key)) throw new TypeError(`the key ${key} twice`);
    return key;
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

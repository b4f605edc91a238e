// Values to MessagePack, as JSON would take them: what `JSON.stringify` leaves out is left out, and `toJSON` counts.

import { NumberText } from './number_text.js';

/** As deep as the broker reads MessagePack, the envelope included. What goes on for ever is circular. */
const DEEPEST = 128;
const FIRST_BYTES = 128;
/** The ext type of numbers by their text. */
export const NUMBER_EXT = 1;

const utf8 = new TextEncoder();

/**
 * @param {any} value
 * @returns {Uint8Array}
 */
export function encode(value) {
  const writer = new Writer();
  writer.write(value, 0);
  return writer.done();
}

/**
 * An array of values that are encoded already, behind others if `head` is given: a map that has it as its last field.
 *
 * @param {Record<string, any> | undefined} head @param {string} name @param {Uint8Array[]} encoded
 */
export function encodeList(head, name, encoded) {
  const writer = new Writer();
  if (head) {
    const entries = kept(head);
    writer.head(0x80, 0xde, entries.length + 1);
    writer.entries(entries, 0);
    writer.write(name, 0);
  }
  writer.head(0x90, 0xdc, encoded.length);
  for (const bytes of encoded) writer.raw(bytes);
  return writer.done();
}

/** @param {Record<string, any>} map @returns {[string, any][]} */
function kept(map) {
  return Object.entries(map).filter(([, value]) => value !== undefined && typeof value !== 'function' && typeof value !== 'symbol');
}

class Writer {
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  done() {
    return this.#bytes.slice(0, this.#at);
  }

  /** @param {any} value @param {number} depth @returns {void} */
  write(value, depth) {
    if (depth > DEEPEST) throw new RangeError(`deeper than ${DEEPEST}`);
    switch (typeof value) {
      case 'string':
        return this.#text(utf8.encode(value));
      case 'number':
        return this.#number(value);
      case 'boolean':
        return this.#byte(value ? 0xc3 : 0xc2);
      case 'bigint':
        return this.#bigint(value);
      case 'object':
        return this.#object(value, depth);
      default:
        return this.#byte(0xc0);
    }
  }

  /** @param {[string, any][]} entries @param {number} depth */
  entries(entries, depth) {
    for (const [key, value] of entries) {
      this.#text(utf8.encode(key));
      this.write(value, depth + 1);
    }
  }

  /** The head of an array or a map: `fix` for up to 15, else `long` with 16 bits, or the one after it with 32. */
  head(/** @type {number} */ fix, /** @type {number} */ long, /** @type {number} */ length) {
    if (length < 16) this.#byte(fix | length);
    else this.#length(length, 0, long, long + 1);
  }

  /** @param {Uint8Array} bytes */
  raw(bytes) {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** @param {any} value @param {number} depth @returns {void} */
  #object(value, depth) {
    if (value === null) return this.#byte(0xc0);
    if (ArrayBuffer.isView(value)) {
      this.#length(value.byteLength, 0xc4, 0xc5, 0xc6);
      return this.raw(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    }
    if (value instanceof NumberText) return this.#number_text(value.text);
    if (typeof value.toJSON === 'function') return this.write(value.toJSON(), depth + 1);
    if (Array.isArray(value)) {
      this.head(0x90, 0xdc, value.length);
      for (const element of value) this.write(element, depth + 1);
      return;
    }
    const entries = kept(value);
    this.head(0x80, 0xde, entries.length);
    this.entries(entries, depth);
  }

  /** @param {Uint8Array} text */
  #text(text) {
    if (text.length < 32) this.#byte(0xa0 | text.length);
    else this.#length(text.length, 0xd9, 0xda, 0xdb);
    this.raw(text);
  }

  /** @param {number} value */
  #number(value) {
    if (!Number.isFinite(value)) throw new RangeError(`${value} is no number of JSON`);
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) return this.#put(0xcb, 8, () => this.#view.setFloat64(this.#at, value));
    if (value >= 0) {
      if (value < 0x80) return this.#byte(value);
      if (value < 0x100) return this.#put(0xcc, 1, () => this.#view.setUint8(this.#at, value));
      if (value < 0x10000) return this.#put(0xcd, 2, () => this.#view.setUint16(this.#at, value));
      if (value < 0x100000000) return this.#put(0xce, 4, () => this.#view.setUint32(this.#at, value));
      return this.#bigint(BigInt(value));
    }
    if (value >= -0x20) return this.#byte(value & 0xff);
    if (value >= -0x80) return this.#put(0xd0, 1, () => this.#view.setInt8(this.#at, value));
    if (value >= -0x8000) return this.#put(0xd1, 2, () => this.#view.setInt16(this.#at, value));
    if (value >= -0x80000000) return this.#put(0xd2, 4, () => this.#view.setInt32(this.#at, value));
    return this.#bigint(BigInt(value));
  }

  /** @param {bigint} value */
  #bigint(value) {
    if (BigInt.asUintN(64, value) === value) this.#put(0xcf, 8, () => this.#view.setBigUint64(this.#at, value));
    else if (BigInt.asIntN(64, value) === value) this.#put(0xd3, 8, () => this.#view.setBigInt64(this.#at, value));
    else this.#number_text(`${value}`);
  }

  /** @param {string} text */
  #number_text(text) {
    this.#length(text.length, 0xc7, 0xc8, 0xc9);
    this.#byte(NUMBER_EXT);
    this.raw(utf8.encode(text));
  }

  /** @param {number} length @param {number} short the code with 8 bits; 0: there is none @param {number} long @param {number} longest */
  #length(length, short, long, longest) {
    if (short && length < 0x100) this.#put(short, 1, () => this.#view.setUint8(this.#at, length));
    else if (length < 0x10000) this.#put(long, 2, () => this.#view.setUint16(this.#at, length));
    else this.#put(longest, 4, () => this.#view.setUint32(this.#at, length));
  }

  /** @param {number} code @param {number} size @param {() => void} set */
  #put(code, size, set) {
    this.#room(size + 1);
    this.#bytes[this.#at++] = code;
    set();
    this.#at += size;
  }

  /** @param {number} byte */
  #byte(byte) {
    this.#room(1);
    this.#bytes[this.#at++] = byte;
  }

  /** @param {number} more */
  #room(more) {
    if (this.#at + more <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#at + more));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

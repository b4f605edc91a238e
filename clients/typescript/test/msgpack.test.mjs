// MessagePack: values there and back, the bytes of the specification, and what hostile bytes become.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decode, encode, msgpack, NumberText } from '../src/msgpack.js';
import { chance } from './fake/clock.mjs';

const bytes = (...values) => Uint8Array.from(values);
const hex = (text) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

for (const [value, expected] of [
  [null, 'c0'], [true, 'c3'], [false, 'c2'],
  [0, '00'], [127, '7f'], [128, 'cc 80'], [255, 'cc ff'], [256, 'cd 0100'], [65535, 'cd ffff'], [65536, 'ce 00010000'],
  [4294967295, 'ce ffffffff'], [4294967296, 'cf 0000000100000000'], [Number.MAX_SAFE_INTEGER, 'cf 001fffffffffffff'],
  [-1, 'ff'], [-32, 'e0'], [-33, 'd0 df'], [-128, 'd0 80'], [-129, 'd1 ff7f'], [-32769, 'd2 ffff7fff'], [-2147483649, 'd3 ffffffff7fffffff'],
  [1.5, 'cb 3ff8000000000000'], [1e300, 'cb 7e37e43c8800759c'],
  [2n ** 64n - 1n, 'cf ffffffffffffffff'], [-(2n ** 63n), 'd3 8000000000000000'],
  [2n ** 64n, 'c7 14 01 3138343436373434303733373039353531363136'],
  [new NumberText('1e400'), 'c7 05 01 3165343030'],
  ['', 'a0'], ['ü', 'a2 c3bc'], ['x'.repeat(31), `bf ${'78'.repeat(31)}`], ['x'.repeat(32), `d9 20 ${'78'.repeat(32)}`],
  [[], '90'], [[1, 'a'], '92 01 a1 61'], [{}, '80'], [{ a: [null] }, '81 a1 61 91 c0'],
  [bytes(1, 2), 'c4 02 0102'],
]) {
  test(`${JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? `${part}n` : part))?.slice(0, 40)} is ${expected.slice(0, 20)}`, () => {
    assert.deepEqual(encode(value), hex(expected));
    assert.deepEqual(decode(hex(expected)), value);
  });
}

test('zero with a sign stays what it is', () => {
  assert.ok(Object.is(decode(encode(-0)), -0));
});

test('lengths at the borders of their kinds', () => {
  for (const length of [15, 16, 31, 32, 255, 256, 65_535, 65_536]) {
    for (const value of ['y'.repeat(length), new Uint8Array(length).fill(7), Array(length).fill(1), Object.fromEntries(Array.from({ length }, (_, at) => [`k${at}`, at]))]) {
      assert.deepEqual(decode(encode(value)), value);
    }
  }
});

test('what JSON leaves out is left out, and toJSON counts', () => {
  assert.deepEqual(decode(encode({ a: undefined, b: () => 1, c: [undefined], d: new Date(0) })), { c: [null], d: '1970-01-01T00:00:00.000Z' });
});

test('any value of JSON comes back as it was', () => {
  const random = chance(4);
  const make = (depth) => {
    const kind = Math.floor(random() * (depth > 4 ? 5 : 7));
    const some = () => Math.floor(random() * 5);
    switch (kind) {
      case 0: return null;
      case 1: return random() < 0.5;
      case 2: return Math.floor((random() - 0.5) * 2 ** Math.floor(random() * 53));
      case 3: return (random() - 0.5) * 10 ** Math.floor(random() * 40 - 20);
      case 4: return String.fromCodePoint(...Array.from({ length: some() }, () => Math.floor(random() * 0xd000)));
      case 5: return Array.from({ length: some() }, () => make(depth + 1));
      default: return Object.fromEntries(Array.from({ length: some() }, (_, at) => [`${at}${random()}`, make(depth + 1)]));
    }
  };
  for (let run = 0; run < 3000; run += 1) {
    const value = make(0);
    assert.deepEqual(decode(encode(value)), JSON.parse(JSON.stringify(value)));
  }
});

for (const [what, input, message] of [
  ['nothing', '', /promised/],
  ['4 GiB of text', 'db ffffffff 61', /4294967295 bytes are promised/],
  ['4 GiB of bytes', 'c6 ffffffff', /promised/],
  ['four billion elements', 'dd ffffffff 01', /promised/],
  ['four billion entries', 'df ffffffff a1 61 01', /promised/],
  ['a text cut short', 'a5 6161', /promised/],
  ['100,000 arrays in each other, and nothing in them', '91'.repeat(100_000), /promised/],
  ['100,000 maps in each other, and nothing in them', '81 a1 61'.repeat(100_000), /promised/],
  ['a key that is a number', '81 01 01', /no string/],
  ['a key that is an array', '81 90 01', /no string/],
  ['a key that is arrays in each other', `81 ${'91'.repeat(1000)}`, /no string/],
  ['a key twice', '82 a1 61 01 a1 61 02', /twice/],
  ['bad UTF-8', 'a2 c328', /.*/],
  ['half a surrogate', 'a3 eda080', /.*/],
  ['not a number', 'cb 7ff8000000000000', /NaN/],
  ['an infinity', 'ca 7f800000', /Infinity/],
  ['an unknown ext', 'd4 05 00', /ext type 5/],
  ['a time', 'd6 ff 00000000', /ext type -1/],
  ['an ext that is no number', 'd5 01 6161', /not a number/],
  ['an ext of nothing', 'c7 00 01', /not a number/],
  ['an infinity by its text', 'c7 08 01 496e66696e697479', /not a number/],
  ['the code that is none', 'c1', /none/],
  ['more than one value', '01 01', /after the value/],
]) {
  test(`${what} is refused`, () => assert.throws(() => decode(hex(input)), message));
}

test('values are as deep as their publisher likes', () => {
  for (const beginning of ['91', '81 a1 61', '92 90', '82 a1 62 80 a1 61']) {
    let value = decode(hex(`${beginning.repeat(100_000)} 07`));
    let depth = 0;
    for (; typeof value === 'object'; value = Array.isArray(value) ? value.at(-1) : value.a) depth += 1;
    assert.deepEqual([depth, value], [100_000, 7], beginning);
  }
});

test('what stands in data twice counts the last time, as in JSON', () => {
  assert.deepEqual(decode(hex('81 a1 64 82 a1 61 01 a1 61 02')), { d: { a: 2 } });
  assert.deepEqual(decode(hex('92 82 a1 61 01 a1 61 02 80')), [{ a: 2 }, {}]);
});

test('a mark of the order of bytes is a character', () => {
  for (const text of ['\ufeff', '\ufeffa']) assert.equal(decode(encode(text)), text);
});

test('an integer with more digits than the engine gives one keeps its text', () => {
  const { BigInt } = globalThis;
  globalThis.BigInt = () => {
    throw new RangeError('too large');
  };
  const value = decode(hex('c7 14 01 3138343436373434303733373039353531363136'));
  globalThis.BigInt = BigInt;
  assert.deepEqual(value, new NumberText('18446744073709551616'));
});

test('any bytes are a value or an error, and take no memory that is not there', () => {
  const random = chance(9);
  let values = 0;
  for (let run = 0; run < 20_000; run += 1) {
    const input = Uint8Array.from({ length: 1 + Math.floor(random() * 24) }, () => random() * 256);
    try {
      decode(input);
      values += 1;
    } catch (error) {
      assert.ok(error instanceof RangeError || error instanceof TypeError, String(error));
    }
  }
  assert.ok(values > 100, `${values}`);
});

test('a name of the language is a name like another', () => {
  const value = decode(hex('82 a1 61 01 a9 5f5f70726f746f5f5f 81 a1 62 02'));
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
  assert.deepEqual(Object.keys(value), ['a', '__proto__']);
  assert.equal({}.b, undefined);
});

test('what cannot be said is refused', () => {
  const loop = [];
  loop.push(loop);
  for (const [value, message] of [[loop, /deeper/], [NaN, /NaN/], [-Infinity, /Infinity/]]) assert.throws(() => encode({ value }), message);
  for (const text of ['', '01', '1.', 'NaN', '0x1', ' 1', '1e']) assert.throws(() => new NumberText(text), RangeError);
});

test('posts: a list of frames, alone and behind a head', () => {
  const frames = Array.from({ length: 20 }, (_, id) => msgpack.encode({ id }));
  const list = Array.from({ length: 20 }, (_, id) => ({ id }));
  assert.deepEqual(decode(msgpack.body(undefined, frames)), list);
  assert.deepEqual(decode(msgpack.body({ ack: 1, session: undefined }, frames)), { ack: 1, requests: list });
});

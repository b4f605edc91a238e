// What many channels take of the heap.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { heapOf } from '../bench/parts.mjs';

const CHANNELS = 1000;
const MESSAGES = 50;
const MOST_MIB = 5;

test(`${CHANNELS} channels on one connection stay under ${MOST_MIB} MiB`, async (t) => {
  const { idle, busy } = await heapOf(CHANNELS, MESSAGES);
  t.diagnostic(`${idle} bytes, ${busy} after ${MESSAGES} messages in each`);
  assert.ok(busy < MOST_MIB * 2 ** 20, `${busy}`);
});

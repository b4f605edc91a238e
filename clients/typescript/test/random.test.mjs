// The random run, for a short time; and that its checker sees each promise that is not kept.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { check } from './random/check.mjs';
import { run } from './random/run.mjs';

const SEED = 11;
const FOR_MS = 15_000;

test('whatever the network does, every promise is kept', async (t) => {
  const { numbers, broken, errors } = await run({ seed: SEED, forMs: FOR_MS });
  t.diagnostic(JSON.stringify(numbers));
  assert.deepEqual(broken, []);
  assert.deepEqual(errors.map(({ message }) => message), []);
  for (const what of ['acknowledged', 'recovered', 'reconnects']) assert.ok(numbers[what] > 0, `nothing was ${what}`);
});

const message = (offset, more = {}) => ({ message: { id: `m${offset}`, offset, epoch: 'E', data: { key: `k${offset}` }, ...more } });
const gap = (from, to) => ({ gap: { from: { epoch: 'E', offset: from }, to: { epoch: 'E', offset: to } } });
const publish = (offset, more = {}) => ({ channel: 'c', key: `k${offset}`, id: `m${offset}`, offset, settled: true, ...more });
const kept = (...offsets) => ({ c: offsets.map((offset) => message(offset).message) });
const good = () => ({ receivers: [{ name: 'ann', channel: 'c', events: [message(1), message(2), gap(2, 4), message(5)] }], publishes: [1, 2, 3, 5].map((n) => publish(n)), history: kept(1, 2, 5) });

test('a good run has nothing broken', () => assert.deepEqual(check(good()), []));

for (const [promise, spoil] of [
  ['no duplicate', ({ receivers: [{ events }] }) => events.push(message(6, { id: 'm5' }))],
  ['order', ({ receivers: [{ events }] }) => events.push(message(4, { id: 'late' }))],
  ['no hole', ({ receivers: [{ events }] }) => events.push(message(7))],
  ['gap', ({ receivers: [{ events }] }) => events.push(gap(4, 6))],
  ['same', ({ receivers }) => receivers.push({ name: 'bob', channel: 'c', events: [message(1), message(2), message(3), message(4), message(5, { id: 'other' })] })],
  ['settles', ({ publishes }) => publishes.push({ channel: 'c', key: 'x', settled: false })],
  ['once per key', ({ receivers: [{ events }] }) => events.push(message(6, { data: { key: 'k5' } }))],
  ['once per key', ({ history }) => history.c.push(message(6, { data: { key: 'k5' } }).message)],
  ['acknowledged', ({ publishes }) => (publishes[3].id = 'else')],
  ['acknowledged arrives', ({ publishes }) => publishes.push(publish(6))],
  ['reaches the end', ({ history }) => history.c.push(message(6).message)],
]) {
  test(`the checker sees: ${promise}`, () => {
    const run = good();
    spoil(run);
    const broken = check(run);
    assert.ok(broken.some((line) => line.startsWith(`${promise}:`)), broken.join('\n'));
  });
}

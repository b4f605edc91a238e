// What of a channel is new, known, or ahead.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Order } from '../src/order.js';

const at = (epoch, offset, id = `${epoch}-${offset}`) => ({ id, epoch, offset });

for (const [what, before, message, verdict] of [
  ['the first message, of whatever place', [], at('E', 7), 'new'],
  ['the next one', [at('E', 7)], at('E', 8), 'new'],
  ['the same again', [at('E', 7)], at('E', 7), 'known'],
  ['an older one, of another id', [at('E', 7)], at('E', 6, 'x'), 'known'],
  ['one too far', [at('E', 7)], at('E', 9), 'ahead'],
  ['the first of a new epoch', [at('E', 7)], at('F', 1), 'new'],
  ['a new epoch that goes on', [at('E', 7)], at('F', 8), 'new'],
  ['a new epoch with a hole', [at('E', 7)], at('F', 9), 'ahead'],
  ['the same message under another epoch', [at('E', 7)], at('F', 8, 'E-7'), 'known'],
  ['one without a place', [at('E', 7)], { id: 'a' }, 'new'],
  ['one without a place, twice', [{ id: 'a' }], { id: 'a' }, 'known'],
]) {
  test(`${what} is ${verdict}`, () => {
    const order = new Order();
    for (const taken of before) order.take(taken);
    assert.equal(order.judge(message), verdict);
  });
}

test('ids that are remembered are bounded, the latest ones', () => {
  const order = new Order();
  for (let number = 0; number < 100; number += 1) order.take({ id: `${number}` });
  assert.equal(order.judge({ id: '99' }), 'known');
  assert.equal(order.judge({ id: '68' }), 'known');
  assert.equal(order.judge({ id: '67' }), 'new');
});

test('what does not come back is no hole, and no message if the history has it', () => {
  const order = new Order();
  order.take(at('E', 7));
  order.skip(at('E', 8));
  assert.equal(order.judge(at('E', 9)), 'new');
  order.skip(at('E', 10, 'own'));
  assert.equal(order.judge(at('E', 11)), 'ahead');
  assert.equal(order.take(at('E', 9)), true);
  assert.equal(order.take(at('E', 10, 'own')), false);
  assert.equal(order.judge(at('E', 11)), 'new');
});

test('where nothing was handed out yet, what does not come back is no place to recover from', () => {
  const order = new Order();
  order.skip(at('E', 7));
  assert.equal(order.at, undefined);
  assert.equal(order.take(at('E', 7)), false, 'but it is known');
});

// How channels are subscribed, and how that ends. Whole clients on virtual time.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { clock, fresh, joined, makeClient, online, outcome } from './fake/play.mjs';

let server;
beforeEach(() => (server = fresh()));

test('a thousand channels are subscribed in batches, and slower on 4429', async () => {
  let room = 400;
  server.answer = ({ type }) => {
    if (type !== 'subscribe') return undefined;
    return --room >= 0 ? undefined : { code: 4429, reason: 'rate_limited', message: 'slow', retry: true, retry_after_ms: 500 };
  };
  const client = makeClient();
  const outcomes = [];
  for (let number = 0; number < 1000; number += 1) outcomes.push(outcome(client.channel(`room:${number}`).subscribe()));
  client.connect();
  let most = 0;
  for (let step = 0; step < 2500 && !outcomes.every(({ settled }) => settled); step += 1) {
    const before = server.of('subscribe').length;
    await clock.pass(4);
    most = Math.max(most, server.of('subscribe').length - before);
    if (step % 125 === 0) room = 100;
  }
  assert.ok(outcomes.every(({ settled, error }) => settled && !error));
  assert.ok(most <= 64, `${most} at a time`);
  assert.ok(server.of('subscribe').length < 2000, 'it did not hammer');
});

test('a refused subscribe is told to who asked, and not asked again', async () => {
  const client = await online();
  server.answer = ({ type }) => (type === 'subscribe' ? { code: 4403, reason: 'permission_denied', message: 'no', retry: false, plugin: 'authorize' } : undefined);
  const room = client.channel('staff');
  const refused = outcome(room.subscribe());
  await clock.pass(100);
  assert.deepEqual([refused.error.code, refused.error.reason, refused.error.plugin], [4403, 'permission_denied', 'authorize']);
  assert.equal(room.state, 'unsubscribed');
  server.die();
  server.isUp = true;
  await clock.pass(5000);
  assert.equal(server.of('subscribe').length, 1);
});

test('a subscription that the broker ended: some come back with since, others are over', async () => {
  for (const [code, comesBack] of [[4002, true], [4004, true], [4503, false]]) {
    server = fresh();
    const { room, of } = await joined(await online(), 'room');
    server.publish('room', 'a');
    const [socket] = server.sockets;
    socket.channels.clear();
    socket.push({ type: 'unsubscribed', channel: 'room', payload: { code, reason: 'why' } });
    server.publish('room', 'b');
    await clock.pass(2000);
    assert.equal(room.state, comesBack ? 'subscribed' : 'unsubscribed', `${code}`);
    assert.deepEqual(of('message').map(({ data }) => data), comesBack ? ['a', 'b'] : ['a']);
    if (!comesBack) assert.equal(of('state').at(-1).code, code);
  }
});

test('nothing is handed out after unsubscribe was called', async () => {
  const { room, data } = await joined(await online(), 'room');
  const done = outcome(room.unsubscribe());
  server.publish('room', 'a');
  await clock.pass(100);
  assert.ok(done.settled && !done.error);
  assert.deepEqual(data(), []);
  assert.equal(server.of('unsubscribe').length, 1);
});

test('subscribe, unsubscribe and subscribe at once end as they were asked', async () => {
  const client = await online();
  const room = client.channel('room');
  const outcomes = [outcome(room.subscribe()), outcome(room.unsubscribe()), outcome(room.subscribe())];
  await clock.pass(100);
  assert.deepEqual(outcomes.map(({ error }) => error?.reason), ['closed', undefined, undefined]);
  assert.equal(room.state, 'subscribed');
  const seen = [];
  room.on('message', ({ data }) => seen.push(data));
  server.publish('room', 'a');
  assert.deepEqual(seen, ['a']);
});

// What is published: in order, bounded, and once. Whole clients on virtual time.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { SluicegateError } from '../src/index.js';
import { clock, fresh, joined, makeClient, online, outcome } from './fake/play.mjs';

let server;
beforeEach(() => (server = fresh()));

test('a publish waits for a connection, goes out in order, and every one has a key', async () => {
  const client = makeClient();
  const sent = ['a', 'b', 'c'].map((text) => outcome(client.channel('room').publish(text)));
  const fleeting = outcome(client.channel('room').publish('d', { ephemeral: true }));
  client.connect();
  await clock.pass(100);
  assert.deepEqual(sent.map(({ value }) => value.offset), [1, 2, 3]);
  assert.deepEqual(server.of('publish').map(({ payload }) => payload.data), ['a', 'b', 'c', 'd']);
  const keys = server.of('publish').map(({ payload }) => payload.key);
  assert.equal(new Set(keys.slice(0, 3)).size, 3);
  assert.ok(keys.slice(0, 3).every((key) => key.length >= 16));
  assert.equal(keys[3], undefined);
  assert.ok(fleeting.settled);
});

test('what had no answer is sent again with its key, and delivered once', async () => {
  const client = await online();
  const { room } = await joined(client, 'room');
  server.answer = (envelope, socket) => {
    if (envelope.type !== 'publish') return undefined;
    server.reply(socket, envelope);
    return null; // It happened, and the answer is lost.
  };
  const sent = outcome(room.publish('a'));
  const fleeting = outcome(room.publish('gone', { ephemeral: true }));
  await clock.pass(10);
  server.answer = () => undefined;
  server.die();
  await clock.pass(10);
  assert.equal(fleeting.error.reason, 'connection_lost');
  server.isUp = true;
  await clock.pass(5000);
  assert.equal(sent.value.duplicate, true);
  const [first, again] = server.of('publish').filter(({ payload }) => payload.data === 'a').map(({ payload }) => payload.key);
  assert.ok(first === again && server.channel('room').messages.length === 1);
});

test('an ephemeral one is not sent again, whatever its key', async () => {
  const client = await online();
  server.answer = () => null;
  const fleeting = outcome(client.channel('room').publish('a', { ephemeral: true, key: 'mine' }));
  await clock.pass(10);
  server.answer = () => undefined;
  server.die();
  server.isUp = true;
  await clock.pass(5000);
  assert.equal(server.of('publish').length, 1);
  assert.equal(server.of('publish')[0].payload.key, 'mine');
  assert.equal(fleeting.error.reason, 'connection_lost');
});

test('what was sent is not sent again when the broker may have forgotten its key', async () => {
  for (const [awayMs, times] of [[100_000, 2], [115_000, 1]]) {
    server = fresh();
    const client = await online({ reconnect: { maxMs: 500 }, queueBytes: 500 });
    const read = outcome(client.channel('room').history({ limit: 1 }));
    await clock.pass(100);
    assert.ok(read.value);
    server.answer = () => null;
    const sent = outcome(client.channel('room').publish('sent', { timeoutMs: 3_600_000 }));
    await clock.pass(10);
    server.answer = () => undefined;
    server.die();
    const waited = outcome(client.channel('room').publish('waited', { timeoutMs: 3_600_000 }));
    await clock.pass(awayMs);
    server.isUp = true;
    await clock.pass(5000);
    assert.equal(server.of('publish').filter(({ payload }) => payload.data === 'sent').length, times, `${awayMs}`);
    assert.equal(sent.error?.reason, times === 1 ? 'timeout' : undefined);
    const large = outcome(client.channel('room').publish('x'.repeat(350)));
    await clock.pass(100);
    assert.ok(waited.value && large.value, 'nothing takes room any more');
  }
});

test('what waits is bounded in bytes, and sent requests keep their turn', async () => {
  const client = makeClient({ queueBytes: 2000 });
  const room = client.channel('room');
  const outcomes = [];
  for (let number = 0; number < 30; number += 1) outcomes.push(outcome(room.publish('x'.repeat(200))));
  await clock.pass(1);
  const full = outcomes.filter(({ error }) => error?.reason === 'queue_full');
  assert.ok(full.length > 20 && full.length < 30, `${full.length}`);
  assert.ok(full[0].error instanceof SluicegateError && full[0].error.retry);
  client.connect();
  await clock.pass(100);
  assert.equal(outcomes.filter(({ value }) => value).length, 30 - full.length);
  const later = outcome(room.publish('x'.repeat(200)));
  await clock.pass(100);
  assert.ok(later.value, 'what was answered makes room');
});

test('what waited for a connection goes out no faster than the broker allows', async () => {
  server.limits = { ...server.limits, publish_per_second: 10 };
  const client = makeClient();
  const outcomes = Array.from({ length: 30 }, (_, number) => outcome(client.channel('room').publish(number)));
  client.connect();
  await clock.pass(100);
  assert.equal(server.of('publish').length, 10 + 0);
  await clock.pass(1000);
  assert.ok(Math.abs(server.of('publish').length - 20) <= 1, `${server.of('publish').length}`);
  await clock.pass(1500);
  assert.ok(outcomes.every(({ value }) => value));
  assert.deepEqual(server.channel('room').messages.map(({ payload }) => payload), Array.from({ length: 30 }, (_, number) => number));
});

test('too fast is told to who published, unless it had to wait anyway', async () => {
  const client = await online();
  let refusals = 1;
  server.answer = ({ type }) => (type === 'publish' && --refusals >= 0 ? { code: 4429, reason: 'rate_limited', message: 'slow', retry: true, retry_after_ms: 700 } : undefined);
  const direct = outcome(client.channel('room').publish('a'));
  await clock.pass(100);
  assert.equal(direct.error.code, 4429);
  assert.equal(direct.error.retryAfterMs, 700);
  assert.equal(direct.error.retry, true);
  server.die();
  refusals = 2;
  const waited = [false, true].map((ephemeral) => outcome(client.channel('room').publish('b', { ephemeral })));
  server.isUp = true;
  await clock.pass(3000);
  assert.ok(waited.every(({ value }) => value));
});

test('an envelope that the broker would close the connection for is refused here', async () => {
  server.limits = { message_bytes: 300 };
  const client = await online();
  const long = outcome(client.channel('room').publish('ü'.repeat(150)));
  await clock.pass(1);
  assert.equal(long.error.code, 4413);
  assert.equal(server.of('publish').length, 0);

  // The limit may be known only when it is sent.
  const other = makeClient();
  const [early, short] = ['x'.repeat(300), 'y'].map((text) => outcome(other.channel('room').publish(text)));
  other.connect();
  await clock.pass(100);
  assert.equal(early.error?.code, 4413);
  assert.equal(short.value?.offset, 1);
  assert.equal(server.of('publish').length, 1);
});

test('what cannot be sent is an error to who wanted it', async () => {
  const client = await online();
  const loop = {};
  loop.loop = loop;
  for (const nonsense of [loop, 10n]) {
    const sent = outcome(client.channel('room').publish(nonsense));
    await clock.pass(1);
    assert.deepEqual([sent.error.code, sent.error.reason, sent.error.retry], [0, 'bad_data', false]);
  }
});

test('bytes go out as base64, and come back as bytes', async () => {
  const { room, of } = await joined(await online(), 'room');
  const bytes = Uint8Array.from({ length: 300 }, (_, at) => at % 256);
  room.publish(bytes);
  room.publish(bytes.subarray(1, 3));
  await clock.pass(100);
  const [first, second] = server.of('publish').map(({ payload }) => payload);
  assert.equal(first.encoding, 'base64');
  assert.equal(first.data, Buffer.from(bytes).toString('base64'));
  assert.equal(second.data, 'AQI=');
  server.sockets[0].push({ type: 'message', id: 'bin', channel: 'room', payload: first.data, encoding: 'base64' });
  assert.deepEqual(of('message').at(-1).data, bytes);
});

test('who waits for as long as it takes is not told at once that it took too long', async () => {
  const client = makeClient();
  const [ever, long] = [Infinity, 2 ** 33].map((timeoutMs) => outcome(client.channel('room').publish('a', { timeoutMs })));
  await clock.pass(3_600_000);
  assert.deepEqual([ever.settled, long.settled], [false, false]);
  client.connect();
  await clock.pass(1000);
  assert.deepEqual([ever.value?.offset, long.value?.offset], [1, 2]);
});

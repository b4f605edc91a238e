// The client in Node against a real broker.
import assert from 'node:assert/strict';
import { on, once } from 'node:events';
import { after, before, test } from 'node:test';
import { inspect } from 'node:util';
import { WebSocket } from 'ws';

import { Client, NumberText } from '../src/msgpack.js';
import { Broker, token } from './broker.mjs';

const WAYS = ['websocket', 'sse', 'poll'].flatMap((transport) => ['json', 'msgpack'].map((format) => [transport, format]));
let broker;
const clients = [];

before(async () => (broker = await Broker.start()));
after(async () => {
  for (const client of clients) client.disconnect();
  await broker.stop();
});

function makeClient(user, options = {}) {
  const client = new Client(broker.url, { token: user && token(user), webSocket: WebSocket, transports: ['websocket'], ...options });
  clients.push(client);
  return client;
}

/** The next event that satisfies. */
function next(emitter, event, satisfies = () => true) {
  return new Promise((resolve) => {
    const off = emitter.on(event, (value) => {
      if (!satisfies(value)) return;
      off();
      resolve(value);
    });
  });
}

for (const [transport, format] of WAYS) {
  const way = { transports: [transport], format };
  const name = `${transport}, ${format}`;
  const room = `room:${transport}-${format}`;

  test(`${name}: two people talk, see each other, and read what was said`, async () => {
    const [ann, bob] = ['ann', 'bob'].map((user) => makeClient(user, way));
    await Promise.all([ann.connect(), bob.connect()]);
    assert.equal(ann.user, 'ann');
    assert.equal(ann.transport, transport);
    const here = ann.channel(room, { presence: true });
    const there = bob.channel(room);
    await here.subscribe();
    const joined = next(here, 'join');
    await there.subscribe();
    assert.equal((await joined).user, 'bob');
    const heard = next(there, 'message');
    const { id, offset, duplicate } = await here.publish({ text: 'hello' });
    const message = await heard;
    assert.deepEqual([message.data, message.id, message.offset, message.from.user, duplicate], [{ text: 'hello' }, id, offset, 'ann', false]);
    assert.deepEqual((await here.members()).map(({ user }) => user).sort(), ['ann', 'bob']);
    assert.deepEqual((await there.history()).map(({ data }) => data), [{ text: 'hello' }]);
    const again = await here.publish('once', { key: 'the same' });
    const twice = await here.publish('once', { key: 'the same' });
    assert.deepEqual([twice.id, twice.duplicate], [again.id, true]);
    const typing = next(there.typing(), 'change');
    here.typing().start();
    assert.deepEqual(await typing, ['ann']);
    const left = next(here, 'leave');
    // Also where it polls, and its silence would be noticed in an hour.
    bob.disconnect();
    assert.equal((await left).user, 'bob');
    ann.disconnect();
  });

  test(`${name}: refusals have the code, the reason and the plugin`, async () => {
    const ann = makeClient('ann', way);
    await ann.connect();
    for (const [promise, code] of [
      [ann.channel('staff').subscribe(), 4403],
      [ann.channel('plain:1').history(), 4400],
      [ann.channel('bad name').subscribe(), 4400],
    ]) {
      await assert.rejects(promise, (error) => error.name === 'SluicegateError' && error.code === code && error.retry === false);
    }
    ann.disconnect();
  });

  test(`${name}: a token that does not verify ends the client, and getToken is asked once more`, async () => {
    for (const nonsense of ['nonsense', 'nonsense\n1', 'nonsense\u20ac']) {
      const told = [];
      const refused = makeClient(undefined, { token: nonsense, ...way });
      for (const event of ['error', 'state']) refused.on(event, (value) => told.push(value));
      await assert.rejects(refused.connect(), (error) => told.push(error) && error.code === 4401);
      const { code, retryInMs } = told.findLast(({ state }) => state);
      assert.deepEqual([code, retryInMs], [4502, undefined]);
      assert.ok(!inspect(told, { depth: 9 }).includes('nonsense'));
    }
    const reasons = [];
    const client = makeClient(undefined, { ...way, getToken: ({ reason }) => (reasons.push(reason), reason === 'expired' ? token('ann') : 'old') });
    await client.connect();
    assert.deepEqual(reasons, ['connect', 'expired']);
    client.disconnect();
  });

  test(`${name}: bytes, and numbers of every size`, async () => {
    const [ann, bob] = [makeClient('ann', way), makeClient('bob', { transports: ['websocket'], format: 'json' })];
    await Promise.all([ann.connect(), bob.connect()]);
    const bytes = Uint8Array.from({ length: 1000 }, (_, at) => (at * 7) % 256);
    const [here, there] = [ann, bob].map((client) => client.channel(`bytes:${transport}-${format}`));
    await Promise.all([here.subscribe(), there.subscribe()]);
    const heard = [next(here, 'message'), next(there, 'message')];
    await here.publish(bytes);
    for (const { data } of await Promise.all(heard)) assert.deepEqual(new Uint8Array(data), bytes);
    assert.deepEqual((await here.history())[0].data, bytes);
    await assert.rejects(here.publish('text'), ({ code }) => code === 4400);

    const numbers = [0, -1, 1.5, 2 ** 31, Number.MAX_SAFE_INTEGER, -0.1, 1e300];
    const back = next(ann.channel(room), 'message');
    await ann.channel(room).subscribe();
    await ann.channel(room).publish(numbers);
    assert.deepEqual((await back).data, numbers);
    if (format === 'msgpack') {
      const large = [2n ** 64n - 1n, -(2n ** 63n), 2n ** 70n, new NumberText('1.5e400')];
      await ann.channel(room).publish(large);
      const [last] = await ann.channel(room).history({ limit: 1, reverse: true });
      assert.deepEqual(last.data, large);
    }
    for (const client of [ann, bob]) client.disconnect();
  });

  test(`${name}: a token is refreshed before it ends, and the session goes on`, async () => {
    const reasons = [];
    const client = makeClient(undefined, { ...way, getToken: ({ reason }) => (reasons.push(reason), token('ann', reason === 'connect' ? 3 : 3600)) });
    await client.connect();
    const { session } = client;
    while (reasons.length < 2) await new Promise((resolve) => setImmediate(resolve));
    await client.channel('room:any').history();
    assert.deepEqual([reasons, client.session], [['connect', 'refresh'], session]);
    client.disconnect();
  });
}

/** Publishes what no client of ours would write. */
async function publishRaw(channel, data) {
  const socket = new WebSocket(broker.url, ['sluicegate.v1.json', `bearer.${token('eve')}`]);
  await once(socket, 'open');
  socket.send('{"type":"connect","id":1,"payload":{"version":1}}');
  socket.send(`{"type":"publish","id":2,"payload":{"channel":"${channel}","data":${data}}}`);
  for await (const [frame] of on(socket, 'message')) {
    const { type, id } = JSON.parse(frame);
    if (id !== 2) continue;
    assert.equal(type, 'ack', data.slice(0, 40));
    break;
  }
  socket.close();
}

const DEEP = 30_000;
const POISON = [
  ['lists in each other', `${'['.repeat(DEEP)}1${']'.repeat(DEEP)}`, (data) => {
    let depth = 0;
    for (; Array.isArray(data); [data] = data) depth += 1;
    assert.deepEqual([depth, data], [DEEP, 1]);
  }],
  ['maps in each other', `${'{"a":'.repeat(200)}1${'}'.repeat(200)}`, (data) => assert.equal(JSON.stringify(data).length, 200 * 6 + 1)],
  ['5,000 digits', '9'.repeat(5000), (data) => assert.ok(data === Infinity || `${data}`.length === 5000)],
  ['an exponent beyond all', '1e99999', (data) => assert.equal(Number(data), Infinity)],
  ['a name of the language', '{"__proto__":{"a":1},"constructor":2,"__proto__":{"b":3}}', (data) => assert.deepEqual([data.a, data.b, Object.keys(data).sort()], [undefined, undefined, ['__proto__', 'constructor']])],
  ['a mark of the order of bytes', '["\\ufeffa","\ufeffb"]', (data) => assert.deepEqual(data, ['\ufeffa', '\ufeffb'])],
  ['half of a pair', '"\\ud800"', (data) => assert.equal(data.length, 1)],
  ['ends of lines', '[1,\r2,\n\r\n3,"\u2028"]', (data) => assert.deepEqual(data, [1, 2, 3, '\u2028'])],
];

for (const [transport, format] of WAYS) {
  test(`${transport}, ${format}: whatever another client publishes arrives, and what comes after it too`, async () => {
    const ann = makeClient('ann', { transports: [transport], format });
    const room = ann.channel(`room:poison-${transport}-${format}`);
    await ann.connect();
    await room.subscribe();
    const lost = next(ann, 'state').then(({ reason }) => assert.fail(reason));
    for (const [what, data, check] of POISON) {
      const heard = next(room, 'message');
      await publishRaw(room.name, data);
      check((await Promise.race([heard, lost])).data, what);
      check((await room.history({ limit: 1, reverse: true }))[0].data, what);
    }
    const heard = next(room, 'message');
    await room.publish('after');
    assert.equal((await Promise.race([heard, lost])).data, 'after');
    lost.catch(() => {});
    ann.disconnect();
  });
}

test('sse: much that was missed in many channels comes in all of them', async () => {
  let cut = new AbortController();
  let isUp = true;
  const ownFetch = (url, init) => (isUp ? fetch(url, { ...init, signal: AbortSignal.any([init.signal, cut.signal]) }) : Promise.reject(new TypeError('no network')));
  const ann = makeClient('ann', { transports: ['sse'], fetch: ownFetch, reconnect: { baseMs: 50, maxMs: 50 } });
  const bob = makeClient('bob');
  await Promise.all([ann.connect(), bob.connect()]);
  const rooms = Array.from({ length: 8 }, (_, number) => ann.channel(`room:many-${number}`));
  const heard = rooms.map((room) => {
    const got = [];
    for (const event of ['message', 'gap', 'error']) room.on(event, (value) => got.push(value.data?.[0] ?? event));
    return got;
  });
  await Promise.all(rooms.map((room) => room.subscribe()));
  for (const room of rooms) {
    const first = next(room, 'message');
    await bob.channel(room.name).publish([0]);
    await first;
  }
  const away = next(ann, 'state');
  isUp = false;
  cut.abort();
  cut = new AbortController();
  await away;
  const complete = rooms.map((room) => Promise.race([next(room, 'message', ({ data }) => data[0] === 5), next(room, 'error')]));
  for (const { name } of rooms) for (let number = 1; number <= 5; number += 1) await bob.channel(name).publish([number, 'x'.repeat(60_000)]);
  isUp = true;
  await Promise.all(complete);
  assert.deepEqual(heard, rooms.map(() => [0, 1, 2, 3, 4, 5]));
  const pages = await Promise.all(rooms.map((room) => room.history()));
  assert.deepEqual(pages.map(({ length }) => length), rooms.map(() => 6));
  for (const client of [ann, bob]) client.disconnect();
});

for (const [transport, paths] of [
  ['sse', ['/send', '/sse']],
  ['poll', ['/poll']],
]) {
  test(`${transport}: everything goes by the fetch that was given`, async () => {
    const asked = new Set();
    const client = makeClient('ann', { transports: [transport], fetch: (url, init) => (asked.add(new URL(url).pathname), fetch(url, init)) });
    await client.connect();
    await client.channel('room:any').history();
    client.disconnect();
    assert.deepEqual([...asked].sort(), paths);
  });
}

test('a broker that is killed and starts again: what was published meanwhile arrives, once', async () => {
  const own = await Broker.start();
  const options = { webSocket: WebSocket, transports: ['websocket'], reconnect: { baseMs: 100, maxMs: 500 } };
  const [ann, bob] = ['ann', 'bob'].map((user) => new Client(own.url, { ...options, token: token(user) }));
  clients.push(ann, bob);
  await Promise.all([ann.connect(), bob.connect()]);
  const gaps = [];
  const got = [];
  const room = bob.channel('room:1');
  room.on('gap', (gap) => gaps.push(gap));
  room.on('message', ({ data }) => got.push(data));
  await room.subscribe();
  const before = next(room, 'message');
  await ann.channel('room:1').publish('before');
  await before;
  const away = next(ann, 'state', ({ state }) => state === 'disconnected');
  await own.kill();
  const { retryInMs } = await away;
  assert.ok(retryInMs <= 100);
  const waiting = ann.channel('room:1').publish('meanwhile');
  const back = next(room, 'state', ({ state }) => state === 'subscribed');
  const fresh = await Broker.start({ port: own.port });
  await back;
  await waiting;
  const after = next(room, 'message', ({ data }) => data === 'after');
  await room.publish('after');
  await after;
  assert.deepEqual(got.filter((text) => text !== 'meanwhile'), ['before', 'after']);
  // Bob may have come back after it was said: then the broker, which forgot everything, has said that something is missing.
  assert.equal(gaps.length, 1);
  for (const client of [ann, bob]) client.disconnect();
  await fresh.stop();
});

test('a broker that drains says when to come back, and nobody is refused', async () => {
  const own = await Broker.start();
  const client = new Client(own.url, { webSocket: WebSocket, token: token('ann'), transports: ['websocket'] });
  clients.push(client);
  await client.connect();
  const away = next(client, 'state', ({ state }) => state === 'disconnected');
  const stopped = own.stop();
  const { code, reason, retryInMs } = await away;
  assert.deepEqual([code, reason], [4000, 'shutting_down']);
  assert.ok(retryInMs > 0);
  client.disconnect();
  await stopped;
});

test('wrong URLs: a clear error, and nothing else', async () => {
  for (const [url, message] of [
    [broker.url.replace(/ws$/, 'nowhere'), /404/],
    ['ws://127.0.0.1:1/ws', /ECONNREFUSED/],
  ]) {
    const client = new Client(url, { webSocket: WebSocket, transports: ['websocket'], timeoutMs: 200 });
    clients.push(client);
    const failed = next(client, 'error');
    await assert.rejects(client.connect(), ({ reason, retry, message: said }) => reason === 'timeout' && retry && message.test(said));
    const { reason, message: said } = await failed;
    assert.equal(reason, 'connection_failed');
    assert.match(said, message);
    client.disconnect();
  }
});

test('a client that is disconnected keeps no process alive', async () => {
  const { spawn } = await import('node:child_process');
  const script = `
    import { WebSocket } from 'ws';
    import { Client, NumberText } from '../src/msgpack.js';
    const client = new Client(process.argv[1], { webSocket: WebSocket, token: process.argv[2], transports: ['websocket'] });
    await client.connect();
    await client.channel('room:1').subscribe();
    await client.channel('room:1').publish('bye');
    client.disconnect();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, broker.url, token('ann')], { cwd: import.meta.dirname, stdio: 'inherit' });
  const [code] = await once(child, 'exit', { signal: AbortSignal.timeout(120_000) });
  assert.equal(code, 0);
});

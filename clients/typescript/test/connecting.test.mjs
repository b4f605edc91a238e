// How a client comes to a connection, loses it, and ends. Whole clients on virtual time.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { inspect } from 'node:util';

import { Client, SluicegateError } from '../src/index.js';
import { clock, fresh, joined, makeClient, online, outcome, someUrl } from './fake/play.mjs';

let server;
beforeEach(() => (server = fresh()));

test('connect says who it is, and the answer is what the client then knows', async () => {
  const client = await online({ token: 't', name: 'app', version: '3', data: { a: 1 } });
  const [connect] = server.asked;
  assert.deepEqual(connect.payload, { version: 1, token: 't', client: { name: 'app', version: '3' }, data: { a: 1 } });
  assert.equal(server.sockets[0].protocols[0], 'sluicegate.v1.json');
  assert.match(client.session, /^s/);
  assert.deepEqual(client.states.map(({ state }) => state), ['connecting', 'connected']);
});

test('every promise settles: by its answer, by the clock, or because the client was closed', async () => {
  const calls = (client) => {
    const room = client.channel('room');
    return {
      connect: client.connect(), subscribe: room.subscribe(), publish: room.publish('a'), members: room.members(), history: room.history(),
      all: room.history.all().next(), next: client.channel('loop')[Symbol.asyncIterator]().next(),
    };
  };
  const watch = (promises) => Object.fromEntries(Object.entries(promises).map(([name, promise]) => [name, outcome(promise)]));

  // A server that accepts and says nothing.
  server.answer = () => null;
  const mute = watch(calls(makeClient({ timeoutMs: 1000 })));
  await clock.pass(3000);
  delete mute.next; // It waits for messages, which may take as long as it likes.
  for (const [name, { error }] of Object.entries(mute)) assert.equal(error?.reason, 'timeout', name);

  server = fresh();
  server.isUp = false;
  const client = makeClient();
  const closed = watch(calls(client));
  await clock.pass(1000);
  client.disconnect();
  await clock.pass(1);
  for (const [name, { settled, error, value }] of Object.entries(closed)) {
    assert.ok(settled && (name === 'next' ? value.done : error.reason === 'closed'), name);
  }
});

test('a client that the broker ended says with which code, and everything that waits is told', async () => {
  const client = await online();
  const { room, of } = await joined(client, 'room');
  server.answer = ({ type }) => (type === 'publish' ? null : undefined);
  const sent = outcome(room.publish('a'));
  await clock.pass(10);
  server.sockets[0].end(4504, { reason: 'kicked' });
  await clock.pass(1);
  assert.equal(sent.error.code, 4504);
  assert.deepEqual(client.states.at(-1), { state: 'disconnected', code: 4504, reason: 'kicked' });
  assert.equal(of('state').at(-1).state, 'unsubscribed');
  await clock.pass(600_000);
  assert.equal(server.of('connect').length, 1);
  // Whoever wants to may try again, and has his channels as they were.
  server.answer = () => undefined;
  server.publish('room', 'b');
  client.connect();
  await clock.pass(1000);
  assert.equal(room.state, 'subscribed');
  assert.deepEqual(of('message').map(({ data }) => data), ['b']);
});

test('the broker says when to come back, and that is the least', async () => {
  const client = await online();
  await clock.pass(10_000);
  server.sockets[0].end(4000, { reason: 'shutting_down', retryAfterMs: 8000 });
  const { code, retryInMs } = client.states.at(-1);
  assert.equal(code, 4000);
  assert.ok(retryInMs >= 8000 && retryInMs <= 8500);
  await clock.pass(7990);
  assert.equal(server.of('connect').length, 1);
  await clock.pass(600);
  assert.equal(client.state, 'connected');
});

test('a connection that went silent is left and replaced', async () => {
  const client = await online();
  const { data } = await joined(client, 'room');
  const [socket] = server.sockets;
  await clock.pass(60_000);
  assert.equal(server.sockets[0], socket, 'pings that are answered keep it');
  assert.equal(server.of('ping').length, 2);
  // From here on nothing gets through, and no end is heard of.
  socket.isOpen = false;
  server.publish('room', 'a');
  await clock.pass(65_000);
  assert.notEqual(server.sockets[0], socket);
  assert.deepEqual(data(), ['a']);
});

test('getToken: asked at first, before the end, and when the broker says that it is over', async () => {
  server.lifeMs = 60_000;
  const reasons = [];
  const client = await online({ getToken: ({ reason }) => (reasons.push(reason), `token-${reasons.length}`) });
  await clock.pass(60_000);
  assert.deepEqual(reasons, ['connect', 'refresh']);
  assert.equal(server.of('refresh')[0].payload.token, 'token-2');
  server.sockets[0].end(4004);
  await clock.pass(2000);
  assert.equal(reasons.at(-1), 'expired');
  assert.equal(client.state, 'connected');
  assert.equal(server.of('connect').at(-1).payload.token, `token-${reasons.length}`);
});

test('a token callback that fails is an error to its own user, and asked again', async () => {
  for (const [what, getToken, message] of [
    ['throws', () => { throw new Error('no way'); }, /no way/],
    ['rejects', async () => { throw new Error('no way'); }, /no way/],
    ['hangs', () => new Promise(() => {}), /not within 10000 ms/],
    ['returns nothing', () => undefined, /no token/],
    ['returns something else', () => 42, /no token: number/],
    ['returns what holds the token', () => ({ token: 'secret', toString: () => 'secret' }), /no token: object/],
    ['is none', 'a token', /function/],
  ]) {
    let asked = 0;
    const client = makeClient({ getToken: typeof getToken === 'function' ? (ask) => ((asked += 1), asked > 2 ? 'good' : getToken(ask)) : getToken });
    const connected = outcome(client.connect());
    await clock.pass(10_001);
    assert.equal(connected.error?.reason, 'token_failed', what);
    assert.match(connected.error.message, message, what);
    assert.ok(!inspect(connected.error).includes('secret'), what);
    assert.equal(client.errors[0].reason, 'token_failed', what);
    if (asked) {
      await clock.pass(30_000);
      assert.equal(client.state, 'connected', what);
    }
    client.disconnect();
  }
});

test('a refused connect: 4502 asks once more for a token, and then ends', async () => {
  const refuse = (code, ends, more = {}) => ({ type }) => (type === 'connect' ? { code, reason: 'not_authenticated', message: 'no', retry: false, ends, ...more } : undefined);
  server.answer = refuse(4401, 4502);
  const reasons = [];
  const client = makeClient({ getToken: ({ reason }) => (reasons.push(reason), 'bad') });
  const connected = outcome(client.connect());
  await clock.pass(5000);
  assert.deepEqual(reasons, ['connect', 'expired']);
  assert.equal(connected.error.code, 4401);
  assert.equal(client.states.at(-1).code, 4502);
  assert.equal(server.of('connect').length, 2);

  server = fresh();
  server.answer = refuse(4401, 4502);
  const fixed = makeClient({ token: 'bad' });
  const refused = outcome(fixed.connect());
  await clock.pass(5000);
  assert.equal(refused.error.code, 4401);
  assert.equal(server.of('connect').length, 1);
});

test('options and URLs that cannot be are refused at once', () => {
  for (const [url, options, reason] of [
    ['nonsense', {}, 'bad_url'],
    ['ftp://host/ws', {}, 'bad_url'],
    ['ws://', {}, 'bad_url'],
    ['ws://host/socket', { transports: ['sse'] }, 'bad_option'],
    ['ws://host/ws', { transports: [] }, 'bad_option'],
    ['ws://host/ws', { transports: ['pigeon'] }, 'bad_option'],
    ['ws://host/ws', { format: 'xml' }, 'bad_option'],
  ]) {
    assert.throws(() => new Client(url, options), (error) => error instanceof SluicegateError && error.reason === reason, url);
  }
});

test('nobody there: an error for each attempt, the promise after the time, and it goes on', async () => {
  server.isUp = false;
  const client = makeClient();
  const connected = outcome(client.connect());
  await clock.pass(9000);
  assert.equal(connected.settled, false);
  assert.ok(client.errors.length > 1 && client.errors.every(({ reason }) => reason === 'connection_failed'));
  await clock.pass(1001);
  assert.equal(connected.error.reason, 'timeout');
  server.isUp = true;
  await clock.pass(20_000);
  assert.equal(client.state, 'connected');
});

test('no WebSocket here is said clearly', async () => {
  const client = new Client(someUrl(), { transports: ['websocket'], webSocket: class { constructor() { throw new Error('not here'); } } });
  const errors = [];
  client.on('error', ({ message }) => errors.push(message));
  client.connect().catch(() => {});
  await clock.pass(100);
  client.disconnect();
  assert.match(errors[0], /not here/);
});

test('a frame that cannot be read ends the connection, and another begins', async () => {
  const client = await online();
  server.sockets[0].onmessage({ data: '{"type":' });
  assert.equal(client.states.at(-1).code, 1007);
  await clock.pass(5000);
  assert.equal(client.state, 'connected');
});

test('a listener may end the client at any step, and begin it again', async () => {
  for (const state of ['connecting', 'connected', 'disconnected']) {
    server = fresh();
    const client = makeClient();
    const off = client.on('state', (event) => {
      if (event.state !== state) return;
      off();
      client.disconnect();
    });
    const connected = outcome(client.connect());
    await clock.pass(100);
    if (state === 'disconnected') server.die();
    server.isUp = true;
    await clock.pass(60_000);
    assert.equal(client.state, 'disconnected', state);
    assert.equal(server.sockets.length, 0, state);
    assert.ok(connected.settled, state);
    const waiting = outcome(client.channel('room').publish(state));
    client.connect();
    await clock.pass(1000);
    assert.equal(client.state, 'connected', state);
    assert.equal(waiting.value?.offset, 1, `${state}: what is published meanwhile waits`);
    assert.equal(server.of('publish').length, 1, 'and is sent once');
  }
});

test('a connection that was given up is not heard any more', async () => {
  const client = await online();
  const { data } = await joined(client, 'room');
  const [old] = server.sockets;
  await clock.pass(10_000);
  old.end(4000);
  await clock.pass(2000);
  assert.equal(client.state, 'connected');
  old.onmessage({ data: JSON.stringify({ type: 'message', id: 'late', channel: 'room', payload: 'late' }) });
  old.onclose({ code: 4504, reason: 'kicked' });
  await clock.pass(100);
  assert.equal(client.state, 'connected');
  assert.deepEqual(data(), []);
});

test('an option that is undefined is as if it were not there', async () => {
  const nothing = Object.fromEntries(['token', 'getToken', 'transports', 'sse', 'poll', 'format', 'name', 'version', 'data', 'timeoutMs', 'queueBytes', 'fetch'].map((name) => [name, undefined]));
  const { settings } = new Client(someUrl(), { ...nothing, reconnect: { baseMs: undefined, maxMs: undefined } });
  const { settings: usual } = new Client(someUrl());
  for (const name of ['timeoutMs', 'queueBytes', 'reconnect', 'transports', 'codec']) assert.deepEqual(settings[name], usual[name], name);
  assert.deepEqual(new Client(someUrl(), { reconnect: undefined }).settings.reconnect, usual.reconnect);
  assert.deepEqual(new Client(someUrl(), { reconnect: { baseMs: 7 } }).settings.reconnect, { baseMs: 7, maxMs: 20_000 });
});

test('a refused option says which one, and why', () => {
  for (const [url, options, message] of [
    ['ws://host/ws', { format: 'msgpack' }, /format.*msgpack/],
    ['ws://host/socket', { transports: ['sse', 'poll'] }, /transports.*sse,poll/],
    ['ws://host/ws', { transports: ['pigeon'] }, /transports.*pigeon/],
  ]) {
    assert.throws(() => new Client(url, options), (error) => error.reason === 'bad_option' && message.test(error.message), `${message}`);
  }
});

test('data that cannot be sent is an error like each other of an attempt', async () => {
  const client = makeClient({ data: 10n });
  const connected = outcome(client.connect());
  await clock.pass(10_001);
  assert.equal(client.errors[0].reason, 'connection_failed');
  assert.match(client.errors[0].message, /BigInt/);
  assert.equal(connected.error?.reason, 'timeout');
});

test('an error that nobody listens for is on the console', async () => {
  server.isUp = false;
  const { warn } = console;
  const printed = [];
  console.warn = (error) => printed.push(error.reason);
  const client = new Client(someUrl(), { webSocket: server.WebSocket, transports: ['websocket'] });
  client.connect().catch(() => {});
  await clock.pass(10);
  assert.deepEqual(printed, ['connection_failed']);
  client.on('error', () => {});
  await clock.pass(5000);
  console.warn = warn;
  client.disconnect();
  assert.deepEqual(printed, ['connection_failed']);
});

test('nothing is left to wait for once a client has ended', async () => {
  for (const [what, spoil] of [
    ['a token that does not come', async () => void makeClient({ getToken: () => new Promise(() => {}) }).connect().catch(() => {})],
    ['a subscription that is to be asked for again', async () => {
      await joined(await online(), 'room');
      server.sockets[0].push({ type: 'unsubscribed', channel: 'room', payload: { code: 4002, reason: 'why' } });
    }],
    ['who types', async () => {
      const { room } = await joined(await online(), 'room');
      room.typing();
      server.publish('room', { $typing: true }, { ephemeral: true });
    }],
    ['what was asked', async () => {
      const client = await online();
      server.answer = () => null;
      for (const call of [client.channel('a').subscribe(), client.channel('a').publish(1), client.channel('a').members()]) call.catch(() => {});
    }],
  ]) {
    server = fresh();
    await clock.pass(100_000);
    const before = clock.waiting;
    await spoil();
    assert.ok(clock.waiting > before + (what === 'what was asked' ? 3 : 0), what);
    fresh();
    await clock.pass(20);
    assert.equal(clock.waiting, before, what);
  }
});

test('a listener may begin a client again that has just ended', async () => {
  for (const [what, event, end] of [
    ['by its user', 'state', (client) => client.disconnect()],
    ['by the broker', 'error', () => server.sockets[0].end(4504)],
    ['by the broker', 'state', () => server.sockets[0].end(4504)],
  ]) {
    server = fresh();
    const client = await online();
    const { room } = await joined(client, 'room');
    let again;
    const off = client.on(event, ({ state }) => {
      if (state && state !== 'disconnected') return;
      off();
      again = outcome(client.connect());
    });
    end(client);
    await clock.pass(1000);
    assert.deepEqual([again.settled, again.error, client.state, room.state], [true, undefined, 'connected', 'subscribed'], `${what}, ${event}`);
    // Its timers go on as well.
    server.sockets[0].isOpen = false;
    await clock.pass(70_000);
    assert.notEqual(server.of('connect').length, 2, `${what}, ${event}`);
  }
});

test('an answer to an earlier question for a token does not count', async () => {
  const answers = [];
  const client = makeClient({ getToken: () => new Promise((resolve) => answers.push(resolve)) });
  client.connect().catch(() => {});
  await clock.pass(1);
  client.disconnect();
  client.connect();
  await clock.pass(1);
  const [early, present] = answers;
  early('early');
  await clock.pass(100);
  assert.equal(server.of('connect').length, 0);
  present('present');
  await clock.pass(100);
  assert.equal(server.of('connect')[0].payload.token, 'present');
});

test('a promise that waited in vain tells of the last attempt, and of nothing before the last connection', async () => {
  server.isUp = false;
  const client = makeClient();
  const connected = outcome(client.connect());
  await clock.pass(100);
  server.isUp = true;
  await clock.pass(5000);
  assert.ok(connected.settled && !connected.error);
  server.answer = () => null;
  server.sockets[0].cut();
  const again = outcome(client.connect());
  await clock.pass(10_001);
  assert.equal(again.error.message, 'connect: not within 10000 ms');
});

test('a client may wait for as long as it takes', async () => {
  server.answer = () => null;
  const client = makeClient({ timeoutMs: Infinity, getToken: async () => 't' });
  const connected = outcome(client.connect());
  await clock.pass(3_600_000);
  assert.deepEqual([connected.settled, client.errors, server.of('connect').length], [false, [], 1]);
});

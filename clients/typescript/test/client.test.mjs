// The whole client on virtual time, against a broker that lives in this process.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { Client, SluicegateError } from '../src/index.js';
import { Clock } from './fake/clock.mjs';
import { FakeServer } from './fake/server.mjs';

const clock = Clock.install(7);
const URL_OF = () => `ws://fake-${(count += 1)}/ws`; // a URL of its own: the transport that works is remembered by it
let count = 0;
let server;
const clients = [];

beforeEach(() => {
  for (const client of clients.splice(0)) client.disconnect();
  server = new FakeServer();
});

function makeClient(options = {}) {
  const client = new Client(URL_OF(), { webSocket: server.WebSocket, transports: ['websocket'], ...options });
  client.errors = [];
  client.states = [];
  client.on('error', (error) => client.errors.push(error));
  client.on('state', (event) => client.states.push(event));
  clients.push(client);
  return client;
}

/** What becomes of a promise: its value or its error, once it is there. */
function outcome(promise) {
  const seen = { settled: false };
  promise.then(
    (value) => Object.assign(seen, { settled: true, value }),
    (error) => Object.assign(seen, { settled: true, error }),
  );
  return seen;
}

async function online(options) {
  const client = makeClient(options);
  const connected = outcome(client.connect());
  await clock.pass(100);
  assert.equal(connected.settled && client.state, 'connected');
  return client;
}

/** A subscribed channel, and what it told. */
async function joined(client, name, options) {
  const room = client.channel(name, options);
  const told = [];
  for (const event of ['message', 'join', 'leave', 'presence', 'state', 'gap', 'error']) room.on(event, (value) => told.push([event, value]));
  const subscribed = outcome(room.subscribe());
  await clock.pass(100);
  assert.ok(subscribed.settled && !subscribed.error, String(subscribed.error));
  told.length = 0;
  const of = (event) => told.filter(([name]) => name === event).map(([, value]) => value);
  return { room, told, of, data: () => of('message').map(({ data }) => data) };
}

test('connect says who it is, and the answer is what the client then knows', async () => {
  const client = await online({ token: 't', name: 'app', version: '3', data: { a: 1 } });
  const [connect] = server.asked;
  assert.deepEqual(connect.payload, { version: 1, token: 't', client: { name: 'app', version: '3' }, data: { a: 1 } });
  assert.equal(server.sockets[0].protocols[0], 'sluicegate.v1.json');
  assert.match(client.session, /^s/);
  assert.deepEqual(client.states.map(({ state }) => state), ['connecting', 'connected']);
});

test('messages come once and in order, with what they are', async () => {
  const { of } = await joined(await online(), 'room');
  server.publish('room', 'a');
  server.publish('room', 'b');
  const [message] = of('message');
  assert.deepEqual(of('message').map(({ data, offset, recovered }) => [data, offset, recovered]), [['a', 1, false], ['b', 2, false]]);
  assert.equal(message.from.user, 'eve');
  assert.equal(message.channel, 'room');
});

test('what was missed is recovered, and comes before what is new', async () => {
  const { of, data } = await joined(await online(), 'room');
  server.publish('room', 'a');
  server.die();
  server.publish('room', 'b');
  server.publish('room', 'c');
  server.isUp = true;
  await clock.pass(5000);
  server.publish('room', 'd');
  assert.deepEqual(data(), ['a', 'b', 'c', 'd']);
  assert.deepEqual(of('message').map(({ recovered }) => recovered), [false, true, true, false]);
  assert.deepEqual(of('gap'), []);
  assert.deepEqual(server.of('subscribe').at(-1).payload.since, { epoch: 'E1', offset: 1 });
});

test('what no history has is a gap, with where it begins and ends', async () => {
  const { of, data } = await joined(await online(), 'room');
  server.publish('room', 'a');
  server.die();
  server.size = 1;
  for (const text of 'bcd') server.publish('room', text);
  server.isUp = true;
  await clock.pass(5000);
  server.publish('room', 'e');
  assert.deepEqual(of('gap'), [{ from: { epoch: 'E1', offset: 1 }, to: { epoch: 'E1', offset: 4 } }]);
  assert.deepEqual(data(), ['a', 'e']);
});

test('without recover nothing is asked for, and nothing is said to be missing', async () => {
  const { of, data } = await joined(await online(), 'room', { recover: false });
  server.publish('room', 'a');
  server.die();
  server.publish('room', 'b');
  server.isUp = true;
  await clock.pass(5000);
  server.publish('room', 'c');
  assert.deepEqual(data(), ['a', 'c']);
  assert.deepEqual(of('gap'), []);
  assert.equal(server.of('subscribe').at(-1).payload.since, undefined);
});

/** Delivers to all but this client: as a broker does that drops for a slow reader. */
function publishUnseen(name, ...texts) {
  for (const text of texts) server.publish(name, text, { unseenBy: server.sockets[0] });
}

test('a jump in the offsets is filled from the history, before what came too early', async () => {
  const { of, data } = await joined(await online(), 'room');
  server.publish('room', 'a');
  publishUnseen('room', 'b', 'c');
  server.publish('room', 'd');
  server.publish('room', 'e');
  assert.deepEqual(data(), ['a']);
  await clock.pass(100);
  assert.deepEqual(data(), ['a', 'b', 'c', 'd', 'e']);
  assert.deepEqual(of('gap'), []);
});

test('a jump that the history cannot fill is a gap', async () => {
  const { of, data } = await joined(await online(), 'room');
  server.publish('room', 'a');
  publishUnseen('room', 'b', 'c', 'd');
  server.size = 2;
  server.publish('room', 'e');
  await clock.pass(100);
  assert.deepEqual(data(), ['a', 'e']);
  assert.deepEqual(of('gap'), [{ from: { epoch: 'E1', offset: 1 }, to: { epoch: 'E1', offset: 4 } }]);
});

test('messages that wait for a hole to be filled are bounded', async () => {
  const { of, data } = await joined(await online(), 'room');
  server.publish('room', 0);
  server.answer = ({ type }) => (type === 'history' ? null : undefined);
  publishUnseen('room', 1);
  for (let number = 2; number < 5000; number += 1) server.publish('room', number);
  assert.deepEqual(of('gap').length, 1);
  assert.equal(data().length, 4999);
});

test("one's own messages with echo: false leave no hole", async () => {
  const { room, of, data } = await joined(await online(), 'room');
  server.publish('room', 'a');
  const mine = outcome(room.publish('mine', { echo: false }));
  await clock.pass(100);
  assert.equal(mine.value.offset, 2);
  server.publish('room', 'b');
  // Here somebody else's message comes before the answer to ours.
  const late = outcome(room.publish('late', { echo: false }));
  await clock.pass(6);
  server.publish('room', 'c');
  await clock.pass(100);
  assert.ok(late.settled);
  assert.deepEqual(data(), ['a', 'b', 'c']);
  assert.deepEqual(of('gap'), []);
});

test('a new epoch that goes on is no gap', async () => {
  const { of, data } = await joined(await online(), 'room');
  server.publish('room', 'a');
  server.epoch = 'E2';
  server.publish('room', 'b');
  server.channel('room').offset = 0;
  server.epoch = 'E3';
  server.publish('room', 'c');
  assert.deepEqual(data(), ['a', 'b', 'c']);
  assert.deepEqual(of('gap'), []);
});

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
  server.answer = ({ type }) => (type === 'publish' && refusals-- > 0 ? { code: 4429, reason: 'rate_limited', message: 'slow', retry: true, retry_after_ms: 700 } : undefined);
  const direct = outcome(client.channel('room').publish('a'));
  await clock.pass(100);
  assert.equal(direct.error.code, 4429);
  assert.equal(direct.error.retryAfterMs, 700);
  assert.equal(direct.error.retry, true);
  server.die();
  refusals = 1;
  const waited = ['b', 'c'].map((text) => outcome(client.channel('room').publish(text)));
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
});

test('what cannot be sent is an error to who wanted it', async () => {
  const client = await online();
  const loop = {};
  loop.loop = loop;
  for (const nonsense of [loop, 10n]) {
    const sent = outcome(client.channel('room').publish(nonsense));
    await clock.pass(1);
    assert.equal(sent.error.code, 4400);
  }
});

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
    server = new FakeServer();
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

  server = new FakeServer();
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
    ['hangs', () => new Promise(() => {}), /no answer within 10000 ms/],
    ['returns nothing', () => undefined, /no token/],
    ['returns something else', () => 42, /42/],
    ['is none', 'a token', /function/],
  ]) {
    let asked = 0;
    const client = makeClient({ getToken: typeof getToken === 'function' ? (ask) => ((asked += 1), asked > 2 ? 'good' : getToken(ask)) : getToken });
    const connected = outcome(client.connect());
    await clock.pass(10_001);
    assert.equal(connected.error?.reason, 'token_failed', what);
    assert.match(connected.error.message, message, what);
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

  server = new FakeServer();
  server.answer = refuse(4401, 4502);
  const fixed = makeClient({ token: 'bad' });
  const refused = outcome(fixed.connect());
  await clock.pass(5000);
  assert.equal(refused.error.code, 4401);
  assert.equal(server.of('connect').length, 1);
});

test('a listener that throws disturbs nobody, and is told', async () => {
  const client = await online();
  const { room, data } = await joined(client, 'room');
  room.on('message', () => { throw new Error('oops'); });
  room.on('message', async () => { throw new Error('async oops'); });
  const also = [];
  room.on('message', (message) => also.push(message.data));
  server.publish('room', 'a');
  await clock.pass(1);
  assert.deepEqual(data(), ['a']);
  assert.deepEqual(also, ['a']);
  assert.deepEqual(client.errors.map(({ reason }) => reason), ['listener_failed', 'listener_failed']);
  assert.match(client.errors[0].message, /message.*oops/);
  client.on('error', () => { throw new Error('even here'); });
  const { error } = console;
  const printed = [];
  console.error = (text) => printed.push(text);
  server.publish('room', 'b');
  await clock.pass(1);
  console.error = error;
  assert.equal(printed.length, 2);
  assert.deepEqual(data(), ['a', 'b']);
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
  const client = new Client(URL_OF(), { transports: ['websocket'], webSocket: class { constructor() { throw new Error('not here'); } } });
  const errors = [];
  client.on('error', ({ message }) => errors.push(message));
  client.connect().catch(() => {});
  await clock.pass(100);
  client.disconnect();
  assert.match(errors[0], /not here/);
});

test('who is there: the list, and how it changes', async () => {
  const client = await online();
  server.answer = ({ type }, socket) => {
    if (type !== 'subscribe') return undefined;
    const ack = server.reply(socket, server.of('subscribe').at(-1));
    return { ...ack, presence: [{ user: 'me', session: socket.session }] };
  };
  const room = client.channel('room', { presence: true });
  const seen = [];
  room.on('presence', (members) => seen.push(members.map(({ user }) => user)));
  room.on('join', ({ user }) => seen.push(`${user} came`));
  room.on('leave', ({ user }) => seen.push(`${user} left`));
  room.subscribe();
  await clock.pass(100);
  assert.equal(server.of('subscribe')[0].payload.presence, true);
  const [socket] = server.sockets;
  socket.push({ type: 'join', channel: 'room', payload: { user: 'bob', session: 'b' } });
  socket.push({ type: 'leave', channel: 'room', payload: { user: 'bob', session: 'b' } });
  assert.deepEqual(seen, [['me'], 'bob came', ['me', 'bob'], 'bob left', ['me']]);
  const asked = outcome(room.members());
  await clock.pass(100);
  assert.equal(asked.value[0].user, 'me');
});

test('the history: a page, and all of it', async () => {
  const client = await online();
  for (let number = 1; number <= 7; number += 1) server.publish('room', number);
  const room = client.channel('room');
  const page = outcome(room.history({ limit: 3, since: { epoch: 'E1', offset: 2 } }));
  await clock.pass(100);
  assert.deepEqual(page.value.messages.map(({ data }) => data), [3, 4, 5]);
  assert.deepEqual([page.value.epoch, page.value.offset, page.value.length], ['E1', 7, 3]);
  const all = [];
  const walked = outcome((async () => {
    for await (const { data } of room.history.all({ limit: 3 })) all.push(data);
  })());
  await clock.pass(1000);
  assert.ok(walked.settled);
  assert.deepEqual(all, [1, 2, 3, 4, 5, 6, 7]);
});

test('for await: subscribes, hands out what comes, and leaving unsubscribes', async () => {
  const client = await online();
  const room = client.channel('room');
  const got = [];
  const walked = outcome((async () => {
    for await (const { data } of room) {
      got.push(data);
      if (data === 'stop') break;
    }
  })());
  await clock.pass(100);
  assert.equal(room.state, 'subscribed');
  for (const text of ['a', 'b', 'stop', 'c']) server.publish('room', text);
  await clock.pass(100);
  assert.ok(walked.settled);
  assert.deepEqual(got, ['a', 'b', 'stop']);
  assert.equal(room.state, 'unsubscribed');
  assert.equal(server.of('unsubscribe').length, 1);
});

test('for await: two loops on one channel, and one leaves', async () => {
  const room = (await online()).channel('room');
  const [one, other] = [room[Symbol.asyncIterator](), room[Symbol.asyncIterator]()];
  const next = outcome(one.next());
  await clock.pass(100);
  await other.return();
  assert.equal(room.state, 'subscribed');
  server.publish('room', 'a');
  await clock.pass(1);
  assert.equal(next.value.value.data, 'a');
  const waiting = outcome(one.next());
  await one.return();
  await clock.pass(1);
  assert.deepEqual(waiting.value, { value: undefined, done: true });
  assert.equal(room.state, 'unsubscribed');
});

test('for await: a refusal is thrown, and a loop that is too slow is told so', async () => {
  const client = await online();
  const slow = client.channel('room')[Symbol.asyncIterator]();
  await clock.pass(100);
  for (let number = 0; number < 17_000; number += 1) server.publish('room', number);
  let got = 0;
  const walked = outcome((async () => {
    for (;;) {
      const { done } = await slow.next();
      if (done) return;
      got += 1;
    }
  })());
  await clock.pass(100);
  assert.equal(walked.error.reason, 'slow_consumer');
  assert.ok(got > 16_000 && got < 17_000, `${got}`);

  server.answer = ({ type }) => (type === 'subscribe' ? { code: 4403, reason: 'permission_denied', message: 'no', retry: false } : undefined);
  const refused = outcome(client.channel('staff')[Symbol.asyncIterator]().next());
  await clock.pass(100);
  assert.equal(refused.error.code, 4403);
});

test('typing is said rarely, seen by others, and expires by itself', async () => {
  const client = await online();
  const { room, data } = await joined(client, 'room');
  const typing = room.typing();
  const seen = [];
  typing.on('change', (users) => seen.push(users));
  for (let stroke = 0; stroke < 30; stroke += 1) {
    typing.start();
    await clock.pass(100);
  }
  const said = server.of('publish').map(({ payload }) => payload);
  assert.equal(said.length, 2);
  assert.ok(said.every(({ ephemeral, echo, key }) => ephemeral && echo === false && key === undefined));

  const eve = (is) => server.publish('room', said[0].data && { ...said[0].data, ...(is === undefined ? {} : { $typing: is }) }, { ephemeral: true });
  eve();
  await clock.pass(4000);
  eve();
  await clock.pass(4000);
  assert.deepEqual(seen, [['eve']]);
  await clock.pass(1001);
  assert.deepEqual(seen, [['eve'], []]);
  eve();
  eve(false);
  assert.deepEqual(seen.slice(2), [['eve'], []]);
  eve();
  server.publish('room', 'hi');
  assert.deepEqual(seen.slice(4), [['eve'], []], 'who sent it types no more');
  eve();
  server.die();
  await clock.pass(1);
  assert.deepEqual(seen.slice(6), [['eve'], []]);
  assert.deepEqual(data(), ['hi'], 'typing is no message');
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

test('a frame that cannot be read ends the connection, and another begins', async () => {
  const client = await online();
  server.sockets[0].onmessage({ data: '{"type":' });
  assert.equal(client.states.at(-1).code, 1007);
  await clock.pass(5000);
  assert.equal(client.state, 'connected');
});

test('pushes of channels and kinds that nobody knows are left aside', async () => {
  const client = await online();
  const [socket] = server.sockets;
  for (const envelope of [{ type: 'message', channel: 'other', payload: 1, id: 'x' }, { type: 'news' }, { type: 'ack', id: 999, payload: {} }, { type: 'error', id: 998, payload: {} }]) socket.push(envelope);
  assert.equal(client.state, 'connected');
});

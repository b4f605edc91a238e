// What is handed out: once, in order, and never with a silent hole. Whole clients on virtual time.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { clock, fresh, joined, online, outcome } from './fake/play.mjs';

let server;
beforeEach(() => (server = fresh()));

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

test('without recover nothing is asked for, and what is missing is a gap', async () => {
  const { of, data } = await joined(await online(), 'room', { recover: false });
  server.publish('room', 'a');
  server.die();
  server.publish('room', 'b');
  server.isUp = true;
  await clock.pass(5000);
  server.publish('room', 'c');
  assert.deepEqual(data(), ['a', 'c']);
  assert.deepEqual(of('gap'), [{ from: { epoch: 'E1', offset: 1 }, to: { epoch: 'E1', offset: 2 } }]);
  assert.equal(server.of('subscribe').at(-1).payload.since, undefined);
  server.die();
  server.isUp = true;
  await clock.pass(5000);
  assert.equal(of('gap').length, 1, 'nothing was published meanwhile');
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

test('pushes of channels and kinds that nobody knows are left aside', async () => {
  const client = await online();
  const [socket] = server.sockets;
  for (const envelope of [{ type: 'message', channel: 'other', payload: 1, id: 'x' }, { type: 'news' }, { type: 'ack', id: 999, payload: {} }, { type: 'error', id: 998, payload: {} }]) socket.push(envelope);
  assert.equal(client.state, 'connected');
});

test('what was published before the channel was subscribed is no place to recover from', async () => {
  const room = (await online()).channel('room');
  const got = [];
  room.on('message', ({ data }) => got.push(data));
  room.on('gap', () => got.push('gap'));
  room.publish('mine', { echo: false });
  await clock.pass(100);
  server.publish('room', 'before');
  room.subscribe();
  await clock.pass(100);
  server.publish('room', 'after');
  assert.deepEqual(got, ['after']);
  assert.equal(server.of('subscribe')[0].payload.since, undefined);
});

test('a kind of push that is not known yet changes nothing', async () => {
  const client = await online();
  server.answer = ({ type, payload }, socket) => (type === 'subscribe' ? { ...server.reply(socket, { type, payload }), presence: [{ user: 'bob', session: 'b' }] } : undefined);
  const { room, told } = await joined(client, 'room', { presence: true });
  room.on('typing', (value) => told.push(['typing', value]));
  for (const envelope of [{ type: 'typing', channel: 'room', payload: { session: 'b' } }, { type: 'gap', channel: 'room' }]) server.sockets[0].push(envelope);
  assert.deepEqual(told, []);
});

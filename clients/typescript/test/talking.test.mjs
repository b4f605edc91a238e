// Presence, history, loops and typing. Whole clients on virtual time.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { clock, fresh, joined, online, outcome } from './fake/play.mjs';

let server;
beforeEach(() => (server = fresh()));

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

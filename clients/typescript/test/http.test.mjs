// The transports over HTTP on virtual time: what is posted, what is posted again, and what a status means.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { inspect } from 'node:util';

import { endpointsOf } from '../src/endpoints.js';
import { eventReader } from '../src/transports/sse.js';
import { Clock } from './fake/clock.mjs';
import { Http } from './fake/http.mjs';

const clock = Clock.install(3);
afterEach(() => Http.leave());

for (const [url, websocket, sse, poll] of [
  ['wss://h/ws', 'wss://h/ws', 'https://h/sse', 'https://h/poll'],
  ['ws://h:8080/t/acme/ws', 'ws://h:8080/t/acme/ws', 'http://h:8080/t/acme/sse', 'http://h:8080/t/acme/poll'],
  ['https://h/ws?x=/ws#part', 'wss://h/ws?x=/ws', 'https://h/sse?x=/ws', 'https://h/poll?x=/ws'],
  ['http://h/deep/ws', 'ws://h/deep/ws', 'http://h/deep/sse', 'http://h/deep/poll'],
  ['wss://h/socket', 'wss://h/socket', undefined, undefined],
  ['wss://ws', 'wss://ws', undefined, undefined],
]) {
  test(`${url} leads to the other transports`, () => {
    assert.deepEqual(endpointsOf(url, {}), { websocket, sse, poll });
  });
}

test('URLs that are given count', () => {
  assert.deepEqual(endpointsOf('wss://h/socket', { sse: 'https://e/x/sse', poll: 'https://p/poll' }), {
    websocket: 'wss://h/socket', sse: 'https://e/x/sse', poll: 'https://p/poll',
  });
});

test('sse: what is posted goes beside the stream', async () => {
  for (const [sse, send] of [['/sse', '/send'], ['/t/events?a=/b', '/t/send?a=/b'], ['/t/sse/sse?x=sse', '/t/sse/send?x=sse'], ['/t/sse-1/sse', '/t/sse-1/send']]) {
    const http = new Http();
    await joined(http, ['sse'], { sse: `http://${http.host}${sse}` });
    const [, post] = http.posts;
    assert.equal(post.path + post.query, send);
  }
});

for (const [what, pieces, expected] of [
  ['an event', ['event: a\ndata: 1\n\n'], [' 1\n']],
  ['an event in pieces', ['ev', 'ent: a\r', '\nda', 'ta: 1\n', '\n'], [' 1\n']],
  ['comments and ids', [': hello\n\nid: 7\n\nevent: a\nid: 8\ndata: 1\n\n'], [' 1\n']],
  ['data in lines', ['data: 1\ndata:2\n\n'], [' 1\n2\n']],
  ['two events', ['data:1\n\ndata:2\n\n'], ['1\n', '2\n']],
  ['an event that never ends', ['event: a\ndata: 1\n'], []],
]) {
  test(`the stream: ${what}`, () => {
    const events = [];
    const read = eventReader((data) => events.push(data));
    for (const piece of pieces) read(piece);
    assert.deepEqual(events, expected);
  });
}

async function joined(http, transports, options) {
  const client = http.client(transports, options);
  const room = client.channel('room');
  const got = [];
  room.on('message', ({ data }) => got.push(data));
  client.connect();
  await clock.pass(100);
  room.subscribe();
  await clock.pass(100);
  assert.equal(room.state, 'subscribed');
  return { client, room, got };
}

const lost = () => Promise.reject(new TypeError('fetch failed'));

for (const transport of ['sse', 'poll']) {
  const path = transport === 'sse' ? '/send' : '/poll';

  test(`${transport}: messages come, and requests go`, async () => {
    const http = new Http();
    const { client, room, got } = await joined(http, [transport]);
    http.server.publish('room', 'a');
    await clock.pass(20);
    room.publish('b');
    await clock.pass(100);
    assert.deepEqual(got, ['a', 'b']);
    assert.equal(client.transport, transport);
    const numbers = http.posts.filter(({ requests }) => requests.length).map(({ headers, body }) => Number(headers['sluicegate-batch'] ?? body.batch));
    assert.deepEqual(numbers, numbers.map((_, at) => at + 1));
    assert.ok(http.posts.every(({ query }) => !query.includes('t=')), 'no token in a URL');
  });

  test(`${transport}: an answer that is lost costs nothing, and nothing is carried out twice`, async () => {
    const http = new Http();
    const { room, got } = await joined(http, [transport]);
    let lose = 2;
    http.interfere = (post) => {
      if (post.requests.some(({ type }) => type === 'publish') && lose-- > 0) post.after = lost;
    };
    const sent = room.publish('a');
    await clock.pass(3000);
    assert.equal((await sent).duplicate, false, 'the key was not needed');
    const posts = http.of(path, 'publish');
    assert.equal(posts.length, 3);
    assert.equal(http.server.of('publish').length, 1, 'it was carried out once');
    assert.deepEqual(posts[1].body, posts[0].body);
    assert.equal(posts[1].headers['sluicegate-batch'], posts[0].headers['sluicegate-batch']);
    assert.deepEqual(got, ['a']);
  });

  test(`${transport}: 503 and 429 say when to post again`, async () => {
    for (const status of [429, 503]) {
      const http = new Http();
      const { room } = await joined(http, [transport]);
      let times = 1;
      http.interfere = (post) => {
        if (post.requests.length && times-- > 0) return new Response('', { status, headers: { 'retry-after': '4' } });
      };
      const sent = room.publish('a');
      await clock.pass(3900);
      assert.equal(http.of(path, 'publish').length, 1);
      await clock.pass(200);
      assert.equal((await sent).offset, 1);
    }
  });

  test(`${transport}: a session that is gone begins anew, and recovers`, async () => {
    const http = new Http();
    const { client, room, got } = await joined(http, [transport]);
    http.server.publish('room', 'a');
    await clock.pass(50);
    for (const { stream } of http.sessions.values()) stream?.close();
    http.sessions.clear();
    http.server.sockets.length = 0;
    http.server.publish('room', 'b');
    const sent = room.publish('c');
    await clock.pass(30_000);
    assert.ok((await sent).offset);
    assert.deepEqual(got, ['a', 'b', 'c']);
    assert.equal(client.state, 'connected');
    if (transport === 'poll') assert.equal(client.states.find(({ state }) => state === 'disconnected').code, 410);
  });

  test(`${transport}: a token that is refused ends the client`, async () => {
    const http = new Http();
    http.interfere = () => new Response('', { status: 401 });
    const client = http.client([transport]);
    const refused = client.connect().catch((error) => error);
    await clock.pass(100);
    assert.equal((await refused).code, 4502);
    assert.deepEqual(client.states.at(-1), { state: 'disconnected', code: 4502, reason: 'not_authenticated' });
  });

  test(`${transport}: what is asked in one go goes in few posts`, async () => {
    const http = new Http();
    const { room } = await joined(http, [transport]);
    const before = http.posts.length;
    for (let number = 0; number < 100; number += 1) room.publish(number);
    await clock.pass(300);
    assert.equal(http.server.channel('room').offset, 100);
    const posts = http.posts.slice(before).filter(({ requests }) => requests.length);
    assert.ok(posts.length <= 4 && posts.every(({ requests }) => requests.length <= 64), `${posts.length}`);
    assert.deepEqual(http.server.channel('room').messages.map(({ payload }) => payload), Array.from({ length: 100 }, (_, number) => number));
  });
}

test('sse: the token is in a header', async () => {
  const http = new Http();
  await joined(http, ['sse']);
  assert.equal(http.posts[0].headers.authorization, 'Bearer t');
});

test('sse: what is asked before there is a session waits for it', async () => {
  const http = new Http();
  const client = http.client(['sse']);
  const room = client.channel('room');
  room.subscribe();
  client.connect();
  await clock.pass(100);
  assert.equal(room.state, 'subscribed');
  assert.deepEqual(http.posts.map(({ path, headers }) => [path, /\.key$/.test(headers['sluicegate-session'])]), [['/sse', false], ['/send', true]]);
});

test('sse: pushes before the answer to subscribe wait for it', async () => {
  const http = new Http();
  const { client } = await joined(http, ['sse']);
  const room = client.channel('other');
  const got = [];
  room.on('message', ({ data }) => got.push(data));
  http.server.publish('other', 'before');
  // The answer is on its way while messages come by the stream.
  http.interfere = (post) => {
    if (post.path === '/send') post.after = () => (http.server.publish('other', 'early'), undefined);
  };
  room.subscribe();
  await clock.pass(100);
  http.server.publish('other', 'late');
  await clock.pass(20);
  assert.deepEqual(got, ['early', 'late']);
});

test('sse: a post that hangs is given up, and with it the session', async () => {
  const http = new Http();
  const { client, room } = await joined(http, ['sse']);
  http.interfere = ({ requests }) => (requests.length ? new Promise(() => {}) : undefined);
  const sent = room.publish('a');
  await clock.pass(10_001);
  http.interfere = () => undefined;
  assert.equal(client.state, 'disconnected');
  await clock.pass(1000);
  assert.equal((await sent).offset, 1);
});

for (const [what, answers, posts] of [
  ['there was no room for their replies', [[0, 0, 4430, 4430], [0, 4430], [0]], [[1, 2, 3, 4], [3, 4], [4]]],
  ['a limit is reached', [[0, 0, 4430, 4430], [4430, 4430]], [[1, 2, 3, 4], [3, 4]]],
  ['a limit is reached, and there was no room behind', [[0, 4430, 0, 4430], [0]], [[1, 2, 3, 4], [4]]],
]) {
  test(`sse: requests are posted again by themselves, in their order, if ${what}`, async () => {
    const http = new Http();
    const { client, room } = await joined(http, ['sse']);
    const asked = [];
    http.interfere = ({ requests }) => {
      if (!requests.length || requests[0].payload.limit === 9) return undefined;
      asked.push(requests.map(({ payload }) => payload.limit));
      const reply = (code, at) => ({ type: code ? 'error' : 'ack', id: requests[at].id, payload: { code, reason: 'limit_exceeded', messages: [] } });
      return Response.json(answers.shift().map(reply));
    };
    // What comes meanwhile goes in one post.
    room.history({ limit: 9 });
    const outcomes = Promise.all([1, 2, 3, 4].map((limit) => room.history({ limit }).then(() => 0, ({ code }) => code)));
    await clock.pass(100);
    assert.deepEqual(asked, posts);
    const refused = { 'there was no room for their replies': [0, 0, 0, 0], 'a limit is reached': [0, 0, 4430, 4430] }[what] ?? [0, 4430, 0, 0];
    assert.deepEqual(await outcomes, refused);
    assert.deepEqual(http.posts.slice(-posts.length).map(({ headers }) => headers['sluicegate-batch']), posts.map((_, at) => `${at + 3}`));
    assert.equal(client.state, 'connected');
  });
}

test('sse: a token of wrong characters is refused by the broker like each other, and no error shows it', async () => {
  for (const token of ['secret\n1', 'secret\u20ac', 'secret\0', 'secret\u00e9']) {
    const http = new Http();
    const told = { type: 'error', id: 0, ts: 1, payload: { code: 4401, reason: 'not_authenticated', message: 'no token', retry: false } };
    http.interfere = ({ headers }) => {
      // As `fetch` does it.
      const { authorization } = Object.fromEntries(new Headers(headers));
      return Response.json(told, { status: authorization === 'Bearer good' ? 200 : 401 });
    };
    const errors = [];
    const client = http.client(['sse'], { token, reconnect: { baseMs: 10 } });
    client.on('error', (error) => errors.push(error));
    client.on('state', (event) => errors.push(event));
    const connected = client.connect().catch((error) => error);
    await clock.pass(11_000);
    errors.push(await connected);
    assert.deepEqual([errors.at(-1).code, errors.at(-1).reason, client.states.at(-1).code], [4401, 'not_authenticated', 4502]);
    assert.ok(!inspect(errors, { depth: 9 }).includes('secret'), inspect(errors));
  }
});

test('sse: a token that ends with its line is the token', async () => {
  const http = new Http();
  await joined(http, ['sse'], { token: 't\n' });
  assert.equal(http.posts[0].headers.authorization, 'Bearer t');
});

test('poll: a first answer that is lost opens no second session', async () => {
  const http = new Http();
  let lose = 1;
  http.interfere = (post) => {
    if (post.path === '/poll' && lose-- > 0) return lost();
  };
  const client = http.client(['poll']);
  client.connect();
  await clock.pass(1000);
  const [first, again] = http.posts;
  assert.deepEqual(again.body, first.body);
  assert.ok(first.body.open.length >= 16);
  assert.equal(client.state, 'connected');
});

test('poll: what came is confirmed, and a quiet line is asked again', async () => {
  const http = new Http();
  const { got } = await joined(http, ['poll']);
  const acks = () => http.posts.map(({ body }) => body.ack);
  http.server.publish('room', 'a');
  await clock.pass(20);
  assert.equal(acks().at(-1), http.sessions.values().next().value.seq);
  await clock.pass(60_000);
  assert.deepEqual(got, ['a']);
  assert.ok(http.of('/poll', 'ping').length === 0, 'no ping is needed');
});

test('where WebSocket does not get through, the next one does, and is remembered', async () => {
  for (const [what, spoil] of [
    ['refused', (http) => (http.server.isUp = false)],
    ['swallowed', (http) => (http.server.answer = () => null)],
  ]) {
    const http = new Http();
    spoil(http);
    const client = http.client(['websocket', 'sse', 'poll'], { timeoutMs: 2000 });
    client.connect().catch(() => {});
    await clock.pass(2100);
    assert.deepEqual([client.state, client.transport], ['connected', 'sse'], what);
    const second = http.client(['websocket', 'sse', 'poll']);
    second.connect();
    await clock.pass(50);
    assert.equal(second.transport, 'sse', what);
  }
});

test('where only polls get through, they do', async () => {
  const http = new Http();
  http.server.isUp = false;
  http.interfere = ({ path }) => (path === '/sse' ? new Response('', { status: 404 }) : undefined);
  const client = http.client(['websocket', 'sse', 'poll']);
  client.connect();
  await clock.pass(200);
  assert.deepEqual([client.state, client.transport], ['connected', 'poll']);
});

test('cookies go along where there is no token: a broker that serves every origin takes none from pages', async () => {
  for (const transport of ['sse', 'poll']) {
    for (const [token, credentials] of [['t', 'same-origin'], [undefined, 'include']]) {
      const http = new Http();
      http.client([transport], { token }).connect();
      await clock.pass(100);
      assert.ok(http.posts.every((post) => post.credentials === credentials), `${transport} ${token}`);
    }
  }
});

test('sse: a broker that refuses a client for good says why, and it is the end', async () => {
  for (const [status, code, closes] of [[403, 4403, 4503], [403, 4451, 4503], [403, 4801, 4503], [429, 4430, 4503], [401, 4401, 4502]]) {
    const http = new Http();
    const refused = { type: 'error', id: 0, ts: 1, payload: { code, reason: 'why', message: 'no', retry: false, plugin: 'authorize' } };
    http.interfere = () => Response.json(refused, { status });
    const client = http.client(['sse']);
    const connected = client.connect().catch((error) => error);
    await clock.pass(100);
    assert.deepEqual([client.states.at(-1).code, client.states.at(-1).retryInMs], [closes, undefined], `${code}`);
    const error = await connected;
    assert.deepEqual([error.code, error.reason, error.plugin], [code, 'why', 'authorize']);
  }
});

test('sse: a proxy that refuses is no broker that does', async () => {
  for (const body of ['<html>blocked</html>', '', 'null', '{}', '{"type":"ack"}']) {
    const http = new Http();
    http.interfere = () => new Response(body, { status: 403 });
    const client = http.client(['sse']);
    client.connect().catch(() => {});
    await clock.pass(100);
    assert.ok(client.states.at(-1).retryInMs >= 0, body);
    assert.equal(client.states.at(-1).code, 403);
  }
});

test('sse: what is posted when the client ends is not posted again', async () => {
  const http = new Http();
  const { client, room } = await joined(http, ['sse']);
  http.interfere = (post) => (post.requests.length ? lost() : undefined);
  room.publish('a').catch(() => {});
  await clock.pass(10);
  client.disconnect();
  await clock.pass(20_000);
  assert.equal(http.of('/send', 'publish').length, 1);
});

test('poll: who leaves says so in a last poll', async () => {
  const http = new Http();
  const { client, room } = await joined(http, ['poll']);
  client.channel('other').subscribe();
  await clock.pass(100);
  client.disconnect();
  await clock.pass(100);
  assert.equal(room.state, 'unsubscribed');
  const last = http.posts.at(-1);
  assert.deepEqual(last.requests.map(({ type, payload }) => [type, payload.channel]), [['unsubscribe', 'room'], ['unsubscribe', 'other']]);
  await clock.pass(60_000);
  assert.equal(http.posts.at(-1), last);
});

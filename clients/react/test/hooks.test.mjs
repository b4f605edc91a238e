// The hooks in a document, under StrictMode, on virtual time, against a broker that lives in this process; and on a server.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { JSDOM } from 'jsdom';

const { window } = new JSDOM('<!doctype html><main></main>');
Object.assign(globalThis, { window, document: window.document, navigator: window.navigator, IS_REACT_ACT_ENVIRONMENT: true });
const { act, createElement: h, StrictMode, useEffect } = await import('react');
const { createRoot, hydrateRoot } = await import('react-dom/client');
const { renderToString } = await import('react-dom/server');
const { Client } = await import('@sluicegate/client');
const { SluicegateProvider, useChannel, useConnectionState, usePresence, useTyping } = await import('../src/index.js');
const { Clock } = await import('../../typescript/test/fake/clock.mjs');
const { FakeServer } = await import('../../typescript/test/fake/server.mjs');

const clock = Clock.install(8);
const clients = [];
let root;
let count = 0;

afterEach(async () => {
  await act(async () => root?.unmount());
  root = undefined;
  for (const client of clients.splice(0)) client.disconnect();
});

function makeClient(server) {
  const client = new Client(`ws://react-${(count += 1)}/ws`, { webSocket: server.WebSocket, transports: ['websocket'] });
  clients.push(client);
  return client;
}

const pass = (ms = 100) => act(() => clock.pass(ms));

async function mount(client, ...children) {
  const main = window.document.createElement('main');
  root = createRoot(main);
  await act(async () => root.render(h(StrictMode, null, h(SluicegateProvider, { client }, ...children))));
  await pass();
  return main;
}

const Talk = ({ name = 'room', options }) => {
  const { messages, state, gap, error } = useChannel(name, options);
  return h('p', null, [state, messages.map(({ data }) => data).join(), gap && `gap to ${gap.to.offset}`, error?.reason].filter(Boolean).join(' | '));
};

test('a channel: subscribed once, messages come, and who leaves the page leaves the channel', async () => {
  const server = new FakeServer();
  const client = makeClient(server);
  const main = await mount(client, h(Talk, { key: 1 }), h(Talk, { key: 2 }));
  server.publish('room', 'a');
  server.publish('room', 'b');
  await pass();
  assert.equal(main.innerHTML, '<p>subscribed | a,b</p><p>subscribed | a,b</p>');
  assert.equal(server.of('subscribe').length, 1, 'StrictMode and two components are one subscription');
  assert.equal(server.of('connect').length, 1);
  await act(async () => root.render(h(StrictMode, null, h(SluicegateProvider, { client }, h(Talk, { key: 1 })))));
  await pass();
  assert.equal(server.of('unsubscribe').length, 0);
  await act(async () => root.render(h(StrictMode, null, h(SluicegateProvider, { client }))));
  await pass();
  assert.equal(server.of('unsubscribe').length, 1);
  assert.equal(client.channel('room').state, 'unsubscribed');
});

test('another channel takes the place of one', async () => {
  const server = new FakeServer();
  const client = makeClient(server);
  const main = await mount(client, h(Talk, { name: 'one' }));
  server.publish('one', 'a');
  await act(async () => root.render(h(StrictMode, null, h(SluicegateProvider, { client }, h(Talk, { name: 'two' })))));
  await pass();
  server.publish('one', 'unseen');
  server.publish('two', 'b');
  await pass();
  assert.equal(main.textContent, 'subscribed | b');
  assert.deepEqual(server.of('unsubscribe').map(({ payload }) => payload.channel), ['one']);
});

test('messages are bounded, and begin with what was said before', async () => {
  const server = new FakeServer();
  for (const text of 'abcd') server.publish('room', text);
  const main = await mount(makeClient(server), h(Talk, { options: { history: 3, limit: 5 } }));
  server.answer = () => undefined;
  assert.equal(server.of('history')[0].payload.limit, 3);
  for (const text of 'efg') server.publish('room', text);
  await pass();
  assert.equal(main.textContent, 'subscribed | c,d,e,f,g');
});

test('a gap and a refusal are shown', async () => {
  const server = new FakeServer();
  const main = await mount(makeClient(server), h(Talk));
  server.publish('room', 'a');
  server.die();
  server.size = 0;
  server.publish('room', 'b');
  server.isUp = true;
  await pass(5000);
  assert.equal(main.textContent, 'subscribed | a | gap to 2');
  server.answer = ({ type }) => (type === 'subscribe' ? { code: 4403, reason: 'permission_denied', message: 'no', retry: false } : undefined);
  const other = await mount(clients[0], h(Talk, { name: 'staff' }));
  assert.equal(other.textContent, 'unsubscribed | permission_denied');
});

test('after a gap what the history has is read, and stands where it belongs', async () => {
  const server = new FakeServer();
  server.publish('room', 'a');
  const main = await mount(makeClient(server), h(Talk, { options: { history: 3 } }));
  server.publish('room', 'b');
  server.die();
  // It comes again without its memory, and others are there before this client.
  server.epoch = 'E2';
  server.channels.clear();
  for (const text of 'cd') server.publish('room', text);
  server.isUp = true;
  // One more comes while the history is asked for.
  let isAsked = false;
  server.answer = ({ type }) => void (type === 'history' && !isAsked && (isAsked = true) && server.publish('room', 'e'));
  await pass(5000);
  assert.equal(main.textContent, 'subscribed | a,b,c,d,e | gap to 2');
});

test('publish is the same function from render to render', async () => {
  const server = new FakeServer();
  const seen = new Set();
  const Writer = () => {
    const { publish, messages } = useChannel('room');
    seen.add(publish);
    useEffect(() => {
      if (messages.length === 0) publish('hi');
    }, [publish, messages.length]);
    return h('p', null, messages.length);
  };
  const main = await mount(makeClient(server), h(Writer));
  await pass();
  assert.ok(seen.size <= 2, 'StrictMode renders twice');
  assert.ok(Number(main.textContent) > 0);
});

test('who is there, and who types', async () => {
  const server = new FakeServer();
  const Here = () => h('p', null, usePresence('room').map(({ user }) => user).join());
  const Typing = () => {
    const { users, start } = useTyping('room');
    useEffect(start, [start]);
    return h('p', null, users.join());
  };
  const main = await mount(makeClient(server), h(Here), h(Typing));
  const shown = () => [...main.children].map(({ textContent }) => textContent);
  const push = (type, payload) => server.sockets[0].push({ type, channel: 'room', payload });
  assert.deepEqual(shown(), ['me', '']);
  push('join', { user: 'bob', session: 'b' });
  server.publish('room', { $typing: true }, { ephemeral: true, from: { user: 'bob', session: 'b' } });
  await pass(10);
  assert.deepEqual(shown(), ['me,bob', 'bob']);
  push('leave', { user: 'bob', session: 'b' });
  await pass(10);
  assert.deepEqual(shown(), ['me', '']);
  server.die();
  server.isUp = true;
  await pass(5000);
  assert.deepEqual(shown(), ['me', ''], 'the list is read anew');
  assert.equal(server.of('presence').length, 2);
});

test('a channel that somebody else subscribed is as it is', async () => {
  const server = new FakeServer();
  const client = makeClient(server);
  client.connect();
  const subscribed = client.channel('room').subscribe();
  await clock.pass(100);
  await subscribed;
  const main = await mount(client, h(Talk));
  assert.equal(main.textContent, 'subscribed');
});

test('the options of a channel count, whichever hook is there first', async () => {
  const server = new FakeServer();
  for (const text of 'abcd') server.publish('room', text);
  const Here = () => h('b', null, usePresence('room').map(({ user }) => user).join());
  const client = makeClient(server);
  const main = await mount(client, h(Here, { key: 1 }));
  const render = (...children) => act(async () => root.render(h(StrictMode, null, h(SluicegateProvider, { client }, ...children))));
  await render(h(Here, { key: 1 }), h(Talk, { key: 2, options: { history: 2 } }));
  await pass();
  assert.equal(main.innerHTML, '<b>me</b><p>subscribed | c,d</p>');
  assert.equal(server.of('subscribe').length, 1);
  // Whoever leaves last leaves the channel.
  await render(h(Talk, { key: 2, options: { history: 2 } }));
  await pass();
  assert.equal(server.of('unsubscribe').length, 0);
  await render();
  await pass();
  assert.equal(server.of('unsubscribe').length, 1);
});

test('who types is known to a component that comes later', async () => {
  const server = new FakeServer();
  const Typing = () => h('b', null, useTyping('room').users.join());
  const client = makeClient(server);
  client.channel('room').typing();
  const main = await mount(client, h(Talk, { key: 1 }));
  server.publish('room', { $typing: true }, { ephemeral: true, from: { user: 'bob', session: 'b' } });
  await pass(10);
  await act(async () => root.render(h(StrictMode, null, h(SluicegateProvider, { client }, h(Talk, { key: 1 }), h(Typing, { key: 2 })))));
  await pass(10);
  assert.equal(main.querySelector('b').textContent, 'bob');
});

test('the state of the connection', async () => {
  const server = new FakeServer();
  const State = () => h('p', null, useConnectionState());
  const main = await mount(makeClient(server), h(State));
  assert.equal(main.textContent, 'connected');
  server.die();
  await pass(1);
  assert.match(main.textContent, /disconnected|connecting/);
  server.isUp = true;
  await pass(5000);
  assert.equal(main.textContent, 'connected');
});

test('on a server nothing is connected, and the page takes over what it rendered', async () => {
  const server = new FakeServer();
  const client = makeClient(server);
  const State = () => h('b', null, useConnectionState());
  const app = h(StrictMode, null, h(SluicegateProvider, { client }, h(Talk), h(State)));
  const html = renderToString(app);
  assert.equal(html, '<p>unsubscribed</p><b>disconnected</b>');
  await clock.pass(100);
  assert.equal(server.asked.length, 0);
  const main = window.document.createElement('main');
  main.innerHTML = html;
  const complaints = [];
  await act(async () => (root = hydrateRoot(main, app, { onRecoverableError: (error) => complaints.push(error) })));
  await pass();
  assert.deepEqual(complaints, []);
  assert.equal(main.textContent, 'subscribedconnected');
});

test('a hook without a provider says so', async () => {
  assert.throws(() => renderToString(h(Talk)), /SluicegateProvider/);
});

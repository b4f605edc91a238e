// The client in Chromium and Firefox against a real broker of another origin.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Broker, token } from './broker.mjs';
import { chance } from './fake/clock.mjs';
import { BROWSERS, Site, withPage } from './pages.mjs';
import { BadNetwork } from './random/proxy.mjs';

let broker;
let site;
before(async () => {
  site = await Site.start();
  broker = await Broker.start({ origins: [site.origin], pingMs: 1000 });
});
after(async () => {
  site.stop();
  await broker.stop();
});

test('a broker that serves every origin is talked to over each transport', async () => {
  const open = await Broker.start();
  await withPage('chromium', site, async (page) => {
    for (const transport of ['websocket', 'sse', 'poll']) {
      const seen = await page.evaluate(talk, open.url, [token('ann'), token('bob')], transport, `room:any-${transport}`);
      assert.deepEqual(seen.got, ['hello', 'world'], transport);
    }
  });
  await open.stop();
});

for (const name of Object.keys(BROWSERS)) {
  test(`${name}: two clients talk over each transport, from another origin`, () =>
    withPage(name, site, async (page) => {
      for (const transport of ['websocket', 'sse', 'poll']) {
        const seen = await page.evaluate(talk, broker.url, [token('ann'), token('bob')], transport, `room:${name}-${transport}`);
        assert.deepEqual(seen, { transport, members: ['ann', 'bob'], got: ['hello', 'world'], own: 'bob' }, transport);
      }
    }));

  test(`${name}: a connection that is cut recovers, and a page's network that returns is noticed`, () =>
    withPage(name, site, async (page) => {
      const network = await BadNetwork.to(broker.port, chance(1));
      await page.evaluate(listen, network.url, token('ann'), `room:${name}`, 3_600_000);
      const publish = (text) => page.evaluate(async (url, token, room, text) => {
        const { Client } = await import('/index.js');
        const client = new Client(url, { token, transports: ['websocket'] });
        await client.connect();
        await client.channel(room).publish(text);
        client.disconnect();
      }, broker.url, token('bob'), `room:${name}`, text);
      await publish('a');
      await until(page, () => globalThis.got.length === 1);
      network.refuse();
      await until(page, () => globalThis.client.state === 'disconnected');
      await publish('b');
      network.open();
      // The next try of its own is up to an hour away.
      await page.evaluate(() => globalThis.dispatchEvent(new Event('online')));
      await until(page, () => globalThis.got.length === 2);
      assert.deepEqual(await page.evaluate(() => [globalThis.got, globalThis.gaps]), [[['a', false], ['b', true]], 0]);
      network.close();
    }));
}

test('chromium: a page that was frozen finds out when it thaws, and misses nothing', () =>
  withPage('chromium', site, async (page) => {
    const network = await BadNetwork.to(broker.port, chance(2));
    await page.evaluate(listen, network.url, token('ann'), 'room:frozen', 500);
    const devtools = await page.createCDPSession();
    await devtools.send('Page.enable');
    await devtools.send('Page.setWebLifecycleState', { state: 'frozen' });
    // As a phone that sleeps: its network is gone as well, and what the broker sends meanwhile goes nowhere.
    network.swallow();
    const { Client } = await import('../src/index.js');
    const { WebSocket } = await import('ws');
    const bob = new Client(broker.url, { token: token('bob'), webSocket: WebSocket, transports: ['websocket'] });
    await bob.connect();
    for (const text of ['a', 'b']) await bob.channel('room:frozen').publish(text);
    const gone = new Promise((resolve) => {
      const room = bob.channel('room:frozen');
      room.on('leave', resolve);
      room.subscribe();
    });
    await gone; // The broker has given the page up: two heartbeats of silence.
    network.open();
    await devtools.send('Page.setWebLifecycleState', { state: 'active' });
    await until(page, () => globalThis.got.length === 2);
    assert.deepEqual(await page.evaluate(() => [globalThis.got, globalThis.gaps]), [[['a', true], ['b', true]], 0]);
    bob.disconnect();
    network.close();
  }));

/** Not by frames: a page that is not seen draws none. */
function until(page, holds) {
  return page.waitForFunction(holds, { polling: 50 });
}

/** In the page: a client that listens, and what it got. */
async function listen(url, token, name, baseMs) {
  const { Client } = await import('/index.js');
  Object.assign(globalThis, { got: [], gaps: 0 });
  globalThis.client = new Client(url, { token, transports: ['websocket'], reconnect: { baseMs, maxMs: baseMs } });
  const room = globalThis.client.channel(name);
  room.on('message', ({ data, recovered }) => globalThis.got.push([data, recovered]));
  room.on('gap', () => (globalThis.gaps += 1));
  await globalThis.client.connect();
  await room.subscribe();
}

/** In the page: ann and bob meet. */
async function talk(url, [ann, bob], transport, name) {
  const { Client } = await import('/index.js');
  const clients = [ann, bob].map((token) => new Client(url, { token, transports: [transport] }));
  await Promise.all(clients.map((client) => client.connect()));
  const [here, there] = clients.map((client) => client.channel(name));
  await Promise.all([here.subscribe(), there.subscribe()]);
  const got = [];
  const done = new Promise((resolve) => there.on('message', ({ data }) => got.push(data.text) === 2 && resolve()));
  await here.publish({ text: 'hello' });
  await there.publish({ text: 'world' });
  await done;
  const members = (await here.members()).map(({ user }) => user).sort();
  const seen = { transport: clients[0].transport, members, got, own: clients[1].user };
  for (const client of clients) client.disconnect();
  return seen;
}

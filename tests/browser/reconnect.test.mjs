// What the page does when connections end.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { withDemo } from './page.mjs';

test('a broker that stops and starts again is found again', (t) =>
  withDemo(t, {}, async (demo) => {
    await demo.open();
    await demo.run('hello');
    await demo.restart();
    for (const user of ['ann', 'bob']) await demo.sees(`state-${user}`, /^online/);
    // The memory of the first broker is gone, and the page does not pretend otherwise.
    await demo.sees('talk-ann', /may be missing/);
    await demo.run('hello');
  }));

test('who is back later than a broker that began anew sees what was said meanwhile', (t) =>
  withDemo(t, {}, async (demo) => {
    await demo.open();
    await demo.run('hello');
    await demo.at('door-ann').click();
    await demo.sees('state-ann', /^offline$/);
    await demo.restart();
    await demo.sees('state-bob', /^online/);
    await demo.at('text-bob').fill('Said without ann.');
    await demo.at('send-bob').click();
    await demo.seesIn('talk-bob', 'said', 'Said without ann.');
    await demo.at('door-ann').click();
    await demo.sees('talk-ann', /may be missing[^]*Said without ann/);
    await demo.run('hello');
  }));

for (const [code, expected] of [
  [4504, /^closed for good \(4504 kicked\)/],
  [4001, /^(lost \(4001|connecting|online)/],
]) {
  test(`close code ${code} is heeded`, (t) =>
    withDemo(t, {}, async (demo) => {
      let opened = 0;
      const sockets = [];
      await demo.page.routeWebSocket('**/ws', (socket) => {
        opened += 1;
        const server = socket.connectToServer();
        server.onMessage((message) => socket.send(message));
        socket.onMessage((message) => server.send(message));
        sockets.push(socket);
      });
      await demo.open();
      assert.equal(opened, 2);
      await sockets[0].close({ code, reason: code === 4504 ? 'kicked' : 'slow_consumer' });
      await demo.page.locator('.state', { hasText: expected }).first().waitFor();
      if (code === 4504) {
        const closed = demo.page.locator('.state[data-state="closed"]');
        assert.equal(await closed.count(), 1);
        await demo.page.getByRole('button', { name: /^Connect/ }).click();
      }
      for (const user of ['ann', 'bob']) await demo.sees(`state-${user}`, /^online/);
      assert.equal(opened, 3);
    }));
}

test('who loads the page again sees what was said', (t) =>
  withDemo(t, {}, async (demo) => {
    await demo.open();
    for (const text of ['First.', 'Second.']) {
      await demo.at('text-ann').fill(text);
      await demo.at('send-ann').click();
      await demo.seesIn('talk-bob', 'said', text);
    }
    await demo.open();
    for (const user of ['ann', 'bob']) {
      await demo.seesIn(`talk-${user}`, 'said', 'First.');
      const said = await demo.at(`talk-${user}`).getByTestId('said').allInnerTexts();
      assert.deepEqual(said.map((text) => text.split('\n').pop()), ['First.', 'Second.'], `${user}, in their order and once`);
    }
  }));

test('a token that cannot be renewed is asked for again', (t) =>
  withDemo(t, {}, async (demo) => {
    await demo.page.clock.install();
    // The broker says that the tokens end in a minute, which is when the page renews them.
    await demo.page.routeWebSocket('**/ws', (socket) => {
      const server = socket.connectToServer();
      server.onMessage((message) => {
        const envelope = JSON.parse(message);
        if (envelope.payload?.session && envelope.type === 'ack') envelope.payload.expires_at = 1;
        socket.send(JSON.stringify(envelope));
      });
      socket.onMessage((message) => server.send(message));
    });
    await demo.open();
    let asked = 0;
    await demo.page.route('**/demo/tokens', (route) => {
      asked += 1;
      return asked <= 2 ? route.fulfill({ json: { users: [] } }) : route.continue();
    });
    const answered = (count) => demo.page.waitForResponse(() => asked >= count);
    const first = answered(2);
    await demo.page.clock.runFor(1_500);
    await first;
    for (const id of ['all-ann', 'all-bob']) assert.doesNotMatch(await demo.at(id).innerHTML(), /sent<.* refresh/s);
    const second = answered(4);
    await demo.page.clock.runFor(5_500);
    await second;
    for (const user of ['ann', 'bob']) {
      await demo.at(`all-${user}`).locator('> summary').click();
      await demo.seesIn(`envelopes-${user}`, 'envelope', new RegExp(`${user} → sent refresh`));
    }
  }));

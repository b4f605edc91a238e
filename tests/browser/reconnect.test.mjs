// What the page does when connections end.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Broker } from './broker.mjs';
import { withDemo } from './page.mjs';

test('a broker that stops and starts again is found again', (t) =>
  withDemo(t, {}, async (demo) => {
    await demo.open();
    await demo.run('hello');
    const { port } = demo.broker;
    await demo.broker.stop();
    for (const user of ['ann', 'bob']) await demo.sees(`state-${user}`, /^(lost|connecting)/);
    demo.broker = await Broker.start(port);
    for (const user of ['ann', 'bob']) await demo.sees(`state-${user}`, /^online/);
    // The memory of the first broker is gone, and the page does not pretend otherwise.
    await demo.sees('talk-ann', /could not be recovered/);
    await demo.run('hello');
    // While there was no broker the browser itself complained, which is not the page's doing.
    const own = demo.complaints.filter((text) => !/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|WebSocket connection to/.test(text));
    assert.deepEqual(own, []);
    demo.complaints = [];
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

// permessage-deflate as a browser speaks it.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { withDemo } from './page.mjs';

test('messages are compressed in both directions for a browser', (t) =>
  withDemo(t, {}, async (demo) => {
    await demo.open();
    const heard = await demo.page.evaluate(async () => {
      const { users } = await (await fetch('demo/tokens')).json();
      const text = 'as a browser compresses it, '.repeat(50);
      const socket = new WebSocket(`ws://${location.host}/ws`, ['sluicegate.v1.json']);
      const send = (type, id, payload) => socket.send(JSON.stringify({ type, id, payload }));
      socket.onopen = () => {
        send('connect', 1, { version: 1, token: users[0].token, subscribe: [{ channel: 'load:deflate' }] });
        send('publish', 2, { channel: 'load:deflate', data: text });
      };
      return new Promise((resolve) => {
        socket.onclose = (event) => resolve({ code: event.code });
        socket.onmessage = ({ data }) => {
          const envelope = JSON.parse(data);
          if (envelope.type === 'error') resolve(envelope);
          if (envelope.type === 'message') resolve({ extensions: socket.extensions, same: envelope.payload === text });
        };
      });
    });
    assert.match(heard.extensions ?? JSON.stringify(heard), /^permessage-deflate/);
    assert.equal(heard.same, true);
  }));

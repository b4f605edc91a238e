// Ten thousand clients lose one server on virtual time, and come back.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client } from '../src/index.js';
import { Clock, chance } from './fake/clock.mjs';
import { FakeServer } from './fake/server.mjs';

const CLIENTS = 10_000;
/** The broker spreads `retry_after_ms` over this when it drains. */
const SPREAD_MS = 10_000;
const WINDOW_MS = 100;
/** No window sees more than so many times the mean. */
const PEAK = 3;

const clock = Clock.install(5);
const random = chance(6);

test(`${CLIENTS} clients come back so that no ${WINDOW_MS} ms see over ${PEAK} times the mean`, async (t) => {
  const server = new FakeServer();
  server.pingMs = 3_600_000;
  const options = { webSocket: server.WebSocket, transports: ['websocket'], token: 't' };
  const clients = Array.from({ length: CLIENTS }, () => new Client('ws://storm/ws', options));
  for (const client of clients) client.connect();
  await clock.pass(60_000);
  assert.ok(clients.every(({ state }) => state === 'connected'));

  const began = clock.now;
  const windows = [];
  for (const client of clients) {
    client.on('state', ({ state }) => {
      if (state !== 'connecting') return;
      const window = Math.floor((clock.now - began) / WINDOW_MS);
      windows[window] = (windows[window] ?? 0) + 1;
    });
  }
  for (const socket of [...server.sockets]) socket.end(4000, { reason: 'shutting_down', retryAfterMs: random() * SPREAD_MS });
  await clock.pass(2 * SPREAD_MS);
  assert.ok(clients.every(({ state }) => state === 'connected'));
  const mean = CLIENTS / (SPREAD_MS / WINDOW_MS);
  const most = Math.max(...windows.filter(Boolean));
  t.diagnostic(`at most ${most} in a window, ${mean} in the mean`);
  assert.ok(most <= PEAK * mean, `${most}`);
  assert.equal(windows.reduce((sum, count) => sum + (count ?? 0), 0), CLIENTS, 'each of them once');
  for (const client of clients) client.disconnect();
});

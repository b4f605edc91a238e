// Whole clients on virtual time, against a broker that lives in this process, and words for what happens to them.
import assert from 'node:assert/strict';

import { Client } from '../../src/index.js';
import { Clock } from './clock.mjs';
import { FakeServer } from './server.mjs';

export const clock = Clock.install(7);
const clients = [];
let server;
let count = 0;

/** A new broker. Who was at the old one is gone. */
export function fresh() {
  for (const client of clients.splice(0)) client.disconnect();
  server = new FakeServer();
  return server;
}

/** A URL of its own: the transport that works is remembered by it. */
export const someUrl = () => `ws://fake-${(count += 1)}/ws`;

export function makeClient(options = {}) {
  const client = new Client(someUrl(), { webSocket: server.WebSocket, transports: ['websocket'], ...options });
  client.errors = [];
  client.states = [];
  client.on('error', (error) => client.errors.push(error));
  client.on('state', (event) => client.states.push(event));
  clients.push(client);
  return client;
}

/** What becomes of a promise: its value or its error, once it is there. */
export function outcome(promise) {
  const seen = { settled: false };
  promise.then(
    (value) => Object.assign(seen, { settled: true, value }),
    (error) => Object.assign(seen, { settled: true, error }),
  );
  return seen;
}

export async function online(options) {
  const client = makeClient(options);
  const connected = outcome(client.connect());
  await clock.pass(100);
  assert.equal(connected.settled && client.state, 'connected');
  return client;
}

/** A subscribed channel, and what it told. */
export async function joined(client, name, options) {
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

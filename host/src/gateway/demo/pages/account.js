// Who somebody is, and where the broker is: what both pages give to the SDK.

import { Client } from './client/index.js';

/** What can be chosen, with what the SDK tries, in this order. */
export const TRANSPORTS = {
  auto: ['websocket', 'sse', 'poll'],
  websocket: ['websocket'],
  sse: ['sse'],
  poll: ['poll'],
};
/** A page for people: they wait for it. */
const RECONNECT = { baseMs: 500, maxMs: 20_000 };

/**
 * A client of the broker that served the page, for one of the demo's users.
 *
 * @param {string} user
 * @param {import('./network.js').Network} network
 * @param {keyof typeof TRANSPORTS} transport
 */
export function clientOf(user, network, transport) {
  const url = new URL('/ws', location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  const client = new Client(url, {
    getToken: () => tokenOf(user),
    transports: TRANSPORTS[transport],
    reconnect: RECONNECT,
    webSocket: network.webSocket,
    fetch: network.fetch,
    name: 'demo-page',
    version: '2',
  });
  // The state, which the page shows, says it too. Unheard, it would be on the console.
  client.on('error', () => {});
  return client;
}

/**
 * Connects a client that is to take another's place. The first refusal counts: the other is still there.
 *
 * @param {Client} client
 */
export async function arrive(client) {
  let off;
  const refused = new Promise((_, reject) => {
    off = client.on('state', ({ state, reason }) => state === 'disconnected' && reject(new Error(reason)));
  });
  try {
    await Promise.race([client.connect(), refused]);
  } catch (error) {
    client.disconnect();
    throw error;
  } finally {
    off();
  }
}

async function tokenOf(user) {
  const { users } = await (await fetch('/demo/tokens', { cache: 'no-store' })).json();
  return users.find(({ user: name }) => name === user).token;
}

/** What a client's state is called on the page, and in which colour. */
export function inWords({ state, code, reason, retryInMs }, transport) {
  const why = [code, reason].filter(Boolean).join(' ');
  if (state === 'connected') return ['online', `online by ${transport}`];
  if (state === 'connecting') return ['connecting', 'connecting…'];
  if (retryInMs != null) return ['waiting', `lost (${why}), next try in ${(retryInMs / 1000).toFixed(1)} s`];
  return code ? ['closed', `closed for good (${why})`] : ['offline', 'offline'];
}

// What the bench and the test of the heap share: a socket without a network, and a thousand channels on it.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { Client } from '../src/client.js';
import { decode, encode } from '../src/msgpack.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

/** A socket that acknowledges everything and otherwise says what the bench says. */
export class Socket {
  bufferedAmount = 0;
  static last;

  constructor(url, [subprotocol]) {
    Socket.last = this;
    this.isBinary = subprotocol.endsWith('msgpack');
    queueMicrotask(() => this.onopen());
  }

  send(frame) {
    const { id, type, payload } = this.isBinary ? decode(frame) : JSON.parse(frame);
    const ack = type === 'connect' ? { session: 's', ping_ms: 25_000, limits: {} } : { channel: payload.channel, epoch: 'epoch-1', offset: 0 };
    const envelope = { type: 'ack', id, ts: Date.now(), payload: ack };
    queueMicrotask(() => this.onmessage({ data: this.isBinary ? encode(envelope) : JSON.stringify(envelope) }));
  }

  close() {}
}

export const message = (channel, offset) => ({
  type: 'message', id: `de8a117b4e4b6097-${offset.toString(16)}`, ts: 1795326347953, channel, payload: { text: 'x'.repeat(100), n: offset },
  epoch: 'epoch-1', offset, from: { user: 'ann', session: '8a9f1d9fc241ac1d52b3b8a22cc12240' },
});

export async function connected(format) {
  const client = new Client('ws://bench/ws', { webSocket: Socket, transports: ['websocket'], format });
  await client.connect();
  return client;
}

/** The bytes of heap that so many channels on one connection take: when nothing was said yet, and after so many messages in each. */
export async function heapOf(channels, messages) {
  const used = () => {
    for (let round = 0; round < 4; round += 1) collect();
    return process.memoryUsage().heapUsed;
  };
  const client = await connected('json');
  const before = used();
  const rooms = Array.from({ length: channels }, (_, at) => client.channel(`room:${at}`));
  let got = 0;
  for (const room of rooms) room.on('message', () => (got += 1));
  await Promise.all(rooms.map((room) => room.subscribe()));
  const idle = used() - before;
  for (let offset = 1; offset <= messages; offset += 1) for (const room of rooms) Socket.last.onmessage({ data: JSON.stringify(message(room.name, offset)) });
  const busy = used() - before;
  if (got !== messages * channels) throw new Error('messages are missing');
  client.disconnect();
  return { idle, busy };
}

// What the client costs in Node: messages in a second on one core, beside a bare JSON.parse of the same frames in the same run, and the
// heap of many channels on one connection. `npm run bench`.
import { performance } from 'node:perf_hooks';

import { Client } from '../src/client.js';
import { decode, encode } from '../src/msgpack.js';

const MESSAGES = 200_000;
const RUNS = 7;
const CHANNELS = 1000;
/** What is promised. Beyond it the bench fails. */
const LEAST_PER_SECOND = 50_000;
const MOST_HEAP_MIB = 5;

/** A socket that acknowledges everything and otherwise says what the bench says. */
class Socket {
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

const message = (channel, offset) => ({
  type: 'message', id: `de8a117b4e4b6097-${offset.toString(16)}`, ts: 1795326347953, channel, payload: { text: 'x'.repeat(100), n: offset },
  epoch: 'epoch-1', offset, from: { user: 'ann', session: '8a9f1d9fc241ac1d52b3b8a22cc12240' },
});

async function connected(format) {
  const client = new Client('ws://bench/ws', { webSocket: Socket, transports: ['websocket'], format });
  await client.connect();
  return client;
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const perSecond = (ms) => Math.round(MESSAGES / (ms / 1000));

async function messages(format, write, read) {
  const frames = Array.from({ length: MESSAGES }, (_, at) => write(message('room:1', at + 1)));
  const bare = [];
  const sdk = [];
  for (let run = 0; run < RUNS; run += 1) {
    let start = performance.now();
    let sum = 0;
    for (const frame of frames) sum += read(frame).offset;
    bare.push(performance.now() - start);

    const client = await connected(format);
    const room = client.channel('room:1');
    await room.subscribe();
    let got = 0;
    room.on('message', ({ offset }) => (got += offset));
    const { onmessage } = Socket.last;
    start = performance.now();
    for (const data of frames) onmessage({ data });
    sdk.push(performance.now() - start);
    if (got !== sum) throw new Error('messages are missing');
    client.disconnect();
  }
  const [own, peer] = [median(sdk), median(bare)];
  if (perSecond(own) < LEAST_PER_SECOND) process.exitCode = 1;
  console.log(`${format}: ${perSecond(own)} messages/s, bare decoding ${perSecond(peer)}/s: ${(own / peer).toFixed(2)} times its time`);
}

async function heap() {
  const used = () => {
    for (let round = 0; round < 4; round += 1) globalThis.gc();
    return process.memoryUsage().heapUsed;
  };
  const client = await connected('json');
  const before = used();
  const rooms = Array.from({ length: CHANNELS }, (_, at) => client.channel(`room:${at}`));
  let got = 0;
  for (const room of rooms) room.on('message', () => (got += 1));
  await Promise.all(rooms.map((room) => room.subscribe()));
  const idle = used() - before;
  for (let offset = 1; offset <= 50; offset += 1) for (const room of rooms) Socket.last.onmessage({ data: JSON.stringify(message(room.name, offset)) });
  const busy = used() - before;
  if (got !== 50 * CHANNELS) throw new Error('messages are missing');
  if (busy > MOST_HEAP_MIB * 2 ** 20) process.exitCode = 1;
  console.log(`${CHANNELS} channels: ${(idle / 2 ** 20).toFixed(2)} MiB of heap, ${(busy / 2 ** 20).toFixed(2)} MiB after 50 messages in each`);
}

await messages('json', JSON.stringify, JSON.parse);
await messages('msgpack', encode, decode);
await heap();
process.exit();

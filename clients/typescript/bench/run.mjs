// What the client costs in Node: messages in a second on one core, beside a bare JSON.parse of the same frames in the same run, and the
// heap of many channels on one connection. `npm run bench`.
import { performance } from 'node:perf_hooks';

import { decode, encode } from '../src/msgpack.js';
import { connected, heapOf, message, Socket } from './parts.mjs';

const MESSAGES = 200_000;
const RUNS = 7;
const CHANNELS = 1000;
const EACH = 50;
/** What is promised. Beyond it the bench fails. */
const LEAST_PER_SECOND = 50_000;
const MOST_HEAP_MIB = 5;

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

await messages('json', JSON.stringify, JSON.parse);
await messages('msgpack', encode, decode);
const { idle, busy } = await heapOf(CHANNELS, EACH);
const mib = (bytes) => (bytes / 2 ** 20).toFixed(2);
if (busy > MOST_HEAP_MIB * 2 ** 20) process.exitCode = 1;
console.log(`${CHANNELS} channels: ${mib(idle)} MiB of heap, ${mib(busy)} MiB after ${EACH} messages in each`);
process.exit();

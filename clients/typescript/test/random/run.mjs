// A random run: clients of every transport talk through bad networks to one broker, and what they were given is checked.
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';

import { Client } from '../../src/msgpack.js';
import { Broker, token } from '../broker.mjs';
import { chance } from '../fake/clock.mjs';
import { check } from './check.mjs';
import { BadNetwork } from './proxy.mjs';

/** The second has a short history, so that what is missed there is a gap now and then. */
const CHANNELS = ['room:1', 'short:1'];
const WAYS = [
  { transports: ['websocket'] },
  { transports: ['sse'] },
  { transports: ['poll'] },
  { transports: ['websocket', 'sse', 'poll'] },
  { transports: ['websocket'], format: 'msgpack' },
  { transports: ['poll', 'sse'], format: 'msgpack' },
];
const OPTIONS = { webSocket: WebSocket, timeoutMs: 3000, reconnect: { baseMs: 50, maxMs: 1000 } };
/** Dead connections are found after two and a half of these. */
const PING_MS = 500;
/** Between two things that happen: faults, publishes. */
const STEP_MS = 20;
/** After the networks are healed, everybody has this long to get what is there. */
const CALM_MS = 30_000;
const LOOK_MS = 100;

/** @returns what happened, in numbers, and what is broken */
export async function run({ seed, forMs }) {
  const random = chance(seed);
  const broker = await Broker.start({ pingMs: PING_MS });
  const people = await Promise.all(WAYS.map((way, number) => Person.join(broker, `p${number}`, way, random)));
  const publishes = [];
  const end = Date.now() + forMs;
  while (Date.now() < end) {
    const person = people[Math.floor(random() * people.length)];
    if (random() < 0.12) person.network.disturb();
    if (random() < 0.1) person.network.open();
    if (random() < 0.7) publishes.push(person.publish(CHANNELS[random() < 0.8 ? 0 : 1], publishes.length));
    await pause(STEP_MS);
  }
  for (const { network } of people) network.heal();
  const reader = new Client(broker.url, { ...OPTIONS, token: token('reader') });
  await reader.connect();
  const history = await calm(people, reader, publishes);
  const receivers = people.flatMap(({ received }) => received);
  const broken = check({ receivers, publishes, history });
  for (const person of people) person.leave();
  reader.disconnect();
  await broker.kill();
  const count = (what) => receivers.reduce((sum, { events }) => sum + events.filter((event) => event[what]).length, 0);
  const recovered = receivers.flatMap(({ events }) => events).filter(({ message }) => message?.recovered).length;
  const faults = {};
  for (const { network } of people) for (const [fault, times] of Object.entries(network.faults)) faults[fault] = (faults[fault] ?? 0) + times;
  const acknowledged = publishes.filter(({ id }) => id);
  const duplicates = acknowledged.filter(({ duplicate }) => duplicate).length;
  const reconnects = people.reduce((sum, { connects }) => sum + connects - 1, 0);
  const numbers = { publishes: publishes.length, acknowledged: acknowledged.length, duplicates, messages: count('message'), recovered, gaps: count('gap'), reconnects, ...faults };
  return { numbers, broken, errors: people.flatMap(({ errors }) => errors) };
}

/** Waits until every publish has its end, and everybody what the histories have; what it does not live to see is in the answer. */
async function calm(people, reader, publishes) {
  const limit = Date.now() + CALM_MS;
  for (;;) {
    const history = {};
    for (const channel of CHANNELS) {
      history[channel] = [];
      for await (const message of reader.channel(channel).history.all({ limit: 1000 })) history[channel].push(message);
    }
    const isThere = ({ channel, events }) => events.some(({ message, gap }) => (message ?? gap?.to)?.offset >= (history[channel].at(-1)?.offset ?? 0));
    const isDone = publishes.every(({ settled }) => settled) && people.every(({ received }) => received.every(isThere));
    if (isDone || Date.now() > limit) return history;
    await pause(LOOK_MS);
  }
}

/** Somebody with a client, a bad network, and two channels to listen to. */
class Person {
  connects = 0;
  errors = [];

  static async join(broker, name, way, random) {
    const person = new Person();
    person.name = name;
    person.network = await BadNetwork.to(broker.port, random);
    person.client = new Client(person.network.url, { ...OPTIONS, ...way, getToken: () => token(name) });
    person.client.on('state', ({ state }) => state === 'connected' && (person.connects += 1));
    person.client.on('error', (error) => error.reason === 'connection_failed' || person.errors.push(error));
    await person.client.connect();
    person.received = await Promise.all(
      CHANNELS.map(async (channel) => {
        const events = [];
        const room = person.client.channel(channel);
        room.on('message', (message) => events.push({ message }));
        room.on('gap', (gap) => events.push({ gap }));
        room.on('error', (error) => person.errors.push(error));
        await room.subscribe();
        return { name: `${name} (${way.transports})`, channel, events };
      }),
    );
    return person;
  }

  publish(channel, number) {
    const published = { channel, key: `${this.name}-${number}`, settled: false };
    this.client.channel(channel).publish({ key: published.key }).then(
      ({ id, offset, duplicate }) => Object.assign(published, { settled: true, id, offset, duplicate }),
      ({ reason }) => Object.assign(published, { settled: true, reason }),
    );
    return published;
  }

  leave() {
    this.client.disconnect();
    this.network.close();
  }
}

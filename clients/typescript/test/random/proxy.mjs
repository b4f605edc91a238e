// A TCP proxy that is a bad network: it cuts, delays, halves and swallows. Which of it happens is drawn from a seed.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** What may happen to a connection, each drawn as often as its weight says. */
const FAULTS = Object.entries({ cut: 3, halve: 2, blackhole: 2, delay: 4 }).flatMap(([fault, weight]) => Array(weight).fill(fault));
const LONGEST_DELAY_MS = 400;

export class BadNetwork {
  #random;
  #server;
  #pairs = new Set();
  /** New connections are refused, or find nobody who answers. @type {undefined | "refuse" | "blackhole"} */
  #down;
  /** How often what happened. */
  faults = {};

  /** A network to `port` that goes bad when it is told to. */
  static async to(port, random) {
    const network = new BadNetwork();
    network.#random = random;
    network.#server = createServer((client) => network.#join(client, connect(port, '127.0.0.1'))).listen(0, '127.0.0.1');
    await once(network.#server, 'listening');
    network.url = `ws://127.0.0.1:${network.#server.address().port}/ws`;
    return network;
  }

  /** One fault, to one connection or to all that come. */
  disturb() {
    const kind = this.#random() < 0.15 ? 'down' : FAULTS[Math.floor(this.#random() * FAULTS.length)];
    this.faults[kind] = (this.faults[kind] ?? 0) + 1;
    if (kind === 'down') {
      this.#down = this.#random() < 0.5 ? 'refuse' : 'blackhole';
      for (const pair of this.#pairs) if (this.#random() < 0.7) pair.end();
      return;
    }
    const pairs = [...this.#pairs];
    if (pairs.length) pairs[Math.floor(this.#random() * pairs.length)].fault(kind, this.#random() * LONGEST_DELAY_MS);
  }

  /** Nobody gets through any more, and those who did are cut off. */
  refuse() {
    this.#down = 'refuse';
    for (const pair of this.#pairs) pair.end();
  }

  /** Nothing gets through any more, and nobody is told. */
  swallow() {
    this.#down = 'blackhole';
    for (const pair of this.#pairs) pair.fault('blackhole');
  }

  /** From now on everything gets through that comes, also on what was swallowed: it ends, so that it is begun again. */
  heal() {
    this.#down = undefined;
    for (const pair of this.#pairs) if (pair.isSwallowing) pair.end();
  }

  /** What comes from now on is let through again. */
  open() {
    this.#down = undefined;
  }

  close() {
    for (const pair of this.#pairs) pair.end();
    this.#server.close();
  }

  #join(client, server) {
    const pair = new Pair(client, server, () => this.#pairs.delete(pair));
    this.#pairs.add(pair);
    if (this.#down === 'refuse') pair.end();
    if (this.#down === 'blackhole') pair.fault('blackhole');
  }
}

/** A connection on both sides of the proxy. */
class Pair {
  isSwallowing = false;
  #halves = false;
  #delayMs = 0;

  constructor(client, server, ended) {
    this.sockets = [client, server];
    this.ended = ended;
    for (const [from, to] of [[client, server], [server, client]]) {
      from.on('data', (bytes) => this.#pass(bytes, to));
      from.on('close', () => this.end());
      from.on('error', () => this.end());
    }
  }

  fault(kind, ms = 0) {
    if (kind === 'cut') this.end();
    if (kind === 'halve') this.#halves = true;
    if (kind === 'blackhole') this.isSwallowing = true;
    if (kind === 'delay') this.#delayMs = ms;
  }

  end() {
    for (const socket of this.sockets) socket.destroy();
    this.ended();
  }

  #pass(bytes, to) {
    if (this.isSwallowing) return;
    if (this.#halves) {
      to.write(bytes.subarray(0, bytes.length >> 1), () => this.end());
      this.isSwallowing = true;
    } else if (this.#delayMs) setTimeout(() => to.destroyed || to.write(bytes), this.#delayMs);
    else to.write(bytes);
  }
}

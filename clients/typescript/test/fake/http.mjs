// The transports over HTTP, as the protocol has them, in front of the broker that lives in this process. It takes the place of `fetch`.
import { Client } from '../../src/index.js';
import { FakeServer } from './server.mjs';

const clients = [];
/** Each is a host of its own: the transport that works is remembered by it. */
let hosts = 0;

/** A broker behind HTTP: sessions of `FakeServer`, polls and streams as the protocol has them. `interfere` changes what is answered. */
export class Http {
  server = new FakeServer();
  posts = [];
  sessions = new Map();
  interfere = () => undefined;
  host = `http-${(hosts += 1)}`;

  /** All clients go. */
  static leave() {
    for (const client of clients.splice(0)) client.disconnect();
  }

  constructor() {
    globalThis.fetch = (url, init) => this.#fetch(new URL(url), init);
  }

  client(transports, options = {}) {
    const client = new Client(`ws://${this.host}/ws`, { transports, token: 't', webSocket: this.server.WebSocket, ...options });
    client.states = [];
    client.on('state', (event) => client.states.push(event));
    client.on('error', () => {});
    clients.push(client);
    return client;
  }

  /** The posts to a path that carried requests of this type. */
  of(path, type) {
    return this.posts.filter((post) => post.path === path && post.requests.some((request) => request.type === type));
  }

  async #fetch(url, { method = 'GET', headers, body, signal, credentials }) {
    signal?.throwIfAborted();
    const post = { path: url.pathname, query: url.search, method, headers, credentials, requests: [], ...(body && { body: JSON.parse(body) }) };
    post.requests = Array.isArray(post.body) ? post.body : (post.body?.requests ?? []);
    this.posts.push(post);
    const aborted = new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
    aborted.catch(() => {});
    const act = async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      const before = await this.interfere(post);
      if (before) return before;
      const answer = await (method === 'GET' ? this.#stream() : this.#post(post));
      const after = await post.after?.(answer);
      return after ?? answer;
    };
    return Promise.race([act(), aborted]);
  }

  #session() {
    const { server } = this;
    const session = { channels: new Set(), isOpen: true, seq: 0, batch: 0, queue: [], push: (envelope) => session.take(envelope) };
    session.take = (envelope) => {
      session.queue.push(envelope);
      session.wake?.();
    };
    server.sockets.push(session);
    return session;
  }

  #stream() {
    const session = this.#session();
    const ack = this.server.reply(session, { type: 'connect' });
    session.session = ack.session;
    this.sessions.set(`${ack.session}.key`, session);
    const encoder = new TextEncoder();
    const body = new ReadableStream({
      start: (stream) => {
        session.stream = stream;
        const event = (type, envelope) => stream.enqueue(encoder.encode(`event: ${type}\ndata: ${JSON.stringify(envelope)}\n\n`));
        event('ack', { type: 'ack', id: 0, ts: Date.now(), payload: { ...ack, session_key: 'key' } });
        session.take = (envelope) => event(envelope.type, envelope);
      },
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  }

  #post({ path, headers, body, requests }) {
    const name = headers['sluicegate-session'] ?? body.session;
    const session = name ? this.sessions.get(name) : this.#session();
    if (!session) return new Response('', { status: 410 });
    const batch = Number(headers['sluicegate-batch'] ?? body.batch);
    const isRepeated = batch && batch === session.batch;
    const replies = isRepeated ? session.replies : requests.map((request) => this.#reply(session, request));
    Object.assign(session, { batch: batch || session.batch, replies });
    if (path.endsWith('/send')) return Response.json(replies);
    if (!isRepeated) session.queue.push(...replies);
    return this.#poll(session, body);
  }

  #reply(session, request) {
    this.server.asked.push(request);
    const payload = this.server.reply(session, request);
    if (request.type === 'connect') {
      session.session = payload.session;
      this.sessions.set(`${payload.session}.key`, session);
    }
    return { type: payload.code ? 'error' : 'ack', id: request.id, ts: Date.now(), payload };
  }

  async #poll(session, { ack = 0, wait_ms: waitMs }) {
    session.wake?.();
    const answer = (envelopes) => Response.json({ session: `${session.session}.key`, seq: session.seq, envelopes });
    if (ack < session.seq) return answer(session.last);
    if (!session.queue.length) {
      await new Promise((resolve) => {
        session.wake = resolve;
        setTimeout(resolve, waitMs);
      });
    }
    if (!session.queue.length) return answer([]);
    session.seq += 1;
    session.last = session.queue.splice(0);
    return answer(session.last);
  }
}

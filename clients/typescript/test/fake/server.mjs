// A broker of one process for tests on virtual time: channels with a history, and a WebSocket that leads to it. What is asked of it is
// recorded, and each test changes what it answers.

const LATENCY_MS = 5;

export class FakeServer {
  /** Milliseconds between heartbeats. */
  pingMs = 25_000;
  limits = { message_bytes: 65_536, channels: 2000 };
  /** How many messages a history keeps. */
  size = 1000;
  epoch = 'E1';
  /** Envelopes that came, of all sockets. */
  asked = [];
  sockets = [];
  channels = new Map();
  /** What a token is good for, in milliseconds. */
  lifeMs = undefined;
  /** Instead of the usual answer: a reply, or undefined for the usual one, or null for silence. */
  answer = () => undefined;
  /** Whether sockets open. */
  isUp = true;
  #count = 0;

  /** The constructor for the option `webSocket`. */
  get WebSocket() {
    const server = this;
    return class {
      constructor(url, protocols) {
        return new FakeSocket(server, url, protocols);
      }
    };
  }

  /** The requests of one type. */
  of(type) {
    return this.asked.filter((envelope) => envelope.type === type);
  }

  channel(name) {
    if (!this.channels.has(name)) this.channels.set(name, { offset: 0, messages: [] });
    return this.channels.get(name);
  }

  /** Publishes, as somebody else. */
  publish(name, data, { from = { user: 'eve', session: 'eve' }, ephemeral, unseenBy, key } = {}) {
    const channel = this.channel(name);
    const message = { type: 'message', id: `m${++this.#count}`, ts: Date.now(), channel: name, payload: data, from };
    if (!ephemeral) {
      Object.assign(message, { epoch: this.epoch, offset: ++channel.offset });
      channel.messages.push({ ...message, key });
      while (channel.messages.length > this.size) channel.messages.shift();
    }
    for (const socket of this.sockets) if (socket.channels.has(name) && socket !== unseenBy) socket.push(message);
    return message;
  }

  /** The server is gone without a word. */
  die() {
    this.isUp = false;
    for (const socket of [...this.sockets]) socket.cut();
  }

  reply(socket, { type, payload = {} }) {
    const { channel: name } = payload;
    const channel = name && this.channel(name);
    const position = channel && { channel: name, epoch: this.epoch, offset: channel.offset };
    switch (type) {
      case 'connect':
        return {
          session: `s${++this.#count}`, node: 'fake', version: 1, ping_ms: this.pingMs, limits: this.limits, features: [],
          expires_at: this.lifeMs && Date.now() + this.lifeMs,
        };
      case 'subscribe': {
        socket.channels.add(name);
        const { since } = payload;
        if (!since) return position;
        const reaches = since.epoch === this.epoch && since.offset >= channel.offset - channel.messages.length && since.offset <= channel.offset;
        return reaches ? { ...position, recovered: true, messages: channel.messages.filter(({ offset }) => offset > since.offset) } : { ...position, recovered: false };
      }
      case 'unsubscribe':
        socket.channels.delete(name);
        return { channel: name };
      case 'publish': {
        const before = payload.key && channel.messages.find(({ key }) => key === payload.key);
        if (before) return { ...position, message: before.id, offset: before.offset, duplicate: true };
        const { ephemeral, key, data } = payload;
        const unseenBy = payload.echo === false ? socket : undefined;
        const { id, epoch, offset } = this.publish(name, data, { from: { user: 'me', session: socket.session }, ephemeral, unseenBy, key });
        return { channel: name, message: id, epoch, offset };
      }
      case 'history': {
        const { since, limit = 100, reverse } = payload;
        if (since && (since.epoch !== this.epoch || since.offset < channel.offset - channel.messages.length)) {
          return { code: 4416, reason: 'unrecoverable_position', message: 'it is gone', retry: false };
        }
        const messages = channel.messages.filter(({ offset }) => !since || offset > since.offset);
        return { ...position, messages: (reverse ? messages.reverse() : messages).slice(0, limit) };
      }
      case 'presence':
        return { channel: name, members: [{ user: 'me', session: socket.session }], count: 1 };
      case 'refresh':
        return { expires_at: this.lifeMs && Date.now() + this.lifeMs };
      default:
        return {};
    }
  }
}

class FakeSocket {
  channels = new Set();
  bufferedAmount = 0;
  isOpen = false;

  constructor(server, url, protocols) {
    Object.assign(this, { server, url, protocols });
    server.sockets.push(this);
    setTimeout(() => {
      if (!server.isUp) return this.cut();
      this.isOpen = true;
      this.onopen?.();
    }, LATENCY_MS);
  }

  send(frame) {
    const envelope = JSON.parse(frame);
    this.server.asked.push(envelope);
    setTimeout(() => this.isOpen && this.#carryOut(envelope), LATENCY_MS);
  }

  #carryOut(envelope) {
    const { server } = this;
    const answer = server.answer(envelope, this);
    if (answer === null) return;
    const payload = answer ?? server.reply(this, envelope);
    if (envelope.type === 'connect') this.session = payload.session;
    this.push({ type: payload.code ? 'error' : 'ack', id: envelope.id, ts: Date.now(), payload });
    const { ends } = payload;
    if (ends) this.end(ends);
  }

  push(envelope) {
    if (this.isOpen) this.onmessage?.({ data: JSON.stringify(envelope) });
  }

  /** The server closes, and says so. */
  end(code, { reason = 'because', retryAfterMs } = {}) {
    this.push({ type: 'disconnect', ts: Date.now(), payload: { code, reason, retry_after_ms: retryAfterMs } });
    this.#gone({ code, reason });
  }

  /** The network is gone. */
  cut() {
    this.#gone({ code: 1006, reason: '' });
  }

  /** The client closes. */
  close() {
    this.#gone(undefined);
  }

  #gone(event) {
    const { sockets } = this.server;
    if (sockets.includes(this)) sockets.splice(sockets.indexOf(this), 1);
    this.isOpen = false;
    if (event) this.onclose?.(event);
  }
}

// One person's network, as far as a page has one in its hands: all sockets and fetches of this person's client go through here, so that
// they can be cut, slowed and refused for real. Knows no client: the two stand where `WebSocket` and `fetch` would.
//
// What is cut loses what is on its way, in both directions, and its owner hears what a browser says of a dead line. The socket below
// is closed, because a page cannot pull a cable.

/** What a browser says when a connection ended without a word. */
const CUT = 1006;

export class Network {
  /** By how much everything is late, in each direction. */
  delayMs = 0;
  /** Transports that do not get through. @type {Set<string>} */
  blocked = new Set();
  /** What is open, by what cuts it: its transport. @type {Map<() => void, string>} */
  #open = new Map();
  #saw;

  /** @param {(way: 'sent' | 'received', envelope: any) => void} saw is told each envelope as it goes over the wire */
  constructor(saw) {
    this.#saw = saw;
    const network = this;
    /** Stands for `WebSocket`. */
    this.webSocket = class {
      constructor(url, protocols) {
        return socketOn(network, url, protocols);
      }
    };
  }

  /** Cuts every connection there is. New ones may be opened at once. */
  drop() {
    for (const cut of [...this.#open.keys()]) cut();
  }

  block(transport, blocks) {
    if (!blocks) return void this.blocked.delete(transport);
    this.blocked.add(transport);
    for (const [cut, name] of [...this.#open]) if (name === transport) cut();
  }

  /** Stands for `fetch`. */
  fetch = async (url, init = {}) => {
    const { pathname } = new URL(url, location.href);
    const transport = pathname.endsWith('/poll') ? 'poll' : 'sse';
    if (this.blocked.has(transport)) throw new TypeError(`${transport} is blocked on this page`);
    const line = new AbortController();
    const cut = () => line.abort(new TypeError('the connection was cut'));
    const closed = this.opened(transport, cut);
    const signal = init.signal ? AbortSignal.any([init.signal, line.signal]) : line.signal;
    try {
      await this.#late(signal);
      for (const request of requestsIn(init.body)) this.#saw('sent', request);
      const response = await fetch(url, { ...init, signal });
      const { status, headers, body } = response;
      if (headers.get('content-type')?.startsWith('text/event-stream')) return new Response(this.#events(body, signal, closed), { status, headers });
      const answer = await response.text();
      await this.#late(signal);
      closed();
      for (const envelope of envelopesIn(answer)) this.#saw('received', envelope);
      return new Response(answer, { status, headers });
    } catch (error) {
      closed();
      throw error;
    }
  };

  /** For sockets. @returns {() => void} to call when it is closed */
  opened(transport, cut) {
    this.#open.set(cut, transport);
    return () => this.#open.delete(cut);
  }

  saw(way, text) {
    for (const envelope of envelopesIn(text)) this.#saw(way, envelope);
  }

  async #late(signal) {
    if (this.delayMs) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
    signal.throwIfAborted();
  }

  /** A stream of events that is late by `delayMs` as a whole: what is behind does not wait for what is before it. */
  #events(body, signal, closed) {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    const line = lateLine(this);
    let rest = '';
    const read = (text) => {
      const events = (rest + text).split('\n\n');
      rest = events.pop();
      for (const event of events) {
        const data = event.split('\n').find((field) => field.startsWith('data:'));
        if (data) this.saw('received', data.slice('data:'.length));
      }
    };
    return new ReadableStream({
      start: async (stream) => {
        signal.addEventListener('abort', () => {
          closed();
          stream.error(signal.reason);
        });
        try {
          for (;;) {
            const { done, value } = await reader.read();
            line(() => {
              if (signal.aborted) return;
              if (done) return closed(), stream.close();
              read(decoder.decode(value, { stream: true }));
              stream.enqueue(value);
            });
            if (done) return;
          }
        } catch (error) {
          closed();
          if (!signal.aborted) stream.error(error);
        }
      },
    });
  }
}

function socketOn(network, url, protocols) {
  if (network.blocked.has('websocket')) {
    const refused = { send() {}, close() {} };
    queueMicrotask(() => refused.onclose?.({ code: CUT, reason: '' }));
    return refused;
  }
  const real = new WebSocket(url, protocols);
  const [up, down] = [lateLine(network), lateLine(network)];
  let isOver = false;
  const over = (event) => {
    if (isOver) return;
    isOver = true;
    closed();
    real.close();
    socket.onclose?.(event);
  };
  const closed = network.opened('websocket', () => over({ code: CUT, reason: '' }));
  const later = (line, act) => line(() => isOver || act());
  const socket = {
    set binaryType(type) { real.binaryType = type; },
    send(frame) {
      later(up, () => {
        network.saw('sent', frame);
        real.send(frame);
      });
    },
    // Behind what was sent, which is still on its way.
    close: (code, reason) => later(up, () => real.close(code, reason)),
  };
  real.onopen = () => later(down, () => socket.onopen?.());
  real.onmessage = ({ data }) => later(down, () => {
    network.saw('received', data);
    socket.onmessage?.({ data });
  });
  real.onclose = ({ code, reason }) => later(down, () => over({ code, reason }));
  return socket;
}

/** Carries out one thing after the other, each by the network's `delayMs` late. */
function lateLine(network) {
  let free = 0;
  return (act) => {
    const now = performance.now();
    const at = Math.max(free, now + network.delayMs);
    // Nothing is before it, and nothing is to be waited for.
    if (at <= now) return act();
    free = at;
    setTimeout(act, at - now);
  };
}

function requestsIn(body) {
  return envelopesIn(typeof body === 'string' ? body : '');
}

/** The envelopes of a frame, of a list, or of what a poll sends and gets. */
function envelopesIn(text) {
  let read;
  try {
    read = JSON.parse(text);
  } catch {
    return []; // A sentence about an HTTP status, or bytes.
  }
  return Array.isArray(read) ? read : read?.type ? [read] : read?.requests ?? read?.envelopes ?? [];
}

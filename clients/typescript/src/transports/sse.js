// Server-sent events down, posts up. Read with `fetch` and not with `EventSource`: that one can set no header, so it would need a ticket
// first; it hides the comments that say the line is alive, and the status that says why it is not; and Node has none.

import { batchOf, endingOf, post, request } from './http.js';

/**
 * Reads events, each with its name and its data. Comments, `id` and `retry` are left out: where it was each channel knows
 * by itself, and when to come back the envelope `disconnect` says.
 *
 * @param {(event: string, data: string) => void} take
 * @returns {(text: string) => void} takes the next piece of the stream
 */
export function eventReader(take) {
  let rest = '';
  let event = '';
  let data = '';
  return (text) => {
    // The third end of a line that there is, a lone CR, is not sent by anybody.
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const [, field, value] = /^(\w*): ?(.*)/.exec(line) ?? [];
      if (!line) {
        if (data) take(event, data);
        event = data = '';
      } else if (field === 'data') data += value + '\n';
      else if (field === 'event') event = value;
    }
  };
}

/** @type {import('./websocket.js').Open} */
export function sse(context, heard, envelope, lost) {
  const { endpoints, codec, timeoutMs, token } = context;
  const abort = new AbortController();
  const { signal } = abort;
  /** @type {import('../json.js').Frame[]} */
  const queue = [];
  /** `<session>.<session_key>`, once there is one. */
  let session = '';
  let batch = 0;
  let sending = false;
  const end = (/** @type {any} */ error) => {
    abort.abort();
    lost(endingOf(error));
  };
  const read = eventReader((event, data) => {
    const said = JSON.parse(data);
    if (event === 'ack') session = `${said.payload.session}.${said.payload.session_key}`;
    envelope(said);
    send();
  });

  async function listen() {
    const headers = { accept: 'text/event-stream', ...(token && { authorization: `Bearer ${token}` }) };
    const { body } = await request(context, /** @type {string} */ (endpoints.sse), { headers, signal });
    const reader = /** @type {ReadableStream} */ (body).getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return lost({});
      heard();
      read(decoder.decode(value, { stream: true }));
    }
  }

  /** One post at a time: requests are carried out in their order. */
  async function send() {
    if (sending || !session) return;
    sending = true;
    try {
      while (queue.length) {
        const headers = { 'sluicegate-session': session, 'sluicegate-batch': `${++batch}` };
        const body = codec.body(undefined, batchOf(queue));
        for (const reply of await post(context, heard, endpoints.send, headers, body, AbortSignal.timeout(timeoutMs), true)) envelope(reply);
      }
    } catch (error) {
      end(error);
    }
    sending = false;
  }

  listen().catch(end);
  return {
    send(frame) {
      queue.push(frame);
      send();
    },
    close: () => abort.abort(),
  };
}

// Server-sent events down, posts up. Read with `fetch` and not with `EventSource`: that one can set no header, so it would need a ticket
// first; it hides the comments that say the line is alive, and the status that says why it is not; and Node has none.

import { batchOf, endingOf, post, request } from './http.js';

/** An event may be as large as the largest answer, and no larger. */
const EVENT = 16_777_216;

/**
 * Reads events, each with its name and its data. Comments and ids are left out: where it was, each channel knows by itself.
 *
 * @param {(event: string, data: string) => void} take
 * @returns {(text: string) => void} takes the next piece of the stream
 */
export function eventReader(take) {
  let rest = '';
  let event = '';
  let data = '';
  return (text) => {
    // A line ends with CR LF, LF or CR. A CR at the end of a piece may have its LF yet to come.
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    if (rest.length + data.length > EVENT) throw new Error(`an event of over ${EVENT} characters`);
    for (const line of lines) {
      const [, field, value] = /^([^:]*):? ?(.*)/s.exec(line) ?? [];
      if (!line) {
        if (data) take(event, data);
        event = data = '';
      } else if (field === 'data') data += value + '\n';
      else if (field === 'event') event = value;
      else if (field === 'retry') take(field, value);
    }
  };
}

/** @param {import('./websocket.js').Context} context @returns {import('./websocket.js').Transport} */
export function sse(context) {
  const { endpoints, codec, timeoutMs, token, heard, envelope, lost } = context;
  const abort = new AbortController();
  const { signal } = abort;
  /** @type {import('../json.js').Frame[]} */
  const queue = [];
  /** `<session>.<session_key>`, once there is one. */
  let session = '';
  let batch = 0;
  let sending = false;
  /** @type {number | undefined} */
  let retryAfterMs;
  const end = (/** @type {any} */ error) => {
    abort.abort();
    lost(endingOf(error, retryAfterMs));
  };
  const read = eventReader((event, data) => {
    if (event === 'retry') return (retryAfterMs = +data || undefined);
    const said = JSON.parse(data);
    if (event === 'ack') session = `${said.payload.session}.${said.payload.session_key}`;
    envelope(said);
    send();
  });

  async function listen() {
    const headers = { accept: 'text/event-stream', ...(token && { authorization: `Bearer ${token}` }) };
    const { body } = await request(/** @type {string} */ (endpoints.sse), { headers, signal });
    const reader = /** @type {ReadableStream} */ (body).getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new Error('the stream ended');
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
        for (const reply of await post(context, endpoints.send, headers, body, AbortSignal.timeout(timeoutMs), true)) envelope(reply);
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

// Server-sent events down, posts up. Read with `fetch` and not with `EventSource`: that one can set no header, so it would need a ticket
// first; it hides the comments that say the line is alive, and the status that says why it is not; and Node has none.

import { batchOf, post, request } from './http.js';

/**
 * Reads the data of events, which is JSON. The rest is left out: `event` is the envelope's type, where it was each channel knows without
 * `id`, and when to come back the envelope `disconnect` says.
 *
 * @param {(data: string) => void} take
 * @returns {(text: string) => void} takes the next piece of the stream
 */
export function eventReader(take) {
  let rest = '';
  let data = '';
  return (text) => {
    // The third end of a line that there is, a lone CR, is not sent by anybody.
    const lines = (rest + text).split(/\r?\n/);
    rest = /** @type {string} */ (lines.pop());
    for (const line of lines) {
      if (line.startsWith('data:')) data += line.slice(5) + '\n';
      else if (!line && data) {
        take(data);
        data = '';
      }
    }
  };
}

/** @type {import('./websocket.js').Open} */
export function sse(context, heard, envelope, lost) {
  const { endpoints, codec, timeoutMs, token } = context;
  const abort = new AbortController();
  const { signal } = abort;
  const sendUrl = endpoints.sse?.replace(/[^/?]*(\?|$)/, 'send$1');
  /** @type {import('../json.js').Frame[]} */
  const queue = [];
  /** `<session>.<session_key>` @type {string} */
  let session;
  let batch = 0;
  /** Also until there is a session. */
  let sending = true;
  /** Ends the session over a post that hangs: what comes by the stream would hide it. @type {any} */
  let timer;
  const end = (/** @type {any} */ error) => {
    clearTimeout(timer);
    abort.abort();
    lost(error);
  };
  const read = eventReader((data) => {
    const said = JSON.parse(data);
    // The only one of a stream: what is posted has its answers there.
    if (said.type === 'ack') {
      session = `${said.payload.session}.${said.payload.session_key}`;
      sending = false;
    }
    envelope(said);
    send();
  });

  async function listen() {
    // What no header can carry no token has, and the broker says so. `fetch` would say it by an error that shows the token.
    const headers = { accept: 'text/event-stream', ...(token && { authorization: `Bearer ${token}`.trim().replace(/[^ -~]/g, '?') }) };
    const { body } = await request(context, /** @type {string} */ (endpoints.sse), { headers, signal }, envelope);
    const reader = /** @type {ReadableStream} */ (body).pipeThrough(new TextDecoderStream()).getReader();
    for (let next; !(next = await reader.read()).done; read(next.value)) heard();
    lost({});
  }

  /** One post at a time: requests are carried out in their order. */
  async function send() {
    if (sending) return;
    sending = true;
    try {
      while (queue.length) {
        const frames = batchOf(queue);
        timer = setTimeout(end, timeoutMs, {});
        const replies = await post(
          context,
          heard,
          sendUrl,
          { 'sluicegate-session': session, 'sluicegate-batch': `${++batch}` },
          codec.body(undefined, frames),
          signal,
        );
        clearTimeout(timer);
        // The replies of a post have room for 1 MiB. What is behind is refused with this code, and posted again; but if all is refused, a
        // limit is reached.
        const told = 1 + replies.findLastIndex((/** @type {any} */ { payload }) => payload.code !== 4430) || replies.length;
        queue.unshift(...frames.slice(told));
        replies.slice(0, told).forEach(envelope);
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

// Long-poll: posts up, their answers down. A lost answer loses nothing, and what is posted twice is carried out once.

import { randomText } from '../random_text.js';
import { batchOf, post } from './http.js';

/** Below the idle limit of most proxies, and below the heartbeat, so that a quiet line needs no `ping`. */
const WAIT_MS = 20_000;

/** @type {import('./websocket.js').Open} */
export function poll(context, heard, envelope, lost) {
  const { endpoints, codec, hello } = context;
  const abort = new AbortController();
  const { signal } = abort;
  const queue = [hello];
  /** `<session>.<session_key>`, once there is one. @type {string | undefined} */
  let session;
  /** What came up to here needs not come again. */
  let ack = 0;
  let batch = 0;
  /** Counts the posts: only the answer to the last one counts. What another would have told, the last one tells too. */
  let current = 0;
  /** Whether the present post carries no requests, so that another may take its place. */
  let idle = false;

  async function walk() {
    let mine;
    try {
      do {
        mine = ++current;
        const frames = batchOf(queue);
        idle = !frames.length;
        const head = { session, ack, open: session ? undefined : randomText(), batch: idle ? undefined : ++batch, wait_ms: WAIT_MS };
        const answer = await post(context, heard, endpoints.poll, {}, codec.body(head, frames), signal, session ? undefined : envelope);
        if (mine !== current) return;
        idle = false;
        ({ session = session, seq: ack = ack } = answer);
        answer.envelopes.forEach(envelope);
      } while (!signal.aborted);
    } catch (error) {
      if (mine !== current) return;
      abort.abort();
      lost(/** @type {any} */ (error));
    }
  }

  walk();
  return {
    send(frame) {
      queue.push(frame);
      // All that is sent in one go goes in one post. The post that only waits is ended by it.
      if (idle) queueMicrotask(() => idle && walk());
    },
    flush() {
      const body = codec.body({ session, ack }, queue.splice(0));
      if (session) post(context, heard, endpoints.poll, {}, body, AbortSignal.timeout?.(context.timeoutMs)).catch(() => {});
    },
    close: () => abort.abort(),
  };
}

// WebSocket: one envelope, one message.

/**
 * @typedef {import('../json.js').Frame} Frame
 *
 * @typedef {object} Context what a transport is given
 * @property {import('../endpoints.js').Endpoints} endpoints
 * @property {import('../json.js').Codec} codec
 * @property {number} timeoutMs
 * @property {any} [webSocket]
 * @property {typeof globalThis.fetch} [fetch]
 * @property {string | undefined} token
 * @property {Frame} hello the envelope `connect`, whose id is 0
 *
 * @typedef {object} Transport
 * @property {(frame: Frame) => void} send what is sent before the connection is there goes behind `connect`
 * @property {() => void} close
 * @property {() => void} [flush] sends what waits to be sent, whether or not it is closed then. Where nothing is closed, the broker knows
 *   by silence only, a minute later, who has gone
 *
 * @callback Open begins. After `lost` or `close` nobody listens to it
 * @param {Context} context
 * @param {() => void} heard anything at all came
 * @param {(envelope: any) => void} envelope
 * @param {(ending: import('../connection.js').Ending) => void} lost
 * @returns {Transport}
 */

/** @type {Open} */
export function websocket({ endpoints, codec, webSocket = globalThis.WebSocket, hello }, heard, envelope, lost) {
  const socket = new webSocket(endpoints.websocket, [codec.subprotocol]);
  const close = () => socket.close();
  /** Until it is open. @type {Frame[] | undefined} */
  let early = [hello];
  /** @type {string | undefined} */
  let message;
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => {
    early?.forEach((frame) => socket.send(frame));
    early = undefined;
  };
  socket.onmessage = (/** @type {MessageEvent} */ { data }) => {
    heard();
    try {
      envelope(codec.decode(data));
    } catch (cause) {
      close();
      lost({ code: 1007, reason: 'bad_frame', message: `${cause}` });
    }
  };
  // `ws` throws an error that nobody hears.
  socket.onerror = (/** @type {any} */ event) => (message = event.message);
  socket.onclose = (/** @type {CloseEvent} */ { code, reason }) => lost({ code, reason, message });
  return { send: (frame) => (early ? early.push(frame) : socket.send(frame)), close };
}

// When a page comes to the front, thaws, or its network is back: a good time to look. Where there is no page nothing happens.

/**
 * @param {() => void} wake
 * @returns {AbortController} ends it
 */
export function onWake(wake) {
  const abort = new AbortController();
  for (const event of ['online', 'pageshow', 'visibilitychange', 'resume']) {
    const seen = () => event !== 'online' && globalThis.document?.hidden || wake();
    // Captured, because not all events of a document rise to the window.
    globalThis.addEventListener?.(event, seen, { capture: true, signal: abort.signal });
  }
  return abort;
}

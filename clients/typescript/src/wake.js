// When a page comes to the front, thaws, or its network is back: a good time to look. Where there is no page nothing happens.

/**
 * @param {() => void} wake also when the page is hidden, which does no harm
 * @returns {AbortController} ends it
 */
export function onWake(wake) {
  const abort = new AbortController();
  for (const event of ['online', 'pageshow', 'visibilitychange', 'resume']) {
    // Captured, because not all events of a document rise to the window.
    globalThis.addEventListener?.(event, wake, { capture: true, signal: abort.signal });
  }
  return abort;
}

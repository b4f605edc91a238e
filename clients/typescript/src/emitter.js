// Listeners by event. A listener that throws disturbs nobody else: it is an `error` event.

import { fault, SluicegateError } from './error.js';

/**
 * @template {Record<string, any>} Events the events, each with what its listeners are given
 */
export class Emitter {
  /** @type {Map<keyof Events, Set<(value: any) => any>> | undefined} made for the first listener: most channels have few */
  #listeners;

  /**
   * Calls `listener` at each such event.
   *
   * @template {keyof Events} E
   * @param {E} event
   * @param {(value: Events[E]) => unknown} listener
   * @returns {() => void} takes the listener away again
   */
  on(event, listener) {
    this.#listeners ??= new Map();
    this.#listeners.set(event, (this.#listeners.get(event) ?? new Set()).add(listener));
    return () => this.off(event, listener);
  }

  /**
   * @template {keyof Events} E
   * @param {E} event
   * @param {(value: Events[E]) => unknown} listener
   */
  off(event, listener) {
    this.#listeners?.get(event)?.delete(listener);
  }

  /** What nobody else is told, such as what a listener threw. @internal @param {SluicegateError} error */
  failed(error) {
    if (!this.emit('error', /** @type {any} */ (error))) console.warn(error);
  }

  /**
   * @internal
   * @template {keyof Events} E
   * @param {E} event
   * @param {Events[E]} value
   * @returns {boolean} whether anybody listens
   */
  emit(event, value) {
    const listeners = this.#listeners?.get(event);
    // Whoever listens for errors and throws has a console.
    const failed = (/** @type {unknown} */ cause) =>
      event === 'error' ? console.error(cause) : this.failed(fault('listener_failed', `listener of ${/** @type {string} */ (event)}: ${cause}`, false, cause));
    for (const listener of listeners ?? []) {
      try {
        // A listener may be async. Unheard, its rejection would end a Node process.
        listener(value)?.catch?.(failed);
      } catch (cause) {
        failed(cause);
      }
    }
    return !!listeners?.size;
  }
}

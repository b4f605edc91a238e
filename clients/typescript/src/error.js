// The one error that users of the SDK see. Does not know where it was made.

/**
 * What the broker refused, or what the SDK found by itself.
 *
 * Programs look at `code` and `reason`; `message` is for a person. What the SDK found by itself has code 0 and one of the reasons
 * `timeout`, `closed`, `queue_full`, `connection_lost`, `connection_failed`, `token_failed`, `listener_failed`, `slow_consumer`,
 * `bad_data`, `bad_url`, `bad_option`.
 */
export class SluicegateError extends Error {
  /**
   * @param {number} code a code of the protocol, an HTTP status, or 0
   * @param {string} reason one word in snake_case
   * @param {string} [message] for a person
   * @param {{ retry?: boolean, retryAfterMs?: number, plugin?: string, cause?: unknown }} [more]
   */
  constructor(code, reason, message = reason, { retry = false, retryAfterMs, plugin, cause } = {}) {
    super(message, { cause });
    this.name = 'SluicegateError';
    this.code = code;
    this.reason = reason;
    /** Whether the same request may succeed later, unchanged. */
    this.retry = retry;
    /** Not sooner than in so many milliseconds. */
    this.retryAfterMs = retryAfterMs;
    /** The plugin that refused; absent if the broker did. */
    this.plugin = plugin;
  }
}

/**
 * What the SDK found by itself.
 *
 * @param {string} reason @param {string} [message] @param {boolean} [retry] @param {unknown} [cause]
 */
export function fault(reason, message, retry, cause) {
  return new SluicegateError(0, reason, message, { retry, cause });
}

/**
 * The payload of an `error` envelope.
 *
 * @param {any} payload
 */
export function refusal(payload) {
  return new SluicegateError(payload.code, payload.reason, payload.message, { ...payload, retryAfterMs: payload.retry_after_ms });
}

// What of a channel was handed out, and whether a message is new, known, or ahead of others that are missing. Pure.

/** @typedef {import('./message.js').Position} Position */

/** So many ids are remembered. They tell apart what has no offset, and what comes again under another epoch. */
const IDS = 32;

export class Order {
  /** Everything up to here was handed out. @type {Position | undefined} */
  at;
  /** @type {Set<string> | undefined} */
  #ids;

  /**
   * @param {any} envelope a `message` push
   * @returns {"new" | "known" | "ahead"}
   */
  judge({ id, epoch, offset }) {
    const { at } = this;
    if (this.#ids?.has(id)) return 'known';
    if (!offset || !at) return 'new';
    if (epoch === at.epoch && offset <= at.offset) return 'known';
    // A new epoch begins at 1, or goes on from the one before.
    return offset === at.offset + 1 || (epoch !== at.epoch && offset === 1) ? 'new' : 'ahead';
  }

  /**
   * It is handed out now, or never will be. What comes before it is so too.
   *
   * @param {any} envelope
   * @returns {boolean} whether it is the first time
   */
  take({ id, epoch, offset }) {
    const ids = (this.#ids ??= new Set());
    const isNew = !ids.has(id);
    ids.add(id);
    if (ids.size > IDS) ids.delete(/** @type {string} */ (ids.values().next().value));
    if (offset) this.at = { epoch, offset };
    return isNew;
  }

  /** One's own message that does not come back. @param {any} envelope */
  skip(envelope) {
    // Ahead of others, it is only known: whoever comes after it asks the history for what lies between. So it is before anything was
    // handed out: a subscription begins where the broker says.
    this.take(this.at && this.judge(envelope) === 'new' ? envelope : { id: envelope.id });
  }
}

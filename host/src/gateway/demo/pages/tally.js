// Counts what came of a channel, by the messages' offsets: how many, how many are missing, how many came twice. Does not trust the SDK,
// which says the same of itself. Pure.

export class Tally {
  received = 0;
  missed = 0;
  twice = 0;
  #at;

  /** @returns {number} how many are missing right before it */
  count({ epoch, offset }) {
    const at = this.#at;
    this.received += 1;
    if (at?.epoch === epoch && offset <= at.offset) {
      this.twice += 1;
      return 0;
    }
    this.#at = { epoch, offset };
    const missing = at?.epoch === epoch ? offset - at.offset - 1 : 0;
    this.missed += missing;
    return missing;
  }

  toString() {
    return `${this.received} received · ${this.missed} missed · ${this.twice} twice`;
  }
}

// Numbers that no type of JavaScript or MessagePack holds exactly: kept as their text.

/** As JSON writes numbers. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const INTEGER = /^-?(?:0|[1-9]\d*)$/;

/** A number by its text, such as `1e400` or `0.1000000000000000055511151231257827`. */
export class NumberText {
  /** @param {string} text */
  constructor(text) {
    if (!NUMBER.test(text)) throw new RangeError(`not a number of JSON: ${text.slice(0, 40)}`);
    /** @readonly */
    this.text = text;
  }

  toString() {
    return this.text;
  }

  /** The nearest number that there is. */
  valueOf() {
    return Number(this.text);
  }
}

/** A whole number is a BigInt, which is exact. @param {string} text */
export function fromText(text) {
  try {
    if (INTEGER.test(text)) return BigInt(text);
  } catch {
    // It has more digits than this engine gives to a BigInt: Firefox 315,000.
  }
  return new NumberText(text);
}

// Text that nobody guesses: who knows a key before it is used could have its message taken for a duplicate.

export function randomText() {
  // React Native has no `crypto` without a polyfill. There it is just improbable.
  return `${globalThis.crypto?.getRandomValues(new Uint32Array(4)) ?? [Math.random(), Math.random()]}`;
}

// Bytes as base64 and back, with what every browser and Node have.

/** @param {Uint8Array} bytes */
export function toBase64(bytes) {
  return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ''));
}

/** @param {string} text */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

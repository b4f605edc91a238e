// Bytes as base64 and back, with what every browser and Node have.

/** @param {ArrayBufferView} view */
export function toBase64({ buffer, byteOffset, byteLength }) {
  let text = '';
  for (const byte of new Uint8Array(buffer, byteOffset, byteLength)) text += String.fromCharCode(byte);
  return btoa(text);
}

/** @param {string} text */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

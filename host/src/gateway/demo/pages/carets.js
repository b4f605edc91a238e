// Where others have their cursors in a textarea: drawn into a copy of its text that lies under it. A position sticks to the characters
// that it stands between, whoever writes before it.

import {
  createAbsolutePositionFromRelativePosition, createRelativePositionFromTypeIndex, decodeRelativePosition, encodeRelativePosition,
} from './vendor/yjs.js';
import { el } from './page.js';

export class Carets {
  /** By session. @type {Map<string, { user: string, anchor: any, head: any }>} */
  #others = new Map();

  /** @param {HTMLTextAreaElement} area @param {HTMLElement} copy @param {import('yjs').Text} text */
  constructor(area, copy, text) {
    Object.assign(this, { area, copy, text });
    area.addEventListener('scroll', () => this.#scroll());
  }

  /** One's own, as others get it. @returns {Uint8Array} */
  own() {
    const { selectionStart, selectionEnd, selectionDirection } = this.area;
    const ends = selectionDirection === 'backward' ? [selectionEnd, selectionStart] : [selectionStart, selectionEnd];
    const [anchor, head] = ends.map((index) => encodeRelativePosition(createRelativePositionFromTypeIndex(this.text, Math.min(index, this.text.length))));
    return Uint8Array.from([anchor.length, ...anchor, ...head]);
  }

  /** @param {{ user?: string, session: string }} from @param {Uint8Array | undefined} bytes nothing: it is gone */
  heard({ user = 'someone', session }, bytes) {
    if (bytes) {
      const end = 1 + bytes[0];
      this.#others.set(session, { user, anchor: decodeRelativePosition(bytes.subarray(1, end)), head: decodeRelativePosition(bytes.subarray(end)) });
    } else this.#others.delete(session);
    this.draw();
  }

  clear() {
    this.#others.clear();
    this.draw();
  }

  draw() {
    const text = this.area.value;
    const marks = [];
    for (const { user, anchor, head } of this.#others.values()) {
      const [from, to] = [anchor, head].map((position) => createAbsolutePositionFromRelativePosition(position, this.text.doc)?.index);
      if (from == null || to == null) continue;
      marks.push({ user, head: to, start: Math.min(from, to), end: Math.max(from, to) });
    }
    // Every place where something begins or ends, and what lies between two of them.
    const places = [...new Set([0, text.length, ...marks.flatMap(({ start, end }) => [start, end])])].sort((a, b) => a - b);
    const drawn = [];
    places.forEach((place, at) => {
      for (const { user } of marks.filter(({ head }) => head === place)) {
        drawn.push(el('span', { class: 'caret', 'data-user': user, 'data-testid': 'caret' }, el('span', { class: 'flag' }, user)));
      }
      const piece = text.slice(place, places[at + 1] ?? place);
      const selected = marks.find(({ start, end }) => start <= place && place < end);
      if (piece) drawn.push(selected ? el('span', { class: 'selected', 'data-user': selected.user }, piece) : piece);
    });
    // A line end at the end has no height of its own.
    this.copy.replaceChildren(...drawn, '\u200b');
    this.#scroll();
  }

  #scroll() {
    this.copy.scrollTop = this.area.scrollTop;
  }
}

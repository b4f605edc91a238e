// A textarea and a text of Yjs that say the same. Knows no channel.

import { UndoManager } from './vendor/yjs.js';

/** What was written here, as an origin of transactions. */
const LOCAL = 'textarea';

/** @param {HTMLTextAreaElement} area @param {import('yjs').Text} text */
export function bind(area, text) {
  /** What the text was when the two said the same last. */
  let shown = '';
  /** What came while an input method is at work, which a change of the textarea would break off. @type {any[][] | undefined} */
  let held;

  function write() {
    const { at, removed, added } = difference(shown, area.value, area.selectionEnd);
    const [start, end] = [at, at + removed].map((index) => moved(index, held ?? []));
    text.doc.transact(() => {
      if (end > start) text.delete(start, end - start);
      if (added) text.insert(start, added);
    }, LOCAL);
    shown = area.value;
  }

  function show(deltas) {
    const { selectionStart, selectionEnd, selectionDirection, scrollTop } = area;
    // A textarea has no other line ends. As many characters, so that positions are the same.
    shown = text.toString().replaceAll('\r', '\n');
    area.value = shown;
    area.setSelectionRange(moved(selectionStart, deltas), moved(selectionEnd, deltas), selectionDirection);
    area.scrollTop = scrollTop;
  }

  text.observe(({ delta, transaction }) => {
    if (transaction.origin === LOCAL) return;
    if (held) held.push(delta);
    else show([delta]);
  });
  area.addEventListener('input', () => held ?? write());
  area.addEventListener('compositionstart', () => { held = []; });
  area.addEventListener('compositionend', () => {
    write();
    const deltas = held ?? [];
    held = undefined;
    if (deltas.length) show(deltas);
  });

  // One's own, and nobody else's: the browser's would take back what others wrote.
  const undo = new UndoManager(text, { trackedOrigins: new Set([LOCAL]) });
  area.addEventListener('beforeinput', (event) => {
    const act = { historyUndo: 'undo', historyRedo: 'redo' }[event.inputType];
    if (!act) return;
    event.preventDefault();
    undo[act]();
  });
  area.addEventListener('keydown', (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    const key = event.key.toLowerCase();
    if (key !== 'z' && key !== 'y') return;
    event.preventDefault();
    if (key === 'y' || event.shiftKey) undo.redo();
    else undo.undo();
  });
}

/** What one change made of a text. Of places that are as good, the one that ended at the caret: which of two equal letters is new, nobody sees. */
function difference(before, after, caret) {
  const [atCaret, shortest] = [after.length - caret, before.length].map((most) => between(before, after, most));
  return atCaret.added.length <= shortest.added.length ? atCaret : shortest;
}

/** What differs, where at most so much of the ends is the same. */
function between(before, after, most) {
  const shorter = Math.min(before.length, after.length);
  let end = 0;
  while (end < Math.min(shorter, most) && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  let start = 0;
  while (start < shorter - end && before[start] === after[start]) start += 1;
  // Half of a character is none.
  if (isHigh(before[start - 1])) start -= 1;
  if (end && isLow(before.at(-end))) end -= 1;
  return { at: start, removed: before.length - end - start, added: after.slice(start, after.length - end) };
}

const isHigh = (unit) => unit >= '\ud800' && unit <= '\udbff';
const isLow = (unit) => unit >= '\udc00' && unit <= '\udfff';

/** Where an index is after these changes. */
function moved(index, deltas) {
  for (const delta of deltas) {
    let at = 0;
    for (const { retain = 0, insert = '', delete: removed = 0 } of delta) {
      if (at >= index) break;
      if (removed) index -= Math.min(removed, index - at);
      if (insert) index += insert.length;
      at += retain + insert.length;
    }
  }
  return index;
}

// The sluice: one gate for each plugin, and what the last reply tells of them.

import { el } from './page.js';

export const PLUGINS = {
  authorize: 'who may do what',
  transform: 'what it looks like',
  abuse_filter: 'how much of it',
};
const SVG = 'http://www.w3.org/2000/svg';
const gates = {};
for (const [name, does] of Object.entries(PLUGINS)) {
  const drawing = document.createElementNS(SVG, 'svg');
  for (const [key, value] of Object.entries({ class: 'gate', viewBox: '0 0 44 58', 'aria-hidden': 'true' })) drawing.setAttribute(key, value);
  for (const [shape, path] of [['blade', 'M9 8h26v18H9zM9 14h26M9 20h26'], ['post', 'M8 3v50M36 3v50M8 3h28']]) {
    const part = document.createElementNS(SVG, 'path');
    part.setAttribute('class', shape);
    part.setAttribute('d', path);
    drawing.append(part);
  }
  const says = el('span', { class: 'gate-says', 'data-testid': `says-${name}` }, '');
  const gate = document.querySelector(`[data-gate="${name}"]`);
  gate.append(drawing, el('span', { class: 'gate-name' }, name), el('span', { class: 'gate-does' }, does), says);
  gates[name] = { gate, says };
}
export const sluice = document.querySelector('.sluice');
const drop = sluice.querySelector('.drop');

export function setGate(name, state, words) {
  gates[name].gate.dataset.state = state;
  gates[name].says.textContent = words;
}

/** Shows what one reply tells about the chain: a refusal names its plugin, and those after it were not asked. */
export function showVerdict(kind, { error }, rewrote = false) {
  const order = Object.keys(PLUGINS);
  const refusedAt = error ? order.indexOf(error.plugin) : order.length;
  order.forEach((name, at) => {
    if (error && refusedAt < 0) setGate(name, '', '');
    else if (at === refusedAt) setGate(name, 'refused', `refused, ${error.code}`);
    else if (at > refusedAt) setGate(name, 'unasked', 'not asked');
    else if (kind === 'subscribe' && name !== 'authorize') setGate(name, 'unasked', 'not asked');
    else if (rewrote && name === 'transform') setGate(name, 'rewrote', 'rewrote it');
    else setGate(name, 'allowed', 'passed');
  });
  if (!error || refusedAt >= 0) flow(order[refusedAt]);
}

/** Lets a drop run down the line, up to the gate that stopped it; behind that gate the water is low. */
function flow(stopAt) {
  const width = sluice.clientWidth;
  const stop = stopAt ? gates[stopAt].gate.offsetLeft + gates[stopAt].gate.offsetWidth / 2 : width - 24;
  sluice.style.setProperty('--reach', stopAt ? `${(stop / width) * 100}%` : '100%');
  if (matchMedia('(prefers-reduced-motion: reduce)').matches) return;
  drop.style.background = stopAt ? 'var(--refuse)' : 'var(--water)';
  drop.animate([{ transform: 'translateX(20px)', opacity: 0 }, { opacity: 1, offset: 0.15 }, { opacity: 1, offset: 0.8 }, { transform: `translateX(${stop}px)`, opacity: 0 }],
    { duration: 900 * (stop / width) + 200, easing: 'ease-in-out' });
}

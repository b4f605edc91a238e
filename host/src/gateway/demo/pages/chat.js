// The chat page: two people, the actions, and the numbers.

import { actionsOf } from './actions.js';
import { envelopeLine } from './envelopes.js';
import { PLUGINS, setGate, sluice } from './gates.js';
import { counter } from './numbers.js';
import { append, el } from './page.js';
import { panel } from './panel.js';
import { trace } from './trace.js';

const ann = panel('ann');
const bob = panel('bob');
const actions = actionsOf(ann, bob);
let busy = false;

counter(bob, document.getElementById('count'), document.getElementById('counted'));

for (const item of document.querySelectorAll('[data-step]')) {
  const name = item.dataset.step;
  const title = item.querySelector('h3').textContent;
  const lines = el('div', { class: 'lines', role: 'status', 'data-testid': `result-${name}` });
  const drawn = el('div');
  const outcome = el('div', { class: 'outcome' }, drawn, lines);
  const button = el('button', { type: 'button', class: 'strong', 'aria-label': `Run: ${title}`, 'data-testid': `run-${name}` }, 'Run');
  button.addEventListener('click', () => run(name, { item, lines, drawn, outcome }));
  item.querySelector('.about').after(button, outcome);
}

async function run(name, { item, lines, drawn, outcome }) {
  if (busy) return;
  busy = true;
  // Not `disabled`: the button keeps the focus of whoever pressed it.
  const buttons = document.querySelectorAll('[data-testid^="run-"]');
  buttons.forEach((button) => button.setAttribute('aria-disabled', 'true'));
  lines.replaceChildren();
  drawn.replaceChildren();
  outcome.querySelector('details')?.remove();
  item.dataset.state = 'running';
  sluice.classList.add('flowing');
  for (const plugin of Object.keys(PLUGINS)) setGate(plugin, '', '');
  sluice.style.removeProperty('--reach');

  const list = el('div', { class: 'envelopes' });
  const count = el('span', {}, '0');
  outcome.append(el('details', { class: 'all', 'data-testid': `trace-${name}`, ontoggle: () => { list.scrollTop = 0; } }, el('summary', {}, 'What went over the wire (', count, ')'), list));
  const say = (text, mood = '') => lines.append(el('p', { class: mood }, text));
  const put = (node) => drawn.appendChild(node);
  try {
    await Promise.all([ann.join(), bob.join()]);
    trace.add = (...entry) => {
      append(list, envelopeLine(...entry));
      count.textContent = String(list.childElementCount);
    };
    await actions[name]({ say, put });
    item.dataset.state = 'done';
  } catch (problem) {
    say(`It did not work: ${problem.message}.`, 'bad');
    item.dataset.state = 'failed';
    ann.join().catch(() => {});
  } finally {
    delete trace.add;
    busy = false;
    sluice.classList.remove('flowing');
    buttons.forEach((button) => button.removeAttribute('aria-disabled'));
  }
}

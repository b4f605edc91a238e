// What somebody can do to a person's network: choose the transport, cut, slow and block.

import { TRANSPORTS } from './account.js';
import { el } from './page.js';

const NAMES = { auto: 'automatic', websocket: 'WebSocket', sse: 'SSE', poll: 'long-poll' };
/** How late everything is, in each direction, on a slow network. */
const SLOW_MS = 1000;

/**
 * @param {string} user
 * @param {import('./network.js').Network} network
 * @param {(transport: string) => Promise<void>} use goes over to another transport; rejects if that does not get through
 * @param {(problem: string) => void} refused
 */
export function controls(user, network, use, refused) {
  let chosen = 'auto';
  const select = el('select', { id: `transport-${user}`, 'data-testid': `transport-${user}` },
    ...Object.keys(TRANSPORTS).map((name) => el('option', { value: name }, NAMES[name])));
  select.addEventListener('change', async () => {
    const wish = select.value;
    select.setAttribute('aria-busy', 'true');
    try {
      await use(wish);
      chosen = wish;
    } catch (error) {
      refused(`No way through by ${NAMES[wish]} (${error.message}). It stays as it was.`);
    }
    // Somebody may have chosen again meanwhile.
    if (select.value === wish) select.value = chosen;
    select.removeAttribute('aria-busy');
  });
  const toggle = (name, words, act) => el('label', { class: 'toggle' },
    el('input', { type: 'checkbox', 'data-testid': `${name}-${user}`, onchange: ({ target }) => act(target.checked) }), words);
  return el('fieldset', { class: 'network', 'data-testid': `network-${user}` },
    el('legend', {}, `Network of ${user}`),
    el('div', { class: 'way-out' }, el('label', { for: select.id }, 'Transport'), select,
      el('button', { type: 'button', 'data-testid': `cut-${user}`, 'aria-label': `Cut the connection of ${user}`, onclick: () => network.drop() }, 'Cut')),
    el('div', { class: 'toggles' },
      toggle('slow', `slow, ${SLOW_MS / 1000} s`, (is) => { network.delayMs = is ? SLOW_MS : 0; }),
      toggle('block-websocket', 'block WebSocket', (is) => network.block('websocket', is)),
      toggle('block-sse', 'block SSE', (is) => network.block('sse', is))));
}

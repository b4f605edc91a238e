// An envelope as a line that opens.

import { clock, el } from './page.js';

/** A token is a credential: what is shown of it cannot be used. So is a session's key. */
const guarded = (key, value) => (['token', 'session_key'].includes(key) && typeof value === 'string' ? `${value.slice(0, 12)}… (${value.length} characters)` : value);

function gist({ type, channel, payload }) {
  if (type === 'error') return `${payload.code} ${payload.reason}${payload.plugin ? ` · ${payload.plugin}` : ''}`;
  const place = channel ?? payload?.channel;
  return [place, payload?.offset != null && `offset ${payload.offset}`, payload?.user, payload?.data?.text ?? payload?.text].filter(Boolean).join(' · ');
}

export function envelopeLine(user, way, envelope, at) {
  const arrow = way === 'sent' ? '→' : '←';
  const body = el('pre', { tabindex: '0', 'aria-label': `${envelope.type} as JSON` });
  const line = el('details', { class: `envelope ${envelope.type === 'error' ? 'error' : ''}`, 'data-testid': 'envelope', 'data-type': envelope.type, 'data-way': way },
    el('summary', {},
      el('time', {}, clock(at, true)),
      el('span', { class: 'way' }, `${user} ${arrow} `, el('span', { class: 'unseen' }, way), ` ${envelope.type}`),
      el('span', { class: 'gist' }, gist(envelope))),
    body);
  // Written out only when opened: a burst makes hundreds of lines that nobody reads.
  line.addEventListener('toggle', () => { if (line.open) body.textContent = JSON.stringify(envelope, guarded, 2); });
  return line;
}

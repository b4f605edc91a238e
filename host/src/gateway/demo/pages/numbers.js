// Numbers that one person publishes ten times a second and everybody counts: while connections are cut, slowed and blocked, none may be
// missing and none may come twice.

import { el } from './page.js';
import { Tally } from './tally.js';

const EVERY_MS = 100;
/** So many of the last ones are drawn. */
const DRAWN = 48;

/** What one person got of them. @param {string} user */
export function strip(user) {
  const tally = new Tally();
  const words = el('span', { 'data-testid': `tally-${user}` }, String(tally));
  const drawn = el('div', { class: 'strip', 'aria-hidden': 'true' });
  const element = el('div', { class: 'numbers', hidden: '' }, el('p', {}, el('span', { class: 'label' }, 'Numbers: '), words), drawn);
  return {
    element,
    add(message, how) {
      element.hidden = false;
      for (let missing = tally.count(message); missing > 0 && missing <= DRAWN; missing--) drawn.append(el('i', { class: 'missing' }));
      drawn.append(el('i', { class: how }));
      while (drawn.childElementCount > DRAWN) drawn.firstElementChild.remove();
      words.textContent = String(tally);
    },
  };
}

/** The button that lets `person` count. @param {import('./person.js').Person} person @param {HTMLButtonElement} button @param {HTMLElement} said */
export function counter(person, button, said) {
  let timer;
  let published = 0;
  let acknowledged = 0;
  const say = () => { said.textContent = `${person.user} published ${published}, ${acknowledged} acknowledged`; };
  const next = () => {
    published += 1;
    say();
    // Without a connection it waits in the SDK, and goes out when there is one again.
    person.count(published).then(() => { acknowledged += 1; }, () => { published -= 1; }).then(say);
  };
  button.addEventListener('click', () => {
    clearInterval(timer);
    const starts = button.getAttribute('aria-pressed') !== 'true';
    button.setAttribute('aria-pressed', String(starts));
    button.textContent = starts ? 'Stop' : 'Let bob count';
    if (starts) timer = setInterval(next, EVERY_MS);
  });
}

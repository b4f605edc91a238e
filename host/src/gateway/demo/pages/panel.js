// One person on the chat page: what this person sees, says, and does to the network.

import { controls } from './controls.js';
import { envelopeLine } from './envelopes.js';
import { setGate, showVerdict } from './gates.js';
import { strip } from './numbers.js';
import { append, clock, counted, el, explain } from './page.js';
import { Person, ROOM } from './person.js';
import { trace } from './trace.js';

/** A pointer is told at most so often. */
const POINT_MS = 50;

/** Puts a person on the page, and lets it come in. @param {string} user */
export function panel(user) {
  const members = new Map();
  const state = el('p', { class: 'state', role: 'status', 'data-testid': `state-${user}` });
  const door = el('button', { type: 'button', 'data-testid': `door-${user}`, onclick: () => (person.wanted ? person.leave() : person.join().catch(() => {})) });
  const here = el('ul', { class: 'here', 'aria-label': `Who ${user} sees here`, 'data-testid': `presence-${user}` });
  const talk = el('div', { class: 'talk', role: 'log', tabindex: '0', 'aria-label': `What ${user} sees in ${ROOM}`, 'data-testid': `talk-${user}` });
  const pointers = el('div', { class: 'pointers', 'aria-hidden': 'true', 'data-testid': `pointers-${user}` });
  const board = el('div', { class: 'board' }, talk, pointers);
  const typing = el('p', { class: 'typing', role: 'status', 'data-testid': `typing-${user}` });
  const input = el('input', { id: `text-${user}`, autocomplete: 'off', maxlength: '500', placeholder: `Write as ${user}`, 'data-testid': `text-${user}` });
  const numbers = strip(user);
  const count = el('span', {}, '0');
  const envelopes = el('div', { class: 'envelopes', 'data-testid': `envelopes-${user}` });
  let sum = 0;

  const drawHere = () => here.replaceChildren(
    el('li', { class: 'label' }, 'here:'),
    ...(members.size ? counted([...members.values()]).map((name) => el('li', {}, name)) : [el('li', { class: 'label' }, 'unknown while offline')]));
  const note = (text, bad) => append(talk, el('p', { class: `note ${bad ? 'bad' : ''}` }, text));
  const pointed = new Map();
  const lift = (session) => {
    pointed.get(session)?.remove();
    pointed.delete(session);
  };

  const person = new Person(user, {
    state(name, words) {
      state.dataset.state = name;
      state.textContent = words;
      door.textContent = person.wanted ? 'Go offline' : 'Connect';
      door.setAttribute('aria-label', `${door.textContent}, ${user}`);
    },
    members(list) {
      members.clear();
      for (const { session, user: name } of list) members.set(session, name ?? 'someone');
      drawHere();
    },
    left() {
      members.clear();
      for (const session of [...pointed.keys()]) lift(session);
      drawHere();
    },
    gap: () => note('Some messages may be missing here; what the history has follows.', true),
    refused: (error) => note(explain(error), true),
    presence(type, member) {
      const known = members.has(member.session);
      if (type === 'leave') lift(member.session);
      if (known !== (type === 'join')) note(`${member.user ?? 'someone'} ${type === 'join' ? 'came in' : 'left'}`);
    },
    message({ ts, from, data }, how) {
      const own = how === 'live' ? from?.session === person.client.session : from?.user === user;
      const { text, ...rest } = data && typeof data === 'object' ? data : { text: data };
      const late = { live: '', recovered: ' · caught up', earlier: ' · earlier' }[how];
      const line = el('div', { class: `said ${own ? 'own' : ''}`, 'data-testid': 'said' },
        el('div', { class: 'meta' }, el('span', {}, `${from?.user ?? 'someone'}${late}`), el('time', {}, clock(ts))),
        String(text ?? ''),
        ...Object.entries(rest).map(([key, value]) => el('span', { class: 'field mono' }, `${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)));
      if (how !== 'earlier') return append(talk, line);
      talk.prepend(line);
      talk.scrollTop = talk.scrollHeight;
    },
    number: numbers.add,
    pointer(from, at) {
      if (!from || from.session === person.client.session) return;
      if (!(at?.x >= 0 && at.x <= 1 && at.y >= 0 && at.y <= 1)) return lift(from.session);
      const mark = pointed.get(from.session) ?? el('div', { class: 'pointer', 'data-user': from.user ?? '' }, el('span', {}, from.user ?? 'someone'));
      // In parts of the room that is left of the name: no pointer makes the page wider.
      mark.style.left = `${at.x * 100}%`;
      mark.style.top = `${at.y * 100}%`;
      if (mark.parentElement) return;
      pointed.set(from.session, mark);
      pointers.append(mark);
    },
    typing(users) {
      typing.textContent = users.length ? `${users.join(', ')} ${users.length > 1 ? 'are' : 'is'} typing…` : '';
    },
    envelope(way, envelope) {
      const at = Date.now();
      count.textContent = String(++sum);
      append(envelopes, envelopeLine(user, way, envelope, at));
      trace.add?.(user, way, envelope, at);
    },
  });

  let pointedAt = 0;
  board.addEventListener('pointermove', ({ clientX, clientY, timeStamp }) => {
    if (timeStamp - pointedAt < POINT_MS) return;
    pointedAt = timeStamp;
    const { left, top, width, height } = board.getBoundingClientRect();
    person.point({ x: (clientX - left) / width, y: (clientY - top) / height });
  });
  board.addEventListener('pointerleave', () => person.point(null));
  input.addEventListener('input', () => (input.value ? person.typing.start() : person.typing.stop()));

  const compose = el('form', { 'aria-label': `Write as ${user}`, onsubmit: async (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!text) return;
    input.value = '';
    person.typing.stop();
    const data = { text };
    const reply = await person.publish(data);
    showVerdict('publish', reply);
    if (reply.error) {
      note(explain(reply.error), true);
      // To be mended and said again, unless something else is being written by now.
      input.value ||= text;
      return;
    }
    const got = await person.message(reply.ack.message).catch(() => null);
    if (got && JSON.stringify(got.data) !== JSON.stringify(data)) setGate('transform', 'rewrote', 'rewrote it');
  } }, el('label', { class: 'unseen', for: `text-${user}` }, `Message from ${user}`), input, el('button', { type: 'submit', 'data-testid': `send-${user}` }, 'Send'));

  const network = controls(user, person.network, (transport) => person.use(transport), (problem) => note(problem, true));
  document.getElementById('pair').append(el('article', { class: 'person card', 'data-user': user, 'data-testid': `person-${user}`, 'aria-label': user },
    el('div', { class: 'who' }, el('span', { class: 'face', 'aria-hidden': 'true' }, user[0]), el('div', {}, el('h3', {}, user), state), door),
    here, board, typing, compose, numbers.element, network,
    el('details', { class: 'all', 'data-testid': `all-${user}` }, el('summary', {}, 'Envelopes (', count, ')'), envelopes)));
  drawHere();
  person.join().catch(() => {}); // The panel says what is wrong and tries again.
  return person;
}

// The editor page: several people, each with a connection and a document of their own, and one text.

import { arrive, clientOf, inWords } from './account.js';
import { Carets } from './carets.js';
import { controls } from './controls.js';
import { Network } from './network.js';
import { counted, el } from './page.js';
import { SharedDocument } from './shared_document.js';
import { bind } from './textarea.js';

const USERS = ['ann', 'bob', 'cyd', 'dan'];
/** So that a state fits in one message of the broker. */
const LONGEST = 20_000;
/** A cursor is told at most so often. */
const CURSOR_MS = 60;

const asked = new URLSearchParams(location.search);
const name = /^[\w-]{1,40}$/.test(asked.get('doc') ?? '') ? asked.get('doc') : 'notes';
const channel = `doc:${name}`;
document.getElementById('channel').textContent = channel;

class Editor {
  #wanted = true;
  #transport = 'auto';
  /** The client that the document goes by. */
  #attached;
  /** Whether one's own cursor has ever been in the text. */
  #pointed = false;

  constructor(user) {
    this.user = user;
    this.network = new Network(() => {});
    this.state = el('p', { class: 'state', role: 'status', 'data-testid': `state-${user}` });
    this.door = el('button', { type: 'button', 'data-testid': `door-${user}`, onclick: () => this.#toggle() });
    this.here = el('ul', { class: 'here', 'aria-label': `Who ${user} sees here`, 'data-testid': `presence-${user}` });
    this.area = el('textarea', { id: `text-${user}`, 'aria-label': `The text, as ${user}`, 'aria-describedby': `progress-${user}`, rows: '12', maxlength: LONGEST, spellcheck: 'false', 'data-testid': `text-${user}` });
    this.progress = el('p', { id: `progress-${user}`, class: 'progress', 'data-testid': `progress-${user}` });
    const copy = el('div', { class: 'copy', 'aria-hidden': 'true', 'data-testid': `copy-${user}` });
    this.document = new SharedDocument(channel, {
      cursor: (from, bytes) => this.carets.heard(from, bytes),
      members: (members) => this.#meet(members),
      changed: () => this.#drawProgress(),
    });
    bind(this.area, this.document.text);
    this.carets = new Carets(this.area, copy, this.document.text);
    this.document.doc.on('afterTransaction', () => this.carets.draw());
    this.#followCursor();
    this.problem = el('p', { class: 'note bad', role: 'status', hidden: '' });
    const network = controls(user, this.network, (transport) => this.#use(transport), (problem) => {
      this.problem.textContent = problem;
      this.problem.hidden = false;
    });
    document.getElementById('editors').append(el('article', { class: 'person card', 'data-user': user, 'data-testid': `person-${user}`, 'aria-label': user },
      el('div', { class: 'who' }, el('span', { class: 'face', 'aria-hidden': 'true' }, user[0]), el('div', {}, el('h3', {}, user), this.state), this.door),
      this.here, el('div', { class: 'paper' }, copy, this.area), this.progress, network, this.problem));
    this.client = this.#client();
    this.#begin();
  }

  /** Goes over to another transport. The new client is there before the old one goes. */
  async #use(transport) {
    const next = this.#client(transport);
    if (this.#wanted) await arrive(next);
    const old = this.client;
    this.#transport = transport;
    this.problem.hidden = true;
    this.client = next;
    old.disconnect();
    if (this.#wanted) this.#attach();
    this.#say(...inWords(next, next.transport));
  }

  #client(transport = this.#transport) {
    const client = clientOf(this.user, this.network, transport);
    client.on('state', (event) => {
      if (client !== this.client) return;
      if (event.state === 'disconnected' && event.retryInMs == null) this.#wanted = false;
      this.#say(...inWords(event, client.transport));
      if (event.state !== 'connected') this.#left();
    });
    return client;
  }

  /** Once for each client: the SDK subscribes again what was subscribed. */
  #attach() {
    if (this.#attached === this.client) return;
    this.#attached = this.client;
    this.document.attach(this.client);
  }

  #begin() {
    this.#wanted = true;
    this.#attach();
    this.client.connect().catch(() => {}); // The state says what is wrong, and the client tries again.
  }

  #toggle() {
    if (!this.#wanted) return this.#begin();
    this.#wanted = false;
    this.client.disconnect();
  }

  #say(state, words) {
    this.state.dataset.state = state;
    this.state.textContent = words;
    this.door.textContent = this.#wanted ? 'Go offline' : 'Connect';
    this.door.setAttribute('aria-label', `${this.door.textContent}, ${this.user}`);
  }

  #meet(members) {
    this.here.replaceChildren(el('li', { class: 'label' }, 'here:'), ...counted(members.map(({ user }) => user ?? 'someone')).map((user) => el('li', {}, user)));
    // Who came does not know yet where the others are.
    this.#point();
  }

  #left() {
    this.here.replaceChildren(el('li', { class: 'label' }, 'here:'), el('li', { class: 'label' }, 'unknown while offline'));
    this.carets.clear();
    this.#drawProgress();
  }

  #drawProgress() {
    const { isWhole, isAhead, progress, text } = this.document;
    const whole = isWhole ? `${text.length} characters, ${progress.offset} ${progress.offset === 1 ? 'message' : 'messages'}, ${progress.snapshot ? `snapshot at ${progress.snapshot}` : 'no snapshot yet'}` : 'asking what was written before…';
    this.progress.textContent = `${whole}${isAhead ? ' · not sent yet' : ''}`;
  }

  #followCursor() {
    let due;
    document.addEventListener('selectionchange', () => {
      if (document.activeElement !== this.area) return;
      due ??= setTimeout(() => {
        due = undefined;
        this.#point();
      }, CURSOR_MS);
    });
  }

  /** Nobody is shown a cursor where nobody has been yet. */
  #point() {
    this.#pointed ||= document.activeElement === this.area;
    if (this.#pointed) this.document.point(this.carets.own());
  }
}

const wished = (asked.get('as') ?? 'ann,bob').split(',').filter((user) => USERS.includes(user));
const editors = new Map([...new Set(wished)].map((user) => [user, new Editor(user)]));

const more = document.getElementById('more');
const offer = () => {
  const next = USERS.find((user) => !editors.has(user));
  more.hidden = !next;
  more.textContent = `Add ${next}`;
  return next;
};
more.addEventListener('click', () => {
  const user = offer();
  if (user) editors.set(user, new Editor(user));
  offer();
});
offer();

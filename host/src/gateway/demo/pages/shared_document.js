// A Yjs document that everybody in a channel edits. Knows Yjs and a channel of the SDK, and no element of the page.
//
// The channel carries bytes, the first of which says what they are:
//
//   update     what somebody wrote. In the history.
//   snapshot   the whole document, and up to which offset of the channel it has everything. In the history, every so many messages.
//   question   which state somebody has (a state vector), and the how-manieth time it is asked. Ephemeral.
//   answer     to one session: what it lacks, and the state of who answers. Ephemeral.
//   cursor     where somebody's cursor is. Ephemeral.
//
// Why not the history alone: it keeps a hundred messages, and a document is made of all updates since it began. So who comes takes the
// newest snapshot of the history with the updates behind it, if these are all there: if no message between the offset that the snapshot
// has and the oldest update is gone. Else somebody who is present is asked. Updates may come twice and in any order, which is what
// Yjs is for.

import { applyUpdate, Doc, encodeStateAsUpdate, encodeStateVector, mergeUpdates } from './vendor/yjs.js';

const KINDS = ['update', 'snapshot', 'question', 'answer', 'cursor'];
/** What the history of `doc:*` has, by the broker's config. */
const HISTORY = 100;
/** After so many messages without a snapshot, the first of those present publishes one. */
const SNAPSHOT_EVERY = 40;
/** So many more for each further one, who stands in for those before. */
const STAND_IN = 10;
/** How long an answer may take until the next one is asked. */
const ANSWER_MS = 1500;
/** When to try again what the broker refused for now. */
const AGAIN_MS = 1000;
/** What came from others, as an origin of transactions. */
const REMOTE = 'remote';

export class SharedDocument {
  doc = new Doc();
  text = this.doc.getText('text');
  /** Whether everything is here that was written before. */
  isWhole = false;
  #name;
  #show;
  #client;
  #channel;
  /** What was written here and is under way, and what was written since. @type {Uint8Array | undefined} */
  #sending;
  #waiting;
  /** Everything up to here was applied. @type {{ epoch: string, offset: number } | undefined} */
  #at;
  #snapshotAt = 0;
  /** Sessions that are present, in the same order for everybody. @type {string[]} */
  #present = [];
  #asked = 0;
  #timer;

  /**
   * @param {string} name of the channel
   * @param {{ cursor: (from: { user?: string, session: string }, bytes: Uint8Array | undefined) => void,
   *   members: (members: { user?: string, session: string }[]) => void, changed: () => void }} show
   */
  constructor(name, show) {
    this.#name = name;
    this.#show = show;
    this.doc.on('update', (update, origin) => {
      if (origin !== REMOTE) this.#send(update);
      show.changed();
    });
  }

  /**
   * Goes on with this client. To begin with another is no more than to come in: what is here already comes twice.
   *
   * @param {import('./client/index.js').Client} client
   */
  attach(client) {
    const channel = client.channel(this.#name, { presence: true });
    this.#client = client;
    this.#channel = channel;
    this.isWhole = false;
    const listen = (event, act) => channel.on(event, (value) => channel === this.#channel && act(value));
    listen('message', (message) => this.#take(message));
    listen('presence', (members) => this.#meet(members));
    listen('leave', (member) => this.#show.cursor(member, undefined));
    // A broker that has forgotten everything is told what is here, for those who come later.
    listen('gap', () => this.#load().then(() => this.#send(encodeStateAsUpdate(this.doc))));
    listen('state', ({ state }) => {
      if (state !== 'subscribed') return;
      if (!this.isWhole) this.#load();
      this.#flush();
    });
    channel.subscribe().catch(() => {}); // The client says why.
  }

  /** Whether something was written here that nobody else has for sure. */
  get isAhead() {
    return !!(this.#sending ?? this.#waiting);
  }

  /** The channel's offset up to which everything is here, and that of the last snapshot. */
  get progress() {
    return { offset: this.#at?.offset ?? 0, snapshot: this.#snapshotAt };
  }

  /** Tells others where the cursor is. @param {Uint8Array} bytes */
  point(bytes) {
    if (this.#channel.state === 'subscribed') this.#say('cursor', bytes);
  }

  // --- what comes -----------------------------------------------------------------------------------------------------------

  #take(message) {
    const { kind, body } = parsed(message);
    const own = message.from?.session === this.#client.session;
    try {
      this.#carryOut(kind, body, message.from, own);
    } catch (error) {
      // Somebody sent what is none of the above.
      console.warn(`not a message of this page: ${kind}`, error);
    }
    if (message.offset) this.#reached(message, kind);
  }

  #carryOut(kind, body, from, own) {
    switch (kind) {
      case 'update':
        return this.#apply(body);
      case 'snapshot':
        return this.#apply(readSnapshot(body).state);
      case 'question':
        return own ? undefined : this.#answer(from, body);
      case 'answer':
        return this.#heed(body);
      case 'cursor':
        return own ? undefined : this.#show.cursor(from, body);
    }
  }

  #reached({ epoch, offset }, kind) {
    if (this.#at?.epoch !== epoch) this.#snapshotAt = 0;
    this.#at = { epoch, offset };
    if (kind === 'snapshot') this.#snapshotAt = offset;
    this.#show.changed();
    const rank = this.#present.indexOf(this.#client.session);
    if (this.isWhole && rank >= 0 && offset - this.#snapshotAt >= SNAPSHOT_EVERY + rank * STAND_IN) this.#publishSnapshot();
  }

  #apply(update) {
    try {
      applyUpdate(this.doc, update, REMOTE);
    } catch (error) {
      // Somebody sent what is no update. The document is as it was.
      console.warn('not an update of Yjs', error);
    }
  }

  #meet(members) {
    this.#present = members.map(({ session }) => session).sort();
    this.#show.members(members);
    // Nobody is there any more who could know more.
    if (!this.isWhole && this.#asked && members.length === 1) this.#ask();
  }

  // --- who comes --------------------------------------------------------------------------------------------------------------

  /** Rebuilds the document from the history; asks those present where that does not reach back far enough. */
  async #load() {
    this.isWhole = false;
    this.#show.changed();
    clearTimeout(this.#timer);
    let page;
    try {
      page = await this.#channel.history({ limit: HISTORY, reverse: true });
    } catch {
      return this.#ask();
    }
    const messages = page.reverse().map((message) => ({ ...parsed(message), offset: message.offset }));
    let covered = 0;
    for (const { kind, body, offset } of messages) {
      if (kind === 'update') this.#apply(body);
      if (kind !== 'snapshot') continue;
      const { upTo, state } = readSnapshot(body);
      this.#apply(state);
      covered = Math.max(covered, upTo);
      this.#snapshotAt = Math.max(this.#snapshotAt, offset);
    }
    const oldest = messages[0]?.offset ?? page.offset + 1;
    // Messages that came meanwhile were taken as they came.
    if (!this.#at || this.#at.epoch !== page.epoch || this.#at.offset < page.offset) this.#at = { epoch: page.epoch, offset: page.offset };
    if (covered + 1 >= oldest) this.#complete();
    else this.#ask();
  }

  #complete() {
    this.isWhole = true;
    this.#asked = 0;
    clearTimeout(this.#timer);
    this.#show.changed();
  }

  #ask() {
    if (this.isWhole || this.#channel.state !== 'subscribed') return;
    clearTimeout(this.#timer);
    const others = this.#present.filter((session) => session !== this.#client.session);
    // The last one who knew has left, and so has the history: what is here is all there is.
    if (!others.length && this.#present.length) return this.#complete();
    this.#say('question', bytesOf([this.#asked++ % 256], encodeStateVector(this.doc)));
    this.#timer = setTimeout(() => this.#ask(), ANSWER_MS);
  }

  /** One answers: those present take turns, as often as it is asked. */
  #answer({ session }, [turn, ...vector]) {
    const others = this.#present.filter((other) => other !== session);
    if (!this.isWhole || others[turn % others.length] !== this.#client.session) return;
    const lacks = encodeStateAsUpdate(this.doc, Uint8Array.from(vector));
    this.#say('answer', bytesOf(withLength(new TextEncoder().encode(session)), withLength(encodeStateVector(this.doc)), lacks));
  }

  #heed(body) {
    const [session, rest] = readLength(body);
    if (new TextDecoder().decode(session) !== this.#client.session) return;
    const [vector, lacks] = readLength(rest);
    this.#apply(lacks);
    // What was written here while nobody heard it.
    const more = encodeStateAsUpdate(this.doc, vector);
    if (more.length > NOTHING) this.#send(more);
    this.#complete();
  }

  // --- what goes ----------------------------------------------------------------------------------------------------------------

  /** One message is under way at a time; what is written meanwhile is merged into the next. So nobody types faster than the broker takes. */
  #send(update) {
    this.#waiting = this.#waiting ? mergeUpdates([this.#waiting, update]) : update;
    this.#flush();
  }

  async #flush() {
    if (this.#sending || !this.#waiting || this.#channel.state !== 'subscribed') return;
    this.#sending = this.#waiting;
    this.#waiting = undefined;
    try {
      await this.#publish('update', this.#sending);
      this.#sending = undefined;
    } catch {
      // It may have arrived, and twice is as good as once.
      this.#waiting = mergeUpdates([this.#sending, ...(this.#waiting ? [this.#waiting] : [])]);
      this.#sending = undefined;
      setTimeout(() => this.#flush(), AGAIN_MS);
      return;
    }
    this.#show.changed();
    this.#flush();
  }

  #publishSnapshot() {
    // Before it is published, or each further message would ask for another.
    this.#snapshotAt = this.#at.offset;
    this.#publish('snapshot', writeSnapshot(this.#at.offset, encodeStateAsUpdate(this.doc))).catch(() => {});
  }

  #publish(kind, body) {
    return this.#channel.publish(bytesOf([KINDS.indexOf(kind)], body));
  }

  #say(kind, body) {
    this.#channel.publish(bytesOf([KINDS.indexOf(kind)], body), { ephemeral: true, echo: false }).catch(() => {});
  }
}

/** An update of nothing: no structs, no deletions. */
const NOTHING = 2;

/** What a message is. What is not ours has no kind. */
function parsed({ data }) {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array();
  return { kind: KINDS[bytes[0]], body: bytes.subarray(1) };
}

const writeSnapshot = (upTo, state) => {
  const head = new DataView(new ArrayBuffer(8));
  head.setBigUint64(0, BigInt(upTo));
  return bytesOf(new Uint8Array(head.buffer), state);
};

function readSnapshot(body) {
  if (body.length < 8) return { upTo: 0, state: new Uint8Array() };
  const upTo = Number(new DataView(body.buffer, body.byteOffset).getBigUint64(0));
  return { upTo, state: body.subarray(8) };
}

const withLength = (bytes) => bytesOf([bytes.length >> 8, bytes.length & 255], bytes);

/** @returns {[Uint8Array, Uint8Array]} the bytes that have their length before them, and the rest */
function readLength(bytes) {
  const end = 2 + (bytes[0] << 8) + bytes[1];
  return [bytes.subarray(2, end), bytes.subarray(end)];
}

function bytesOf(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

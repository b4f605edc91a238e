// What components read of a channel, as stores for `useSyncExternalStore`: a snapshot that changes when something does. All components of a
// channel share them. Knows no React.

/**
 * @typedef {import('@sluicegate/client').Channel} Channel
 * @typedef {import('@sluicegate/client').Member} Member
 * @typedef {import('@sluicegate/client').Message} Message
 * @typedef {import('@sluicegate/client').Gap} Gap
 * @typedef {import('@sluicegate/client').SluicegateError} SluicegateError
 *
 * @typedef {object} ChannelView
 * @property {Message[]} messages the latest, oldest first
 * @property {"unsubscribed" | "subscribing" | "subscribed"} state
 * @property {Gap | undefined} gap the last one: messages were missed. With the option `history`, what it still had is among the messages
 * @property {SluicegateError | undefined} error why there is no subscription
 */

/** So many messages are kept, unless `limit` says another number. */
const LIMIT = 200;
/** What is there before anything is, and on a server. @type {ChannelView} */
export const NOTHING_YET = Object.freeze({ messages: [], state: 'unsubscribed', gap: undefined, error: undefined });
/** @type {any[]} */
export const NOBODY = [];

/**
 * A value that listeners are told of. It is looked after from its first listener to its last.
 *
 * @template T
 */
class Store {
  #listeners = new Set();
  #initial;
  #isKept = false;

  /** @param {T} initial */
  constructor(initial) {
    this.#initial = this.value = initial;
  }

  /** @returns {(() => void)[]} what to do when nobody listens any more */
  begin() {
    return [];
  }

  snapshot = () => this.value;

  /** @param {T} value */
  set(value) {
    this.value = value;
    for (const listener of this.#listeners) listener();
  }

  /** @param {() => void} listener */
  subscribe = (listener) => {
    // An object of its own, because a component may listen twice.
    const entry = () => listener();
    this.#listeners.add(entry);
    if (!this.#isKept) {
      this.#isKept = true;
      this.ends = this.begin();
    }
    return () => {
      this.#listeners.delete(entry);
      // StrictMode, and a component that takes another's place, listen again at once.
      queueMicrotask(() => this.#rest());
    };
  };

  #rest() {
    if (this.#listeners.size || !this.#isKept) return;
    this.#isKept = false;
    for (const end of this.ends ?? []) end();
    this.value = this.#initial;
  }
}

/** Keeps a channel subscribed as long as one of its stores is looked after. */
class Hold {
  #room;
  #stores = 0;

  /** @param {Channel} room */
  constructor(room) {
    this.#room = room;
  }

  /** To be released once. */
  take() {
    this.#stores += 1;
    return this.#room.subscribe();
  }

  release = () => {
    this.#stores -= 1;
    if (!this.#stores) this.#room.unsubscribe();
  };
}

/** @extends {Store<ChannelView>} */
class ChannelStore extends Store {
  #room;
  #hold;
  #limit;
  #history;

  /** @param {Channel} room @param {Hold} hold @param {{ limit?: number, history?: number }} options */
  constructor(room, hold, { limit = LIMIT, history = 0 }) {
    super(NOTHING_YET);
    this.#room = room;
    this.#hold = hold;
    this.#limit = limit;
    this.#history = Math.min(history, limit);
  }

  /** @override */
  begin() {
    const room = this.#room;
    this.value = { ...NOTHING_YET, state: room.state };
    /** @param {Partial<ChannelView>} change */
    const change = (change) => this.set({ ...this.value, ...change });
    let isCurrent = true;
    const tryTo = (/** @type {Promise<void>} */ done) => done.catch((error) => isCurrent && change({ error }));
    /** Reads what the history has that is not here yet. @param {Message} [last] what it comes behind; before all unless given */
    const read = async (last) => {
      if (!this.#history) return;
      const page = await room.history({ limit: this.#history, reverse: true });
      if (!isCurrent) return;
      const { messages } = this.value;
      const known = new Set(messages.map(({ id }) => id));
      const missed = page.filter(({ id }) => !known.has(id)).reverse();
      const at = last ? messages.indexOf(last) + 1 : 0;
      change({ messages: [...messages.slice(0, at), ...missed, ...messages.slice(at)].slice(-this.#limit) });
    };
    const ends = [
      room.on('message', (message) => change({ messages: [...this.value.messages, message].slice(-this.#limit) })),
      room.on('state', ({ state }) => change({ state, ...(state === 'subscribed' && { error: undefined }) })),
      room.on('gap', (gap) => {
        change({ gap });
        tryTo(read(this.value.messages.at(-1)));
      }),
      room.on('error', (error) => change({ error })),
      this.#hold.release,
      () => void (isCurrent = false),
    ];
    tryTo(this.#hold.take().then(() => read()));
    return ends;
  }
}

/** Of members. @extends {Store<any[]>} */
class PresenceStore extends Store {
  #room;
  #hold;

  /** @param {Channel} room @param {Hold} hold */
  constructor(room, hold) {
    super(NOBODY);
    this.#room = room;
    this.#hold = hold;
  }

  /** @override @returns {(() => void)[]} */
  begin() {
    const room = this.#room;
    let isCurrent = true;
    const others = (/** @type {Member} */ { session }) => this.value.filter((member) => member.session !== session);
    const read = () =>
      room.members().then(
        (members) => isCurrent && this.set(members),
        // Refused, or no connection: then nobody is known.
        () => isCurrent && this.set(NOBODY),
      );
    if (room.state === 'subscribed') read();
    const ends = [
      room.on('join', (member) => this.set([...others(member), member])),
      room.on('leave', (member) => this.set(others(member))),
      // After a connection was lost the list is read anew.
      room.on('state', ({ state }) => state === 'subscribed' && read()),
      this.#hold.release,
      () => void (isCurrent = false),
    ];
    // Why not is an event of the channel.
    this.#hold.take().catch(() => {});
    return ends;
  }
}

/** @extends {Store<string[]>} */
class TypingStore extends Store {
  #room;
  #hold;

  /** @param {Channel} room @param {Hold} hold */
  constructor(room, hold) {
    super(NOBODY);
    this.#room = room;
    this.#hold = hold;
  }

  /** @override */
  begin() {
    const typing = this.#room.typing();
    if (typing.users.length) this.value = typing.users;
    const off = typing.on('change', (users) => this.set(users));
    // Why not is an event of the channel.
    this.#hold.take().catch(() => {});
    return [off, this.#hold.release];
  }
}

/** @type {WeakMap<Channel, { presence: PresenceStore, typing: TypingStore, channel: (options?: { limit?: number, history?: number }) => ChannelStore }>} */
const stores = new WeakMap();

/**
 * The stores of a channel. That of messages has options, which count the first time.
 *
 * @param {Channel} room
 */
export function storesOf(room) {
  let own = stores.get(room);
  if (!own) {
    const hold = new Hold(room);
    /** @type {ChannelStore | undefined} */
    let messages;
    own = {
      presence: new PresenceStore(room, hold),
      typing: new TypingStore(room, hold),
      channel: (options = {}) => (messages ??= new ChannelStore(room, hold, options)),
    };
    stores.set(room, own);
  }
  return own;
}

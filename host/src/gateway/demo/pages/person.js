// One person of the chat: a client, and the channels of the lobby. Knows no element of the page.

import { arrive, clientOf, inWords } from './account.js';
import { Feed } from './feed.js';
import { Network } from './network.js';
import { within } from './page.js';

export const ROOM = 'room:lobby';
/** Pointers and typing: nothing of it is kept, and the abuse filter does not count it. */
const LIVE = 'live:lobby';
/** The numbers. */
const FLOW = 'flow:lobby';
const EARLIER = 50; // messages of the history that are shown to who comes in

export class Person {
  /** Whether this person wants to be online. */
  wanted = false;
  transport = 'auto';
  #show;
  #waits = [];
  #live;
  #room;
  #numbers;
  /** The client whose channels are listened to. */
  #attached;

  constructor(user, show) {
    this.user = user;
    this.#show = show;
    this.network = new Network(show.envelope);
    this.#room = new Feed(ROOM, { presence: true }, EARLIER, {
      message: (message, how) => {
        show.message(message, how);
        this.#happened('message', message);
      },
      gap: show.gap,
    });
    this.#numbers = new Feed(FLOW, {}, 0, { message: show.number, gap: show.gap });
    this.#adopt(this.#client());
  }

  /** Comes online, and stays it until `leave`. */
  async join() {
    this.wanted = true;
    if (this.client.state !== 'connected') this.#show.state('connecting', 'connecting…');
    this.#attach();
    await within(this.client.connect(), 'a connection');
    if (this.room.state !== 'subscribed') await within(this.when('subscribed'), 'the room');
  }

  /** Goes offline on purpose. */
  leave() {
    this.wanted = false;
    this.client.disconnect();
  }

  /**
   * Goes over to another transport. The new client is there before the old one goes, and begins where that one ended.
   *
   * @param {string} transport
   */
  async use(transport) {
    const next = this.#client(transport);
    if (this.wanted) await arrive(next);
    const old = this.client;
    this.transport = transport;
    this.#adopt(next);
    old.disconnect();
    if (this.wanted) this.#attach();
    this.#show.state(...inWords(next, next.transport));
  }

  /** @returns {Promise<{ ack?: { message: string, offset?: number }, error?: object }>} never rejects */
  async publish(data) {
    if (!this.wanted) return { error: { code: 0, reason: 'offline', message: `${this.user} is offline` } };
    return settled(this.#publish(ROOM, data).then(({ id, offset }) => ({ message: id, offset })));
  }

  /** Whether a channel opens to this person. */
  async knock(name) {
    const channel = this.client.channel(name);
    const reply = await settled(channel.subscribe().then(() => ({ channel: name })));
    await channel.unsubscribe();
    return reply;
  }

  /** Publishes one of the numbers. */
  count(n) {
    return this.#publish(FLOW, { n });
  }

  /** Where this person's pointer is, in parts of the width and the height; nothing: nowhere. */
  point(at) {
    if (this.#live.state === 'subscribed') this.#live.publish({ at }, { ephemeral: true, echo: false }).catch(() => {});
  }

  /** The last message of the room that was seen. */
  get position() {
    return this.#room.at;
  }

  /** The message with this id, now or as soon as it comes. */
  message(id) {
    const seen = this.#room.get(id);
    return seen ? Promise.resolve(seen) : within(this.when('message', (message) => message.id === id), 'the message');
  }

  when(event, fits = () => true) {
    return new Promise((resolve) => this.#waits.push({ event, fits, resolve }));
  }

  // --- inside -------------------------------------------------------------------------------------------------------------

  async #publish(channel, data) {
    const key = crypto.randomUUID();
    for (;;) {
      const { client } = this;
      try {
        return await client.channel(channel).publish(data, { key });
      } catch (error) {
        // Another client took over before there was an answer. By its key it is delivered once, whatever became of it.
        if (client === this.client) throw error;
      }
    }
  }

  #client(transport = this.transport) {
    const client = clientOf(this.user, this.network, transport);
    client.on('state', (event) => {
      if (client !== this.client) return;
      // After a code that ends it, the client does not come back by itself.
      if (event.state === 'disconnected' && event.retryInMs == null) this.wanted = false;
      this.#show.state(...inWords(event, client.transport));
      if (event.state !== 'connected') this.#show.left();
    });
    return client;
  }

  #adopt(client) {
    this.client = client;
    this.room = client.channel(ROOM, { presence: true });
    this.#live = client.channel(LIVE);
    this.typing = this.#live.typing();
  }

  /** Once for each client: what is subscribed is subscribed again by the SDK. */
  #attach() {
    const { client } = this;
    if (this.#attached === client) return;
    this.#attached = client;
    const mine = (act) => (value) => client === this.client && act(value);
    const room = this.#room.attach(client);
    room.on('presence', mine((members) => this.#show.members(members)));
    for (const event of ['join', 'leave']) {
      room.on(event, mine((member) => {
        this.#show.presence(event, member);
        this.#happened(event, member);
      }));
    }
    room.on('error', mine((error) => this.#show.refused(plain(error))));
    room.on('state', mine(({ state }) => state === 'subscribed' && this.#happened('subscribed')));
    this.#numbers.attach(client);
    this.#live.subscribe().catch(() => {});
    this.#live.on('message', mine(({ from, data }) => this.#show.pointer(from, data?.at)));
    this.typing.on('change', mine((users) => this.#show.typing(users)));
  }

  #happened(event, value) {
    const due = this.#waits.filter((wait) => wait.event === event && wait.fits(value));
    this.#waits = this.#waits.filter((wait) => !due.includes(wait));
    for (const { resolve } of due) resolve(value);
  }
}

const settled = (promise) => promise.then((ack) => ({ ack }), (error) => ({ error: plain(error) }));

const plain = ({ code, reason, message, plugin, retryAfterMs }) => ({ code, reason, message: message === reason ? '' : message, plugin, retry_after_ms: retryAfterMs });

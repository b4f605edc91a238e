// A channel with history whose messages outlive their client: where another one takes over (another transport was chosen), what lies
// between the two is read from the history. On one and the same client the SDK does this by itself.

/** Messages that are remembered by their ids. */
const KNOWN = 1000;

export class Feed {
  /** Everything up to here was handed out. @type {{ epoch: string, offset: number } | undefined} */
  at;
  #name;
  #options;
  #earlier;
  #show;
  #channel;
  #known = new Map();

  /**
   * @param {string} name
   * @param {object} options of the channel
   * @param {number} earlier messages from before it began
   * @param {{ message: (message: any, how: 'live' | 'recovered' | 'earlier') => void, gap: () => void }} show
   */
  constructor(name, options, earlier, show) {
    this.#name = name;
    this.#options = options;
    this.#earlier = earlier;
    this.#show = show;
  }

  /** Goes on with this client. @returns the channel, which is being subscribed */
  attach(client) {
    const channel = client.channel(this.#name, this.#options);
    this.#channel = channel;
    /** Messages that wait for what comes before them. */
    let held = [];
    channel.on('message', (message) => {
      if (channel !== this.#channel) return;
      if (held) held.push(message);
      else this.#handOut(message);
    });
    const release = () => {
      const late = held ?? [];
      held = undefined;
      if (channel === this.#channel) for (const message of late) if (!this.#has(message)) this.#handOut(message);
    };
    channel.on('gap', async ({ to }) => {
      this.at = to ?? this.at;
      this.#show.gap();
      if (held || !this.#earlier) return;
      // A broker that began anew has a history all the same: what others said in it before we were back.
      held = [];
      const page = await channel.history({ limit: this.#earlier, reverse: true }).catch(() => []);
      for (const message of page.reverse()) if (!this.#known.has(message.id)) this.#handOut(message, 'recovered');
      release();
    });
    channel.on('state', async ({ state }) => {
      if (state === 'subscribed' && held && (await this.#catchUp(channel))) release();
    });
    // Why not is an event of the channel too.
    channel.subscribe().catch(() => {});
    return channel;
  }

  /** The message with this id, if it was handed out. */
  get(id) {
    return this.#known.get(id);
  }

  /** @returns {Promise<boolean>} whether it came to its end. If not, whoever is subscribed next does it */
  async #catchUp(channel) {
    const goesOn = () => channel === this.#channel && channel.state === 'subscribed';
    if (this.at) {
      try {
        for await (const message of channel.history.all({ since: this.at })) if (!this.#has(message)) this.#handOut(message, 'recovered');
        return true;
      } catch {
        // Another client took over meanwhile, or the connection was lost.
        if (!goesOn()) return false;
        // The history does not reach back so far: that something is missing is said, and what there is is shown.
        this.#show.gap();
      }
    }
    const page = await channel.history({ limit: Math.max(1, this.#earlier), reverse: true }).catch(() => undefined);
    if (!page) return goesOn();
    for (const message of page.slice(0, this.#earlier)) {
      if (this.#known.has(message.id)) continue;
      this.#remember(message);
      this.#show.message(message, 'earlier');
    }
    this.at = { epoch: page.epoch, offset: page.offset };
    return true;
  }

  #has({ id, epoch, offset }) {
    return this.#known.has(id) || (epoch === this.at?.epoch && offset <= this.at.offset);
  }

  #handOut(message, how = message.recovered ? 'recovered' : 'live') {
    this.#remember(message);
    this.at = { epoch: message.epoch, offset: message.offset };
    this.#show.message(message, how);
  }

  #remember(message) {
    this.#known.set(message.id, message);
    if (this.#known.size > KNOWN) this.#known.delete(this.#known.keys().next().value);
  }
}

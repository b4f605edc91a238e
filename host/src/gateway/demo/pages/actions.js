// The guided actions: what each does, step by step. Knows the two people, and no element but those that it is given.

import { PLUGINS, setGate, showVerdict } from './gates.js';
import { el, explain, pause, within } from './page.js';

const MARGIN_MS = 50; // added to `retry_after_ms`: two clocks never tick alike

/** What these people got of an acknowledged message. */
const everyone = (people, { ack }) => Promise.all(people.map((person) => person.message(ack.message)));

const GREETINGS = ['Hello bob, this is ann.', 'Hello again!', 'Still here?', 'Good to see you, bob.', 'One more hello.'];
let greeted = 0;

/**
 * What can be run, by its name. Each says what happened as it goes.
 *
 * @param {import('./person.js').Person} ann @param {import('./person.js').Person} bob
 */
export const actionsOf = (ann, bob) => ({
  async hello({ say }) {
    const text = GREETINGS[greeted++ % GREETINGS.length];
    const reply = await ann.publish({ text });
    showVerdict('publish', reply);
    if (reply.error) return say(explain(reply.error), 'bad');
    const [got] = await everyone([bob, ann], reply);
    say(`ann wrote “${text}”.`);
    say(`bob got “${got.data.text}”${got.offset == null ? '' : `, message ${got.offset} of the room`}.`, 'good');
  },

  async mask({ say }) {
    const data = { text: 'What the heck, take my card.', card: '4111 1111 1111 1111' };
    const reply = await ann.publish(data);
    if (reply.error) {
      showVerdict('publish', reply);
      return say(explain(reply.error), 'bad');
    }
    const [{ data: got }] = await everyone([bob, ann], reply);
    const rewrote = JSON.stringify(got) !== JSON.stringify(data);
    showVerdict('publish', reply, rewrote);
    say(`ann sent: “${data.text}”, card ${data.card}`);
    say(`bob got: “${got.text}”, card ${got.card}`, rewrote ? 'good' : 'bad');
    say(rewrote ? 'transform rewrote it on the way; the original never left the chain.' : 'Nothing was rewritten: is transform in the chain?', rewrote ? '' : 'bad');
  },

  async burst({ say, put }) {
    const cells = Array.from({ length: 20 }, () => el('i'));
    put(el('div', { class: 'cells', role: 'img', 'aria-label': '20 messages', 'data-testid': 'cells' }, ...cells));
    const replies = await Promise.all(cells.map(async (cell, n) => {
      const reply = await ann.publish({ text: `Message ${n + 1} of 20` });
      cell.className = reply.error ? 'stopped' : 'passed';
      return reply;
    }));
    const refused = replies.filter(({ error }) => error);
    const passed = replies.length - refused.length;
    showVerdict('publish', refused.at(-1) ?? replies[0]);
    say(`${passed} passed, ${refused.length} stopped.`);
    if (!refused.length) return say('Nothing was stopped: is abuse_filter in the chain?', 'bad');
    const { error } = refused.at(-1);
    setGate(error.plugin in PLUGINS ? error.plugin : 'abuse_filter', 'refused', `stopped ${refused.length}`);
    say(explain(error), 'bad');
    if (!error.retry_after_ms) return;
    say(`retry_after_ms: ${error.retry_after_ms}. The page waits that long, then ann tries once more.`);
    // Outside of the live region: a screen reader hears the line above, not ten figures a second.
    const countdown = put(el('p', { class: 'countdown', role: 'timer', 'data-testid': 'countdown' }));
    for (let until = Date.now() + error.retry_after_ms + MARGIN_MS, left; (left = until - Date.now()) > 0; await pause(Math.min(left, 100))) {
      countdown.textContent = `again in ${(left / 1000).toFixed(1)} s`;
    }
    countdown.textContent = `waited ${(error.retry_after_ms / 1000).toFixed(1)} s`;
    const again = await ann.publish({ text: 'Back after the pause.' });
    showVerdict('publish', again);
    say(again.error ? explain(again.error) : 'It passed: the filter forgives who waits.', again.error ? 'bad' : 'good');
  },

  async closed({ say }) {
    for (const channel of ['private:ann', 'private:bob', 'room:vip']) {
      const reply = await ann.knock(channel);
      showVerdict('subscribe', reply);
      say(`${channel}: ${reply.error ? explain(reply.error) : 'open, it is her own.'}`, reply.error ? 'bad' : 'good');
    }
  },

  async recover({ say }) {
    const { offset } = ann.position ?? { offset: 0 };
    const { session } = ann.client;
    const gone = within(bob.when('leave', (member) => member.session === session), 'word that ann left');
    ann.leave();
    await gone;
    say(`ann is offline. The last she saw is message ${offset}.`);
    const missed = [];
    for (const text of ['While you were away: one.', 'While you were away: two.', 'While you were away: three.']) {
      const reply = await bob.publish({ text });
      showVerdict('publish', reply);
      if (reply.error) {
        say(explain(reply.error), 'bad');
        break;
      }
      missed.push(reply.ack.message);
    }
    say(`bob wrote ${missed.length} messages.`);
    const got = missed.map((id) => ann.message(id));
    await ann.join();
    const late = await Promise.all(got);
    const inOrder = late.every((message, at) => message.offset === offset + at + 1);
    const recovered = late.every((message) => message.recovered);
    say(`ann came back and the SDK asked for everything since ${offset}: recovered: ${recovered}, ${late.length} messages${inOrder ? ', exactly those' : ''}.`,
      recovered && inOrder ? 'good' : 'bad');
  },
});

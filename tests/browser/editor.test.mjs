// Several people edit one text.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { withDemo } from './page.mjs';

const wholeText = (demo, user) => demo.at(`text-${user}`).inputValue();

/** Waits until these people see the same text, which fits; and until everything is sent. */
async function converged(demo, users, fits, pages = {}) {
  const texts = () => Promise.all(users.map((user) => wholeText(pages[user] ?? demo, user)));
  const equal = async () => new Set(await texts()).size === 1 && fits((await texts())[0]);
  await demo.frameBy(equal, `equal texts for ${users}`).catch(async (error) => {
    throw new Error(`they have ${JSON.stringify(await texts())}`, { cause: error });
  });
  for (const user of users) await (pages[user] ?? demo).sees(`progress-${user}`, /^((?!not sent).)*$/);
  return (await texts())[0];
}

test('what several people write at once is one text for all of them', (t) =>
  withDemo(t, {}, async (demo) => {
    await demo.openEditor('ann,bob,cyd');
    await Promise.all(['ann', 'bob', 'cyd'].map((user) => demo.at(`text-${user}`).evaluate((area, name) => {
      // As an input method writes: whatever there is, and some more behind it.
      for (const letter of `${name} wrote this. `) {
        area.setRangeText(letter, area.value.length, area.value.length, 'end');
        area.dispatchEvent(new InputEvent('input', { bubbles: true, inputType: 'insertText' }));
      }
    }, user)));
    const text = await converged(demo, ['ann', 'bob', 'cyd'], (whole) => whole.length === 3 * 'ann wrote this. '.length);
    for (const user of ['ann', 'bob', 'cyd']) assert.ok(text.includes(`${user} wrote this. `), text);
  }));

test('who was offline and wrote on brings it along, and gets what others wrote', (t) =>
  withDemo(t, {}, async (demo) => {
    await demo.openEditor('ann,bob,cyd');
    await demo.at('text-ann').fill('one three');
    await converged(demo, ['ann', 'bob', 'cyd'], (text) => text === 'one three');
    await demo.at('door-cyd').click();
    await demo.sees('state-cyd', /^offline$/);
    await demo.at('text-cyd').fill('one three four');
    await demo.sees('progress-cyd', /not sent yet/);
    await demo.at('text-ann').fill('one two three');
    await converged(demo, ['ann', 'bob'], (text) => text === 'one two three');
    assert.equal(await wholeText(demo, 'cyd'), 'one three four');
    await demo.at('door-cyd').click();
    await converged(demo, ['ann', 'bob', 'cyd'], (text) => text === 'one two three four');
    // The same for a connection that is cut, and one that goes over to another transport.
    await demo.at('cut-bob').click();
    await demo.at('text-bob').fill('zero one two three four');
    await demo.at('transport-cyd').selectOption('poll');
    await demo.at('text-cyd').press('End');
    await demo.sees('state-cyd', /^online by poll$/);
    await demo.at('text-cyd').press('!');
    await converged(demo, ['ann', 'bob', 'cyd'], (text) => text === 'zero one two three four!');
  }));

/** Writes letter by letter, each a message of its own, until the channel has so many. */
async function writeMessages(demo, user, count) {
  await demo.at(`text-${user}`).focus();
  for (let n = 0, sent = 0; sent < count; n++) {
    await demo.page.keyboard.type(n % 20 ? 'abcdefghij'[n % 10] : '\n');
    await demo.sees(`progress-${user}`, new RegExp(`^${n + 1} characters((?!not sent).)*$`));
    [sent] = (await demo.eventually(`progress-${user}`, /(\d+) messages?/)).map(Number);
  }
  return wholeText(demo, user);
}

test('who comes late gets the whole text after 200 updates, from the history alone', (t) =>
  withDemo(t, {}, async (demo) => {
    await demo.openEditor('ann');
    const text = await writeMessages(demo, 'ann', 210);
    // Everybody leaves. The history has a hundred messages: some letters, and a snapshot.
    await demo.at('door-ann').click();
    await demo.sees('state-ann', /^offline$/);
    await demo.openEditor('bob');
    await demo.sees('progress-bob', new RegExp(`^${text.length} characters, \\d+ messages, snapshot at \\d+$`));
    assert.equal(await wholeText(demo, 'bob'), text);
  }));

test('who may not read the history gets the whole text from somebody who is present, and what is written meanwhile', (t) =>
  withDemo(t, {}, async (demo) => {
    await demo.openEditor('ann,bob');
    await demo.at('text-ann').fill('What was written before, ');
    await converged(demo, ['ann', 'bob'], (text) => text === 'What was written before, ');
    const other = await demo.another();
    await other.page.routeWebSocket('**/ws', (socket) => {
      const server = socket.connectToServer();
      server.onMessage((message) => socket.send(message));
      socket.onMessage((message) => {
        const { type, id } = JSON.parse(message);
        if (type !== 'history') return server.send(message);
        socket.send(JSON.stringify({ type: 'error', id, ts: 0, payload: { code: 4403, reason: 'permission_denied', message: 'no', retry: false } }));
      });
    });
    await other.openEditor('cyd');
    await converged(demo, ['ann', 'bob', 'cyd'], (text) => text === 'What was written before, ', { cyd: other });
    await other.at('text-cyd').press('End');
    await other.page.keyboard.type('and after.');
    await converged(demo, ['ann', 'bob', 'cyd'], (text) => text === 'What was written before, and after.', { cyd: other });
    // The one who answers first has gone meanwhile: the next one does.
    await demo.at('door-ann').click();
    await demo.sees('presence-bob', /^here:\s*bob\s*cyd$/);
    await other.openEditor('dan');
    await converged(demo, ['bob', 'dan'], (text) => text === 'What was written before, and after.', { dan: other });
  }));

test('a broker that forgot everything is told what the editors have, for those who come later', (t) =>
  withDemo(t, {}, async (demo) => {
    await demo.openEditor('ann,bob');
    await demo.at('text-ann').fill('Kept by its editors.');
    await converged(demo, ['ann', 'bob'], (text) => text === 'Kept by its editors.');
    await demo.restart();
    for (const user of ['ann', 'bob']) await demo.sees(`state-${user}`, /^online/);
    await demo.sees('progress-ann', /, [1-9]\d* messages?/);
    await converged(demo, ['ann', 'bob'], (text) => text === 'Kept by its editors.');
    await demo.at('more').click();
    await converged(demo, ['ann', 'bob', 'cyd'], (text) => text === 'Kept by its editors.');
  }));

test('one sees where others are, and one’s own cursor stays between its letters', (t) =>
  withDemo(t, {}, async (demo) => {
    await demo.openEditor('ann,bob');
    await demo.at('text-ann').fill('middle');
    await converged(demo, ['ann', 'bob'], (text) => text === 'middle');
    await demo.at('text-ann').focus();
    await demo.page.keyboard.press('Home');
    for (let n = 0; n < 3; n++) await demo.page.keyboard.press('ArrowRight');
    await demo.seesIn('copy-bob', 'caret', 'ann');
    // What stands before the caret, in the copy that lies with the text.
    const before = () => demo.at('copy-bob').evaluate((copy) => {
      const range = new Range();
      range.setStart(copy, 0);
      range.setEndBefore(copy.querySelector('.caret'));
      return String(range);
    });
    await demo.frameBy(async () => (await before()) === 'mid', 'ann’s caret in the middle');
    const change = (user, text, start, end) => demo.at(`text-${user}`).evaluate((area, [insert, from, to]) => {
      area.setRangeText(insert, from, to, 'end');
      area.dispatchEvent(new InputEvent('input'));
    }, [text, start, end]);
    await change('bob', 'In the ', 0, 0);
    await converged(demo, ['ann', 'bob'], (text) => text === 'In the middle');
    assert.equal(await before(), 'In the mid');
    assert.deepEqual(await demo.at('text-ann').evaluate((area) => [area.selectionStart, area.selectionEnd]), [10, 10]);
    // Of a pair of surrogates both halves or none: these two have the first in common.
    await change('ann', ' 🦊', 13, 13);
    await converged(demo, ['ann', 'bob'], (text) => text === 'In the middle 🦊');
    await change('ann', '🦉', 14, 16);
    await converged(demo, ['ann', 'bob'], (text) => text === 'In the middle 🦉');
    // One takes back what one wrote oneself, and nothing else.
    await demo.page.keyboard.press('Control+z');
    await converged(demo, ['ann', 'bob'], (text) => text.startsWith('In the ') && !text.includes('🦉'));
    await demo.at('door-ann').click();
    await demo.frameBy(async () => (await demo.at('copy-bob').getByTestId('caret').count()) === 0, 'a text without the caret of who has left');
  }));

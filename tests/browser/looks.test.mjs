// How the page looks and handles: small, dark, by keyboard, without motion.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { contrastProblems } from './contrast.mjs';
import { ACTIONS, PHONE, WIDE, withDemo } from './page.mjs';

const LOOKS = [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['phone', { viewport: PHONE, hasTouch: true, isMobile: true }],
];

for (const [name, options] of LOOKS) {
  test(`${name}: everything fits and can be read`, (t) =>
    withDemo(t, options, async (demo) => {
      await demo.open();
      await demo.screenshot(`${name}-start`);
      assert.ok((await demo.overflow()) <= 0);
      for (const action of ACTIONS) {
        await demo.run(action);
        assert.ok((await demo.overflow()) <= 0, `${action} makes the page wider than the window`);
      }
      for (const details of await demo.page.locator('details.all > summary').all()) await details.click();
      await demo.at('trace-closed').getByTestId('envelope').first().locator('summary').click();
      assert.ok((await demo.overflow()) <= 0, 'open envelopes make the page wider than the window');
      assert.deepEqual(await demo.page.evaluate(contrastProblems), []);
      await demo.screenshot(`${name}-all`, { fullPage: true });
      await demo.at('trace-closed').scrollIntoViewIfNeeded();
      await demo.screenshot(`${name}-envelopes`);
    }));

  test(`${name}: numbers, networks, typing and pointers fit and can be read`, (t) =>
    withDemo(t, options, async (demo) => {
      await demo.open();
      await demo.at('text-bob').fill('Look here.');
      await demo.at('send-bob').click();
      await demo.seesIn('talk-ann', 'said', 'Look here.');
      await demo.at('count').click();
      await demo.sees('tally-ann', /\d\d received/);
      // One that comes back at once has missed nothing: then it is cut again, once numbers come.
      do {
        await demo.at('cut-ann').click();
        await demo.someMore('ann');
      } while (!(await demo.page.locator('[data-testid="person-ann"] .strip .recovered').count()));
      await demo.at('text-bob').pressSequentially('And th');
      await demo.sees('typing-ann', /bob is typing/);
      await demo.at('talk-bob').hover({ position: { x: 150, y: 60 } });
      await demo.sees('pointers-ann', /bob/);
      assert.ok((await demo.overflow()) <= 0);
      assert.deepEqual(await demo.page.evaluate(contrastProblems), []);
      await demo.screenshot(`${name}-networks`, { fullPage: true });
    }));

  test(`${name}: the editor fits and can be read`, (t) =>
    withDemo(t, options, async (demo) => {
      await demo.openEditor('ann,bob,cyd');
      await demo.at('text-ann').fill(`Shopping list\n\n- bread\n- two lemons, or a word that is much too long: ${'Rindfleischetikettierungsüberwachung'.repeat(3)}\n- tea`);
      for (const user of ['bob', 'cyd']) await demo.frameBy(async () => (await demo.at(`text-${user}`).inputValue()).endsWith('tea'), `a text at ${user}’s`);
      await demo.at('text-bob').focus();
      await demo.page.keyboard.press('Control+End');
      await demo.seesIn('copy-ann', 'caret', 'bob');
      await demo.at('text-cyd').focus();
      await demo.at('text-cyd').evaluate((area) => area.setSelectionRange(0, 8));
      await demo.seesIn('copy-ann', 'caret', 'cyd');
      await demo.sees('progress-ann', /characters, \d+ messages?, no snapshot yet$/);
      assert.ok((await demo.overflow()) <= 0);
      assert.deepEqual(await demo.page.evaluate(contrastProblems, 25), []);
      // Where the two break their lines apart, carets stand in the wrong place.
      const heights = await demo.at('person-ann').evaluate((person) => ['textarea', '.copy'].map((part) => person.querySelector(part).scrollHeight));
      assert.equal(heights[0], heights[1]);
      await demo.screenshot(`${name}-editor`, { fullPage: true });
    }));
}

test('on a phone nothing lies over what the two people press, wherever the page is scrolled to', (t) =>
  withDemo(t, { viewport: PHONE }, async (demo) => {
    await demo.open();
    const covered = await demo.page.evaluate(() => {
      const controls = [...document.querySelectorAll('#pair :is(button, select, input, summary)')].filter((control) => control.checkVisibility());
      return controls.filter((control) => {
        window.scrollBy(0, control.getBoundingClientRect().top - 20);
        const { left, top, width, height } = control.getBoundingClientRect();
        return !control.contains(document.elementFromPoint(left + width / 2, top + height / 2));
      }).map(({ dataset, textContent }) => dataset.testid ?? textContent);
    });
    assert.deepEqual(covered, []);
  }));

test('dark is dark', (t) =>
  withDemo(t, { colorScheme: 'dark' }, async (demo) => {
    await demo.open();
    const ground = await demo.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.ok(ground.match(/\d+/g).every((part) => Number(part) < 60), ground);
  }));

test('everything can be done by keyboard, and the focus is seen', (t) =>
  withDemo(t, {}, async (demo) => {
    await demo.open();
    const reached = [];
    const focused = () =>
      demo.page.evaluate(() => {
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
        return { id: document.activeElement.dataset.testid, seen: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 };
      });
    const goTo = async (wanted) => {
      for (let presses = 0; presses < 60; presses++) {
        const { id, seen } = await focused();
        if (id) assert.ok(seen, `focus on ${id} is not to be seen`);
        if (id && !reached.includes(id)) reached.push(id);
        if (id === wanted) return;
        await demo.page.keyboard.press('Tab');
      }
      assert.fail(`${wanted} is out of reach; reached ${reached.join(', ')}`);
    };
    for (const action of ACTIONS) {
      await goTo(`run-${action}`);
      await demo.page.keyboard.press('Enter');
      await demo.ended(action);
      assert.equal((await focused()).id, `run-${action}`, 'the focus stays where it was');
    }
    await goTo('text-bob');
    await demo.page.keyboard.type('By keyboard alone.');
    await demo.page.keyboard.press('Enter');
    await demo.seesIn('talk-ann', 'said', 'By keyboard alone.');
    for (const id of ['door-ann', 'talk-ann', 'text-ann', 'send-ann', 'transport-ann', 'cut-ann', 'slow-ann', 'block-sse-ann', 'door-bob']) assert.ok(reached.includes(id), id);
    await demo.screenshot('keyboard');
    await goTo('block-websocket-bob');
    await demo.page.keyboard.press('Space');
    await demo.sees('state-bob', /^(lost|connecting|online by sse)/);
  }));

test('the editor can be used by keyboard, and holds nobody in its text', (t) =>
  withDemo(t, {}, async (demo) => {
    await demo.openEditor('ann,bob');
    const reached = [];
    for (let presses = 0; presses < 30; presses++) {
      await demo.page.keyboard.press('Tab');
      const { id, seen } = await demo.page.evaluate(() => {
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
        return { id: document.activeElement.dataset.testid, seen: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 };
      });
      if (!id || reached.includes(id)) continue;
      assert.ok(seen, `focus on ${id} is not to be seen`);
      reached.push(id);
      if (id === 'text-ann') await demo.page.keyboard.type('By keyboard alone.');
    }
    const controls = ['door', 'text', 'transport', 'cut', 'slow', 'block-websocket', 'block-sse'];
    assert.deepEqual(reached, ['more', ...['ann', 'bob'].flatMap((user) => controls.map((name) => `${name}-${user}`))]);
    await demo.frameBy(async () => (await demo.at('text-bob').inputValue()) === 'By keyboard alone.', 'what ann wrote at bob’s');
    for (const user of ['ann', 'bob']) {
      await demo.page.getByRole('textbox', { name: `The text, as ${user}` }).waitFor();
      await demo.page.getByRole('group', { name: `Network of ${user}` }).getByRole('combobox', { name: 'Transport' }).waitFor();
      await demo.page.getByRole('button', { name: `Go offline, ${user}` }).waitFor();
      assert.equal(await demo.at(`state-${user}`).getAttribute('role'), 'status');
    }
  }));

test('news is announced, and every control has a name', (t) =>
  withDemo(t, {}, async (demo) => {
    await demo.open();
    for (const action of ACTIONS) assert.equal(await demo.at(`result-${action}`).getAttribute('role'), 'status');
    for (const user of ['ann', 'bob']) {
      assert.equal(await demo.at(`talk-${user}`).getAttribute('role'), 'log');
      assert.equal(await demo.at(`state-${user}`).getAttribute('role'), 'status');
      await demo.page.getByRole('textbox', { name: `Message from ${user}` }).waitFor();
      await demo.page.getByRole('button', { name: `Go offline, ${user}` }).waitFor();
      assert.equal(await demo.at(`typing-${user}`).getAttribute('role'), 'status');
      const network = demo.page.getByRole('group', { name: `Network of ${user}` });
      await network.getByRole('combobox', { name: 'Transport' }).waitFor();
      await network.getByRole('button', { name: `Cut the connection of ${user}` }).waitFor();
      for (const name of ['slow, 1 s', 'block WebSocket', 'block SSE']) await network.getByRole('checkbox', { name }).waitFor();
    }
    await demo.page.getByRole('button', { name: 'Run: Say hello' }).waitFor();
    assert.equal(await demo.page.getByRole('heading', { level: 1 }).innerText(), 'Sluicegate');
  }));

test('who wants no motion sees none', (t) =>
  withDemo(t, { reducedMotion: 'reduce' }, async (demo) => {
    await demo.open();
    // Counted while the actions run, at every animation the page could start.
    await demo.page.evaluate(() => {
      window.moved = 0;
      const animate = Element.prototype.animate;
      Element.prototype.animate = function (...args) { window.moved += 1; return animate.apply(this, args); };
      for (const kind of ['animationstart', 'transitionrun']) document.addEventListener(kind, () => { window.moved += 1; }, true);
    });
    for (const action of ['hello', 'burst', 'closed']) await demo.run(action);
    assert.equal(await demo.page.evaluate(() => window.moved), 0);
  }));

test('a window between phone and desk fits as well', (t) =>
  withDemo(t, { viewport: { ...WIDE, width: 768 } }, async (demo) => {
    await demo.open();
    await demo.run('mask');
    assert.ok((await demo.overflow()) <= 0);
    await demo.screenshot('tablet');
  }));

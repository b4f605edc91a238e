// How the page looks and handles: small, dark, by keyboard, without motion.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { contrastProblems } from './contrast.mjs';
import { ACTIONS, PHONE, WIDE, withDemo } from './page.mjs';

for (const [name, options] of [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['phone', { viewport: PHONE, hasTouch: true, isMobile: true }],
]) {
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
}

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
    for (const id of ['door-ann', 'talk-ann', 'text-ann', 'send-ann', 'door-bob']) assert.ok(reached.includes(id), id);
    await demo.screenshot('keyboard');
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

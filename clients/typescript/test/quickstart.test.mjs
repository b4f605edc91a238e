// The chats of docs/clients/JAVASCRIPT.md and of the README as they are written there, with other ports.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { Broker, token } from './broker.mjs';
import { chance } from './fake/clock.mjs';
import { newPage, Site, withPage } from './pages.mjs';
import { BadNetwork } from './random/proxy.mjs';

const ROOT = join(import.meta.dirname, '../../..');
const sees = (page, expected) => page.waitForFunction((expected) => document.body.innerText.includes(expected), { polling: 50 }, expected);
const submit = (page) => page.evaluate(() => document.querySelector('form').requestSubmit());

/** A page whose network can be cut, and one that reaches the broker. */
async function two(t, browser, site, broker, page, users = ['', '']) {
  const network = await BadNetwork.to(broker.port, chance(1));
  t.after(() => network.close());
  const open = async (port, user) => {
    site.page = page(port);
    site.token = user && token(user);
    const tab = await newPage(browser);
    const given = user && tab.waitForResponse((response) => response.url().endsWith('/token'));
    await tab.goto(`${site.origin}/`);
    await given;
    return tab;
  };
  return { network, open, ann: await open(new URL(network.url).port, users[0]), bob: await open(broker.port, users[1]) };
}

/** The broker forgets everything while ann is away, and bob writes before she is back: she sees it. */
async function startsAnew({ network, ann, bob }, host, options) {
  network.refuse();
  await host.broker.stop();
  host.broker = await Broker.start({ ...options, port: host.broker.port });
  await bob.evaluate(() => globalThis.dispatchEvent(new Event('online')));
  await bob.type('input', 'after the restart');
  await submit(bob);
  await sees(bob, 'after the restart');
  network.open();
  await ann.evaluate(() => globalThis.dispatchEvent(new Event('online')));
  await sees(ann, 'after the restart');
}

test('two people chat, and who comes later reads what was said', async (t) => {
  const text = await readFile(join(ROOT, 'docs/clients/JAVASCRIPT.md'), 'utf8');
  const block = (language) => new RegExp('```' + language + '\\n(.*?)```', 's').exec(text)[1];
  const site = await Site.start();
  const options = { text: block('toml').replace('http://localhost:8000', site.origin) };
  const host = { broker: await Broker.start(options) };
  try {
    await withPage('chromium', site, async (_, browser) => {
      const pages = await two(t, browser, site, host.broker, (port) => block('html').replace(':8080', `:${port}`));
      const { ann, bob, open } = pages;
      await sees(bob, '2 here');
      await ann.type('input', 'hello');
      await sees(bob, 'somebody is typing');
      await submit(ann);
      await sees(bob, 'hello');
      const eve = await open(host.broker.port);
      await sees(eve, 'hello');
      assert.equal(await eve.evaluate(() => document.querySelectorAll('li').length), 1);
      await eve.close();
      await startsAnew(pages, host, options);
      for (const page of [ann, bob]) assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll('li')].map(({ textContent }) => textContent)), ['after the restart']);
    });
  } finally {
    site.stop();
    await host.broker.stop();
  }
});

for (const name of ['chromium', 'firefox']) {
  test(`${name}: the fifteen lines of the README are a chat`, async (t) => {
    const text = await readFile(join(ROOT, 'README.md'), 'utf8');
    const [, code] = /```js\n(.*?)```/s.exec(text);
    assert.equal(code.split('\n').filter((line) => line.trim()).length, 15);
    const elements = [...text.slice(0, text.indexOf(code)).matchAll(/`(<.*?>)`/g)].map(([, element]) => element).join('');
    const modules = JSON.stringify({ imports: { '@sluicegate/client': '/node_modules/@sluicegate/client/src/index.js' } });
    const page = (port) =>
      `<!doctype html><meta charset="utf-8">${elements}<script type="importmap">${modules}</script><script type="module">${code.replace('wss://example.org', `ws://127.0.0.1:${port}`)}</script>`;
    const site = await Site.start();
    const options = { origins: [site.origin] };
    const host = { broker: await Broker.start(options) };
    try {
      await withPage(name, site, async (_, browser) => {
        const pages = await two(t, browser, site, host.broker, page, ['ann', 'bob']);
        const { ann, bob, open } = pages;
        await bob.waitForFunction(() => document.querySelector('#here').textContent.split(', ').sort().join() === 'ann,bob', { polling: 50 });
        await ann.type('input', 'hello');
        await sees(bob, 'ann …');
        await submit(ann);
        await sees(bob, 'ann: hello');
        assert.equal(await ann.$eval('input', ({ value }) => value), '');
        const eve = await open(host.broker.port, 'eve');
        await sees(eve, 'ann: hello');
        await eve.close();
        await startsAnew(pages, host, options);
        for (const page of [ann, bob]) assert.equal(await page.$eval('#list', ({ textContent }) => textContent), 'bob: after the restart\n');
      });
    } finally {
      site.stop();
      await host.broker.stop();
    }
  });
}

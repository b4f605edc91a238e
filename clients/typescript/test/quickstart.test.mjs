// The chat of docs/clients/JAVASCRIPT.md as it is written there, with other ports.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { Broker } from './broker.mjs';
import { newPage, Site, withPage } from './pages.mjs';

const PAGE = join(import.meta.dirname, '../../../docs/clients/JAVASCRIPT.md');

test('two people chat, and who comes later reads what was said', async () => {
  const text = await readFile(PAGE, 'utf8');
  const block = (language) => new RegExp('```' + language + '\\n(.*?)```', 's').exec(text)[1];
  const site = await Site.start();
  const broker = await Broker.start({ text: block('toml').replace('http://localhost:8000', site.origin) });
  site.page = block('html').replace(':8080', `:${broker.port}`);
  try {
    await withPage('chromium', site, async (ann, browser) => {
      const open = async () => {
        const page = await newPage(browser);
        await page.goto(`${site.origin}/`);
        return page;
      };
      const sees = (page, expected) => page.waitForFunction((expected) => document.body.innerText.includes(expected), { polling: 50 }, expected);
      const bob = await open();
      await sees(bob, '2 here');
      await ann.type('input', 'hello');
      await sees(bob, 'somebody is typing');
      await ann.evaluate(() => document.querySelector('form').requestSubmit());
      await sees(bob, 'hello');
      const eve = await open();
      await sees(eve, 'hello');
      assert.equal(await eve.evaluate(() => document.querySelectorAll('li').length), 1);
    });
  } finally {
    site.stop();
    await broker.stop();
  }
});

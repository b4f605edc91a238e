// What the broker carries of others is what the registry has, and nothing else.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { VENDORED, vendored } from './vendored.mjs';

test('the committed Yjs is made of the pinned packages', async () => {
  const { module, licences } = await vendored();
  assert.ok((await readFile(new URL('yjs.js', VENDORED), 'utf8')) === module, 'run `npm ci && node vendored.mjs` in tests/browser');
  assert.equal(await readFile(new URL('LICENSES', VENDORED), 'utf8'), licences);
});

// Yjs as the demo's editor loads it: one module, made from the packages that package-lock.json pins. `node vendored.mjs` writes it anew, and a
// test compares what is committed with what is made.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const HERE = fileURLToPath(new URL('.', import.meta.url));
export const VENDORED = new URL('../../host/src/gateway/demo/pages/vendor/', import.meta.url);
/** What the editor uses. The rest of Yjs, its XML for example, stays out. */
const USED = [
  'Doc', 'UndoManager', 'applyUpdate', 'createAbsolutePositionFromRelativePosition', 'createRelativePositionFromTypeIndex',
  'decodeRelativePosition', 'encodeRelativePosition', 'encodeStateAsUpdate', 'encodeStateVector', 'mergeUpdates',
];
/** What is in it. */
const PACKAGES = ['yjs', 'lib0', 'isomorphic.js'];

/** @returns {Promise<{ module: string, licences: string }>} */
export async function vendored() {
  const parts = await Promise.all(PACKAGES.map(async (name) => {
    const { version, license } = JSON.parse(await readFile(`${HERE}node_modules/${name}/package.json`, 'utf8'));
    return { title: `${name} ${version} (${license})`, text: await readFile(`${HERE}node_modules/${name}/LICENSE`, 'utf8') };
  }));
  const { outputFiles } = await build({
    stdin: { contents: `export { ${USED.join(', ')} } from 'yjs';`, resolveDir: HERE },
    bundle: true, format: 'esm', minify: true, charset: 'ascii', write: false,
    banner: { js: `// ${parts.map(({ title }) => title).join(', ')}. Licences: LICENSES beside this file. Made by tests/browser/vendored.mjs.` },
  });
  return { module: outputFiles[0].text, licences: parts.map(({ title, text }) => `${title}\n\n${text.trim()}\n`).join('\n---\n\n') };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { module, licences } = await vendored();
  await writeFile(new URL('yjs.js', VENDORED), module);
  await writeFile(new URL('LICENSES', VENDORED), licences);
}

// What the main entry weighs for a page: minified, gzipped, with every transport. Fails over the budget.
import { buildSync } from 'esbuild';
import { gzipSync } from 'node:zlib';

const BUDGET = 8192;

export function weigh(entry) {
  const { outputFiles } = buildSync({ entryPoints: [entry], absWorkingDir: import.meta.dirname, bundle: true, minify: true, format: 'esm', write: false });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

if (process.argv[1] === import.meta.filename) {
  const bytes = weigh('src/index.js');
  console.log(`src/index.js: ${bytes} of ${BUDGET} bytes`);
  if (bytes > BUDGET) process.exitCode = 1;
}

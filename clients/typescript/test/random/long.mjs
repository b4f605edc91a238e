// The random run for a given time: `npm run random -- --minutes 10 --seed 7`. A seed draws the same faults again, but not their timing.
import { parseArgs } from 'node:util';

import { run } from './run.mjs';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string', default: `${Date.now() % 100_000}` } } });
/** A run of a broker: its histories keep a few thousand messages, so a long time is many runs. */
const RUN_MS = 60_000;
const end = Date.now() + Number(values.minutes) * 60_000;
let broken = 0;
for (let seed = Number(values.seed); Date.now() < end && !broken; seed += 1) {
  const outcome = await run({ seed, forMs: Math.min(RUN_MS, end - Date.now()) });
  console.log(`seed ${seed}:`, JSON.stringify(outcome.numbers));
  for (const line of outcome.broken.slice(0, 20)) console.log('  broken:', line);
  for (const error of outcome.errors.slice(0, 5)) console.log('  error:', error.reason, error.message);
  broken += outcome.broken.length;
}
console.log(`${broken} promises broken`);
process.exit(broken ? 1 : 0);

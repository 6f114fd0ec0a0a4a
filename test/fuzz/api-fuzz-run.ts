import { parseArgs } from 'node:util';
import { EngineProcess } from '../support/engine-process.ts';
import { seedEngine } from '../support/seeded-engine.ts';
import { fuzzApi } from './api-fuzz.ts';

/** `npm run fuzz-api -- --seconds 60 --seed 1`: starts an engine of its own and sends it almost right requests for a while. Exit code 1 with what was found. */

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } } });
const seconds = Number(values.seconds);
const seed = Number(values.seed);
if (!(seconds > 0) || !Number.isInteger(seed)) {
  process.stderr.write('usage: npm run fuzz-api -- --seconds 60 --seed 1\n');
  process.exit(2);
}

const engine = await EngineProcess.start({ settings: { SHARDS: '1' } });
try {
  const examples = await seedEngine(engine);
  const end = Date.now() + seconds * 1_000;
  const { sent, statuses, succeeded, findings } = await fuzzApi({ port: engine.ports.http, token: null, seed, examples, goesOn: () => Date.now() < end });
  console.log(`${sent} requests with seed ${seed}, ${succeeded.length} operations answered with success; ${Object.entries(statuses).map(([status, count]) => `${status}: ${count}`).join(', ')}`);
  for (const finding of findings) console.log(`\n${finding}`);
  if (findings.length > 0) process.exitCode = 1;
} finally {
  await engine.dispose();
}

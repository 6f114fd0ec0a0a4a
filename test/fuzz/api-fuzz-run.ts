import { parseArgs } from 'node:util';
import { EngineProcess } from '../support/engine-process.ts';
import { SEEDED_SETTINGS, seedEngine } from '../support/seeded-engine.ts';
import { NOT_FUZZED, startAccountsUnderFuzz } from './accounts-fuzz.ts';
import { ANYBODY, fuzzApi, type ApiFuzzReport } from './api-fuzz.ts';

/**
 * `npm run fuzz-api -- --seconds 60 --seed 1`: starts engines of its own and sends them almost right requests for a while, half of it without accounts and half as nobody, a consumer, an operator and an admin. Exit code 1 with what
 * was found.
 */

/** Each engine is fuzzed so long, as an access token is good for ten minutes, and stores fill. */
const ROUND_S = 120;

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } } });
const seconds = Number(values.seconds);
const firstSeed = Number(values.seed);
if (!(seconds > 0) || !Number.isInteger(firstSeed)) {
  process.stderr.write('usage: npm run fuzz-api -- --seconds 60 --seed 1\n');
  process.exit(2);
}

async function withoutAccounts(seed: number, endsAt: number): Promise<ApiFuzzReport> {
  const engine = await EngineProcess.start({ settings: SEEDED_SETTINGS });
  try {
    const examples = await seedEngine(engine);
    return await fuzzApi({ port: engine.ports.http, callers: ANYBODY, seed, examples, goesOn: () => Date.now() < endsAt });
  } finally {
    await engine.dispose();
  }
}

async function withAccounts(seed: number, endsAt: number): Promise<ApiFuzzReport> {
  const { people, callers, examples } = await startAccountsUnderFuzz();
  try {
    return await fuzzApi({ port: people.engine.ports.http, callers, seed, examples, without: NOT_FUZZED, goesOn: () => Date.now() < endsAt });
  } finally {
    await people.engine.dispose();
  }
}

const roundS = Math.min(ROUND_S, seconds / 2);
for (let round = 0; round * roundS < seconds; round++) {
  const seed = firstSeed + Math.floor(round / 2);
  const [kind, fuzz] = round % 2 === 0 ? (['without accounts', withoutAccounts] as const) : (['with accounts', withAccounts] as const);
  const { sent, statuses, succeeded, findings } = await fuzz(seed, Date.now() + roundS * 1_000);
  console.log(`${kind}, seed ${seed}: ${sent} requests, ${succeeded.length} operations answered with success; ${Object.entries(statuses).map(([status, count]) => `${status}: ${count}`).join(', ')}`);
  for (const finding of findings) console.log(`\n${finding}`);
  if (findings.length > 0) process.exitCode = 1;
}

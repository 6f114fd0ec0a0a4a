import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { post } from '../support/engine-api.ts';
import { EngineProcess, removeDirectory, temporaryDirectory } from '../support/engine-process.ts';
import { SEEDED_SETTINGS, seedEngine, type SeedHeaders } from '../support/seeded-engine.ts';
import { SignedInEngine } from '../support/signed-in-engine.ts';
import { schemathesisConfiguration } from './schemathesis-configuration.ts';

/**
 * `npm run schemathesis -- [--accounts on|off] [options of st run]`: holds engines of its own against their API's document with Schemathesis (`pip install schemathesis==4.32.5`), found as `st` or by SEG_SCHEMATHESIS: one without
 * accounts, then one with them as its admin. All phases: the examples and links of the document, what is just within and just beyond each bound, requests by chance, and chains of requests. Not a part of the suite: it takes some
 * minutes.
 */

/** All checks but these, which go on in schemathesis_hooks.py: it knows the rules that no schema says, and what no server can see. */
const LEFT_OUT = 'positive_data_acceptance,negative_data_rejection,unsupported_method,use_after_free';
/** They end the very log-in that asks. */
const NOT_AS_ADMIN = ['logOutEverywhere'];

/** What the document's examples name. */
function postOfExamples(engine: EngineProcess, headers: Record<string, string> = {}) {
  return post(engine, [{ meterId: 'meter-1', region: 'region-01', timestamp: Date.now() - 1_000, powerKw: 1.5 }], headers);
}

/** `asking`: ids of whose token goes along, and of their log-ins. */
async function schemathesis(engine: EngineProcess, options: readonly string[], asking: readonly string[] = []): Promise<number> {
  const env = { ...process.env, SEG_ASKING: asking.join(','), SCHEMATHESIS_HOOKS: 'schemathesis_hooks', PYTHONPATH: resolve(import.meta.dirname), PYTHONDONTWRITEBYTECODE: '1' };
  const directory = temporaryDirectory();
  const configuration = join(directory, 'schemathesis.toml');
  writeFileSync(configuration, schemathesisConfiguration());
  const st = spawn(process.env.SEG_SCHEMATHESIS ?? 'st', ['--config-file', configuration, 'run', engine.apiUrl('/api/v1/openapi.json'), '--exclude-checks', LEFT_OUT, '--continue-on-failure', ...options], { stdio: 'inherit', env, cwd: directory });
  const [code] = (await once(st, 'exit')) as [number | null];
  removeDirectory(directory);
  return code ?? 1;
}

async function withoutAccounts(options: readonly string[]): Promise<number> {
  const engine = await EngineProcess.start({ settings: SEEDED_SETTINGS });
  try {
    await seedEngine(engine);
    await postOfExamples(engine);
    // Of accounts there is nothing.
    return await schemathesis(engine, ['--exclude-tag', 'Accounts', ...options]);
  } finally {
    await engine.dispose();
  }
}

async function sessionsOf(people: SignedInEngine): Promise<string[]> {
  const { body } = await people.call('GET', '/api/v1/auth/sessions', { token: people.admin.token });
  return (body.data as { id: string }[]).map(({ id }) => id);
}

async function withAccounts(options: readonly string[]): Promise<number> {
  const people = await SignedInEngine.start({ ...SEEDED_SETTINGS, RATE_LIMIT_ADDRESS: '10000000' });
  try {
    const { api, ingest }: SeedHeaders = people.headers;
    await seedEngine(people.engine, { api, ingest });
    await postOfExamples(people.engine, ingest);
    const code = await schemathesis(people.engine, ['--header', `Authorization:${api.authorization}`, ...NOT_AS_ADMIN.flatMap((id) => ['--exclude-operation-id', id]), ...options], [people.admin.id, ...(await sessionsOf(people))]);
    // Whose requests were all refused has found nothing, either.
    const { status } = await people.call('GET', '/api/v1/me', { token: people.admin.token });
    if (status === 200) return code;
    process.stderr.write(`the admin is answered ${status} at the end: from some request on nothing was looked at\n`);
    return 1;
  } finally {
    await people.engine.dispose();
  }
}

const options = process.argv.slice(2);
const at = options.indexOf('--accounts');
const [, accounts] = at === -1 ? [] : options.splice(at, 2);
const codes: number[] = [];
if (accounts !== 'on') codes.push(await withoutAccounts(options));
if (accounts !== 'off') codes.push(await withAccounts(options));
process.exitCode = Math.max(...codes);

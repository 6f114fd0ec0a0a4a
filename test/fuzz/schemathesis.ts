import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { EngineProcess } from '../support/engine-process.ts';
import { SEEDED_SETTINGS, seedEngine } from '../support/seeded-engine.ts';

/**
 * `npm run schemathesis -- [options of st run]`: holds an engine of its own against its API's document with Schemathesis (`pip install schemathesis==4.32.5`), found as `st` or by SEG_SCHEMATHESIS. By default what its
 * coverage phase makes of each operation, which takes a minute; `--phases fuzzing,stateful --max-time 600` goes on from there. Not a part of the suite.
 */

/**
 * All checks but these. `positive_data_acceptance` and `negative_data_rejection` go on in schemathesis_hooks.py, which knows the rules that no schema says, and what no server can see. `ignored_auth` and `object_level_authorization` need accounts, and this engine has none: api-access.test.ts
 * and owasp-real-engine.test.ts ask for every operation as everybody.
 */
const LEFT_OUT = 'positive_data_acceptance,negative_data_rejection,ignored_auth,object_level_authorization';

const engine = await EngineProcess.start({ settings: SEEDED_SETTINGS });
try {
  await seedEngine(engine);
  const options = process.argv.slice(2);
  const phases = options.includes('--phases') ? [] : ['--phases', 'examples,coverage'];
  const env = { ...process.env, SCHEMATHESIS_HOOKS: 'schemathesis_hooks', PYTHONPATH: resolve(import.meta.dirname), PYTHONDONTWRITEBYTECODE: '1' };
  const st = spawn(process.env.SEG_SCHEMATHESIS ?? 'st', ['run', engine.apiUrl('/api/v1/openapi.json'), ...phases, '--exclude-checks', LEFT_OUT, '--continue-on-failure', ...options], { stdio: 'inherit', env, cwd: tmpdir() });
  const [code] = (await once(st, 'exit')) as [number | null];
  process.exitCode = code ?? 1;
} finally {
  await engine.dispose();
}

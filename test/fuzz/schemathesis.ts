import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { EngineProcess } from '../support/engine-process.ts';
import { seedEngine } from '../support/seeded-engine.ts';

/**
 * `npm run schemathesis -- [options of st run]`: holds an engine of its own against its API's document with Schemathesis (`pip install schemathesis==4.32.5`), found as `st` or by SEG_SCHEMATHESIS. By default what its
 * coverage phase makes of each operation, which takes a minute; `--phases fuzzing --max-time 600` goes on from there. Not a part of the suite.
 */

const CHECKS = 'not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance';

const engine = await EngineProcess.start({ settings: { SHARDS: '1' } });
try {
  await seedEngine(engine);
  const options = process.argv.slice(2);
  const phases = options.includes('--phases') ? [] : ['--phases', 'coverage'];
  const st = spawn(process.env.SEG_SCHEMATHESIS ?? 'st', ['run', engine.apiUrl('/api/v1/openapi.json'), ...phases, '-c', CHECKS, '--continue-on-failure', ...options], { stdio: 'inherit' });
  const [code] = (await once(st, 'exit')) as [number | null];
  process.exitCode = code ?? 1;
} finally {
  await engine.dispose();
}

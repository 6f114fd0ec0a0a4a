import { readdirSync, readlinkSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadEngineConfig } from '../../src/engine/engine-config.ts';
import { startEngine } from '../../src/engine/engine.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { removeDirectory, temporaryDirectory } from '../support/engine-process.ts';

/** A whole engine in this process, with all that keeps a store, is stopped: whoever then looks at its data directory finds nothing open there, and what was promised written. Linux says what a process has open. */

let directory: string;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => removeDirectory(directory));

function openBelow(path: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith(path) ? [target.slice(path.length + 1)] : [];
    } catch {
      // The folder was open itself while it was read.
      return [];
    }
  });
}

it('closes every store that it opened: accounts, registry, alerts, shards', { timeout: 60_000 }, async () => {
  const args = { dataDir: directory, ingestPort: '0', httpPort: '0', opsPort: '0', shards: '1', auth: 'on' };
  const engine = await startEngine(loadEngineConfig({ cores: 2 }, { args, env: {}, file: null }), { log: nullLog, version: 'test', onFirstAdmin: () => {} });
  const stores = new Set(openBelow(directory).map((file) => file.split('/')[0]));
  const outcomes = await engine.stop('the test is over');
  expect([...stores]).toEqual(expect.arrayContaining(['accounts', 'registry', 'alerts']));
  expect(outcomes.filter(({ outcome }) => outcome !== 'done')).toEqual([]);
  expect(openBelow(directory)).toEqual([]);
});

import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { REPOSITORY } from '../support/engine-process.ts';

/** What a command loads before it does anything: the engine is most of a second of a core, Kafka's client some of that. */

const SRC = join(REPOSITORY, 'src');
/** Imports that stay when the types are gone, and are no `import()`. */
const STATIC_IMPORT = /^(?:import|export) (?!type )(?:[^';]*? from )?'([^']+)';/gm;

/** Files of ours by their place in src, and packages, that come with a file. */
function loadedWith(file: string, found = new Set<string>()): Set<string> {
  found.add(file);
  for (const [, to] of readFileSync(join(SRC, file), 'utf8').matchAll(STATIC_IMPORT)) {
    const name = to.startsWith('.') ? resolve(`/${dirname(file)}`, to).slice(1) : to;
    if (found.has(name)) continue;
    if (name.endsWith('.ts') && to.startsWith('.')) loadedWith(name, found);
    else found.add(name);
  }
  return found;
}

test('the imports are found', () => {
  const loaded = loadedWith('engine/engine.ts');
  expect(loaded.size).toBeGreaterThan(200);
  expect(loaded).toContain('runtime/log.ts');
  expect(loadedWith('engine/sink-thread.ts')).toContain('kafkajs');
});

test('which command is meant is known before one is loaded', () => {
  expect([...loadedWith('main.ts')]).toEqual(['main.ts', 'commander', 'engine/version.ts', 'node:fs']);
});

test.each(['start', 'demo', 'verify', 'backup', 'recover-admin'])('seg %s judges its options before the engine is loaded', (name) => {
  expect(loadedWith(`engine/${name}-command.ts`)).not.toContain('engine/engine.ts');
});

test("an engine without Kafka does without Kafka's client", () => {
  expect(loadedWith('engine/engine.ts')).not.toContain('kafkajs');
});

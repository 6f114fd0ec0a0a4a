import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { EngineProcess, makeDataDirectory, removeDataDirectory } from '../../bench/load/engine-process.ts';

const SEG = fileURLToPath(new URL('../../src/seg.mjs', import.meta.url));

/** glibc reads its settings from the environment that a program was started with: /proc has that of the program, not what it has set since. */
function startedWith(pid: number): Record<string, string> {
  const entries = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').filter((entry) => entry.startsWith('MALLOC_'));
  return Object.fromEntries(entries.map((entry) => entry.split('=')));
}

describe.skipIf(process.platform !== 'linux' || process.execve === undefined)('an engine started by the seg command', () => {
  const before = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('MALLOC_')));
  let engine: EngineProcess | null = null;
  let directory = '';

  afterEach(async () => {
    for (const name of Object.keys(process.env)) if (name.startsWith('MALLOC_') || name === 'ALLOCATOR_SETTLED') delete process.env[name];
    Object.assign(process.env, before);
    await engine?.stop();
    engine = null;
    await removeDataDirectory(directory);
  });

  async function start(settings: Record<string, string>): Promise<Record<string, string>> {
    for (const name of Object.keys(before)) delete process.env[name];
    Object.assign(process.env, settings);
    directory = await makeDataDirectory();
    engine = await EngineProcess.start(directory);
    return startedWith(engine.pid);
  }

  it('has an allocator that keeps little, in the process that was started', async () => {
    expect(await start({})).toEqual({ MALLOC_ARENA_MAX: '2', MALLOC_TRIM_THRESHOLD_: '1048576', MALLOC_MMAP_THRESHOLD_: '1048576' });
  });

  it('is not started anew a second time where the loader took the settings away', async () => {
    expect(await start({ ALLOCATOR_SETTLED: '1' })).toEqual({});
  });

  it('starts as it is where Node may not start programs', () => {
    const help = spawnSync(process.execPath, ['--permission', '--allow-fs-read=*', '--allow-worker', '--allow-addons', SEG, 'start', '--help'], { encoding: 'utf8' });
    expect(help.stdout, help.stderr).toContain('--data-dir');
    expect(help.status).toBe(0);
  });

  it('leaves the allocator to whoever set it', async () => {
    expect(await start({ MALLOC_ARENA_MAX: '7' })).toEqual({ MALLOC_ARENA_MAX: '7' });
  });
});

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

/** Each keeps two cores busy by itself for a minute, with millions of windows or ten times too many requests: beside another file it would gain nothing and stretch that one. */
const ALONE = ['test/integration/real-data-edrp.test.ts', 'test/integration/real-data-swiss.test.ts', 'test/crash/overload.test.ts'];

/** By default one less than there are cores. Two on two cores: most files wait for clocks, disks and servers now and then. */
const WORKERS = Math.max(2, availableParallelism() - 1);
/**
 * A browser shares two cores with another file and everything it starts, and is late now and then. What passes only when tried again is named at the end of the run. Nothing else is tried again:
 * where readings, windows or money differ once, something is wrong.
 */
const BROWSER = ['test/browser/**/*.test.ts'];
const BROWSER_RETRIES = 1;
/** They start nothing that outlives them and change nothing that others see, so a worker loads what they import once and not two hundred times. */
const IN_ONE_PROCESS = ['test/unit/**/*.test.ts', 'test/property/**/*.test.ts'];

export default defineConfig({
  test: {
    // Native addons (lmdb, uWebSockets.js) crash vitest's thread pool.
    pool: 'forks',
    sequence: { sequencer: LongestFirst },
    // Some two hundred engines are started, each of which compiles all it loads.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/seg-compiled') },
    reporters: ['default', './test/support/left-out-suites.ts', './test/support/second-tries.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // What is waited for comes at once, and on two busy cores now and then not within vitest's second.
    expect: { poll: { timeout: 15_000 } },
    projects: [
      { extends: true, test: { name: 'alone', include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } } },
      {
        extends: true,
        test: {
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: [...ALONE, ...BROWSER, ...IN_ONE_PROCESS],
          maxWorkers: WORKERS,
          sequence: { groupOrder: 2 },
        },
      },
      { extends: true, test: { name: 'in one process', include: IN_ONE_PROCESS, isolate: false, maxWorkers: WORKERS, sequence: { groupOrder: 2 } } },
      { extends: true, test: { name: 'browser', include: BROWSER, retry: BROWSER_RETRIES, maxWorkers: WORKERS, sequence: { groupOrder: 2 } } },
    ],
  },
});

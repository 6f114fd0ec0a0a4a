import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

/** Each keeps two cores busy by itself for a minute, with millions of windows or ten times too many requests: beside another file it would gain nothing and stretch that one. */
const ALONE = ['test/integration/real-data-edrp.test.ts', 'test/integration/real-data-swiss.test.ts', 'test/crash/overload.test.ts'];

export default defineConfig({
  test: {
    // Native addons (lmdb, uWebSockets.js) crash vitest's thread pool.
    pool: 'forks',
    sequence: { sequencer: LongestFirst },
    // Some two hundred engines are started, each of which compiles all it loads.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/seg-compiled') },
    reporters: ['default', './test/support/left-out-suites.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: 'alone', include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } } },
      {
        extends: true,
        test: {
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: ALONE,
          // By default one less than there are cores. Two on two cores: most files wait for clocks, disks and servers now and then.
          maxWorkers: Math.max(2, availableParallelism() - 1),
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});

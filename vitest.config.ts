import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // Native addons (lmdb, uWebSockets.js) crash vitest's thread pool.
    pool: 'forks',
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});

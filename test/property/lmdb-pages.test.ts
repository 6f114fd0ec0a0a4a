import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SeededChance } from '../../src/cli/prove/seeded-chance.ts';
import { walkPages } from '../../src/runtime/lmdb-pages.ts';
import { copyLmdbStore, openLmdbStore } from '../../src/runtime/lmdb-store.ts';
import { propertyRuns } from '../support/shard-lives.ts';

/** Stores with a long history, and stores whose bytes were flipped: the walk over the pages cries out at the second kind alone. */

const FLIPPED_STORE = join(import.meta.dirname, '../fixtures/runtime/flipped-store.ts');
const TABLES = ['windows', 'pages', 'meta'];
/** Beside a start the walk is a thread of its own, and each trial takes a tenth of a second. */
const SEEDS_BESIDE = propertyRuns(40);
const SEEDS = propertyRuns(160);

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'seg-pages-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Puts and removes of all sizes over several lives; `onCommit` hears of each commit. */
async function live(path: string, seed: number, options: { pageBytes: number; lives: number; commits: number; keys: number; longest: number }, onCommit: () => void = () => {}): Promise<void> {
  const chance = new SeededChance(seed, 1);
  for (let life = 0; life < options.lives; life++) {
    const store = openLmdbStore({ directory: path, pageBytes: options.pageBytes });
    for (let commit = 0; commit < options.commits; commit++) {
      const isTrimming = chance.next() < 0.2;
      for (let change = chance.whole(1, 60); change > 0; change--) {
        const table = store.table(chance.oneOf(TABLES));
        const key = Buffer.from(`${'k'.repeat(chance.whole(1, 30))}${chance.whole(0, options.keys)}`);
        if (isTrimming || chance.next() < 0.2) table.remove(key);
        else table.put(key, Buffer.alloc(Math.floor(options.longest * chance.next() ** 6), chance.whole(0, 255)));
      }
      await store.commit();
      onCommit();
    }
    await store.close();
  }
}

interface Trials {
  code: number | null;
  signal: string | null;
  output: string;
  /** How often each outcome came up. */
  outcomes: Record<string, number>;
}

async function trials(dataFile: string, firstSeed: number, seeds: number, ...mode: string[]): Promise<Trials> {
  const child = spawn(process.execPath, [FLIPPED_STORE, dataFile, TABLES.join(','), String(firstSeed), String(seeds), ...mode], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  const outcomes: Record<string, number> = {};
  for (const [, outcome] of output.matchAll(/^\d+ (.+)$/gm)) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  return { code, signal, output, outcomes };
}

describe('the walk over the pages', () => {
  it.each([
    [4_096, 1],
    [4_096, 2],
    [32_768, 3],
  ])('finds nothing at any moment of a sound store with pages of %d bytes (history %d)', { timeout: 120_000 }, async (pageBytes, seed) => {
    const path = join(directory, `sound-${seed}`);
    const wrong: unknown[] = [];
    let walks = 0;
    await live(path, seed, { pageBytes, lives: 4, commits: 60, keys: 400, longest: 8 * pageBytes }, () => {
      walks++;
      wrong.push(...walkPages(join(path, 'data.mdb')));
    });
    expect([walks, wrong]).toEqual([240, []]);
    const copy = join(directory, `copy-${seed}`);
    mkdirSync(copy);
    await copyLmdbStore(path, copy);
    expect(walkPages(join(copy, 'data.mdb'))).toEqual([]);
  });

  it.each([
    [4_096, 11, SEEDS, 'before it is opened'],
    [32_768, 12, SEEDS, 'before it is opened'],
    [4_096, 13, SEEDS_BESIDE, 'beside'],
  ])('and the checksums leave no flipped byte that ends the process or changes what is read (pages of %d bytes, history %d, %d trials, %s)', { timeout: 240_000 }, async (pageBytes, seed, seeds, when) => {
    const path = join(directory, `flipped-${seed}`);
    await live(path, seed, { pageBytes, lives: 2, commits: 12, keys: 300, longest: 3 * pageBytes });
    const { code, signal, output, outcomes } = await trials(join(path, 'data.mdb'), 1, seeds, ...(when === 'beside' ? [when] : []));
    console.log(`${seeds} flipped stores with pages of ${pageBytes} bytes:`, outcomes);
    expect([code, signal], output.slice(-2_000)).toEqual([0, null]);
    expect(Object.keys(outcomes).filter((outcome) => outcome.startsWith('OTHER')), output).toEqual([]);
    expect(Object.values(outcomes).reduce((sum, count) => sum + count, 0)).toBe(seeds);
    // All three ways are taken, or the trials prove less than they say.
    expect(outcomes.walk).toBeGreaterThan(seeds / 10);
    expect(outcomes.checksum).toBeGreaterThan(seeds / 20);
    expect(outcomes.same).toBeGreaterThan(0);
  });
});

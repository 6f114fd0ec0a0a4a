import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { checkDataFile } from '../../src/runtime/lmdb-data-file.ts';
import { openLmdbStore } from '../../src/runtime/lmdb-store.ts';

/** Files that LMDB would answer with SIGBUS, SIGSEGV or silence. */

let directory: string;
let whole: string;
let file: string;
let pageBytes: number;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'seg-lmdb-file-'));
  const store = openLmdbStore({ directory: join(directory, 'env') });
  const table = store.table('rows');
  for (let i = 0; i < 300; i++) table.put(Buffer.from(`key-${i}`), Buffer.alloc(50_000, i));
  await store.commit();
  for (let i = 200; i < 300; i++) table.remove(Buffer.from(`key-${i}`));
  await store.close();
  whole = join(directory, 'env', 'data.mdb');
  file = join(directory, 'data.mdb');
  pageBytes = readFileSync(whole).readUInt32LE(48);
});
beforeEach(() => copyFileSync(whole, file));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('the look at a data file', () => {
  test('lets a whole file and one that is not there pass, and changes neither', () => {
    checkDataFile(file, false);
    expect(readFileSync(file).equals(readFileSync(whole))).toBe(true);
    checkDataFile(join(directory, 'none.mdb'), false);
  });

  test.each([[0.1], [0.5], [0.7]])('refuses a file cut to %d of its length', (share) => {
    const { size } = statSync(whole);
    truncateSync(file, Math.floor(size * share));
    expect(() => checkDataFile(file, false)).toThrow(`was cut short: it has ${Math.floor(size * share)} bytes and should have`);
    expect(() => checkDataFile(file, true)).toThrow('was cut short');
  });

  test('refuses an empty file, which LMDB would take for a new one', () => {
    truncateSync(file, 0);
    expect(() => checkDataFile(file, false)).toThrow('is empty; if no engine was ever ready on it');
  });

  test('adds the last few pages, which LMDB may never have written', () => {
    const { size } = statSync(whole);
    truncateSync(file, size - 2 * pageBytes);
    checkDataFile(file, true);
    expect(statSync(file).size).toBe(size - 2 * pageBytes);
    checkDataFile(file, false);
    expect(statSync(file).size).toBe(size);
  });

  test.each([['magic', 24], ['version', 28], ['flags', 18]])('refuses other meta pages: %s', (_what, at) => {
    for (const page of [0, pageBytes]) {
      const bytes = readFileSync(whole);
      bytes[page + at] ^= 0xff;
      writeFileSync(file, bytes);
      expect(() => checkDataFile(file, false)).toThrow('does not begin as an LMDB file does');
    }
  });
});

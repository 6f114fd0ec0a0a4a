import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLmdbStore } from '../../src/runtime/lmdb-store.ts';
import { mappedBytes } from '../../src/runtime/mapped-memory.ts';
import { PageCheck } from '../../src/runtime/page-check.ts';
import type { Store } from '../../src/runtime/store.ts';

/** A store that is read while its pages are walked. */

const PAGE_BYTES = 4_096;
const MIB = 1024 * 1024;
const LAST = ['none', 'late'];

let directory: string;
let sound: Buffer;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'seg-page-check-'));
  const path = join(directory, 'sound');
  const store = openLmdbStore({ directory: path, pageBytes: PAGE_BYTES });
  for (const name of ['late', 'early']) for (let i = 0; i < 300; i++) store.table(name).put(Buffer.from(`${name}-${1_000 + i}`), Buffer.alloc(100, name));
  await store.commit();
  await store.close();
  sound = readFileSync(join(path, 'data.mdb'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The store with each leaf damaged that holds entries of a table; and its walk. */
function damaged(name: string | null, early: readonly string[] = []): { check: PageCheck; open(): Store } {
  const bytes = Buffer.from(sound);
  for (let page = 2; name !== null && page * PAGE_BYTES < bytes.length; page++) {
    const at = page * PAGE_BYTES;
    const isLeaf = bytes.readUInt16LE(at + 18) === 2;
    // Over the places of its nodes: LMDB would read past the end of the page.
    if (isLeaf && bytes.subarray(at, at + PAGE_BYTES).includes(`${name}-1`)) bytes.writeUInt16LE(0x7ff0, at + 24);
  }
  const path = mkdtempSync(join(directory, 'changed-'));
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'data.mdb'), bytes);
  const check = new PageCheck(join(path, 'data.mdb'), LAST, early);
  return { check, open: () => openLmdbStore({ directory: path, pageCheck: check }) };
}

const read = (store: Store, name: string) => store.table(name).get(Buffer.from(`${name}-1007`))?.length;
const DAMAGE = /data\.mdb is damaged: page \d+ of table "(early|late)" has node 0 outside it/;

describe('a store whose pages are walked beside its reader', () => {
  it('is read, written and whole when nothing is wrong', async () => {
    const { check, open } = damaged(null);
    const store = open();
    expect([read(store, 'early'), read(store, 'late'), [...store.table('late').range(Buffer.alloc(1), Buffer.alloc(9, 255))].length]).toEqual([100, 100, 300]);
    store.waitForCheck!();
    expect(check.isWhole).toBe(true);
    store.table('late').put(Buffer.from('more'), Buffer.alloc(5_000));
    await store.commit();
    expect(store.table('late').count()).toBe(301);
    await store.close();
  });

  it('is not opened when what it opens with is damaged', () => {
    const { open } = damaged('early');
    expect(open).toThrow(/data\.mdb is damaged: page \d+ of .* has node 0 outside it/);
  });

  // The walk may be over before the store is open: then that fails already.
  it.each<[string, (store: Store) => unknown]>([
    ['by key', (store) => read(store, 'late')],
    ['by range', (store) => [...store.table('late').range(Buffer.alloc(1), Buffer.alloc(9, 255))]],
    ['by its keys', (store) => [...store.table('late').keys(Buffer.alloc(1), Buffer.alloc(9, 255))]],
    ['to whoever asks whether all is well', (store) => store.waitForCheck!()],
    ['to whoever asks twice', (store) => (attempt(() => store.waitForCheck!()), read(store, 'late'))],
  ])('gives nothing of a damaged table that is walked later, %s', async (_how, use) => {
    const { open } = damaged('late');
    let store: Store | null = null;
    expect(() => use((store = open()))).toThrow(DAMAGE);
    await (store as Store | null)?.close();
  });

  it('is not written to when a page is damaged, whatever is written', async () => {
    const write = async (): Promise<void> => {
      const store = damaged('late').open();
      store.table('early').put(Buffer.from('new'), Buffer.alloc(1));
      await store.commit().finally(() => store.close());
    };
    await expect(write()).rejects.toThrow(DAMAGE);
  });
});

describe('a table that is used before its pages are walked', () => {
  it('is found whole while others write to it', async () => {
    const { check, open } = damaged(null, ['late']);
    const store = open();
    const goOn = check.goOn.bind(check);
    check.goOn = () => {};
    store.waitForCheck!();
    const bytes = store.sizeBytes();
    // Each could take the pages that the one before has freed, but for those that the walk has yet to find.
    for (let round = 0; round < 40; round++) {
      for (let i = 0; i < 300; i++) store.table('late').put(Buffer.from(`late-${1_000 + i}`), Buffer.alloc(100 + round));
      await store.commit();
    }
    expect(store.sizeBytes() - bytes).toBeGreaterThan(40 * 300 * 100);
    goOn();
    await check.rest();
    expect(check.isWhole).toBe(true);
    expect(read(store, 'late')).toBe(139);
    await store.close();
  });

  it('is not walked before its reader has what it waits for, and then reported to whoever waits for the rest', async () => {
    const { check, open } = damaged('late', ['late']);
    // None of it could be sure to be done if the walk had found the damage.
    const store = open();
    expect(read(store, 'early')).toBe(100);
    store.waitForCheck!();
    await expect(check.rest()).rejects.toThrow(DAMAGE);
    await store.close();
  });

  it('is walked when its store is closed before that', async () => {
    const { check, open } = damaged('late', ['late']);
    await open().close();
    await expect(check.rest()).rejects.toThrow(DAMAGE);
  });

  it('is waited for by nobody', async () => {
    const { check } = damaged('late', ['late']);
    check.waitForTable('late');
    check.goOn();
    await expect(check.rest()).rejects.toThrow(DAMAGE);
    check.waitForTable('late');
  });

  it.runIf(process.platform === 'linux')('leaves nothing mapped of what its reader read before', async () => {
    const path = mkdtempSync(join(directory, 'large-'));
    const large = openLmdbStore({ directory: path });
    for (let i = 0; i < 800; i++) large.table('early').put(Buffer.from(`early-${1_000 + i}`), Buffer.alloc(64 * 1_024, i));
    large.table('late').put(Buffer.from('late'), Buffer.alloc(1));
    await large.commit();
    await large.close();
    const check = new PageCheck(join(path, 'data.mdb'), LAST, ['late']);
    const store = openLmdbStore({ directory: path, pageCheck: check, mappedBytesMax: Infinity });
    expect(store.table('late').count()).toBe(1);
    const before = mappedBytes();
    for (let i = 0; i < 800; i++) expect(store.table('early').get(Buffer.from(`early-${1_000 + i}`))!.length).toBe(64 * 1_024);
    expect(mappedBytes() - before).toBeGreaterThan(25 * MIB);
    store.waitForCheck!();
    expect(mappedBytes() - before).toBeLessThan(10 * MIB);
    expect(store.table('early').get(Buffer.from('early-1001'))![0]).toBe(1);
    await check.rest();
    await store.close();
  });

  it('does not hide damage to others', () => {
    expect(damaged('early', ['late']).open).toThrow(/has node 0 outside it/);
  });
});

function attempt(use: () => void): void {
  try {
    use();
  } catch {
    // Looked at by the next.
  }
}

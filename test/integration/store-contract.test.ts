import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLmdbStore } from '../../src/runtime/lmdb-store.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import type { Store, Table } from '../../src/runtime/store.ts';

interface Kind {
  open(): Store;
  /** The store as the next process finds it. */
  reopen(closed: Store): Store;
  dispose(): void;
}

function lmdb(mappedBytesMax?: number): Kind {
  const directory = mkdtempSync(join(tmpdir(), 'seg-store-'));
  return {
    open: () => openLmdbStore({ directory, mappedBytesMax }),
    reopen: () => openLmdbStore({ directory, mappedBytesMax }),
    dispose: () => rmSync(directory, { recursive: true }),
  };
}

function memory(): Kind {
  return { open: () => new MemoryStore(), reopen: (closed) => (closed as MemoryStore).crash(), dispose: () => {} };
}

const bytes = (...values: number[]) => Buffer.from(values);
/** A value's bytes, once it is sure that they are all it has. */
const contentOf = (value: Uint8Array | undefined) => {
  expect(value!.byteLength).toBe(value!.length);
  return [...value!];
};
const keysOf = (table: Table, from: Buffer, to: Buffer, options?: { reverse?: boolean; limit?: number }) =>
  [...table.range(from, to, options)].map(({ key }) => Buffer.from(key).toString('hex'));

describe.each([
  ['in LMDB', () => lmdb()],
  ['in LMDB that lets go of its memory at the first commit', () => lmdb(-1)],
  ['in memory', memory],
])('a store %s', (_name, make) => {
  let kind: Kind;
  let store: Store;
  let table: Table;

  beforeEach(() => {
    kind = make();
    store = kind.open();
    table = store.table('rows');
  });

  afterEach(async () => {
    await store.close();
    kind.dispose();
  });

  it('has room for the tables of the supervisors, and finds all of them again', async () => {
    const names = Array.from({ length: 40 }, (_, i) => `table-${i}`);
    for (const name of names) store.table(name).put(bytes(1), Buffer.from(name));
    await store.commit();
    await store.close();
    store = kind.reopen(store);
    expect(names.map((name) => Buffer.from(store.table(name).get(bytes(1)) ?? []).toString())).toEqual(names);
  });

  const fill = async (...keys: Buffer[]) => {
    for (const key of keys) table.put(key, Buffer.from(`value of ${key.toString('hex')}`));
    await store.commit();
  };

  it('shows what is queued only once it is committed, all of it at once', async () => {
    const other = store.table('others');
    table.put(bytes(1), bytes(10));
    other.put(bytes(1), bytes(20));
    expect([table.get(bytes(1)), other.get(bytes(1)), table.count(), keysOf(table, bytes(0), bytes(255))]).toEqual([undefined, undefined, 0, []]);
    const committed = store.commit();
    expect(table.get(bytes(1)) === undefined).toBe(other.get(bytes(1)) === undefined);
    await committed;
    expect(contentOf(table.get(bytes(1)))).toEqual([10]);
    expect(contentOf(other.get(bytes(1)))).toEqual([20]);
    expect([table.count(), other.count()]).toEqual([1, 1]);
  });

  it('orders keys bytewise, a prefix first', async () => {
    await fill(bytes(2), bytes(1, 255), bytes(255), bytes(1), bytes(1, 0), bytes(128), bytes(127, 9), bytes(0, 0, 1));
    expect(keysOf(table, bytes(0), bytes(255, 255))).toEqual(['000001', '01', '0100', '01ff', '02', '7f09', '80', 'ff']);
  });

  it('takes the lower edge of a range in and leaves the upper one out, in both directions', async () => {
    await fill(bytes(1), bytes(2), bytes(3), bytes(4));
    expect(keysOf(table, bytes(2), bytes(4))).toEqual(['02', '03']);
    expect(keysOf(table, bytes(2), bytes(4), { reverse: true })).toEqual(['03', '02']);
    expect(keysOf(table, bytes(1, 0), bytes(3, 0))).toEqual(['02', '03']);
    expect(keysOf(table, bytes(1, 0), bytes(3, 0), { reverse: true })).toEqual(['03', '02']);
    expect(keysOf(table, bytes(3), bytes(3))).toEqual([]);
    expect(keysOf(table, bytes(4), bytes(2))).toEqual([]);
    expect(keysOf(table, bytes(5), bytes(9), { reverse: true })).toEqual([]);
  });

  it('gives the keys of a range, and other reads in between', async () => {
    await fill(bytes(1), bytes(2), bytes(2, 0), bytes(3), bytes(4));
    const found = [];
    for (const key of table.keys(bytes(2), bytes(4))) found.push([Buffer.from(key).toString('hex'), Buffer.from(table.get(key)!).toString()]);
    expect(found).toEqual([['02', 'value of 02'], ['0200', 'value of 0200'], ['03', 'value of 03']]);
    expect([...table.keys(bytes(4), bytes(2))]).toEqual([]);
  });

  it('stops a range at its limit, counted in its direction', async () => {
    await fill(bytes(1), bytes(2), bytes(3), bytes(4));
    expect(keysOf(table, bytes(0), bytes(9), { limit: 2 })).toEqual(['01', '02']);
    expect(keysOf(table, bytes(0), bytes(9), { limit: 2, reverse: true })).toEqual(['04', '03']);
    expect(keysOf(table, bytes(0), bytes(9), { limit: 0 })).toEqual([]);
    expect(keysOf(table, bytes(3), bytes(9), { limit: 10 })).toEqual(['03', '04']);
  });

  it('applies puts and removes of one commit in their order', async () => {
    await fill(bytes(1), bytes(2));
    table.put(bytes(3), bytes(1));
    table.remove(bytes(3));
    table.remove(bytes(1));
    table.put(bytes(1), bytes(7));
    table.put(bytes(2), bytes(8));
    table.put(bytes(2), bytes(9));
    table.remove(bytes(77));
    await store.commit();
    expect(keysOf(table, bytes(0), bytes(255))).toEqual(['01', '02']);
    expect([contentOf(table.get(bytes(1))), contentOf(table.get(bytes(2)))]).toEqual([[7], [9]]);
  });

  it('gives a value in its true length, whatever way it is copied or cut', async () => {
    const small = Buffer.from(Array.from({ length: 56 }, (_, i) => i));
    const big = Buffer.alloc(3_000_000, 'abcdefg');
    table.put(bytes(1), small);
    table.put(bytes(2), big);
    table.put(bytes(3), Buffer.alloc(0));
    await store.commit();
    for (const [key, value] of [[bytes(1), small], [bytes(2), big], [bytes(3), Buffer.alloc(0)]]) {
      const found = table.get(key)!;
      expect([found.length, found.byteLength]).toEqual([value.length, value.length]);
      const copy = new Uint8Array(value.length);
      copy.set(found);
      expect(Buffer.compare(copy, value)).toBe(0);
      expect(Buffer.compare(table.get(key)!.subarray(8), value.subarray(8))).toBe(0);
    }
    const [entry] = [...table.range(bytes(2), bytes(3))];
    expect([entry.value.byteLength, Buffer.compare(entry.value, big)]).toEqual([big.length, 0]);
  });

  it('gives a value as long as the one before, though larger ones of other tables were read meanwhile', async () => {
    const values = ['first.', 'second'].map((text) => Buffer.from(text));
    values.forEach((value, n) => table.put(bytes(n + 1), value));
    const others = store.table('others');
    for (const length of [20_000, 2_000_000, 34_000_000]) {
      others.put(bytes(1), Buffer.alloc(length, 'x'));
      await store.commit();
      expect(Buffer.from(table.get(bytes(1))!).toString()).toBe('first.');
      expect(others.get(bytes(1))!.length).toBe(length);
      expect(Buffer.from(table.get(bytes(2))!).toString()).toBe('second');
    }
  });

  it('gives the caller of a range entries of its own', async () => {
    await fill(bytes(1), bytes(2), bytes(3));
    const entries = [...table.range(bytes(0), bytes(9))];
    table.get(bytes(3));
    table.get(bytes(2));
    expect(entries.map(({ value }) => Buffer.from(value).toString())).toEqual(['value of 01', 'value of 02', 'value of 03']);
  });

  it('copies a key when it is queued', async () => {
    const key = bytes(5);
    table.put(key, bytes(1));
    key[0] = 6;
    await store.commit();
    expect(keysOf(table, bytes(0), bytes(9))).toEqual(['05']);
  });

  it('finds everything committed when it is opened again, and nothing else', async () => {
    await fill(bytes(1), bytes(2));
    table.remove(bytes(2));
    await store.commit();
    await store.close();
    store = kind.reopen(store);
    table = store.table('rows');
    expect(keysOf(table, bytes(0), bytes(9))).toEqual(['01']);
    expect(store.table('never used').count()).toBe(0);
    await fill(bytes(3));
    expect(table.count()).toBe(2);
  });

  it('commits nothing at once, and what is queued when it closes', async () => {
    await store.commit();
    table.put(bytes(1), bytes(1));
    await store.close();
    store = kind.reopen(store);
    expect(store.table('rows').count()).toBe(1);
  });

  it('grows with what it holds', async () => {
    const before = store.sizeBytes();
    table.put(bytes(1), Buffer.alloc(200_000, 1));
    await store.commit();
    expect(store.sizeBytes() - before).toBeGreaterThanOrEqual(200_000);
  });
});

describe('the store in memory', () => {
  it('keeps nothing of a commit that fails, and takes the next', async () => {
    const store = new MemoryStore();
    const table = store.table('rows');
    store.failNext('storage_full');
    table.put(bytes(1), bytes(1));
    await expect(store.commit()).rejects.toMatchObject({ code: 'storage_full', retryable: true });
    table.put(bytes(2), bytes(2));
    await store.commit();
    expect(keysOf(table, bytes(0), bytes(9))).toEqual(['02']);
    store.failNext('storage_failed');
    table.put(bytes(3), bytes(3));
    await expect(store.commit()).rejects.toMatchObject({ code: 'storage_failed', retryable: false });
  });

  it('is after a crash what it was at the last finished commit, or what was under way as well', async () => {
    const begin = async () => {
      const waiting: (() => void)[] = [];
      const store = new MemoryStore({ takeCommit: () => new Promise((resolve) => waiting.push(resolve)) });
      store.table('rows').put(bytes(1), bytes(1));
      const first = store.commit();
      await new Promise((resolve) => setImmediate(resolve));
      waiting.shift()!();
      await first;
      store.table('rows').put(bytes(2), bytes(2));
      void store.commit();
      store.table('rows').put(bytes(3), bytes(3));
      return store;
    };
    expect(keysOf((await begin()).crash('lost').table('rows'), bytes(0), bytes(9))).toEqual(['01']);
    expect(keysOf((await begin()).crash('kept').table('rows'), bytes(0), bytes(9))).toEqual(['01', '02']);
  });

  it('reads a value when the disk takes it, not before', async () => {
    const store = new MemoryStore();
    const value = bytes(1);
    store.table('rows').put(bytes(1), value);
    const committed = store.commit();
    value[0] = 2;
    await committed;
    value[0] = 3;
    expect(contentOf(store.table('rows').get(bytes(1)))).toEqual([2]);
  });

  it('spoils a borrowed value at the next read', async () => {
    const store = new MemoryStore();
    store.table('rows').put(bytes(1), bytes(1));
    await store.commit();
    const borrowed = store.table('rows').get(bytes(1))!;
    store.table('rows').get(bytes(9));
    expect(Array.from(borrowed)).not.toEqual([1]);
  });
});

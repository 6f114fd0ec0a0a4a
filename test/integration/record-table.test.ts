import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLmdbStore } from '../../src/runtime/lmdb-store.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { RecordTable, sortableNumber } from '../../src/runtime/record-table.ts';
import type { Store } from '../../src/runtime/store.ts';
import { removeDirectory, temporaryDirectory } from '../support/engine-process.ts';

interface Note {
  at: number;
  who: string | null;
  lines: string[];
}

describe.each(['lmdb', 'memory'])('a table of records in %s', (kind) => {
  let directory: string;
  let store: Store;
  let notes: RecordTable<Note>;
  beforeEach(() => {
    directory = temporaryDirectory();
    store = kind === 'lmdb' ? openLmdbStore({ directory }) : new MemoryStore();
    notes = new RecordTable(store, 'notes');
  });
  afterEach(async () => {
    await store.close();
    removeDirectory(directory);
  });

  it('gives back what was put, as numbers, strings and nulls', async () => {
    const note = { at: 1_795_000_000_123, who: null, lines: ['für', '漢字'] };
    notes.put('a', note);
    await store.commit();
    expect(notes.get('a')).toEqual(note);
    expect([notes.get('b'), notes.count()]).toEqual([null, 1]);
  });

  it('reads ranges in the order of keys, either way', async () => {
    for (const at of [5, 1_700_000_000_000, 36]) notes.put(sortableNumber(at), { at, who: 'x', lines: [] });
    await store.commit();
    const times = (options?: Parameters<typeof notes.range>[0]) => [...notes.range(options)].map(({ record }) => record.at);
    expect(times()).toEqual([5, 36, 1_700_000_000_000]);
    expect(times({ reverse: true, limit: 2 })).toEqual([1_700_000_000_000, 36]);
    expect(times({ from: sortableNumber(6), to: sortableNumber(37) })).toEqual([36]);
    notes.remove(sortableNumber(36));
    await store.commit();
    expect(times()).toEqual([5, 1_700_000_000_000]);
  });

  it('has nothing under a name that no key can have, and goes on', async () => {
    notes.put('a', { at: 1, who: null, lines: [] });
    await store.commit();
    // What somebody asks for may be anything: nothing, or more than LMDB takes for a key.
    for (const key of ['', 'x'.repeat(5_000), '€'.repeat(1_000)]) expect(notes.get(key), key.slice(0, 3)).toBeNull();
    expect([...notes.range({ from: '€'.repeat(1_000) })]).toEqual([]);
    expect([...notes.range({ to: '€'.repeat(1_000) })]).toHaveLength(1);
    expect(notes.keys('€'.repeat(1_000), '')).toEqual([]);
    expect(notes.get('a')).not.toBeNull();
  });
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLmdbStore } from '../../src/runtime/lmdb-store.ts';
import { MappedMemory, mappedBytes } from '../../src/runtime/mapped-memory.ts';
import type { Store } from '../../src/runtime/store.ts';

const MIB = 1024 * 1024;
const VALUES = 1_600;
const VALUE_BYTES = 40 * 1024;
const key = (n: number) => Buffer.from([1, n >> 8, n & 255]);
const valueOf = (n: number) => Buffer.alloc(VALUE_BYTES, `value ${n} `);

describe('memory that LMDB maps', () => {
  let directory: string;
  let store: Store;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'seg-mapped-'));
    store = openLmdbStore({ directory });
    for (let n = 0; n < VALUES; n++) store.table('rows').put(key(n), valueOf(n));
    store.table('others').put(key(0), Buffer.from('other'));
    await store.commit();
    await store.close();
  });

  afterEach(async () => {
    await store.close();
    rmSync(directory, { recursive: true });
  });

  /** The most that was mapped more than at the beginning while all was read, some reads in a turn of the event loop. */
  async function growthOfReading(mappedBytesMax: number, readInTurn: (from: number, to: number) => void): Promise<number> {
    store = openLmdbStore({ directory, mappedBytesMax });
    store.table('rows').get(key(0));
    const before = mappedBytes();
    let most = 0;
    for (let pass = 0; pass < 3; pass++) {
      for (let n = 0; n < VALUES; n += 20) {
        readInTurn(n, n + 20);
        most = Math.max(most, mappedBytes() - before);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
    return most;
  }

  it.runIf(process.platform === 'linux')('stays bounded when only reads come, by key or in ranges', async () => {
    let wrong = 0;
    const look = (n: number, value: Uint8Array) => {
      if (Buffer.from(value.subarray(0, 9)).toString('latin1') !== `value ${n} value`.slice(0, 9) || value.length !== VALUE_BYTES) wrong++;
    };
    const byKey = (from: number, to: number) => {
      for (let n = from; n < to; n++) look(n, store.table('rows').get(key(n))!);
    };
    const inRanges = (from: number, to: number) => {
      let n = from;
      for (const { value } of store.table('rows').range(key(from), key(to))) look(n++, value);
      expect(n).toBe(to);
    };
    // What it is held against: without a bound all of it is mapped; with one six times that, and what is read in the tenth of a second between two looks.
    expect(await growthOfReading(Infinity, byKey)).toBeGreaterThan(50 * MIB);
    await store.close();
    expect(await growthOfReading(2 * MIB, byKey)).toBeLessThan(45 * MIB);
    await store.close();
    expect(await growthOfReading(2 * MIB, inRanges)).toBeLessThan(45 * MIB);
    expect(wrong).toBe(0);
  });

  it.runIf(process.platform === 'linux')('is let go when nobody reads any more, too', async () => {
    store = openLmdbStore({ directory, mappedBytesMax: 8 * MIB });
    const rows = store.table('rows');
    const read = (from: number, to: number) => {
      for (let n = from; n < to; n++) rows.get(key(n));
    };
    rows.get(key(0));
    const before = mappedBytes();
    // The first release, and then less than is let go of at once.
    read(0, VALUES);
    await expect.poll(() => mappedBytes() - before).toBeLessThan(4 * MIB);
    await new Promise((resolve) => setTimeout(resolve, 100));
    read(0, 400);
    await new Promise((resolve) => setImmediate(resolve));
    expect(mappedBytes() - before).toBeGreaterThan(8 * MIB);
    await expect.poll(() => mappedBytes() - before).toBeLessThan(4 * MIB);
  });

  it('goes on with what was read, committed and asked for before it lets go', async () => {
    store = openLmdbStore({ directory, mappedBytesMax: -1 });
    const rows = store.table('rows');
    const others = store.table('others');
    const before = [...rows.range(key(0), key(3))];
    for (let round = 0; round < 4; round++) {
      others.put(key(round), Buffer.from(`round ${round}`));
      await store.commit();
      expect(Buffer.from(others.get(key(round))!).toString()).toBe(`round ${round}`);
      expect([rows.count(), others.count()]).toEqual([VALUES, Math.max(1, round + 1)]);
      // Past the time between looks.
      await new Promise((resolve) => setTimeout(resolve, 110));
    }
    expect(before.map(({ value }, n) => Buffer.compare(value, valueOf(n)))).toEqual([0, 0, 0]);
  });

  it('leaves a range alone that somebody is still reading', async () => {
    store = openLmdbStore({ directory, mappedBytesMax: -1 });
    const rows = store.table('rows');
    let n = 0;
    for (const { value } of rows.range(key(0), key(50))) {
      expect(Buffer.compare(value, valueOf(n++))).toBe(0);
      if (n % 10 === 0) {
        store.table('others').put(key(n), Buffer.from('x'));
        await store.commit();
        await new Promise((resolve) => setTimeout(resolve, 110));
      }
    }
    expect(n).toBe(50);
    // Given up half way, it is over.
    for (const entry of rows.range(key(0), key(50))) if (entry !== undefined) break;
    store.table('others').put(key(99), Buffer.from('x'));
    await store.commit();
    expect(Buffer.compare(rows.get(key(7))!, valueOf(7))).toBe(0);
  });

  it('does not mix up commits that follow each other without a pause', async () => {
    store = openLmdbStore({ directory, mappedBytesMax: -1 });
    const others = store.table('others');
    const end = performance.now() + 700;
    let written = 0;
    const commits: Promise<void>[] = [];
    while (performance.now() < end) {
      for (let k = 0; k < 3; k++) {
        others.put(key(100 + (++written % 500)), Buffer.from(String(written)));
        commits.push(store.commit());
      }
      await (written % 2 === 0 ? commits.at(-1) : new Promise((resolve) => setImmediate(resolve)));
    }
    await Promise.all(commits);
    for (let n = Math.max(1, written - 499); n <= written; n++) expect(Buffer.from(others.get(key(100 + (n % 500)))!).toString()).toBe(String(n));
  });
});

describe('the look at mapped memory', () => {
  let nowMs = 0;
  let bytes = 1_000;
  const mappedOf = (bytesMax: number) => {
    nowMs = 0;
    bytes = 1_000;
    return new MappedMemory(bytesMax, () => nowMs, () => bytes);
  };

  it('is due past the bound, counted from the last release or from what is left when others let go', () => {
    const mapped = mappedOf(100);
    const due = (next: number) => {
      nowMs += 10_000;
      bytes = next;
      return mapped.dueInMs();
    };
    expect([due(1_000), due(1_100), due(1_101)]).toEqual([Infinity, Infinity, 0]);
    mapped.released();
    expect([due(1_150), due(1_202)]).toEqual([Infinity, 0]);
    expect([due(500), due(600), due(601)]).toEqual([Infinity, Infinity, 0]);
  });

  it('is due again two seconds later at the earliest, unless six times the bound is mapped', () => {
    const mapped = mappedOf(100);
    const due = (next: number, at: number) => {
      nowMs = at;
      bytes = next;
      return mapped.dueInMs();
    };
    // The first waits for nothing.
    expect(due(1_101, 1_000)).toBe(0);
    mapped.released();
    expect([due(1_201, 1_000), due(1_202, 1_001), due(1_701, 1_500), due(1_702, 1_501)]).toEqual([Infinity, 1_999, 1_500, 0]);
    expect([due(1_202, 2_999), due(1_202, 3_000), due(1_201, 9_000)]).toEqual([1, 0, Infinity]);
  });

  it('looks ten times a second at most, and is never due where the system does not say', () => {
    const mapped = mappedOf(100);
    expect(mapped.wasLookedAt).toBe(false);
    mapped.dueInMs();
    expect(mapped.wasLookedAt).toBe(true);
    nowMs = 99;
    expect(mapped.wasLookedAt).toBe(true);
    nowMs = 100;
    expect(mapped.wasLookedAt).toBe(false);
    expect(new MappedMemory(-1, () => 0, () => NaN).dueInMs()).toBe(Infinity);
  });
});

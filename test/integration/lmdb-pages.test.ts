import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NODE, PAGE, readMetas, treeAt, type Meta, type Tree } from '../../src/runtime/lmdb-layout.ts';
import { checkPages, walkPages } from '../../src/runtime/lmdb-pages.ts';
import { openLmdbStore } from '../../src/runtime/lmdb-store.ts';

/** One damage each to the pages or values of a sound store, and the words for it. */

const PAGE_BYTES = 4_096;

let directory: string;
let dataFile: string;
let sound: Buffer;
let meta: Meta;
/** Of the table `rows`, whose root is a branch over leaves. */
let rows: Tree;
/** First page of a value that has several. */
let longValue: number;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'seg-lmdb-pages-'));
  const path = join(directory, 'env');
  const store = openLmdbStore({ directory: path, pageBytes: PAGE_BYTES });
  const table = store.table('rows');
  // With a gap after each key.
  for (let i = 0; i < 200; i++) table.put(Buffer.from(`key-${1_000 + 2 * i}`), Buffer.alloc(100, i));
  store.table('long').put(Buffer.from('long'), Buffer.alloc(20_000, 'long'));
  await store.commit();
  for (let i = 0; i < 60; i++) table.remove(Buffer.from(`key-${1_000 + 2 * i}`));
  await store.commit();
  await store.close();
  dataFile = join(path, 'data.mdb');
  sound = readFileSync(dataFile);
  const file = openSync(dataFile, 'r');
  const metas = readMetas(file).map((found) => found!);
  closeSync(file);
  meta = metas[0].transaction > metas[1].transaction ? metas[0] : metas[1];
  rows = tableAt(meta.tableTree.root!, 'rows');
  longValue = Math.floor(sound.indexOf('longlong') / PAGE_BYTES);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const base = (page: number): number => page * PAGE_BYTES;
const nodeAt = (page: number, index: number): number => base(page) + PAGE.bytes + sound.readUInt16LE(base(page) + PAGE.bytes + 2 * index);
const childOf = (page: number, index: number): number => sound.readUIntLE(nodeAt(page, index) + NODE.child, 6);
const valueAt = (node: number): number => node + NODE.bytes + sound.readUInt16LE(node + NODE.keyBytes);

function tableAt(list: number, name: string): Tree {
  for (let i = 0; i < sound.readUInt16LE(base(list) + PAGE.lower) / 2; i++) {
    const node = nodeAt(list, i);
    if (sound.toString('latin1', node + NODE.bytes, valueAt(node)) === `${name}\0`) return treeAt(sound, valueAt(node), name);
  }
  throw new Error(`no table ${name}`);
}

/** Where a tree's description lies that the list of tables holds. */
function descriptionAt(name: string): number {
  const list = meta.tableTree.root!;
  for (let i = 0; ; i++) {
    const node = nodeAt(list, i);
    if (sound.toString('latin1', node + NODE.bytes, valueAt(node)) === `${name}\0`) return valueAt(node);
  }
}

/** A copy of the file with a change. */
function changed(change: (bytes: Buffer) => void): string {
  const bytes = Buffer.from(sound);
  change(bytes);
  const path = join(directory, 'changed');
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path);
  writeFileSync(join(path, 'data.mdb'), bytes);
  return join(path, 'data.mdb');
}

const found = (change: (bytes: Buffer) => void): string[] => walkPages(changed(change)).map(({ page, table, problem }) => `${table} ${page} ${problem}`);

describe('the walk over the pages', () => {
  it('finds nothing in a sound store, a new one and one that is not there', async () => {
    expect(rows.depth).toBe(2);
    expect(walkPages(dataFile)).toEqual([]);
    const store = openLmdbStore({ directory: join(directory, 'new') });
    await store.close();
    expect(walkPages(join(directory, 'new/data.mdb'))).toEqual([]);
    expect(walkPages(join(directory, 'none.mdb'))).toEqual([]);
    expect(() => checkPages(dataFile)).not.toThrow();
  });

  const leaf = (): number => childOf(rows.root!, 1);
  const damages: [string, RegExp, (bytes: Buffer) => void][] = [
    ['a magic', /^the meta pages 0 is no meta page/, (bytes) => bytes.writeUInt32LE(1, 24)],
    ['a meta page that is older than it says', /^the meta pages 0 is of transaction \d+, and page 1 of \d+/, (bytes) => bytes.writeUInt32LE(bytes.readUInt32LE(152) + 16, 152)],
    ['the last page', /says that page 999999 is the last; the file has \d+/, (bytes) => [0, PAGE_BYTES].forEach((at) => bytes.writeUInt32LE(999_999, at + 144))],
    ['the last page, below those in use', /is not in the file, whose last page is 3/, (bytes) => [0, PAGE_BYTES].forEach((at) => bytes.writeUInt32LE(3, at + 144))],
    ["a page's number", /^rows \d+ says that it is page 77777/, (bytes) => bytes.writeUInt32LE(77_777, base(leaf()))],
    ["a page's transaction", /is of transaction 4097; the last was/, (bytes) => bytes.writeUInt32LE(4_097, base(leaf()) + PAGE.transaction)],
    ['a leaf that says it is a branch', /has the flags 1, not 2/, (bytes) => bytes.writeUInt16LE(1, base(leaf()) + PAGE.flags)],
    ['a branch that says it is a leaf', /has the flags 2, not 1/, (bytes) => bytes.writeUInt16LE(2, base(rows.root!) + PAGE.flags)],
    ['the free room', /has its free room from \d+ to 65535/, (bytes) => bytes.writeUInt16LE(65_535, base(leaf()) + PAGE.upper)],
    ['an empty leaf', /has 0 nodes/, (bytes) => bytes.writeUInt16LE(0, base(leaf()) + PAGE.lower)],
    ['a place of a node', /has node 0 outside it/, (bytes) => bytes.writeUInt16LE(PAGE_BYTES - 30, base(leaf()) + PAGE.bytes)],
    ['the length of a key', /has node 0 outside it/, (bytes) => bytes.writeUInt16LE(60_000, nodeAt(leaf(), 0) + NODE.keyBytes)],
    ['the length of a value', /has nodes of \d+ bytes in \d+/, (bytes) => bytes.writeUInt32LE(90, nodeAt(leaf(), 3) + NODE.valueBytes)],
    ["a value's kind", /has the flags 4 in node 0/, (bytes) => bytes.writeUInt16LE(4, nodeAt(leaf(), 0) + NODE.flags)],
    ['the order of keys', /has node \d+ out of order/, (bytes) => bytes.write('zzz', nodeAt(leaf(), 2) + NODE.bytes)],
    ["a key below those of the leaf's branch", /has node 0 out of order/, (bytes) => bytes.write('aaa', nodeAt(leaf(), 0) + NODE.bytes)],
    ["a key above those of the leaf's branch", /has node \d+ out of order/, (bytes) => bytes.write('zzz', nodeAt(childOf(rows.root!, 0), sound.readUInt16LE(base(childOf(rows.root!, 0)) + PAGE.lower) / 2 - 1) + NODE.bytes)],
    ['a key of a branch', /out of order/, (bytes) => bytes.write('zzz', nodeAt(rows.root!, 1) + NODE.bytes)],
    ['a child outside the file', /^rows 123456789 is not in the file/, (bytes) => bytes.writeUIntLE(123_456_789, nodeAt(rows.root!, 1) + NODE.child, 6)],
    ['a child twice', /is in use twice/, (bytes) => bytes.writeUIntLE(childOf(rows.root!, 0), nodeAt(rows.root!, 1) + NODE.child, 6)],
    ['the number of entries', /is the root of 140 entries and should have 141/, (bytes) => bytes.writeUInt32LE(141, descriptionAt('rows') + 32)],
    ['the number of leaves', /is the root of \d+ leaves and should have 99/, (bytes) => bytes.writeUInt32LE(99, descriptionAt('rows') + 16)],
    ['the number of pages of long values', /is the root of 5 pages for long values and should have 4/, (bytes) => bytes.writeUInt32LE(4, descriptionAt('long') + 24)],
    ['the depth', /has the flags 1, not 2/, (bytes) => bytes.writeUInt16LE(1, descriptionAt('rows') + 6)],
    ['the depth, past what LMDB follows', /is the root of a tree of 256 levels/, (bytes) => bytes.writeUInt16LE(256, descriptionAt('rows') + 6)],
    ['the flags of a table', /is the root of a tree with the flags 4/, (bytes) => bytes.writeUInt16LE(4, descriptionAt('rows') + 4)],
    ['a table that is none', /^the list of tables \d+ has no table in node 0/, (bytes) => bytes.writeUInt16LE(0, nodeAt(meta.tableTree.root!, 0) + NODE.flags)],
    ['the pages of a long value', /names in node 0 page \d+, which has the flags 2, not 4/, (bytes) => bytes.writeUInt16LE(2, base(longValue) + PAGE.flags)],
    ['how many pages a long value has', /which says 9/, (bytes) => bytes.writeUInt32LE(9, base(longValue) + PAGE.runPages)],
    ['the length of a long value', /names in node 0 5 pages from \d+ on for a value of \d+ bytes/, (bytes) => bytes.writeUInt32LE(40_000, nodeAt(tableAt(meta.tableTree.root!, 'long').root!, 0) + NODE.valueBytes)],
    ['a free page that is in use', /^rows \d+ is in use and free at once/, (bytes) => bytes.writeUInt32LE(leaf(), firstFree())],
    ['a free page that holds the list itself', /names in node \d+ page \d+ free, which is in use/, (bytes) => bytes.writeUInt32LE(meta.freeTree.root!, firstFree())],
    ['a free page outside the file', /free pages from 99999999 on/, (bytes) => bytes.writeUInt32LE(99_999_999, firstFree())],
    ['the length of the list of free pages', /free pages in \d+ bytes/, (bytes) => bytes.writeUInt32LE(9_999, firstFree() - 8)],
  ];

  /** Where the first page that is free is named. */
  function firstFree(): number {
    const root = meta.freeTree.root!;
    expect(meta.freeTree.depth).toBe(1);
    for (let i = 0; i < sound.readUInt16LE(base(root) + PAGE.lower) / 2; i++) {
      const list = valueAt(nodeAt(root, i));
      if (sound.readUInt32LE(list) > 0 && sound.readInt32LE(list + 8 + 4) === 0 && sound.readUInt32LE(list + 8) > 0) return list + 8;
    }
    throw new Error('no page is free');
  }

  it.each(damages)('finds %s', (_what, words, change) => {
    const problems = found(change);
    expect(problems.some((problem) => words.test(problem)), problems.join('\n')).toBe(true);
    expect(() => checkPages(join(directory, 'changed/data.mdb'))).toThrow(/changed\/data\.mdb is damaged: page \d+ of /);
  });

  it('finds pages that are gone, noise and nothing at all', () => {
    const cut = changed(() => {});
    truncateSync(cut, 6 * PAGE_BYTES);
    expect(walkPages(cut).length).toBeGreaterThan(0);
    expect(found((bytes) => bytes.fill(0xff))).toEqual(['the meta pages 0 is no meta page of LMDB']);
    expect(found((bytes) => bytes.fill(0xff, 2 * PAGE_BYTES)).length).toBeGreaterThan(0);
    truncateSync(cut, 0);
    expect(walkPages(cut)).toMatchObject([{ problem: 'is no meta page of LMDB' }]);
    expect(walkPages(dirname(cut))).toMatchObject([{ problem: expect.stringContaining('cannot be read') }]);
  });
});

describe('the checksums of values', () => {
  const open = (change: (bytes: Buffer) => void) => {
    const path = dirname(changed(change));
    return openLmdbStore({ directory: path });
  };

  it('let a damaged value through in no way of reading it', async () => {
    const node = nodeAt(childOf(rows.root!, 1), 0);
    const key = sound.subarray(node + NODE.bytes, valueAt(node));
    const store = open((bytes) => (bytes[valueAt(node) + 50] ^= 4));
    const table = store.table('rows');
    const words = `table "rows" has an entry ${key.toString('hex')} that fails its checksum`;
    const all = [Buffer.alloc(1), Buffer.alloc(80, 255)] as const;
    try {
      expect(() => table.get(key)).toThrow(expect.objectContaining({ code: 'corrupt', message: words }));
      expect(() => [...table.range(...all)]).toThrow(words);
      expect(() => [...table.range(...all, { reverse: true })]).toThrow(words);
      expect(table.get(Buffer.from('key-1398'))).toHaveLength(100);
    } finally {
      await store.close();
    }
  });

  it('cover the pages of a long value', async () => {
    const store = open((bytes) => (bytes[base(longValue) + 3 * PAGE_BYTES] ^= 1));
    expect(() => store.table('long').get(Buffer.from('long'))).toThrow('that fails its checksum');
    await store.close();
  });

  it('cover the key: by its old one the entry is not there, by a walk it is found out', async () => {
    const node = nodeAt(childOf(rows.root!, 1), 1);
    const key = sound.subarray(node + NODE.bytes, valueAt(node));
    const file = changed((bytes) => (bytes[valueAt(node) - 1] ^= 1));
    expect(walkPages(file)).toEqual([]);
    const store = openLmdbStore({ directory: dirname(file) });
    const table = store.table('rows');
    try {
      expect(table.get(key)).toBeUndefined();
      expect(() => [...table.range(Buffer.alloc(1), Buffer.alloc(80, 255))]).toThrow('that fails its checksum');
    } finally {
      await store.close();
    }
  });

  it('cover the names of tables', async () => {
    const rename = (bytes: Buffer): void => {
      const list = meta.tableTree.root!;
      for (let i = 0; i < sound.readUInt16LE(base(list) + PAGE.lower) / 2; i++) {
        const node = nodeAt(list, i);
        if (sound.toString('latin1', node + NODE.bytes, valueAt(node)) === 'rows\0') bytes.write('rowt', node + NODE.bytes);
      }
    };
    expect(walkPages(changed(rename))).toEqual([]);
    expect(() => open(rename)).toThrow(expect.objectContaining({ code: 'corrupt', message: expect.stringContaining('has lost its table "rows"') }));
  });

  it('are taken away again, however short the value', async () => {
    const path = join(directory, 'short');
    const store = openLmdbStore({ directory: path });
    const table = store.table('rows');
    for (const length of [0, 1, 3, 4, 5]) table.put(Buffer.from([1 + length]), Buffer.alloc(length, 7));
    await store.commit();
    expect([0, 1, 3, 4, 5].map((length) => table.get(Buffer.from([1 + length]))!.length)).toEqual([0, 1, 3, 4, 5]);
    expect([...table.range(Buffer.from([0]), Buffer.from([9]))].map(({ value }) => value.length)).toEqual([0, 1, 3, 4, 5]);
    await store.close();
  });
});

import { readSync } from 'node:fs';

/**
 * How an LMDB data file of lmdb-js 3.5 lies on disk, on 64 bits and little endian (mdb.c: MDB_page_header, MDB_node, MDB_ovpage, MDB_db, MDB_meta). Pages 0 and 1
 * are meta pages, and transaction N writes number N mod 2; LMDB goes on from the higher one. Offsets inside a page count from the end of its header.
 */

export const PAGE = { number: 0, transaction: 8, flags: 18, lower: 20, upper: 22, runPages: 20, bytes: 24 } as const;
export const PAGE_FLAGS = { branch: 1, leaf: 2, overflow: 4, meta: 8 } as const;
/** Before a key. A branch's node has the child's 48-bit page number there, a leaf's the size of the value, which follows the key. */
export const NODE = { child: 0, valueBytes: 0, flags: 4, keyBytes: 6, bytes: 8 } as const;
export const NODE_FLAGS = { plain: 0, overflow: 1, table: 2 } as const;
/** What a leaf holds instead of a value that has a run of pages of its own. */
export const RUN = { first: 0, pages: 16, bytes: 24 } as const;
const TREE = { flags: 4, depth: 6, branches: 8, leaves: 16, overflow: 24, entries: 32, root: 40, bytes: 48 } as const;
export const TREE_BYTES = TREE.bytes;
/** MDB_INTEGERKEY: keys of the tree of free pages are transaction numbers. Tables have no flags. */
export const FREE_TREE_FLAGS = 8;
/** LMDB's CURSOR_STACK: it cannot follow a deeper tree. */
export const DEPTH_MAX = 32;
const META = { magic: 24, version: 28, pageBytes: 48, freeTree: 48, tableTree: 96, lastPage: 144, transaction: 152, bytes: 160 } as const;
const MAGIC = 0xbeefc0de;
const VERSION = 2;
const PAGE_BYTES_MIN = 512;
const PAGE_BYTES_MAX = 65_536;

export interface Meta {
  pageBytes: number;
  lastPage: number;
  transaction: number;
  freeTree: Tree;
  tableTree: Tree;
}

/** What LMDB says of a tree. */
export interface Tree {
  name: string;
  flags: number;
  depth: number;
  branches: number;
  leaves: number;
  /** Pages. */
  overflow: number;
  entries: number;
  /** null when it has no entry. */
  root: number | null;
}

/** What LMDB keeps besides tables, named for people. */
export const META_PAGES = 'the meta pages';
export const FREE_PAGES = 'the free pages';
export const TABLE_LIST = 'the list of tables';

/** Both meta pages of an open file; null for one that is none. */
export function readMetas(file: number): [Meta | null, Meta | null] {
  const first = metaAt(file, 0);
  const second = first === null ? null : metaAt(file, first.pageBytes);
  return [first, second?.pageBytes === first?.pageBytes ? second : null];
}

function metaAt(file: number, position: number): Meta | null {
  const bytes = Buffer.alloc(META.bytes);
  if (readSync(file, bytes, 0, META.bytes, position) < META.bytes) return null;
  const pageBytes = bytes.readUInt32LE(META.pageBytes);
  const isPage = pageBytes >= PAGE_BYTES_MIN && pageBytes <= PAGE_BYTES_MAX && (pageBytes & (pageBytes - 1)) === 0;
  if (!isPage || bytes.readUInt16LE(PAGE.flags) !== PAGE_FLAGS.meta || bytes.readUInt32LE(META.magic) !== MAGIC || bytes.readUInt32LE(META.version) !== VERSION) return null;
  return {
    pageBytes,
    lastPage: wordAt(bytes, META.lastPage),
    transaction: wordAt(bytes, META.transaction),
    freeTree: treeAt(bytes, META.freeTree, FREE_PAGES),
    tableTree: treeAt(bytes, META.tableTree, TABLE_LIST),
  };
}

export function treeAt(bytes: Buffer, at: number, name: string): Tree {
  const root = wordAt(bytes, at + TREE.root);
  return {
    name,
    flags: bytes.readUInt16LE(at + TREE.flags),
    depth: bytes.readUInt16LE(at + TREE.depth),
    branches: wordAt(bytes, at + TREE.branches),
    leaves: wordAt(bytes, at + TREE.leaves),
    overflow: wordAt(bytes, at + TREE.overflow),
    entries: wordAt(bytes, at + TREE.entries),
    root: root === -1 ? null : root,
  };
}

/** A signed 64-bit number; exact up to 2^53, and past that large enough to be wrong wherever it stands. */
export function wordAt(bytes: Buffer, at: number): number {
  return bytes.readInt32LE(at + 4) * 0x1_0000_0000 + bytes.readUInt32LE(at);
}

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { OperationalError } from './errors.ts';
import { DEPTH_MAX, FREE_PAGES, FREE_TREE_FLAGS, META_PAGES, NODE, NODE_FLAGS, PAGE, PAGE_FLAGS, readMetas, RUN, TABLE_LIST, TREE_BYTES, treeAt, wordAt, type Meta, type Tree } from './lmdb-layout.ts';

/**
 * A walk over the pages of an LMDB data file, without LMDB. LMDB trusts its pages: they carry no checksum, and a wrong number in one ends the process
 * (SIGSEGV, SIGBUS, an assertion) or hides entries. The walk follows LMDB's own two trees and every table's, and holds each page against what must be
 * true of it. It does not see what keys and values say: a key that became another between the same neighbours is found by reading its entry, whose checksum
 * covers it (lmdb-store.ts).
 */

/** Pages that were taken and given back before they were written may be missing at the end; see lmdb-data-file.ts. */
const UNWRITTEN_PAGES_MAX = 64;
/** The first ones tell the story. */
const FINDINGS_MAX = 50;
/** A walk that a commit overtook finds pages that are no longer what they were. */
const ATTEMPTS_MAX = 3;
/** A transaction number. */
const FREE_KEY_BYTES = 8;

export interface PageFinding {
  page: number;
  /** A table's name, or what else the page belongs to: META_PAGES, FREE_PAGES, TABLE_LIST of lmdb-layout.ts. */
  table: string;
  /** What is wrong, as in "lies outside the file". */
  problem: string;
}

/** How a walk goes, for somebody who waits for some tables and not for others. */
export interface WalkOrder {
  /** Tables that are walked after all others, in this order. */
  last: readonly string[];
  /** So many of `last` are walked, 0 at first, and nothing was wrong so far: what was walked can be read. */
  onWalked(tables: number): void;
}

/**
 * Walks the data file at `path`; gives what is wrong with it, at most FINDINGS_MAX, and nothing for a file that is not there. Never throws, whatever the
 * bytes are. Reads branches, leaves and the first bytes of values that have pages of their own.
 */
export function walkPages(path: string, order: WalkOrder = { last: [], onWalked() {} }): PageFinding[] {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? [] : [unreadable(error)];
  }
  try {
    for (let attempt = 1; ; attempt++) {
      const before = newestTransaction(file);
      const findings = new PageWalk(file).run(order);
      if (findings.length === 0 || attempt === ATTEMPTS_MAX || newestTransaction(file) === before) return findings;
    }
  } catch (error) {
    return [unreadable(error)];
  } finally {
    closeSync(file);
  }
}

/** Entries that a table of the data file at `path` says it has; 0 where the list of tables, which alone is read, has none of it or is damaged. Never throws. */
export function entriesOf(path: string, table: string): number {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return 0;
  }
  try {
    return new PageWalk(file).tableList().find(({ name }) => name === table)?.entries ?? 0;
  } catch {
    return 0;
  } finally {
    closeSync(file);
  }
}

/** Throws OperationalError `corrupt` when the walk finds something. */
export function checkPages(path: string): void {
  const findings = walkPages(path);
  if (findings.length > 0) throw damageOf(path, findings);
}

/** What to throw when a walk found something. */
export function damageOf(path: string, findings: readonly PageFinding[]): OperationalError {
  const more = findings.length === 1 ? '' : `, and ${findings.length === FINDINGS_MAX ? 'many' : findings.length - 1} more`;
  return new OperationalError('corrupt', `${path} is damaged: ${placeOf(findings[0])} ${findings[0].problem}${more}`);
}

/** Like `page 7 of table "windows"`. */
export function placeOf({ page, table }: PageFinding): string {
  return `page ${page} of ${[META_PAGES, FREE_PAGES, TABLE_LIST].includes(table) ? table : `table "${table}"`}`;
}

function unreadable(error: unknown): PageFinding {
  return { page: 0, table: META_PAGES, problem: `cannot be read: ${(error as Error).message}` };
}

function newestTransaction(file: number): number {
  return Math.max(...readMetas(file).map((meta) => meta?.transaction ?? 0));
}

/** A key in the buffer of its page. */
interface Key {
  bytes: Buffer;
  at: number;
  length: number;
}

/** What is known of a page. */
const UNKNOWN = 0;
const REACHED = 1;
const FREE = 2;

/** What a tree says of itself and the walk counts. */
const COUNTED = { branches: 'branches', leaves: 'leaves', overflow: 'pages for long values', entries: 'entries' } as const;
type Counted = keyof typeof COUNTED;

class PageWalk {
  private readonly file: number;
  private readonly findings: PageFinding[] = [];
  /** One page for each level of a tree: a branch stays while its children are looked at. */
  private readonly levels: Buffer[] = [];
  private readonly header = Buffer.alloc(PAGE.bytes);
  private readonly tables: Tree[] = [];
  private pageBytes = 0;
  private lastPage = 0;
  private transaction = 0;
  /** By page. */
  private known = new Uint8Array(0);
  private freeNamed = 0;
  /** In the tree that is walked. */
  private counted: Record<Counted, number> = { branches: 0, leaves: 0, overflow: 0, entries: 0 };

  constructor(file: number) {
    this.file = file;
  }

  /** What the list of tables says of each; empty when anything is wrong with it. */
  tableList(): readonly Tree[] {
    const meta = this.meta();
    if (meta !== null) this.walk(meta.tableTree, 0);
    return this.findings.length === 0 ? this.tables : [];
  }

  run({ last, onWalked }: WalkOrder): PageFinding[] {
    const meta = this.meta();
    if (meta === null) return this.findings;
    this.walk(meta.freeTree, FREE_TREE_FLAGS);
    this.walk(meta.tableTree, 0);
    for (const table of this.tables) if (!last.includes(table.name)) this.walk(table, 0);
    for (let walked = 0; walked <= last.length; walked++) {
      if (this.findings.length === 0) onWalked(walked);
      for (const table of this.tables) if (table.name === last[walked]) this.walk(table, 0);
    }
    return this.findings;
  }

  private found(page: number, table: string, problem: string): void {
    if (this.findings.length < FINDINGS_MAX) this.findings.push({ page, table, problem });
  }

  /** The newer one, once both are sound; else null. */
  private meta(): Meta | null {
    const [first, second] = readMetas(this.file);
    if (first === null || second === null) {
      this.found(first === null ? 0 : 1, META_PAGES, 'is no meta page of LMDB');
      return null;
    }
    // A new file has two of transaction 0; from then on each transaction follows the one in the other page.
    const isNew = first.transaction === 0 && second.transaction === 0;
    if (!isNew && (Math.abs(first.transaction - second.transaction) !== 1 || first.transaction % 2 !== 0)) {
      this.found(0, META_PAGES, `is of transaction ${first.transaction}, and page 1 of ${second.transaction}`);
    }
    const newer = second.transaction > first.transaction ? second : first;
    const pages = Math.ceil(fstatSync(this.file).size / newer.pageBytes);
    if (newer.lastPage < 1 || newer.lastPage >= pages + UNWRITTEN_PAGES_MAX) this.found(newer === first ? 0 : 1, META_PAGES, `says that page ${newer.lastPage} is the last; the file has ${pages}`);
    if (this.findings.length > 0) return null;
    this.pageBytes = newer.pageBytes;
    this.lastPage = newer.lastPage;
    this.transaction = newer.transaction;
    this.known = new Uint8Array(newer.lastPage + 1);
    return newer;
  }

  // Trees ------------------------------------------------------------------------------------------------------------------

  private walk(tree: Tree, flags: number): void {
    const { name, depth, root } = tree;
    const page = root ?? 0;
    const before = this.findings.length;
    if (tree.flags !== flags) this.found(page, name, `is the root of a tree with the flags ${tree.flags}`);
    if (root === null ? depth !== 0 : depth < 1 || depth > DEPTH_MAX) this.found(page, name, `is the root of a tree of ${depth} levels`);
    this.counted = { branches: 0, leaves: 0, overflow: 0, entries: 0 };
    if (root !== null && this.findings.length === before) this.page(tree, root, 1, null, null);
    // What was not reached was not counted.
    if (this.findings.length > before) return;
    for (const what of Object.keys(COUNTED) as Counted[]) {
      if (this.counted[what] !== tree[what]) this.found(page, name, `is the root of ${this.counted[what]} ${COUNTED[what]} and should have ${tree[what]}`);
    }
  }

  /** A page and all below it, whose keys are at least `low` and below `high`. */
  private page(tree: Tree, page: number, level: number, low: Key | null, high: Key | null): void {
    const bytes = (this.levels[level] ??= Buffer.alloc(this.pageBytes));
    const isLeaf = level === tree.depth;
    const keys: Key[] = [];
    const problem =
      this.reachProblem(page) ??
      this.readProblem(bytes, page) ??
      this.headerProblem(bytes, page, isLeaf ? PAGE_FLAGS.leaf : PAGE_FLAGS.branch) ??
      this.roomProblem(tree, bytes, isLeaf) ??
      (isLeaf ? this.leafProblem(tree, bytes, low, high) : this.branchProblem(tree, bytes, keys, low, high));
    if (problem !== null) return this.found(page, tree.name, problem);
    this.counted[isLeaf ? 'leaves' : 'branches']++;
    for (const [i, key] of keys.entries()) {
      const child = bytes.readUIntLE(key.at - NODE.bytes + NODE.child, 6);
      this.page(tree, child, level + 1, i === 0 ? low : key, keys[i + 1] ?? high);
    }
  }

  private reachProblem(page: number): string | null {
    if (page < 2 || page > this.lastPage) return `is not in the file, whose last page is ${this.lastPage}`;
    if (this.known[page] !== UNKNOWN) return this.known[page] === FREE ? 'is in use and free at once' : 'is in use twice';
    this.known[page] = REACHED;
    return null;
  }

  /** Fills `bytes` from the page's beginning. */
  private readProblem(bytes: Buffer, page: number): string | null {
    return readSync(this.file, bytes, 0, bytes.length, page * this.pageBytes) < bytes.length ? 'lies past the end of the file' : null;
  }

  private headerProblem(bytes: Buffer, page: number, flags: number): string | null {
    const number = wordAt(bytes, PAGE.number);
    if (number !== page) return `says that it is page ${number}`;
    const found = bytes.readUInt16LE(PAGE.flags);
    if (found !== flags) return `has the flags ${found}, not ${flags}`;
    const transaction = wordAt(bytes, PAGE.transaction);
    return transaction < 1 || transaction > this.transaction ? `is of transaction ${transaction}; the last was ${this.transaction}` : null;
  }

  /** Between the list of nodes and the nodes there is free room. */
  private roomProblem(tree: Tree, bytes: Buffer, isLeaf: boolean): string | null {
    const lower = bytes.readUInt16LE(PAGE.lower);
    const upper = bytes.readUInt16LE(PAGE.upper);
    if (lower % 2 !== 0 || lower > upper || upper > this.pageBytes - PAGE.bytes) return `has its free room from ${lower} to ${upper}`;
    // The tree of free pages may have a branch with one child.
    return lower / 2 < (isLeaf || tree.name === FREE_PAGES ? 1 : 2) ? `has ${lower / 2} nodes` : null;
  }

  /** Fills `keys`. */
  private branchProblem(tree: Tree, bytes: Buffer, keys: Key[], low: Key | null, high: Key | null): string | null {
    const count = bytes.readUInt16LE(PAGE.lower) / 2;
    let used = 0;
    for (let i = 0; i < count; i++) {
      const node = this.nodeAt(bytes, i, bytes.readUInt16LE(PAGE.upper));
      if (node === null) return outside(i);
      const key = { bytes, at: node + NODE.bytes, length: bytes.readUInt16LE(node + NODE.keyBytes) };
      if (key.at + key.length > this.pageBytes) return outside(i);
      used += even(NODE.bytes + key.length);
      keys.push(key);
      // LMDB never looks at the first key: its child holds whatever comes before the second.
      if (i === 0) continue;
      if (tree.name === FREE_PAGES && key.length !== FREE_KEY_BYTES) return `has a key of ${key.length} bytes in node ${i}`;
      const previous = i === 1 ? low : keys[i - 1];
      if (previous !== null && compare(tree, previous, key) >= 0) return outOfOrder(i);
    }
    if (count > 1 && high !== null && compare(tree, keys[count - 1], high) >= 0) return outOfOrder(count - 1);
    return this.usedProblem(bytes, used);
  }

  private leafProblem(tree: Tree, bytes: Buffer, low: Key | null, high: Key | null): string | null {
    const count = bytes.readUInt16LE(PAGE.lower) / 2;
    const upper = bytes.readUInt16LE(PAGE.upper);
    const isTable = tree.name !== TABLE_LIST && tree.name !== FREE_PAGES;
    const previous: Key = { bytes, at: 0, length: 0 };
    const key: Key = { bytes, at: 0, length: 0 };
    let used = 0;
    for (let i = 0; i < count; i++) {
      const node = this.nodeAt(bytes, i, upper);
      if (node === null) return outside(i);
      const flags = u16(bytes, node + NODE.flags);
      const valueBytes = bytes.readUInt32LE(node + NODE.valueBytes);
      const hasRun = flags === NODE_FLAGS.overflow;
      key.at = node + NODE.bytes;
      key.length = u16(bytes, node + NODE.keyBytes);
      const valueAt = key.at + key.length;
      const heldBytes = hasRun ? RUN.bytes : valueBytes;
      if (key.length === 0 || valueAt + heldBytes > this.pageBytes) return outside(i);
      used += even(NODE.bytes + key.length + heldBytes);
      const kind = isTable && flags === NODE_FLAGS.plain ? null : kindProblem(tree, flags, valueBytes, key.length);
      if (kind !== null) return `${kind} in node ${i}`;
      if (i === 0 ? low !== null && compare(tree, low, key) > 0 : compare(tree, previous, key) >= 0) return outOfOrder(i);
      previous.at = key.at;
      previous.length = key.length;
      const run = hasRun ? this.runProblem(bytes, valueAt, valueBytes) : null;
      if (run !== null) return `names in node ${i} ${run}`;
      if (isTable) continue;
      if (tree.name === TABLE_LIST) this.tables.push(treeAt(bytes, valueAt, nameOf(key)));
      else {
        const list = this.freeListProblem(hasRun ? this.longValue(bytes, valueAt, valueBytes) : bytes.subarray(valueAt, valueAt + valueBytes));
        if (list !== null) return `names in node ${i} ${list}`;
      }
    }
    if (high !== null && compare(tree, previous, high) >= 0) return outOfOrder(count - 1);
    this.counted.entries += count;
    return this.usedProblem(bytes, used);
  }

  /** Where a node begins; null when that is outside the part of the page that nodes lie in. */
  private nodeAt(bytes: Buffer, index: number, upper: number): number | null {
    const offset = u16(bytes, PAGE.bytes + 2 * index);
    const at = PAGE.bytes + offset;
    return offset % 2 !== 0 || offset < upper || at + NODE.bytes > this.pageBytes ? null : at;
  }

  /** LMDB leaves no gap between nodes, so they take all of their part of the page, unless two lie over each other. */
  private usedProblem(bytes: Buffer, used: number): string | null {
    const room = this.pageBytes - PAGE.bytes - bytes.readUInt16LE(PAGE.upper);
    return used === room ? null : `has nodes of ${used} bytes in ${room}`;
  }

  // Long values ------------------------------------------------------------------------------------------------------------

  /** Of the run that a leaf names at `at`; only its header is read. */
  private runProblem(bytes: Buffer, at: number, valueBytes: number): string | null {
    const first = wordAt(bytes, at + RUN.first);
    const pages = wordAt(bytes, at + RUN.pages);
    // More than it needs when a longer value was there before in the same transaction.
    if (pages < Math.ceil((PAGE.bytes + valueBytes) / this.pageBytes) || first < 2 || first + pages - 1 > this.lastPage) return `${pages} pages from ${first} on for a value of ${valueBytes} bytes`;
    for (let page = first; page < first + pages; page++) {
      const problem = this.reachProblem(page);
      if (problem !== null) return `page ${page}, which ${problem}`;
    }
    const { header } = this;
    const problem = this.readProblem(header, first) ?? this.headerProblem(header, first, PAGE_FLAGS.overflow);
    if (problem !== null) return `page ${first}, which ${problem}`;
    if (header.readUInt32LE(PAGE.runPages) !== pages) return `${pages} pages from ${first} on, which says ${header.readUInt32LE(PAGE.runPages)}`;
    this.counted.overflow += pages;
    return null;
  }

  private longValue(bytes: Buffer, at: number, valueBytes: number): Buffer {
    const value = Buffer.alloc(valueBytes);
    readSync(this.file, value, 0, valueBytes, wordAt(bytes, at + RUN.first) * this.pageBytes + PAGE.bytes);
    return value;
  }

  // Free pages -------------------------------------------------------------------------------------------------------------

  /** A list is its length, then pages; a run of them is minus its length and the first. Zeros are places that were taken out. */
  private freeListProblem(list: Buffer): string | null {
    const words = list.length / 8 - 1;
    const length = words < 0 ? 0 : wordAt(list, 0);
    if (list.length % 8 !== 0 || words < 0 || length < 0 || length > words) return `${length} free pages in ${list.length} bytes`;
    for (let i = 1; i <= length; i++) {
      let first = wordAt(list, i * 8);
      let pages = 1;
      if (first === 0) continue;
      if (first < 0) {
        pages = -first;
        first = i < length ? wordAt(list, ++i * 8) : 0;
      }
      if (first < 2 || first + pages - 1 > this.lastPage) return `${pages} free pages from ${first} on; ${this.lastPage} is the last`;
      // LMDB passes over a page that is named twice. A damaged list must not keep the walk for ever.
      this.freeNamed += pages;
      if (this.freeNamed > 2 * this.lastPage) return `more free pages than there are`;
      for (let page = first; page < first + pages; page++) {
        if (this.known[page] === REACHED) return `page ${page} free, which is in use`;
        this.known[page] = FREE;
      }
    }
    return null;
  }
}

/** Of a leaf's node. */
function kindProblem(tree: Tree, flags: number, valueBytes: number, keyBytes: number): string | null {
  if (tree.name === TABLE_LIST) return flags === NODE_FLAGS.table && valueBytes === TREE_BYTES ? null : 'has no table';
  if (flags !== NODE_FLAGS.plain && flags !== NODE_FLAGS.overflow) return `has the flags ${flags}`;
  return tree.name === FREE_PAGES && keyBytes !== FREE_KEY_BYTES ? `has a key of ${keyBytes} bytes` : null;
}

/** Below 0 when `a` comes first. Bytewise, and a prefix first; free pages by the transaction that freed them. */
function compare(tree: Tree, a: Key, b: Key): number {
  if (tree.name === FREE_PAGES) return wordAt(a.bytes, a.at) - wordAt(b.bytes, b.at);
  return compareBytes(a.bytes, a.at, a.length, b.bytes, b.at, b.length);
}

function compareBytes(a: Buffer, aAt: number, aLength: number, b: Buffer, bAt: number, bLength: number): number {
  const length = Math.min(aLength, bLength);
  for (let i = 0; i < length; i++) {
    const difference = a[aAt + i] - b[bAt + i];
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}

/** Without the checks of Buffer's own: a store has millions of nodes. */
function u16(bytes: Buffer, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8);
}

/** LMDB ends it with a zero byte. */
function nameOf({ bytes, at, length }: Key): string {
  return bytes.toString('latin1', at, at + length).replace(/\0$/, '').replaceAll(/[^ -~]/g, '?');
}

function even(bytes: number): number {
  return bytes + (bytes & 1);
}

function outside(node: number): string {
  return `has node ${node} outside it`;
}

function outOfOrder(node: number): string {
  return `has node ${node} out of order`;
}

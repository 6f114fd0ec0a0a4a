import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';
import { OperationalError } from './errors.ts';

/**
 * A look at an LMDB data file before it is mapped. LMDB reads pages through memory, and a page past the end of the file ends the process
 * with SIGBUS: no error, no word. So a file that was cut short is told apart here.
 *
 * Layout of a meta page in lmdb-js 3.5 (its LMDB is version 2 of the data format; the magic is LMDB's): a header of 24 bytes, then magic u32, version u32,
 * address u64, map size u64, two databases of 48 bytes whose first field is the page size u32, last page u64, transaction u64. Two of
 * them, one page apart; the one with the higher transaction counts.
 */
const MAGIC = 0xbeefc0de;
const VERSION = 2;
const META = { magic: 24, version: 28, pageSize: 48, lastPage: 144, transaction: 152, bytes: 160 } as const;

/**
 * LMDB does not write pages that one transaction takes and gives back, so the last few may rightly be missing. It keeps few of them, one or two in
 * practice.
 */
const UNWRITTEN_PAGES_MAX = 64;

/**
 * Throws OperationalError `corrupt` when the file at `path` lacks pages. Lacks it a few that may never have been written, they are added,
 * empty, unless `readOnly`: a page that was written and is gone then fails its checksum. What is no LMDB file is left to LMDB, and so is one
 * that is not there.
 */
export function checkDataFile(path: string, readOnly: boolean): void {
  let file: number;
  try {
    file = openSync(path, readOnly ? 'r' : 'r+');
  } catch {
    return;
  }
  try {
    // Another process may be writing: the file grows before a meta page says so.
    const wanted = wantedBytes(file);
    const { size } = fstatSync(file);
    if (wanted === null || size >= wanted.bytes) return;
    if (wanted.bytes - size > UNWRITTEN_PAGES_MAX * wanted.pageSize) {
      throw new OperationalError('corrupt', `${path} was cut short: it has ${size} bytes and should have ${wanted.bytes}`);
    }
    if (!readOnly) ftruncateSync(file, wanted.bytes);
  } finally {
    closeSync(file);
  }
}

/** Null for a file without meta pages that are known here. */
function wantedBytes(file: number): { bytes: number; pageSize: number } | null {
  const first = metaAt(file, 0);
  const second = first === null ? null : metaAt(file, first.pageSize);
  if (first === null || second === null) return null;
  const { lastPage } = second.transaction > first.transaction ? second : first;
  return { bytes: (lastPage + 1) * first.pageSize, pageSize: first.pageSize };
}

function metaAt(file: number, position: number): { pageSize: number; lastPage: number; transaction: number } | null {
  const meta = Buffer.alloc(META.bytes);
  if (readSync(file, meta, 0, META.bytes, position) < META.bytes) return null;
  if (meta.readUInt32LE(META.magic) !== MAGIC || meta.readUInt32LE(META.version) !== VERSION) return null;
  return { pageSize: meta.readUInt32LE(META.pageSize), lastPage: Number(meta.readBigUInt64LE(META.lastPage)), transaction: Number(meta.readBigUInt64LE(META.transaction)) };
}

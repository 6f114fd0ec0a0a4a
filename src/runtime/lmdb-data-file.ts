import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';
import { OperationalError } from './errors.ts';

/**
 * A look at an LMDB data file before it is mapped. LMDB reads pages through memory, and a page past the end of the file ends the process
 * with SIGBUS: no error, no word. So a file that was cut short is told apart here.
 *
 * Layout of a meta page in lmdb-js 3.5 (its LMDB is version 2 of the data format; the magic is LMDB's): a header of 24 bytes with flags u16 at 18, then magic u32, version u32,
 * address u64, map size u64, two databases of 48 bytes whose first field is the page size u32, last page u64, transaction u64. Two of
 * them, one page apart; the one with the higher transaction counts.
 */
const MAGIC = 0xbeefc0de;
const VERSION = 2;
/** In a page's flags: it is a meta page. */
const IS_META = 8;
const META = { flags: 18, magic: 24, version: 28, pageSize: 48, lastPage: 144, transaction: 152, bytes: 160 } as const;

/**
 * LMDB does not write pages that one transaction takes and gives back, so the last few may rightly be missing. It keeps few of them, one or two in
 * practice.
 */
const UNWRITTEN_PAGES_MAX = 64;

/**
 * Throws OperationalError `corrupt` when the file at `path` is empty, lacks pages, or has other meta pages than LMDB's. Lacks it a few that may never have been written, they are added,
 * empty, unless `readOnly`: a page that was written and is gone then fails its checksum. A file that is not
 * there is left to LMDB, which makes it.
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
    // LMDB would take it for a new one, and whatever was in it would be gone without a word.
    if (size < META.bytes) throw new OperationalError('corrupt', `${path} is empty; if no engine was ever ready on it, remove its directory`);
    // LMDB refuses it too, but lmdb-js 3.5.6 then ends the process with SIGSEGV.
    if (wanted === null) throw new OperationalError('corrupt', `${path} does not begin as an LMDB file does`);
    if (size >= wanted.bytes) return;
    if (wanted.bytes - size > UNWRITTEN_PAGES_MAX * wanted.pageSize) {
      throw new OperationalError('corrupt', `${path} was cut short: it has ${size} bytes and should have ${wanted.bytes}`);
    }
    if (!readOnly) ftruncateSync(file, wanted.bytes);
  } finally {
    closeSync(file);
  }
}

/** Null when one of the meta pages is none, as LMDB sees it. */
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
  if ((meta.readUInt16LE(META.flags) & IS_META) === 0 || meta.readUInt32LE(META.magic) !== MAGIC || meta.readUInt32LE(META.version) !== VERSION) return null;
  return { pageSize: meta.readUInt32LE(META.pageSize), lastPage: Number(meta.readBigUInt64LE(META.lastPage)), transaction: Number(meta.readBigUInt64LE(META.transaction)) };
}

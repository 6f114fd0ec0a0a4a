import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { listSegments, segmentPath } from '../../runtime/lmdb-segments.ts';
import type { SeededChance } from './seeded-chance.ts';

/** Damage to the files of an engine that does not run. */

/** LMDB's two meta pages come first; their size stands here in the first. */
const PAGE_SIZE_AT = 48;
const FLIPS_MAX = 64;
const DATA_FILE = 'data.mdb';
const LOCK_FILE = 'lock.mdb';
/**
 * Above what the engine lets a log segment take on disk (64 MiB; engine/open-shard-store.ts), which a run never comes to by itself. LMDB writes over what lies
 * behind its last page, so zeros there do no harm.
 */
const FULL_SEGMENT_BYTES = 65 * 1024 * 1024;
/** Of a shard: all of them are copied before each damage. */
const SEGMENTS_MAX = 3;

/** Damages files the engine may lose without losing a reading; says what it did. */
export function damageWhatMayBeLost(dataDir: string, chance: SeededChance): string {
  const kind = chance.oneOf(['lock removed', 'lock garbled', 'lock cut', 'leftovers', 'segment filled', 'segment filled'] as const);
  if (kind === 'leftovers') {
    writeFileSync(join(dataDir, 'engine.json.new'), '{"format":');
    // No process has had this start time.
    writeFileSync(join(dataDir, 'engine-1-1.claim'), '');
    return 'half a new manifest and the claim of an engine long gone';
  }
  if (kind === 'segment filled') return fillSegment(dataDir, chance);
  for (const file of [...tableFiles(dataDir, LOCK_FILE), ...segmentFiles(dataDir, LOCK_FILE)]) {
    if (kind === 'lock removed') rmSync(file);
    else if (kind === 'lock cut') truncateSync(file, Math.floor(statSync(file).size * chance.next()));
    else writeFileSync(file, Buffer.alloc(statSync(file).size, chance.whole(1, 255)));
  }
  return `${kind} in every shard and log segment`;
}

/** So that there is more than one segment to damage in the rounds to come. */
function fillSegment(dataDir: string, chance: SeededChance): string {
  const shards = shardDirectories(dataDir).filter((directory) => {
    const { length } = listSegments(directory);
    return length > 0 && length < SEGMENTS_MAX;
  });
  if (shards.length === 0) return 'nothing: every shard has log segments enough';
  const directory = chance.oneOf(shards);
  const data = join(segmentPath(directory, listSegments(directory).at(-1)!), DATA_FILE);
  const { size } = statSync(data);
  if (size < FULL_SEGMENT_BYTES) writeFileSync(data, Buffer.alloc(FULL_SEGMENT_BYTES - size), { flag: 'a' });
  return `${relative(dataDir, data)} made so large that another segment follows it`;
}

/** Damages a file that holds what was promised; says what it did. */
export function damageWhatMustStay(dataDir: string, chance: SeededChance): string {
  const manifest = join(dataDir, 'engine.json');
  const segments = segmentFiles(dataDir, DATA_FILE);
  // The log in half of the rounds, though a shard has one file of tables and up to three segments.
  const data = chance.oneOf(chance.next() < 0.5 ? segments : tableFiles(dataDir, DATA_FILE));
  const name = relative(dataDir, data);
  const size = usedBytes(data);
  const pageBytes = readFileSync(data).readUInt32LE(PAGE_SIZE_AT);
  const kinds = ['manifest cut', 'manifest removed', 'data removed', 'data cut', 'data emptied', 'meta flipped', 'data flipped', 'data flipped', 'data overwritten', 'segment removed', 'segment removed'] as const;
  switch (chance.oneOf(kinds)) {
    case 'manifest cut':
      truncateSync(manifest, chance.whole(0, statSync(manifest).size - 3));
      return 'engine.json cut short';
    case 'manifest removed':
      rmSync(manifest);
      return 'engine.json removed';
    case 'data removed':
      rmSync(data);
      return `${name} removed`;
    case 'data cut':
      truncateSync(data, chance.whole(0, size - 1));
      return `${name} cut to ${statSync(data).size} of ${size} bytes`;
    case 'data emptied':
      truncateSync(data, 0);
      return `${name} emptied`;
    case 'meta flipped':
      // Both copies: LMDB lives with one.
      for (const page of [0, pageBytes]) flip(data, page + chance.whole(16, 31), chance);
      return `a byte flipped in both meta pages of ${name}`;
    case 'data flipped': {
      const flips = chance.whole(1, FLIPS_MAX);
      for (let i = 0; i < flips; i++) flip(data, chance.whole(2 * pageBytes, size - 1), chance);
      return `${flips} bytes flipped in ${name}`;
    }
    case 'data overwritten': {
      const file = openSync(data, 'r+');
      writeSync(file, Buffer.alloc(pageBytes, chance.whole(0, 255)), 0, pageBytes, pageBytes * chance.whole(2, Math.ceil(size / pageBytes) - 1));
      closeSync(file);
      return `a page of ${name} overwritten`;
    }
    case 'segment removed': {
      const segment = dirname(chance.oneOf(segments));
      const siblings = listSegments(dirname(segment)).map((first) => segmentPath(dirname(segment), first));
      rmSync(segment, { recursive: true });
      return `${relative(dataDir, segment)} removed, ${placeOf(siblings.indexOf(segment), siblings.length)}`;
    }
  }
}

/** Bytes of all files below a directory. */
export function directoryBytes(path: string): number {
  return readdirSync(path, { recursive: true, encoding: 'utf8' }).reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
}

function shardDirectories(dataDir: string): string[] {
  const { generation } = JSON.parse(readFileSync(join(dataDir, 'engine.json'), 'utf8')) as { generation?: number };
  const root = generation === undefined || generation === 0 ? dataDir : join(dataDir, `gen-${generation}`);
  const shards = readdirSync(root).filter((name) => /^shard-\d+$/.test(name));
  return shards.map((name) => join(root, name));
}

/** Of every shard's tables. */
function tableFiles(dataDir: string, file: string): string[] {
  return shardDirectories(dataDir).map((directory) => join(directory, file)).filter((path) => existsSync(path));
}

/** Of every segment of every shard's log. */
function segmentFiles(dataDir: string, file: string): string[] {
  const directories = shardDirectories(dataDir).flatMap((directory) => listSegments(directory).map((first) => segmentPath(directory, first)));
  return directories.map((directory) => join(directory, file)).filter((path) => existsSync(path));
}

/** Without the zeros at its end. */
function usedBytes(path: string): number {
  const bytes = readFileSync(path);
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return end;
}

function placeOf(index: number, count: number): string {
  if (count === 1) return 'the only one';
  if (index === 0) return `the oldest of ${count}`;
  return index === count - 1 ? `the newest of ${count}` : `in the middle of ${count}`;
}

function flip(path: string, at: number, chance: SeededChance): void {
  const file = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, at);
  byte[0] ^= 1 << chance.whole(0, 7);
  writeSync(file, byte, 0, 1, at);
  closeSync(file);
}

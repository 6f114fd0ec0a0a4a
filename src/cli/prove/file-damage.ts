import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { SeededChance } from './seeded-chance.ts';

/** Damage to the files of an engine that does not run. */

/** LMDB's two meta pages come first; their size stands here in the first. */
const PAGE_SIZE_AT = 48;
const FLIPS_MAX = 64;

/** Damages files the engine may lose without losing a reading; says what it did. */
export function damageWhatMayBeLost(dataDir: string, chance: SeededChance): string {
  const kind = chance.oneOf(['lock removed', 'lock garbled', 'lock cut', 'leftovers'] as const);
  if (kind === 'leftovers') {
    writeFileSync(join(dataDir, 'engine.json.new'), '{"format":');
    // No process has had this start time.
    writeFileSync(join(dataDir, 'engine-1-1.claim'), '');
    return 'half a new manifest and the claim of an engine long gone';
  }
  for (const file of filesNamed(dataDir, 'lock.mdb')) {
    if (kind === 'lock removed') rmSync(file);
    else if (kind === 'lock cut') truncateSync(file, Math.floor(statSync(file).size * chance.next()));
    else writeFileSync(file, Buffer.alloc(statSync(file).size, chance.whole(1, 255)));
  }
  return `${kind} in every shard`;
}

/** Damages a file that holds what was promised; says what it did. */
export function damageWhatMustStay(dataDir: string, chance: SeededChance): string {
  const manifest = join(dataDir, 'engine.json');
  const data = chance.oneOf(filesNamed(dataDir, 'data.mdb'));
  const name = relative(dataDir, data);
  const { size } = statSync(data);
  const pageBytes = readFileSync(data).readUInt32LE(PAGE_SIZE_AT);
  switch (chance.oneOf(['manifest cut', 'manifest removed', 'data removed', 'data cut', 'data emptied', 'meta flipped', 'data flipped', 'data flipped', 'data overwritten'] as const)) {
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
      writeSync(file, Buffer.alloc(pageBytes, chance.whole(0, 255)), 0, pageBytes, pageBytes * chance.whole(2, Math.floor(size / pageBytes) - 1));
      closeSync(file);
      return `a page of ${name} overwritten`;
    }
  }
}

/** Bytes of all files below a directory. */
export function directoryBytes(path: string): number {
  return readdirSync(path, { recursive: true, encoding: 'utf8' }).reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
}

function filesNamed(dataDir: string, file: string): string[] {
  const { generation } = JSON.parse(readFileSync(join(dataDir, 'engine.json'), 'utf8')) as { generation?: number };
  const root = generation === undefined || generation === 0 ? dataDir : join(dataDir, `gen-${generation}`);
  const shards = readdirSync(root).filter((name) => /^shard-\d+$/.test(name));
  return shards.map((name) => join(root, name, file)).filter((path) => existsSync(path));
}

function flip(path: string, at: number, chance: SeededChance): void {
  const file = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, at);
  byte[0] ^= 1 << chance.whole(0, 7);
  writeSync(file, byte, 0, 1, at);
  closeSync(file);
}

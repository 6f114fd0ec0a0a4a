import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openLmdbStore } from '../../src/runtime/lmdb-store.ts';

/**
 * Flips the lowest bit of one byte of each value that `byteOf` gives an offset for, in the file itself, wherever the whole value lies.
 * Looking for the beginning of a value would not do: freed pages keep parts of old values, and what follows such a part may belong to a node or page of now.
 *
 * @param directory - of a store that nobody has open
 * @returns how many values were changed
 */
export async function flipStoredBytes(directory: string, table: string, byteOf: (value: Uint8Array) => number | null): Promise<number> {
  const store = openLmdbStore({ directory });
  const chosen: { value: Buffer; byte: number }[] = [];
  for (const { value } of store.table(table).range(Buffer.alloc(1), Buffer.alloc(80, 255))) {
    const byte = byteOf(value);
    if (byte !== null) chosen.push({ value: Buffer.from(value), byte });
  }
  await store.close();
  const file = join(directory, 'data.mdb');
  const bytes = readFileSync(file);
  let flipped = 0;
  for (const { value, byte } of chosen) {
    const places: number[] = [];
    for (let at = bytes.indexOf(value); at >= 0; at = bytes.indexOf(value, at + value.length)) places.push(at);
    if (places.length > 0) flipped++;
    for (const at of places) bytes[at + byte]! ^= 1;
  }
  writeFileSync(file, bytes);
  return flipped;
}

import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** Makes the names in a directory durable: a file that is synced can still lose its name. */
export function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Makes a directory, and those above it that are not there. Node's recursive mkdir never returns where a system answers ENOENT for a
 * name below a directory that is there, as Linux does in /proc. Throws what mkdir throws.
 */
export function makeDirectory(path: string): void {
  const parent = dirname(resolve(path));
  if (!existsSync(parent)) makeDirectory(parent);
  try {
    mkdirSync(path);
  } catch (error) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}

/** Bytes that this process may still write to the disk that holds `path`; NaN when the system does not say. */
export async function freeDiskBytes(path: string): Promise<number> {
  return statfs(path).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => NaN,
  );
}

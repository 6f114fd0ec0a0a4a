import { closeSync, fsyncSync, openSync } from 'node:fs';

/** Makes the names in a directory durable: a file that is synced can still lose its name. */
export function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

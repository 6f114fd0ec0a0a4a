import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A file system of its own in memory, small enough to be filled. Needs Linux and root. */

const MIB = 1024 * 1024;
const CHUNK_BYTES = [256 * 1024, 4_096, 512];

export class SmallDisk {
  readonly path: string;
  private readonly ballast: string;

  private constructor(path: string) {
    this.path = path;
    this.ballast = join(path, 'ballast');
  }

  /** Null when this process may not mount. */
  static mount(path: string, sizeBytes: number): SmallDisk | null {
    mkdirSync(path, { recursive: true });
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${Math.ceil(sizeBytes / MIB)}m`, 'tmpfs', path]);
    return mounted.status === 0 ? new SmallDisk(path) : null;
  }

  /** Writes until nothing goes any more; returns the bytes. */
  fill(): number {
    const file = openSync(this.ballast, 'a');
    let written = 0;
    try {
      // Ever smaller, so that not even a page is left.
      for (const size of CHUNK_BYTES) written += writeWhileItGoes(file, Buffer.alloc(size, 1));
    } finally {
      closeSync(file);
    }
    return written;
  }

  free(): void {
    rmSync(this.ballast, { force: true });
  }

  unmount(): void {
    // Lazy: whatever still has a file open must not keep it for ever.
    spawnSync('umount', ['-l', this.path]);
    rmSync(this.path, { recursive: true, force: true });
  }
}

function writeWhileItGoes(file: number, chunk: Buffer): number {
  let written = 0;
  try {
    for (;;) {
      const bytes = writeSync(file, chunk);
      written += bytes;
      if (bytes < chunk.length) return written;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    return written;
  }
}

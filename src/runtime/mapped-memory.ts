import { readFileSync } from 'node:fs';

/**
 * How much of this process's resident memory is files that it has mapped: LMDB's, and the programme itself. NaN where the system does not say (it is
 * Linux that does).
 */
export function mappedBytes(): number {
  try {
    return Number(/^RssFile:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? NaN) * 1024;
  } catch {
    return NaN;
  }
}

/** Time between looks, ms: one takes about 50 µs. */
const LOOK_MS = 100;

/** Says when one user of mapped files should let go of what it has mapped. */
export class MappedMemory {
  private readonly bytesMax: number;
  private readonly now: () => number;
  private readonly measure: () => number;
  private base: number;
  private nextLookMs = 0;

  /** `bytesMax`: by how much mapped memory may grow until `isDue`. Whoever maps: what other users map counts as well, so the sum stays bounded. */
  constructor(bytesMax: number, now: () => number = () => performance.now(), measure: () => number = mappedBytes) {
    this.bytesMax = bytesMax;
    this.now = now;
    this.measure = measure;
    this.base = measure();
  }

  /** It has grown by more than the bound since the last `released`. Never where it is not known. */
  get isDue(): boolean {
    if (this.now() < this.nextLookMs) return false;
    this.nextLookMs = this.now() + LOOK_MS;
    const bytes = this.measure();
    // Others let go too.
    if (bytes < this.base) this.base = bytes;
    return bytes - this.base > this.bytesMax;
  }

  /** All of it was unmapped. */
  released(): void {
    this.base = this.measure();
  }
}

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
/**
 * Least time between two releases, ms, unless HURRY times the bound is mapped. Linux maps 64 KiB around each page that is read, so questions far apart map some
 * megabytes each: let go as soon as the bound is passed, all would be mapped anew up to ten times a second, and nobody is answered meanwhile.
 */
const REST_MS = 2_000;
/** Past this many times the bound no time is waited for: whatever is read, no more is mapped than this and what comes between two looks. */
const HURRY = 6;

/** Says when one user of mapped files should let go of what it has mapped. */
export class MappedMemory {
  private readonly bytesMax: number;
  private readonly now: () => number;
  private readonly measure: () => number;
  private base: number;
  private lookedMs = -Infinity;
  private releasedMs = -Infinity;

  /** `bytesMax`: by how much mapped memory may grow. Whoever maps: what other users map counts as well, so the sum stays bounded. */
  constructor(bytesMax: number, now: () => number = () => performance.now(), measure: () => number = mappedBytes) {
    this.bytesMax = bytesMax;
    this.now = now;
    this.measure = measure;
    this.base = measure();
  }

  /** A look now would be one too many. */
  get wasLookedAt(): boolean {
    return this.now() < this.lookedMs + LOOK_MS;
  }

  /** Looks. Time until this user should let go, ms: 0 is at once; Infinity, also where nothing is known: it has not grown past the bound since the last `released`. */
  dueInMs(): number {
    const nowMs = this.now();
    this.lookedMs = nowMs;
    const bytes = this.measure();
    // Others let go too.
    if (bytes < this.base) this.base = bytes;
    const grown = bytes - this.base;
    if (!(grown > this.bytesMax)) return Infinity;
    return grown > this.bytesMax * HURRY ? 0 : Math.max(0, this.releasedMs + REST_MS - nowMs);
  }

  /** All of it was unmapped. */
  released(): void {
    this.base = this.measure();
    this.releasedMs = this.now();
  }
}

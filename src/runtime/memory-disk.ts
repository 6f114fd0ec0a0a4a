import type { SegmentFiles } from './journal.ts';
import { MemoryStore, type CommitFailure, type MemoryStoreOptions } from './memory-store.ts';

/** What a shard keeps on disk, in memory for simulations: a store of tables, and the segments of a log. Both are on one disk, so both fail when it does. */
export class MemoryDisk implements SegmentFiles {
  readonly tables: MemoryStore;
  private readonly options: MemoryStoreOptions;
  private readonly segments = new Map<number, MemoryStore>();
  private readonly failures: CommitFailure[];

  constructor(options: MemoryStoreOptions = {}) {
    this.failures = options.failures ?? [];
    this.options = { ...options, failures: this.failures };
    this.tables = new MemoryStore(this.options);
  }

  list(): number[] {
    return [...this.segments.keys()].sort((a, b) => a - b);
  }

  open(first: number): MemoryStore | null {
    return this.segments.get(first) ?? null;
  }

  make(first: number): MemoryStore {
    let segment = this.segments.get(first);
    if (segment === undefined) this.segments.set(first, (segment = new MemoryStore(this.options)));
    return segment;
  }

  remove(first: number): boolean {
    this.segments.delete(first);
    return true;
  }

  async settled(): Promise<void> {}

  sizeBytes(): number {
    let bytes = 0;
    for (const segment of this.segments.values()) bytes += segment.sizeBytes();
    return bytes;
  }

  /** The next `commits` commits, of tables or log, fail with `code`, and nothing of them is kept. */
  failNext(code: CommitFailure, commits = 1): void {
    for (let i = 0; i < commits; i++) this.failures.push(code);
  }

  /** Failures still to come do not: there is space again. */
  stopFailing(): void {
    this.failures.length = 0;
  }

  /**
   * The process dies: gives the disk as the next process finds it. What was under way is lost, or kept though nobody was told; the log's
   * commit and that of the tables each have their own fate.
   */
  crash(log: 'lost' | 'kept' = 'lost', tables = log, options: Omit<MemoryStoreOptions, 'failures'> = { takeCommit: this.options.takeCommit }): MemoryDisk {
    const next = new MemoryDisk(options);
    next.tables.take(this.tables.crash(tables));
    for (const [first, segment] of this.segments) next.make(first).take(segment.crash(log));
    return next;
  }
}

import { ShardStore } from '../../src/actors/shard/shard-store.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { Journal } from '../../src/runtime/journal.ts';
import { MemoryDisk } from '../../src/runtime/memory-disk.ts';
import type { CommitFailure } from '../../src/runtime/memory-store.ts';

/** One shard's disk: keeps what was committed over the death of its thread or process, and knows of every log record when it is durable. */

export interface LogEntry {
  sequence: number;
  bytes: Uint8Array;
}

export interface DiskModules {
  segmentBytesMax: number;
  /** Resolves when the disk has taken a commit. */
  takeCommit(): Promise<void>;
  /** What becomes of a commit of the tables that was under way when the process died. */
  fateOfTables(): 'lost' | 'kept';
  /** Records that are on disk now, in order. */
  onDurable(entries: readonly LogEntry[]): void;
  /** Log was removed. */
  onTrimmed(): void;
}

export class SimDisk {
  private readonly modules: DiskModules;
  private disk: MemoryDisk;
  private journal: TappedJournal | null = null;

  constructor(modules: DiskModules, content: MemoryDisk | null = null) {
    this.modules = modules;
    const options = { takeCommit: () => modules.takeCommit() };
    this.disk = content === null ? new MemoryDisk(options) : content.crash('lost', 'lost', options);
  }

  /** The store as a new thread finds it. */
  open(): ShardStore {
    this.journal = new TappedJournal(this.disk, this.modules);
    return new ShardStore(this.disk.tables, this.journal);
  }

  /** What is committed, apart from the simulated disk. The disk is not to be used after. */
  content(): MemoryDisk {
    return this.disk;
  }

  failNext(code: CommitFailure, commits: number): void {
    this.disk.failNext(code, commits);
  }

  /** No commit fails from now on. */
  heal(): void {
    this.disk.stopFailing();
  }

  /** Its thread dies. A commit of the log that was under way is lost whole, or kept though nobody was told. */
  crash(log: 'lost' | 'kept'): void {
    const { journal } = this;
    this.journal = null;
    this.disk = this.disk.crash(log, this.modules.fateOfTables());
    if (journal === null) return;
    const there = new Set([...openJournal(this.disk, this.modules).records(0)].map(({ sequence }) => sequence));
    const kept = journal.takeUnderWay().filter(({ sequence }) => there.has(sequence));
    if (kept.length > 0) this.modules.onDurable(kept);
  }
}

const LABEL = 'a simulated shard';

/** The log of a disk as a process finds it that only reads. */
export function openJournal(disk: MemoryDisk, { segmentBytesMax }: { segmentBytesMax: number }): Journal {
  return new Journal(disk, { label: LABEL, segmentBytesMax });
}

/** A log that tells when what is appended is on disk. */
class TappedJournal extends Journal {
  private readonly modules: DiskModules;
  private queued: LogEntry[] = [];
  private readonly underWay: LogEntry[][] = [];

  constructor(disk: MemoryDisk, modules: DiskModules) {
    super(disk, { label: LABEL, segmentBytesMax: modules.segmentBytesMax });
    this.modules = modules;
  }

  override append(sequence: number, bytes: Uint8Array): void {
    this.queued.push({ sequence, bytes });
    super.append(sequence, bytes);
  }

  override async commit(): Promise<void> {
    const entries = this.queued;
    this.queued = [];
    this.underWay.push(entries);
    try {
      await super.commit();
    } catch (error) {
      // Else nobody knows: a segment before them may have failed to say what follows it, when they were on disk. Its thread dies of it.
      if (error instanceof OperationalError && error.retryable) this.underWay.shift();
      throw error;
    }
    this.underWay.shift();
    if (entries.length > 0) this.modules.onDurable(entries);
  }

  override release(sequence: number): void {
    const { first } = this;
    super.release(sequence);
    if (this.first !== first) this.modules.onTrimmed();
  }

  takeUnderWay(): LogEntry[] {
    return this.underWay.splice(0).flat();
  }
}

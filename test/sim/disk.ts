import { MemoryStore, type CommitFailure } from '../../src/runtime/memory-store.ts';
import type { Store, Table } from '../../src/runtime/store.ts';
import { sequenceOf } from '../../src/actors/shard/store-keys.ts';

/** One shard's disk: keeps what was committed over the death of its thread or process, and knows of every log record when it is durable. */

export interface LogEntry {
  sequence: number;
  bytes: Uint8Array;
}

export interface DiskModules {
  /** Resolves when the disk has taken a commit. */
  takeCommit(): Promise<void>;
  /** Records that are on disk now, in order. */
  onDurable(entries: readonly LogEntry[]): void;
}

export class SimDisk {
  private readonly modules: DiskModules;
  private store: MemoryStore;
  private tap: JournalTap | null = null;

  constructor(modules: DiskModules, content: MemoryStore | null = null) {
    this.modules = modules;
    const options = { takeCommit: () => modules.takeCommit() };
    this.store = content === null ? new MemoryStore(options) : content.crash('lost', options);
  }

  /** The store as a new thread finds it. */
  open(): Store {
    this.tap = new JournalTap(this.store, this.modules);
    return this.tap;
  }

  /** What is committed, apart from the simulated disk. The disk is not to be used after. */
  content(): MemoryStore {
    return this.store;
  }

  failNext(code: CommitFailure, commits: number): void {
    this.store.failNext(code, commits);
  }

  /** No commit fails from now on. */
  heal(): void {
    this.store.stopFailing();
  }

  /** Its thread dies. Commits under way are lost whole, or kept though nobody was told. */
  crash(underWay: 'lost' | 'kept'): void {
    const { tap } = this;
    this.tap = null;
    this.store = this.store.crash(underWay);
    if (tap === null) return;
    const journal = this.store.table('journal');
    const kept = tap.takeUnderWay().filter(({ key }) => journal.get(key) !== undefined);
    if (kept.length > 0) this.modules.onDurable(kept.map(toEntry));
  }
}

interface JournalPut {
  key: Uint8Array;
  value: Uint8Array;
}

function toEntry({ key, value }: JournalPut): LogEntry {
  return { sequence: sequenceOf(key), bytes: value };
}

/** A store that notes what is put into the log. */
class JournalTap implements Store {
  private readonly inner: MemoryStore;
  private readonly modules: DiskModules;
  private queued: JournalPut[] = [];
  private readonly underWay: JournalPut[][] = [];

  constructor(inner: MemoryStore, modules: DiskModules) {
    this.inner = inner;
    this.modules = modules;
  }

  table(name: string): Table {
    const table = this.inner.table(name);
    if (name !== 'journal') return table;
    const queued = (key: Uint8Array, value: Uint8Array) => this.queued.push({ key: new Uint8Array(key), value });
    return {
      get: (key) => table.get(key),
      put: (key, value) => {
        queued(key, value);
        table.put(key, value);
      },
      remove: (key) => table.remove(key),
      count: () => table.count(),
      range: (from, to, options) => table.range(from, to, options),
    };
  }

  async commit(): Promise<void> {
    const puts = this.queued;
    this.queued = [];
    this.underWay.push(puts);
    try {
      await this.inner.commit();
    } finally {
      this.underWay.shift();
    }
    if (puts.length > 0) this.modules.onDurable(puts.map(toEntry));
  }

  sizeBytes(): number {
    return this.inner.sizeBytes();
  }

  async close(): Promise<void> {
    await this.commit();
    await this.inner.close();
  }

  takeUnderWay(): JournalPut[] {
    return this.underWay.splice(0).flat();
  }
}

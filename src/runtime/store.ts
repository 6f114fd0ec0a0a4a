/**
 * An ordered key-value store with atomic, durable commits: what a shard keeps its log and state in. LMDB in production
 * (lmdb-store.ts), memory in simulations (memory-store.ts).
 */

export interface Entry {
  key: Uint8Array;
  value: Uint8Array;
}

/** Keys are compared bytewise. */
export interface Table {
  /** The value, or undefined. Borrowed: valid until the next read of the store. Sees what was committed, not what is still queued. */
  get(key: Uint8Array): Uint8Array | undefined;
  /** Queued for the next commit. `key` is copied; `value` is referenced and must not change before that commit is on disk. */
  put(key: Uint8Array, value: Uint8Array): void;
  /** Queued for the next commit. */
  remove(key: Uint8Array): void;
  /** Committed entries. */
  count(): number;
  /** Keys of the committed entries with `from` ≤ key < `to`, ascending; owned by the caller. Other reads of the store may come in between. */
  keys(from: Uint8Array, to: Uint8Array): Iterable<Uint8Array>;
  /** Committed entries with `from` ≤ key < `to`, ascending, or descending when `reverse`. Entries are owned by the caller. */
  range(from: Uint8Array, to: Uint8Array, options?: { reverse?: boolean; limit?: number }): Iterable<Entry>;
}

export interface Store {
  table(name: string): Table;
  /**
   * Commits everything queued since the last call, all or nothing; resolves when it is on disk. Everything queued in one
   * synchronous stretch before the call belongs to the same transaction.
   * Rejects with OperationalError `storage_full` (retryable) or `storage_failed`.
   */
  commit(): Promise<void>;
  /** Blocks this thread until the files are known to be sound as a whole, where they are read before that. Throws OperationalError `corrupt`. */
  waitForCheck?(): void;
  /** Bytes the store occupies on disk. */
  sizeBytes(): number;
  close(): Promise<void>;
}

import type { Clock } from '../../runtime/clock.ts';
import type { DeviceKeyChange, DeviceKeyRow } from '../accounts/protocol.ts';
import { sha256 } from '../accounts/secrets.ts';
import { ReadingScope } from './reading-scope.ts';

/** Device keys as one ingest thread knows them: by the SHA-256 of the key, as nobody keeps the key itself. */

/** What the accounts tell a thread: all keys that count, if `whole` is there, and then the changes, in order. */
export interface DeviceKeyNews {
  whole: readonly DeviceKeyRow[] | null;
  changes: readonly DeviceKeyChange[];
}

/** When a key was last used is told no more often than this, by each thread. */
export const USE_TOLD_MS = 60_000;
/** A key has 48; whatever is longer is none and need not be hashed. */
const KEY_CHARS_MAX = 64;
/** Keys whose hash is remembered, as senders of small requests come again and again. Those of a usual number of collectors, 0.3 MB. */
export const HASHES_KEPT_MAX = 1_024;

/** Why a key counts for nothing: the thread has not been told of any yet; there is none such, or it was revoked; its time is over. */
export type DeviceKeyFault = 'not_told' | 'unknown' | 'expired';

/** A key that there is. */
export class KnownKey {
  readonly row: DeviceKeyRow;
  /** When its use was last told, epoch ms. */
  useToldAt: number;
  private made: ReadingScope | null = null;

  constructor(row: DeviceKeyRow, useToldAt: number) {
    this.row = row;
    this.useToldAt = useToldAt;
  }

  /** null: it may send everything. Made at the first use, as most keys are used on one thread of several, or on none. */
  get scope(): ReadingScope | null {
    const { scope } = this.row;
    return scope === 'all' ? null : (this.made ??= new ReadingScope(scope));
  }
}

export class DeviceKeyTable {
  private readonly clock: Clock;
  private readonly onUse: (id: string, at: number) => void;
  /** null: not told of yet, so nobody is let in. */
  private byHash: Map<string, KnownKey> | null = null;
  /** Of keys that were found, oldest first. What is found is looked up by it each time, so that a key that was revoked is not found any more. */
  private readonly hashOfKey = new Map<string, string>();

  /** `onUse` hears of the use of a key, once in USE_TOLD_MS at most; `at` is epoch ms. */
  constructor({ clock, onUse }: { clock: Clock; onUse(id: string, at: number): void }) {
    this.clock = clock;
    this.onUse = onUse;
  }

  /** Takes effect before it returns. Changes before the first whole are of no use, and left out. */
  learn({ whole, changes }: DeviceKeyNews): void {
    if (whole !== null) {
      const before = this.byHash;
      this.byHash = new Map();
      for (const row of whole) this.put(row, before);
      this.hashOfKey.clear();
    }
    const { byHash } = this;
    if (byHash === null) return;
    for (const { rows, removed } of changes) {
      for (const row of rows) this.put(row, byHash);
      for (const hash of removed) byHash.delete(hash);
      if (removed.length > 0) this.hashOfKey.clear();
    }
  }

  /** Whose key `key` is, as it was sent. Its use is noted. */
  use(key: string): KnownKey | DeviceKeyFault {
    if (this.byHash === null) return 'not_told';
    if (key.length > KEY_CHARS_MAX) return 'unknown';
    const remembered = this.hashOfKey.get(key);
    const hash = remembered ?? sha256(key);
    const found = this.byHash.get(hash);
    if (found === undefined) return 'unknown';
    const nowMs = this.clock.now();
    if (isOver(found, nowMs)) return 'expired';
    if (remembered === undefined) this.remember(key, hash);
    // A clock that was put back must not keep it from being told for as long.
    if (Math.abs(nowMs - found.useToldAt) >= USE_TOLD_MS) {
      found.useToldAt = nowMs;
      this.onUse(found.row.id, nowMs);
    }
    return found;
  }

  /** What has become of a key that was found before: null if it still counts. */
  faultOf({ row }: KnownKey): DeviceKeyFault | null {
    const found = this.byHash?.get(row.hash);
    if (found === undefined) return 'unknown';
    return isOver(found, this.clock.now()) ? 'expired' : null;
  }

  private put(row: DeviceKeyRow, before: ReadonlyMap<string, KnownKey> | null): void {
    this.byHash!.set(row.hash, new KnownKey(row, before?.get(row.hash)?.useToldAt ?? -Infinity));
  }

  private remember(key: string, hash: string): void {
    if (this.hashOfKey.size >= HASHES_KEPT_MAX) this.hashOfKey.delete(this.hashOfKey.keys().next().value!);
    this.hashOfKey.set(key, hash);
  }
}

function isOver({ row: { expiresAt } }: KnownKey, nowMs: number): boolean {
  return expiresAt !== null && nowMs >= expiresAt;
}

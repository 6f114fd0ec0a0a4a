import type { Page } from '../../model/queries.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { checkCursor, pageOf } from '../../runtime/record-page.ts';
import { afterPrefix, type StagedStore, type StagedTable } from '../../runtime/staged-store.ts';
import type { DeviceKey, DeviceKeyRow, DeviceScope } from './protocol.ts';
import { newId, newSecret, sha256, type RandomBytes } from './secrets.ts';

/** Keys by which meters and collectors send readings. A key is 256 random bits, of which the hash is kept. Ingest threads hold all that count, so there is a bound. */

/** Some 30 MB on each ingest thread with a meter each. Whoever has more meters gives keys to collectors or regions. */
export const DEVICE_KEYS_MAX = 100_000;
/** What one key may name. */
export const DEVICE_SCOPE_IDS_MAX = 1_000;
/** What all keys may name together. */
const SCOPE_IDS_MAX = 1_000_000;

interface DeviceKeyRecord extends DeviceKey {
  /** SHA-256 of the key, hex. */
  hash: string;
}

export class DeviceKeyBook {
  private readonly keys: StagedTable<DeviceKeyRecord>;
  private readonly random: RandomBytes;
  /** Of all, also those that are revoked, and what they name. */
  private count = 0;
  private scopeIds = 0;

  constructor(staged: StagedStore, random: RandomBytes) {
    this.keys = staged.table('device-keys');
    this.random = random;
  }

  load(): void {
    this.count = 0;
    this.scopeIds = 0;
    for (const { record } of this.all()) this.add(record.scope);
  }

  /** Those that are not revoked. */
  *rows(): Generator<DeviceKeyRow> {
    for (const { record } of this.all()) if (record.revokedAt === null) yield rowOf(record);
  }

  /** Throws `too_many`. */
  make(given: { name: string; scope: DeviceScope; expiresAt: number | null; createdBy: string }, nowMs: number): { deviceKey: DeviceKey; key: string; row: DeviceKeyRow } {
    if (this.count >= DEVICE_KEYS_MAX || this.scopeIds + idsOf(given.scope) > SCOPE_IDS_MAX) throw new OperationalError('too_many', `there are ${this.count} device keys, for ${this.scopeIds} meters and regions; no more can be made`);
    const key = newSecret('segk_', this.random);
    const record: DeviceKeyRecord = { id: newId('key_', this.random), ...given, createdAt: nowMs, revokedAt: null, lastUsedAt: null, hash: sha256(key) };
    this.keys.put(record.id, record);
    this.add(record.scope);
    return { deviceKey: shown(record), key, row: rowOf(record) };
  }

  /** Once and for all; again it changes nothing. Throws `unknown_device_key`. */
  revoke(id: string, nowMs: number): { deviceKey: DeviceKey; hash: string; isNew: boolean } {
    const record = this.keys.get(id);
    if (record === null) throw new OperationalError('unknown_device_key', `there is no device key ${JSON.stringify(id)}`);
    if (record.revokedAt !== null) return { deviceKey: shown(record), hash: record.hash, isNew: false };
    const after = { ...record, revokedAt: nowMs };
    this.keys.put(id, after);
    return { deviceKey: shown(after), hash: record.hash, isNew: true };
  }

  noteUses(uses: ReadonlyMap<string, number>): void {
    for (const [id, at] of uses) {
      const record = this.keys.get(id);
      if (record !== null && at > (record.lastUsedAt ?? 0)) this.keys.put(id, { ...record, lastUsedAt: at });
    }
  }

  /** In the order of ids. Throws `bad_cursor`. */
  page(limit: number, cursor: string | null): Page<DeviceKey> {
    checkCursor(cursor, /^key_[\w-]{16}$/);
    const from = cursor === null ? '' : `${cursor}\x01`;
    return pageOf(this.keys.range({ from, to: afterPrefix('') }), limit, ({ record }) => shown(record), ({ id }) => id);
  }

  private all(): ReturnType<StagedTable<DeviceKeyRecord>['range']> {
    return this.keys.range({ from: '', to: afterPrefix('') });
  }

  private add(scope: DeviceScope): void {
    this.count++;
    this.scopeIds += idsOf(scope);
  }
}

function idsOf(scope: DeviceScope): number {
  if (scope === 'all') return 0;
  return 'meters' in scope ? scope.meters.length : scope.regions.length;
}

function shown({ id, name, scope, createdAt, createdBy, expiresAt, revokedAt, lastUsedAt }: DeviceKeyRecord): DeviceKey {
  return { id, name, scope, createdAt, createdBy, expiresAt, revokedAt, lastUsedAt };
}

function rowOf({ hash, id, scope, expiresAt }: DeviceKeyRecord): DeviceKeyRow {
  return { hash, id, scope, expiresAt };
}

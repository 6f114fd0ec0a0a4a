import type { MeterId, RegionId } from '../../model/ids.ts';
import type { RegisteredMeter } from '../../model/registered-meter.ts';
import { afterPrefix, type StagedStore, type StagedTable } from '../../runtime/staged-store.ts';
import { keysOf, searchKey } from './search-keys.ts';

/** The meters of a registry and the tables by which they are found. There may be a million, so nothing is kept in memory. */

/** What rules need to know, and how what they decide is written. */
export interface MeterRows {
  get(meterId: MeterId): RegisteredMeter | null;
  /** The meter that has this serial number, in whatever letters. */
  ofSerial(serial: string): MeterId | null;
  hasRegion(region: RegionId): boolean;
  /** No meter that was ever removed had a higher version; 0 before the first. */
  removedVersion(): number;
  /** `before`: as `get` gives it; null: there was none. `after` null: there is none any more. */
  replace(before: RegisteredMeter | null, after: RegisteredMeter | null): void;
}

/** Tables of the store, as registry-reader.ts reads them. */
export const METER_TABLES = { meters: 'meters', serials: 'serials', regions: 'regions', classes: 'classes', installs: 'installs', removals: 'removals', places: 'places' } as const;

/** Has one record, REMOVED_VERSION: a meter that is made again begins above it, so that no version ever names two states of a meter. */
const VERSIONS = 'versions';
const REMOVED_VERSION = 'removed';

/** As a turn changes it. */
export class MeterBook implements MeterRows {
  private readonly meters: StagedTable<RegisteredMeter>;
  /** The id of who has it, by searchKey. */
  private readonly serials: StagedTable<string>;
  private readonly versions: StagedTable<number>;
  private readonly lists: Readonly<Record<'regions' | 'classes' | 'installs' | 'removals' | 'places', StagedTable<boolean>>>;

  constructor(staged: StagedStore) {
    this.meters = staged.table(METER_TABLES.meters);
    this.serials = staged.table(METER_TABLES.serials);
    this.versions = staged.table(VERSIONS);
    this.lists = {
      regions: staged.table(METER_TABLES.regions),
      classes: staged.table(METER_TABLES.classes),
      installs: staged.table(METER_TABLES.installs),
      removals: staged.table(METER_TABLES.removals),
      places: staged.table(METER_TABLES.places),
    };
  }

  get(meterId: MeterId): RegisteredMeter | null {
    return this.meters.get(meterId);
  }

  ofSerial(serial: string): MeterId | null {
    return this.serials.get(searchKey(serial)) as MeterId | null;
  }

  hasRegion(region: RegionId): boolean {
    for (const _ of this.lists.regions.range({ from: `${region}/`, to: afterPrefix(`${region}/`) })) return true;
    return false;
  }

  removedVersion(): number {
    return this.versions.get(REMOVED_VERSION) ?? 0;
  }

  replace(before: RegisteredMeter | null, after: RegisteredMeter | null): void {
    if (before !== null && after === null && before.version > this.removedVersion()) this.versions.put(REMOVED_VERSION, before.version);
    const old = before === null ? null : keysOf(before);
    const now = after === null ? null : keysOf(after);
    if (after !== null) this.meters.put(after.meterId, after);
    else if (before !== null) this.meters.remove(before.meterId);
    const { lists } = this;
    move(this.serials, old?.serial, now?.serial, after?.meterId ?? '');
    move(lists.regions, old?.region, now?.region, true);
    move(lists.classes, old?.class, now?.class, true);
    move(lists.installs, old?.install, now?.install, true);
    move(lists.removals, old?.removal, now?.removal, true);
    for (const key of old?.places ?? []) if (now?.places.includes(key) !== true) lists.places.remove(key);
    for (const key of now?.places ?? []) if (old?.places.includes(key) !== true) lists.places.put(key, true);
  }
}

/** Most changes leave most keys where they are. */
function move<T extends NonNullable<unknown>>(table: StagedTable<T>, old: string | null = null, now: string | null = null, record: T): void {
  if (old === now) return;
  if (old !== null) table.remove(old);
  if (now !== null) table.put(now, record);
}

/** What a request would make of a book, without its being changed: it ends with the request. */
export class TrialBook implements MeterRows {
  private readonly book: MeterRows;
  private readonly meters = new Map<MeterId, RegisteredMeter | null>();
  /** null: given up by who had it. */
  private readonly serials = new Map<string, MeterId | null>();
  private readonly regions = new Set<RegionId>();
  private removed = 0;

  constructor(book: MeterRows) {
    this.book = book;
  }

  get(meterId: MeterId): RegisteredMeter | null {
    const tried = this.meters.get(meterId);
    return tried === undefined ? this.book.get(meterId) : tried;
  }

  ofSerial(serial: string): MeterId | null {
    const tried = this.serials.get(searchKey(serial));
    return tried === undefined ? this.book.ofSerial(serial) : tried;
  }

  hasRegion(region: RegionId): boolean {
    return this.regions.has(region) || this.book.hasRegion(region);
  }

  removedVersion(): number {
    return Math.max(this.removed, this.book.removedVersion());
  }

  replace(before: RegisteredMeter | null, after: RegisteredMeter | null): void {
    if (before !== null && after === null) this.removed = Math.max(this.removed, before.version);
    const meterId = (after ?? before)!.meterId;
    this.meters.set(meterId, after);
    if (before !== null && before.serial !== null) this.serials.set(searchKey(before.serial), null);
    if (after === null) return;
    if (after.serial !== null) this.serials.set(searchKey(after.serial), meterId);
    this.regions.add(after.region);
  }
}

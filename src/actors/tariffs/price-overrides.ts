import type { PriceOverride } from '../../model/billing.ts';
import { PRICE_DIGITS } from '../../model/decimal.ts';
import type { Page } from '../../model/queries.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { RecordTable, sortableNumber } from '../../runtime/record-table.ts';
import type { Store } from '../../runtime/store.ts';

/** Overrides that have not ended, of all regions: some for each, or what a program plans for a day. */
export const OPEN_OVERRIDES_MAX = 5_000;
/** A price for good is a rule to be changed. */
export const OVERRIDE_SPAN_MAX_MS = 366 * 86_400_000;
/** PRICE_DIGITS decimal places. Below zero too: there are hours in which who takes energy is paid. */
const PRICE_PATTERN = /^-?\d{1,9}(\.\d{1,8})?$/;
const ID_PREFIX = 'price-override-';

export type NewOverride = Pick<PriceOverride, 'region' | 'price' | 'from' | 'until' | 'by' | 'reason'>;

interface OverrideRow {
  override: PriceOverride;
  /** Counts all that were ever made, from 1. */
  sequence: number;
}

/**
 * Prices that operators set. Those that may still come to hold are in memory; all that were ever made are in the store, as the history of a price is not to be understood without them. Memory is ahead of the store
 * until what `flush` queued is committed, and nothing may be asked in between.
 */
export class PriceOverrides {
  private readonly all: RecordTable<PriceOverride>;
  /** Which are of a region, in order. */
  private readonly ofRegion: RecordTable<number>;
  /** Which are to end when, so that those that have not are found without the others. One ended before its time is not there. */
  private readonly byEnd: RecordTable<number>;
  /** Not ended, by region. */
  private readonly open = new Map<string, OverrideRow[]>();
  private openCount = 0;
  /** Not in the store's queue yet. */
  private readonly changed = new Map<number, PriceOverride>();
  private lastSequence = 0;
  private nowMs = -Infinity;
  private nextMs = Infinity;

  constructor(store: Store) {
    this.all = new RecordTable(store, 'price-overrides');
    this.ofRegion = new RecordTable(store, 'price-overrides-by-region');
    this.byEnd = new RecordTable(store, 'price-overrides-by-end');
  }

  load(nowMs: number): void {
    for (const { key } of this.all.range({ reverse: true, limit: 1 })) this.lastSequence = Number.parseInt(key, 36);
    this.reload(nowMs);
  }

  /** When the next begins or ends; Infinity: none does. */
  nextDueMs(): number {
    return this.nextMs;
  }

  /** Of how many nobody can say yet that they are over. */
  get size(): number {
    return this.openCount;
  }

  /** Those with one that has not ended. */
  regions(): string[] {
    return [...this.open.keys()];
  }

  /** What holds in the region at the time of the last `advance`. */
  holdsIn(region: string): PriceOverride | null {
    return this.open.get(region)?.find(({ override }) => override.from <= this.nowMs)?.override ?? null;
  }

  /** Gives the regions for which one began or ended to hold, or may have. */
  advance(nowMs: number): string[] {
    if (nowMs < this.nowMs) {
      // What was over by a clock that was ahead is not.
      const before = this.regions();
      this.reload(nowMs);
      return [...new Set([...before, ...this.regions()])];
    }
    const isDue = nowMs >= this.nextMs;
    this.nowMs = nowMs;
    if (!isDue) return [];
    const touched: string[] = [];
    for (const [region, rows] of this.open) {
      if (rows.every(({ override }) => nowMs < override.from)) continue;
      touched.push(region);
      this.keep(region, rows.filter(({ override }) => nowMs < override.until));
    }
    this.findNext();
    return touched;
  }

  /** `invalid_price`, `bad_span`, `override_overlaps`, `too_many_overrides`. One that would begin in the past begins now: what a price was is not changed. */
  make({ region, price, from, until, by, reason }: NewOverride): PriceOverride {
    if (!PRICE_PATTERN.test(price)) throw new OperationalError('invalid_price', `expected a price as text, such as "0.25", with ${PRICE_DIGITS} decimal places at most, got ${price.slice(0, 40)}`);
    const begins = Math.max(from, this.nowMs);
    if (until <= begins) throw new OperationalError('bad_span', from >= until ? 'the override would end before it begins' : 'the override would end before now');
    if (until - begins > OVERRIDE_SPAN_MAX_MS) throw new OperationalError('bad_span', 'an override lasts 366 days at most');
    const rows = this.open.get(region) ?? [];
    const other = rows.find(({ override }) => override.from < until && begins < override.until)?.override;
    if (other !== undefined) throw new OperationalError('override_overlaps', `${other.id} holds in ${region} from ${iso(other.from)} until ${iso(other.until)}; end it first, or choose another time`);
    if (this.openCount >= OPEN_OVERRIDES_MAX) throw new OperationalError('too_many_overrides', `there are ${OPEN_OVERRIDES_MAX} overrides that have not ended, which is all there may be`);
    const sequence = ++this.lastSequence;
    const override: PriceOverride = { id: ID_PREFIX + sequence, region, price, from: begins, until, by, reason, endedAt: null, endedBy: null, endReason: null };
    this.keep(region, [...rows, { override, sequence }]);
    this.changed.set(sequence, override);
    this.findNext();
    return override;
  }

  /** `unknown_override`, `wrong_state`. */
  end(id: string, by: string, reason: string): PriceOverride {
    const sequence = sequenceOf(id);
    const override = sequence === null ? null : this.find(sequence);
    if (sequence === null || override === null) throw new OperationalError('unknown_override', `there is no override ${id.slice(0, 80)}`);
    if (override.endedAt !== null) throw new OperationalError('wrong_state', `${id} was ended at ${iso(override.endedAt)} by ${override.endedBy}`);
    if (override.until <= this.nowMs) throw new OperationalError('wrong_state', `${id} was over at ${iso(override.until)}`);
    const ended: PriceOverride = { ...override, endedAt: this.nowMs, endedBy: by, endReason: reason };
    this.keep(override.region, this.open.get(override.region)!.filter((row) => row.sequence !== sequence));
    this.changed.set(sequence, ended);
    this.findNext();
    return ended;
  }

  /** Newest first. The cursor is the number of the last one of the page before; `bad_cursor`. */
  page({ region, withEnded, limit, cursor }: { region: string | null; withEnded: boolean; limit: number; cursor: string | null }): Page<PriceOverride> {
    if (cursor !== null && !/^[1-9]\d{0,14}$/.test(cursor)) throw new OperationalError('bad_cursor', 'the cursor is of no page');
    const before = cursor === null ? this.lastSequence + 1 : Number(cursor);
    const sequences = withEnded ? this.sequencesBefore(region, before, limit + 1) : this.openSequencesBefore(region, before).slice(0, limit + 1);
    const page = sequences.slice(0, limit);
    return { data: page.map((sequence) => this.find(sequence)!), nextCursor: sequences.length > limit ? String(page[page.length - 1]) : null };
  }

  /** Queues what changed for the store's next commit. */
  flush(): void {
    for (const [sequence, override] of this.changed) {
      const key = sortableNumber(sequence);
      const endKey = `${sortableNumber(override.until)}/${key}`;
      this.all.put(key, override);
      this.ofRegion.put(`${override.region}/${key}`, sequence);
      if (override.endedAt === null) this.byEnd.put(endKey, sequence);
      else this.byEnd.remove(endKey);
    }
    this.changed.clear();
  }

  private find(sequence: number): PriceOverride | null {
    return this.changed.get(sequence) ?? this.all.get(sortableNumber(sequence));
  }

  private sequencesBefore(region: string | null, before: number, max: number): number[] {
    const sequences = new Set([...this.changed].filter(([sequence, override]) => sequence < before && (region === null || override.region === region)).map(([sequence]) => sequence));
    const range = region === null ? this.all.range({ to: sortableNumber(before), reverse: true, limit: max }) : this.ofRegion.range({ from: `${region}/`, to: `${region}/${sortableNumber(before)}`, reverse: true, limit: max });
    for (const { key } of range) sequences.add(Number.parseInt(key.slice(key.lastIndexOf('/') + 1), 36));
    return [...sequences].sort((a, b) => b - a).slice(0, max);
  }

  private openSequencesBefore(region: string | null, before: number): number[] {
    const rows = region === null ? [...this.open.values()].flat() : (this.open.get(region) ?? []);
    const sequences = rows.map(({ sequence }) => sequence).filter((sequence) => sequence < before);
    return sequences.sort((a, b) => b - a);
  }

  private reload(nowMs: number): void {
    this.nowMs = nowMs;
    this.open.clear();
    this.openCount = 0;
    const sequences = new Set(this.changed.keys());
    for (const { record } of this.byEnd.range({ from: sortableNumber(Math.max(0, nowMs)) })) sequences.add(record);
    for (const sequence of [...sequences].sort((a, b) => a - b)) {
      const override = this.find(sequence)!;
      if (override.endedAt === null && nowMs < override.until) this.keep(override.region, [...(this.open.get(override.region) ?? []), { override, sequence }]);
    }
    this.findNext();
  }

  private keep(region: string, rows: OverrideRow[]): void {
    this.openCount += rows.length - (this.open.get(region)?.length ?? 0);
    if (rows.length === 0) this.open.delete(region);
    else this.open.set(region, rows);
  }

  private findNext(): void {
    this.nextMs = Infinity;
    for (const rows of this.open.values()) {
      for (const { override } of rows) this.nextMs = Math.min(this.nextMs, override.from > this.nowMs ? override.from : override.until);
    }
  }
}

/** null: it is of no override. */
function sequenceOf(id: string): number | null {
  const digits = id.startsWith(ID_PREFIX) ? id.slice(ID_PREFIX.length) : '';
  return /^[1-9]\d{0,14}$/.test(digits) ? Number(digits) : null;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

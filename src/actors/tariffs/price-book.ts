import type { DynamicPrice, PriceOverride } from '../../model/billing.ts';
import { AMOUNT_DIGITS, parseDecimal } from '../../model/decimal.ts';
import type { Page } from '../../model/queries.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { RecordTable, sortableNumber } from '../../runtime/record-table.ts';
import type { Store } from '../../runtime/store.ts';
import { PriceOverrides, type NewOverride } from './price-overrides.ts';
import { PriceRules, type PriceRulesDocument } from './price-rules.ts';
import type { BillingEvent, RegionLoad, TariffAnswers, TariffQuestion } from './protocol.ts';

/** Of an override, whose price follows from no load, and where none is known. */
const NO_MULTIPLIER = '1';

/** A region that has a price, or a load to make one of. Never changed, only replaced. */
interface RegionPrice {
  current: DynamicPrice | null;
  /** Prices that it ever had. */
  sequence: number;
  /** The newest that is known, null: none. */
  load: { windowStart: number; loadPercent: number } | null;
}

/** What the price book answers. */
export type PriceQuestion = Extract<TariffQuestion, { kind: 'prices' | 'priceHistory' | 'overrides' | 'makeOverride' | 'endOverride' }>;
export type PriceEvent = Extract<BillingEvent, { topic: 'tariff_updates' }>;

interface PublishedPrice {
  price: DynamicPrice;
  sequence: number;
}

export interface PriceHistoryQuery {
  region: string;
  /** Prices that began in [from, to), oldest first. */
  from: number;
  to: number;
  limit: number;
  cursor: string | null;
}

/**
 * What a kWh costs by region, from its load and what operators set. A price is a line of history that is written once: every other one is a new line. Memory is ahead of the store until what `flush` queued is
 * committed, and nothing may be asked in between. Every call that has `nowMs` also does what the time asks for.
 */
export class PriceBook {
  readonly overrides: PriceOverrides;
  private rules: PriceRules;
  private readonly table: RecordTable<RegionPrice>;
  private readonly lines: RecordTable<DynamicPrice>;
  /** Those with a capacity, of which there is a load, and those that somebody set a price for. */
  private readonly regions = new Map<string, RegionPrice>();
  private readonly changed = new Set<string>();
  /** Not in the store's queue yet. */
  private published: PublishedPrice[] = [];

  constructor(rules: PriceRulesDocument, store: Store) {
    this.rules = new PriceRules(rules);
    this.overrides = new PriceOverrides(store);
    this.table = new RecordTable(store, 'region-prices');
    this.lines = new RecordTable(store, 'price-history');
  }

  /** Takes in what the store has, and goes on from there by the rules in force now. Once, before anything else. */
  load(nowMs: number): void {
    for (const { key, record } of this.table.range()) this.regions.set(key, record);
    this.overrides.load(nowMs);
    this.settleAll(nowMs);
    // One may have begun while nobody was here.
    for (const region of this.overrides.regions()) this.settle(region, nowMs);
  }

  setRules(rules: PriceRulesDocument, nowMs: number): void {
    this.rules = new PriceRules(rules);
    this.tick(nowMs);
    this.settleAll(nowMs);
  }

  /** Takes in loads of minutes that are over. Of a region the newest counts: those before it, and one that is said again, change nothing. */
  applyLoad(loads: readonly RegionLoad[], nowMs: number): void {
    this.tick(nowMs);
    const touched = new Set<string>();
    for (const { region, windowStart, loadPercent } of loads) {
      // Without a capacity there is no load.
      if (loadPercent === null || !Number.isFinite(loadPercent)) continue;
      const known = this.regionOf(region);
      // One ahead of the clock was made by a clock that was.
      if (known.load !== null && windowStart < known.load.windowStart && known.load.windowStart <= nowMs) continue;
      if (known.load?.windowStart === windowStart && known.load.loadPercent === loadPercent) continue;
      this.put(region, { ...known, load: { windowStart, loadPercent } });
      touched.add(region);
    }
    for (const region of touched) this.settle(region, nowMs);
  }

  /** Overrides that begin and end by now. */
  tick(nowMs: number): void {
    for (const region of this.overrides.advance(nowMs)) this.settle(region, nowMs);
  }

  /** When `tick` has something to do; Infinity: nothing waits for time. */
  nextDueMs(): number {
    return this.overrides.nextDueMs();
  }

  /** Answers, or does what is asked. Throws OperationalError as protocol.ts says. */
  answer(question: PriceQuestion, nowMs: number): TariffAnswers[PriceQuestion['kind']] {
    this.tick(nowMs);
    switch (question.kind) {
      case 'prices':
        return this.prices();
      case 'priceHistory':
        return this.history(question);
      case 'overrides':
        return this.overrides.page(question);
      case 'makeOverride':
        return this.makeOverride(question, nowMs);
      case 'endOverride':
        return this.endOverride(question.id, question.by, question.reason, nowMs);
    }
  }

  /** Of all regions that have one, in order of name. */
  prices(): DynamicPrice[] {
    const prices = Array.from(this.regions.values(), ({ current }) => current).filter((price) => price !== null);
    return prices.sort((a, b) => (a.region < b.region ? -1 : 1));
  }

  /** `bad_cursor`. */
  history({ region, from, to, limit, cursor }: PriceHistoryQuery): Page<DynamicPrice> {
    const first = cursor === null ? `${sortableNumber(Math.max(0, from))}/` : placeAfter(cursor);
    const end = `${sortableNumber(Math.max(0, to))}/`;
    const found: PublishedPrice[] = [];
    if (first < end) {
      for (const { key, record } of this.lines.range({ from: `${region}/${first}`, to: `${region}/${end}`, limit: limit + 1 })) found.push({ price: record, sequence: Number.parseInt(key.slice(key.lastIndexOf('/') + 1), 36) });
    }
    // What is not in the store comes after all that is.
    for (const line of this.published) {
      const place = placeOf(line);
      if (line.price.region === region && first <= place && place < end) found.push(line);
    }
    const page = found.slice(0, limit);
    return { data: page.map(({ price }) => price), nextCursor: found.length > limit ? placeOf(page[page.length - 1]) : null };
  }

  /** As PriceOverrides.make. */
  makeOverride(override: NewOverride, nowMs: number): PriceOverride {
    this.tick(nowMs);
    const made = this.overrides.make(override);
    this.settle(made.region, nowMs);
    return made;
  }

  /** As PriceOverrides.end. */
  endOverride(id: string, by: string, reason: string, nowMs: number): PriceOverride {
    this.tick(nowMs);
    const ended = this.overrides.end(id, by, reason);
    this.settle(ended.region, nowMs);
    return ended;
  }

  /** Queues what changed for the store's next commit; gives the prices that were published, to be told once it is committed. */
  flush(): PriceEvent[] {
    this.overrides.flush();
    for (const region of this.changed) this.table.put(region, this.regions.get(region)!);
    this.changed.clear();
    for (const line of this.published) this.lines.put(`${line.price.region}/${placeOf(line)}`, line.price);
    const { published } = this;
    this.published = [];
    return published.map(({ price, sequence }) => ({ topic: 'tariff_updates', id: `price-${price.region}-${sequence}`, at: price.since, price }));
  }

  private settleAll(nowMs: number): void {
    for (const region of this.regions.keys()) this.settle(region, nowMs);
  }

  /** Publishes the region's price where it is another one by now. */
  private settle(region: string, nowMs: number): void {
    const known = this.regionOf(region);
    const { current } = known;
    const override = this.overrides.holdsIn(region);
    // Nobody has asked for a price, and nothing says one.
    if (override === null && known.load === null && current === null) return;
    const due = override === null ? this.byLoad(region, known.load) : this.byOperator(override);
    if (current !== null && !this.isWorthTelling(current, due)) return;
    // In order, whatever the clock does.
    const price: DynamicPrice = { ...due, since: Math.max(nowMs, current?.since ?? 0) };
    const sequence = known.sequence + 1;
    this.put(region, { ...known, current: price, sequence });
    this.published.push({ price, sequence });
  }

  private isWorthTelling(current: DynamicPrice, due: Omit<DynamicPrice, 'since'>): boolean {
    if (current.override !== due.override || current.currency !== due.currency) return true;
    return this.rules.differs(parseDecimal(current.price, AMOUNT_DIGITS), parseDecimal(due.price, AMOUNT_DIGITS));
  }

  private byLoad(region: string, load: RegionPrice['load']): Omit<DynamicPrice, 'since'> {
    const loadPercent = load?.loadPercent ?? null;
    const { price, multiplier } = this.rules.rate(region, loadPercent);
    return { region, price: this.rules.text(price), currency: this.rules.currency, multiplier, loadPercent, override: null };
  }

  private byOperator({ region, price, id }: PriceOverride): Omit<DynamicPrice, 'since'> {
    return { region, price: this.rules.text(parseDecimal(price, AMOUNT_DIGITS)), currency: this.rules.currency, multiplier: NO_MULTIPLIER, loadPercent: null, override: id };
  }

  private regionOf(region: string): RegionPrice {
    return this.regions.get(region) ?? { current: null, sequence: 0, load: null };
  }

  private put(region: string, price: RegionPrice): void {
    this.regions.set(region, price);
    this.changed.add(region);
  }
}

/** A line's place in its region's history. */
function placeOf({ price, sequence }: PublishedPrice): string {
  return `${sortableNumber(price.since)}/${sortableNumber(sequence)}`;
}

/** No place lies between one and itself with a zero byte. */
function placeAfter(cursor: string): string {
  if (!/^[0-9a-z]{11}\/[0-9a-z]{11}$/.test(cursor)) throw new OperationalError('bad_cursor', 'the cursor is of no page');
  return `${cursor}\0`;
}

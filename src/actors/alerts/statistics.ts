import { ALERT_TYPES, type Alert, type AlertStatistics, type AlertType } from '../../model/alert.ts';
import { SEVERITIES, type Severity } from '../../model/anomaly.ts';
import { RecordTable, sortableNumber } from '../../runtime/record-table.ts';
import type { Store } from '../../runtime/store.ts';
import { isActive } from './alert-entry.ts';

/**
 * Counts of alerts by the UTC hour and day in which they opened, kept as they change, so that a year is a few hundred rows however many alerts it had. A span is therefore counted by whole hours: from the
 * beginning of its first to the end of its last. Times from opening are kept as histograms whose bins are 9 % wide, so a median is true to 5 %.
 */

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** As long as alerts themselves. */
const KEPT_MS = 400 * DAY_MS;
/** Rows that one step forgets. */
const FORGET_STEP = 100;
/** Bins of a histogram for each doubling of the time. */
const BINS_PER_DOUBLING = 8;
/** Last that Date can write. */
const TIME_MAX_MS = 8.64e15;

/** Counts by `total`, `s/severity`, `t/type`, `r/region`, and `a/bin` and `x/bin` of times to acknowledgement and resolution. */
type Row = Record<string, number>;

export class AlertCounts {
  private readonly table: RecordTable<Row>;
  /** Rows that the table may not show yet, as they are. */
  private readonly recent = new Map<string, Row>();
  private changed = new Set<string>();
  private flushed = new Set<string>();
  private readonly active: Row = {};

  constructor(store: Store) {
    this.table = new RecordTable(store, 'alert-counts');
  }

  /** All that are active. */
  load(alerts: Iterable<Alert>): void {
    for (const alert of alerts) this.count(this.active, activeKeys(alert), 1);
  }

  /** An alert opened (`before` is null) or changed. */
  changedFrom(before: Alert | null, after: Alert): void {
    if (before !== null) this.count(this.active, activeKeys(before), -1);
    this.count(this.active, activeKeys(after), 1);
    if (before !== null && before.severity === after.severity && before.region === after.region && before.acknowledged?.at === after.acknowledged?.at && before.resolved?.at === after.resolved?.at) return;
    for (const key of [hourKey(after.openedAt), dayKey(after.openedAt)]) {
      const row = this.row(key);
      if (before !== null) this.count(row, openedKeys(before), -1);
      this.count(row, openedKeys(after), 1);
      this.changed.add(key);
    }
  }

  flush(): void {
    for (const key of this.flushed) if (!this.changed.has(key)) this.recent.delete(key);
    for (const key of this.changed) this.table.put(key, { ...this.recent.get(key) });
    this.flushed = this.changed;
    this.changed = new Set();
  }

  statistics(from: number, to: number): AlertStatistics {
    const sum: Row = {};
    for (const row of this.rowsOf(from, to)) for (const [key, count] of Object.entries(row)) sum[key] = (sum[key] ?? 0) + count;
    const of = (row: Row, key: string) => row[key] ?? 0;
    const bySeverity = (row: Row) => Object.fromEntries(SEVERITIES.map((severity) => [severity, of(row, `s/${severity}`)])) as Record<Severity, number>;
    const byType = (row: Row) => Object.fromEntries(ALERT_TYPES.map((type) => [type, of(row, `t/${type}`)])) as Record<AlertType, number>;
    const { active } = this;
    return {
      active: { open: of(active, 'open'), acknowledged: of(active, 'acknowledged'), suppressed: of(active, 'suppressed'), bySeverity: bySeverity(active), byType: byType(active) },
      opened: { total: of(sum, 'total'), bySeverity: bySeverity(sum), byType: byType(sum), byRegion: Object.fromEntries(binsOf(sum, 'r/')) },
      acknowledgedAfterMs: medianOf(sum, 'a/'),
      resolvedAfterMs: medianOf(sum, 'x/'),
    };
  }

  /** Forgets rows of long ago; true when there are more. */
  forgetOld(nowMs: number): boolean {
    let forgotten = 0;
    for (const [prefix, keyOf] of [['h/', hourKey], ['d/', dayKey]] as const) {
      const to = keyOf(Math.max(0, nowMs - KEPT_MS - DAY_MS));
      for (const { key } of this.table.range({ from: prefix, to, limit: FORGET_STEP })) {
        if (this.recent.has(key)) continue;
        this.table.remove(key);
        forgotten++;
      }
    }
    return forgotten >= FORGET_STEP;
  }

  /** Hours up to the first midnight, days, and hours after the last. */
  private *rowsOf(from: number, to: number): Generator<Row> {
    const first = Math.floor(clamped(from) / HOUR_MS) * HOUR_MS;
    const end = Math.ceil(clamped(to) / HOUR_MS) * HOUR_MS;
    const firstDay = Math.min(end, Math.ceil(first / DAY_MS) * DAY_MS);
    const endOfDays = Math.max(firstDay, Math.floor(end / DAY_MS) * DAY_MS);
    for (const [hour, endOfHours] of [[first, firstDay], [endOfDays, end]]) {
      for (let time = hour; time < endOfHours; time += HOUR_MS) yield this.recent.get(hourKey(time)) ?? this.table.get(hourKey(time)) ?? {};
    }
    const span = { from: dayKey(firstDay), to: dayKey(endOfDays) };
    for (const { key, record } of this.table.range(span)) if (!this.recent.has(key)) yield record;
    for (const [key, row] of this.recent) if (key >= span.from && key < span.to) yield row;
  }

  private row(key: string): Row {
    let row = this.recent.get(key);
    if (row === undefined) this.recent.set(key, (row = this.table.get(key) ?? {}));
    return row;
  }

  private count(row: Row, keys: readonly string[], by: number): void {
    for (const key of keys) {
      const count = (row[key] ?? 0) + by;
      if (count === 0) delete row[key];
      else row[key] = count;
    }
  }
}

function activeKeys(alert: Alert): string[] {
  if (!isActive(alert)) return [];
  return [alert.state, `s/${alert.severity}`, `t/${alert.type}`, ...(alert.suppression === null ? [] : ['suppressed'])];
}

function openedKeys({ severity, type, region, openedAt, acknowledged, resolved }: Alert): string[] {
  const keys = ['total', `s/${severity}`, `t/${type}`];
  if (region !== null) keys.push(`r/${region}`);
  if (acknowledged !== null) keys.push(`a/${binOf(acknowledged.at - openedAt)}`);
  if (resolved !== null) keys.push(`x/${binOf(resolved.at - openedAt)}`);
  return keys;
}

/** 0 is no time at all; less than that, after the clock went back, too. */
function binOf(ms: number): number {
  return ms <= 0 ? 0 : Math.ceil(BINS_PER_DOUBLING * Math.log2(ms + 1));
}

function binsOf(row: Row, prefix: string): [string, number][] {
  return Object.entries(row).flatMap(([key, count]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), count]] : []));
}

/** The middle of the bin in which the median lies; null without any. */
function medianOf(row: Row, prefix: string): number | null {
  const bins = binsOf(row, prefix).map(([bin, count]): [number, number] => [Number(bin), count]);
  const total = bins.reduce((sum, [, count]) => sum + count, 0);
  let seen = 0;
  for (const [bin, count] of bins.sort(([a], [b]) => a - b)) {
    seen += count;
    if (seen * 2 >= total) return bin === 0 ? 0 : Math.round(2 ** ((bin - 0.5) / BINS_PER_DOUBLING) - 1);
  }
  return null;
}

function clamped(timeMs: number): number {
  return Math.min(TIME_MAX_MS, Math.max(0, timeMs));
}

function hourKey(timeMs: number): string {
  return `h/${sortableNumber(Math.floor(clamped(timeMs) / HOUR_MS))}`;
}

function dayKey(timeMs: number): string {
  return `d/${sortableNumber(Math.floor(clamped(timeMs) / DAY_MS))}`;
}

import { isId } from '../../model/ids.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { WireReading } from '../wire-reading.ts';
import type { ImportPlan } from './import-plan.ts';
import type { RowLayout, RowSink } from './row-fields.ts';
import { MissingValues, RegionOf, StampReader, ValueScale, columnIndex, optionalColumnIndex, parseDecimal } from './row-fields.ts';

/**
 * A row a meter (and day, week or other period), a column an interval, from the first interval's column to the end of the row. Intervals are counted in
 * time that passes, not on the wall: a day of 23 hours has 92 quarter-hours, one of 25 hours has 100, and shorter rows are fine.
 */
export class WideIntervalsLayout implements RowLayout {
  private readonly plan: ImportPlan;
  private readonly meterAt: number;
  private readonly firstAt: number;
  private readonly dateAt: number;
  private readonly periodAt: number;
  /** Epoch ms by period name. */
  private readonly periodStartMs = new Map<string, number>();
  private readonly startMs: number | null;
  private readonly scale: ValueScale;
  private readonly stamps: StampReader;
  private readonly regions: RegionOf;
  private readonly missing: MissingValues;

  constructor(plan: ImportPlan, columns: readonly string[]) {
    this.plan = plan;
    this.meterAt = columnIndex(columns, plan.meterColumn!);
    this.firstAt = columnIndex(columns, plan.firstInterval!);
    this.dateAt = optionalColumnIndex(columns, plan.dateColumn);
    this.periodAt = optionalColumnIndex(columns, plan.periodColumn);
    this.scale = new ValueScale(plan.unit, plan.intervalMs);
    this.stamps = new StampReader(plan);
    this.regions = new RegionOf(plan, columns);
    this.missing = new MissingValues(plan.missing);
    const dates = new StampReader({ ...plan, timeFormat: 'iso' });
    this.startMs = plan.start === null ? null : startOf(dates, plan.start);
    for (const [period, date] of plan.periodStarts) this.periodStartMs.set(period, startOf(dates, date));
  }

  row(cells: readonly string[], sink: RowSink): void {
    if (cells.length <= this.firstAt) return sink.bad(`has ${cells.length} columns, none of them an interval`);
    const meterId = this.plan.meterPrefix + cells[this.meterAt].trim();
    if (!isId(meterId)) return sink.bad(`"${meterId.slice(0, 70)}" is no meter id: 1 to 64 of A-Z a-z 0-9 . _ : -`);
    const region = this.regions.get(meterId, cells);
    if (region === null) return sink.bad(`meter ${meterId} has no region with a valid name`);
    const startMs = this.rowStart(cells, meterId);
    if (typeof startMs === 'string') return sink.bad(startMs);
    const intervalMs = this.plan.intervalMs!;
    for (let at = this.firstAt; at < cells.length; at++) {
      const text = cells[at].trim();
      if (this.missing.has(text)) {
        sink.missing();
        continue;
      }
      const value = parseDecimal(text);
      if (Number.isNaN(value)) {
        sink.bad(`"${text.slice(0, 40)}" in column ${at + 1} is not a number`);
        continue;
      }
      const reading: WireReading = { meterId, region, timestamp: startMs + (at - this.firstAt) * intervalMs, powerKw: NaN };
      this.scale.apply(value, reading);
      sink.reading(reading);
    }
  }

  private rowStart(cells: readonly string[], meterId: string): number | string {
    if (this.startMs !== null) return this.startMs;
    if (this.dateAt >= 0) return this.stamps.read(cells[this.dateAt].trim(), meterId);
    const period = cells[this.periodAt].trim();
    return this.periodStartMs.get(period) ?? `period "${period.slice(0, 40)}" has no --period-start`;
  }
}

function startOf(dates: StampReader, text: string): number {
  // A series of its own: the dates of a command line are in no order.
  const startMs = dates.read(text, text);
  if (typeof startMs === 'string') throw new OperationalError('usage', `start: ${startMs}; write it like 2018-10-29 or 2018-10-29T00:00`);
  return startMs;
}

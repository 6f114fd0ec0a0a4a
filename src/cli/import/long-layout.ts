import { isId } from '../../model/ids.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { WireReading } from '../wire-reading.ts';
import type { ImportPlan } from './import-plan.ts';
import type { RowLayout, RowSink } from './row-fields.ts';
import { MissingValues, RegionOf, StampReader, ValueScale, columnIndex, optionalColumnIndex, parseDecimal } from './row-fields.ts';

type Extra = 'voltage' | 'current' | 'frequency' | 'powerFactor';

/** A reading a row. */
export class LongLayout implements RowLayout {
  private readonly plan: ImportPlan;
  private readonly meterAt: number;
  private readonly timeAt: number;
  private readonly dateAt: number;
  private readonly powerAt: number;
  private readonly energyAt: number;
  private readonly extras: { name: Extra; at: number }[];
  private readonly cellsNeeded: number;
  private readonly power: ValueScale;
  private readonly energy: ValueScale;
  private readonly stamps: StampReader;
  private readonly regions: RegionOf;
  private readonly missing: MissingValues;

  constructor(plan: ImportPlan, columns: readonly string[]) {
    this.plan = plan;
    this.meterAt = optionalColumnIndex(columns, plan.meterColumn);
    this.timeAt = columnIndex(columns, plan.timeColumn!);
    this.dateAt = optionalColumnIndex(columns, plan.dateColumn);
    this.powerAt = optionalColumnIndex(columns, plan.powerColumn);
    this.energyAt = optionalColumnIndex(columns, plan.energyColumn);
    const extra = (name: Extra, column: string | null) => ({ name, at: optionalColumnIndex(columns, column) });
    this.extras = [
      extra('voltage', plan.voltageColumn),
      extra('current', plan.currentColumn),
      extra('frequency', plan.frequencyColumn),
      extra('powerFactor', plan.powerFactorColumn),
    ].filter(({ at }) => at >= 0);
    this.cellsNeeded = 1 + Math.max(this.meterAt, this.timeAt, this.dateAt, this.powerAt, this.energyAt, ...this.extras.map(({ at }) => at));
    this.power = new ValueScale(plan.powerUnit, null);
    this.energy = new ValueScale(plan.energyUnit, plan.intervalMs);
    this.stamps = new StampReader(plan);
    this.regions = new RegionOf(plan, columns);
    this.missing = new MissingValues(plan.missing);
    if (plan.meter !== null && !isId(plan.meterPrefix + plan.meter)) throw new OperationalError('usage', `"${plan.meterPrefix}${plan.meter}" is no meter id: 1 to 64 of A-Z a-z 0-9 . _ : -`);
  }

  row(cells: readonly string[], sink: RowSink): void {
    if (cells.length < this.cellsNeeded) return sink.bad(`has ${cells.length} columns where ${this.cellsNeeded} are needed`);
    const meterId = this.plan.meterPrefix + (this.plan.meter ?? cells[this.meterAt].trim());
    if (!isId(meterId)) return sink.bad(`"${meterId.slice(0, 70)}" is no meter id: 1 to 64 of A-Z a-z 0-9 . _ : -`);
    const time = cells[this.timeAt].trim();
    const timestamp = this.stamps.read(this.dateAt < 0 ? time : `${cells[this.dateAt].trim()} ${time}`, meterId);
    if (typeof timestamp === 'string') return sink.bad(timestamp);
    const region = this.regions.get(meterId, cells);
    if (region === null) return sink.bad(`meter ${meterId} has no region with a valid name`);
    const reading: WireReading = { meterId, region, timestamp, powerKw: NaN };
    const fault = this.values(cells, reading);
    if (fault !== null) return sink.bad(fault);
    if (Number.isNaN(reading.powerKw)) sink.missing();
    else sink.reading(reading);
  }

  /** Fills in the numbers; powerKw stays NaN where the row has no value. Returns what is wrong, or null. */
  private values(cells: readonly string[], reading: WireReading): string | null {
    if (this.energyAt >= 0) {
      const fault = this.value(cells[this.energyAt], 'energy', (value) => this.energy.apply(value, reading));
      if (fault !== null) return fault;
    }
    if (this.powerAt >= 0) {
      // A power column is the better mean: what the energy column implied gives way to it, also when it is empty.
      reading.powerKw = NaN;
      const fault = this.value(cells[this.powerAt], 'power', (value) => this.power.apply(value, reading));
      if (fault !== null) return fault;
    }
    for (const { name, at } of this.extras) {
      const fault = this.value(cells[at], name, (value) => {
        reading[name] = value;
      });
      if (fault !== null) return fault;
    }
    return null;
  }

  private value(cell: string, what: string, take: (value: number) => void): string | null {
    const text = cell.trim();
    if (this.missing.has(text)) return null;
    const value = parseDecimal(text);
    if (Number.isNaN(value)) return `${what} "${text.slice(0, 40)}" is not a number`;
    take(value);
    return null;
  }
}

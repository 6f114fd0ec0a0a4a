import { isId } from '../../model/ids.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { WireReading } from '../wire-reading.ts';
import type { ImportPlan } from './import-plan.ts';
import type { RowLayout, RowSink } from './row-fields.ts';
import { MissingValues, RegionOf, StampReader, ValueScale, columnIndex, optionalColumnIndex, parseDecimal } from './row-fields.ts';

/** A row a time, a column a meter: every column but those of the time is a meter named by its header. */
export class WideMetersLayout implements RowLayout {
  private readonly timeAt: number;
  private readonly dateAt: number;
  private readonly width: number;
  private readonly meters: { at: number; meterId: string; region: string }[] = [];
  private readonly scale: ValueScale;
  private readonly stamps: StampReader;
  private readonly missing: MissingValues;

  constructor(plan: ImportPlan, columns: readonly string[]) {
    this.timeAt = columnIndex(columns, plan.timeColumn!);
    this.dateAt = optionalColumnIndex(columns, plan.dateColumn);
    this.width = columns.length;
    this.scale = new ValueScale(plan.unit, plan.intervalMs);
    this.stamps = new StampReader(plan);
    this.missing = new MissingValues(plan.missing);
    const regions = new RegionOf(plan, columns);
    const seen = new Set<string>();
    columns.forEach((column, at) => {
      if (at === this.timeAt || at === this.dateAt) return;
      const meterId = plan.meterPrefix + column.replace(/^#/, '');
      if (!isId(meterId)) throw new OperationalError('usage', `column ${at + 1}, "${column.slice(0, 70)}", is no meter id: 1 to 64 of A-Z a-z 0-9 . _ : -`);
      if (seen.has(meterId)) throw new OperationalError('usage', `two columns are named "${column}"; rename one, or their readings would be taken for one meter's`);
      seen.add(meterId);
      const region = regions.get(meterId, []);
      if (region === null) throw new OperationalError('usage', `meter ${meterId} has no region with a valid name; add it to the --region-map, or give --region for the rest`);
      this.meters.push({ at, meterId, region });
    });
  }

  row(cells: readonly string[], sink: RowSink): void {
    if (cells.length !== this.width) return sink.bad(`has ${cells.length} columns where the header has ${this.width}`);
    const time = cells[this.timeAt].trim();
    const timestamp = this.stamps.read(this.dateAt < 0 ? time : `${cells[this.dateAt].trim()} ${time}`, '');
    if (typeof timestamp === 'string') return sink.bad(timestamp);
    for (const { at, meterId, region } of this.meters) {
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
      const reading: WireReading = { meterId, region, timestamp, powerKw: NaN };
      this.scale.apply(value, reading);
      sink.reading(reading);
    }
  }
}

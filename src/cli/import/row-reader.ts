import { OperationalError } from '../../runtime/errors.ts';
import type { WireReading } from '../wire-reading.ts';
import type { DelimitedRow } from './delimited-file.ts';
import type { ImportPlan } from './import-plan.ts';
import { EMPTY_PLAN, checkPlan } from './import-plan.ts';
import type { PresetName } from './import-presets.ts';
import { IMPORT_PRESETS, presetPlan } from './import-presets.ts';
import type { ImportPosition } from './import-state.ts';
import { LongLayout } from './long-layout.ts';
import type { RowLayout, RowSink } from './row-fields.ts';
import { WideIntervalsLayout } from './wide-intervals-layout.ts';
import { WideMetersLayout } from './wide-meters-layout.ts';

export interface BadRow {
  /** From 1, as an editor shows it. */
  line: number;
  reason: string;
}

export interface RowReaderOptions {
  preset: PresetName | null;
  /** What the user said himself; wins over the preset. */
  flags: Partial<ImportPlan>;
  /** Items before this place give no readings. They are read all the same: a zone clock needs their order, and faults are counted anew. */
  from: ImportPosition;
  /** Bad rows or cells that are put up with. */
  maxErrors: number;
}

/** Bad rows that are kept to be shown; the count tells the rest. */
const BAD_ROWS_SHOWN = 20;

/** Turns a file's rows into readings that wait to be taken, and knows the place in the file after each. */
export class RowReader implements DelimitedRow {
  /** Data rows so far. */
  rows = 0;
  /** Cells without a value so far. */
  missing = 0;
  /** Rows and cells that cannot be read so far. */
  bad = 0;
  readonly badRows: BadRow[] = [];
  private readonly options: RowReaderOptions;
  private readonly sink: RowSink;
  private layout: RowLayout | null = null;
  private line = 0;
  private items = 0;
  private readings: WireReading[] = [];
  private endRow: number[] = [];
  private endItems: number[] = [];

  constructor(options: RowReaderOptions) {
    this.options = options;
    this.sink = {
      reading: (reading) => this.keep(reading),
      missing: () => {
        this.missing++;
        this.items++;
      },
      bad: (reason) => this.fault(reason),
    };
  }

  /** Readings that wait. */
  get pending(): number {
    return this.readings.length;
  }

  row(cells: readonly string[], line: number): void {
    if (cells.length === 1 && cells[0].trim() === '') return;
    this.line = line;
    if (this.layout === null) {
      this.layout = createLayout(this.options, cells);
      if (this.options.flags.header ?? true) return;
    }
    this.items = 0;
    this.layout.row(cells, this.sink);
    this.rows++;
  }

  unreadable(line: number, reason: string): void {
    this.line = line;
    this.fault(reason);
  }

  /** The next `count` waiting readings, in file order, and the place after them. */
  take(count: number): { readings: WireReading[]; end: ImportPosition } {
    const end = { row: this.endRow[count - 1], items: this.endItems[count - 1] };
    this.endRow.splice(0, count);
    this.endItems.splice(0, count);
    return { readings: this.readings.splice(0, count), end };
  }

  /** Throws OperationalError `too_many_errors` past the limit. */
  assertWithinErrors(): void {
    if (this.bad <= this.options.maxErrors) return;
    const shown = this.badRows.map(({ line, reason }) => `\n  line ${line}: ${reason}`).join('');
    throw new OperationalError('too_many_errors', `more than ${this.options.maxErrors} bad rows; check the options, or raise --max-errors. The first ones:${shown}`);
  }

  /** Throws OperationalError `usage` for a file without a line. */
  assertHeaderSeen(path: string): void {
    if (this.layout === null) throw new OperationalError('usage', `${path} is empty`);
  }

  private keep(reading: WireReading): void {
    const item = this.items++;
    const { from } = this.options;
    if (this.rows < from.row || (this.rows === from.row && item < from.items)) return;
    this.readings.push(reading);
    this.endRow.push(this.rows);
    this.endItems.push(item + 1);
  }

  private fault(reason: string): void {
    this.bad++;
    this.items++;
    if (this.badRows.length < BAD_ROWS_SHOWN) this.badRows.push({ line: this.line, reason });
  }
}

function createLayout(options: RowReaderOptions, cells: readonly string[]): RowLayout {
  const hasHeader = options.flags.header ?? true;
  const columns = hasHeader ? cells.map((cell) => cell.trim()) : cells.map((_, at) => `#${at + 1}`);
  const plan: ImportPlan = { ...EMPTY_PLAN, ...presetFor(options.preset, columns), ...options.flags };
  checkPlan(plan);
  switch (plan.layout) {
    case 'long':
      return new LongLayout(plan, columns);
    case 'wide-meters':
      return new WideMetersLayout(plan, columns);
    case 'wide-intervals':
      return new WideIntervalsLayout(plan, columns);
  }
}

function presetFor(name: PresetName | null, columns: readonly string[]): Partial<ImportPlan> {
  if (name === null) return {};
  const plan = presetPlan(name, columns);
  if (plan !== null) return plan;
  const expected = IMPORT_PRESETS[name].variants.map((variant) => variant.columns.join(', ')).join(' or ');
  throw new OperationalError('usage', `this is no file for --preset ${name}, which expects the columns ${expected}`);
}

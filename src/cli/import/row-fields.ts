import { isId } from '../../model/ids.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { WireReading } from '../wire-reading.ts';
import type { ImportPlan, ValueUnit } from './import-plan.ts';
import { ZoneClock, timeParser } from './local-time.ts';

/** What every layout needs: columns by name, numbers, units, times, names of meters and regions. */

/** Receives what a row holds, in the order of its cells. */
export interface RowSink {
  reading(reading: WireReading): void;
  /** A cell without a value. */
  missing(): void;
  /** A cell or row that cannot be read; `reason` is a phrase without a full stop. */
  bad(reason: string): void;
}

/** Reads rows of one layout; rows must come in file order. `cells` is borrowed. */
export interface RowLayout {
  row(cells: readonly string[], sink: RowSink): void;
}

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const COLUMNS_SHOWN = 12;
/** Meters whose last reading is remembered to tell the two 2 o'clocks of an autumn night apart; the engine's default meter limit. */
const SERIES_MAX = 2_000_000;
const HOUR_MS = 3_600_000;

/** Position of a column by name or `#3`. Throws OperationalError `usage` that lists what the file has. */
export function columnIndex(columns: readonly string[], name: string): number {
  const named = columns.indexOf(name);
  if (named >= 0) return named;
  const numbered = /^#(\d+)$/.exec(name);
  if (numbered !== null && Number(numbered[1]) >= 1 && Number(numbered[1]) <= columns.length) return Number(numbered[1]) - 1;
  const shown = columns.slice(0, COLUMNS_SHOWN).join(', ') + (columns.length > COLUMNS_SHOWN ? `, … (${columns.length} in all)` : '');
  throw new OperationalError('usage', `the file has no column "${name}"; it has ${shown}`);
}

/** −1 for a column that was not asked for. */
export function optionalColumnIndex(columns: readonly string[], name: string | null): number {
  return name === null ? -1 : columnIndex(columns, name);
}

/** A decimal number; NaN for anything else, the empty text, hexadecimal and Infinity among it. */
export function parseDecimal(text: string): number {
  return DECIMAL.test(text) ? Number(text) : NaN;
}

/** Whether a cell holds no value. */
export class MissingValues {
  private readonly texts: ReadonlySet<string>;

  constructor(texts: readonly string[]) {
    this.texts = new Set(['', ...texts]);
  }

  has(text: string): boolean {
    return this.texts.has(text);
  }
}

/** Turns a value in the file's unit into what a reading carries. */
export class ValueScale {
  private readonly isEnergy: boolean;
  private readonly divisor: number;
  private readonly hours: number;

  /** `intervalMs` may be null for a unit of power. */
  constructor(unit: ValueUnit, intervalMs: number | null) {
    this.isEnergy = unit === 'kWh' || unit === 'Wh';
    this.divisor = unit === 'Wh' || unit === 'W' ? 1_000 : 1;
    this.hours = (intervalMs ?? NaN) / HOUR_MS;
  }

  /** Energy of an interval gives its mean power as well; power alone leaves the energy to the engine's estimate. */
  apply(value: number, reading: WireReading): void {
    const scaled = value / this.divisor;
    if (!this.isEnergy) {
      reading.powerKw = scaled;
      return;
    }
    reading.powerKw = scaled / this.hours;
    reading.energyKwh = scaled;
  }
}

/** The instant of a stamp, by the plan's format, zone and convention. */
export class StampReader {
  private readonly parse: ReturnType<typeof timeParser>;
  private readonly clock: ZoneClock;
  private readonly shiftMs: number;
  /** Last instant of each series, before the shift. */
  private readonly previous = new Map<string, number>();

  constructor(plan: ImportPlan) {
    this.parse = timeParser(plan.timeFormat);
    this.clock = new ZoneClock(plan.zone);
    this.shiftMs = plan.timestamps === 'end' ? plan.intervalMs! : 0;
  }

  /** Epoch ms of the start of the stamped interval, or a phrase that says why there is none. `series` tells repeated hours apart. */
  read(text: string, series: string): number | string {
    const parsed = this.parse(text);
    if (parsed === null) return `"${text.slice(0, 40)}" is not a time of the expected format`;
    const previousMs = this.previous.get(series) ?? null;
    const epochMs = parsed.offsetMs === null ? this.clock.toEpochMs(parsed.wallMs, previousMs) : parsed.wallMs - parsed.offsetMs;
    if (epochMs === null) return `"${text}" does not exist in ${this.clock.zone}, where clocks went forward; use --zone UTC or a fixed offset if the file's clock does not`;
    if (previousMs !== null || this.previous.size < SERIES_MAX) this.previous.set(series, epochMs);
    return epochMs - this.shiftMs;
  }
}

/** Region of a meter: its column, else the map, else the one for all. */
export class RegionOf {
  private readonly plan: ImportPlan;
  private readonly column: number;

  constructor(plan: ImportPlan, columns: readonly string[]) {
    this.plan = plan;
    this.column = optionalColumnIndex(columns, plan.regionColumn);
  }

  /** A region, or null when none is given or the one given is no name. */
  get(meterId: string, cells: readonly string[]): string | null {
    const own = this.column < 0 ? undefined : cells[this.column]?.trim();
    const region = own ?? this.plan.regionMap?.get(meterId) ?? this.plan.region;
    return region !== null && isId(region) ? region : null;
  }
}

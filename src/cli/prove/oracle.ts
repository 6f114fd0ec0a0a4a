import { SLOTS, type ProofReadings, type ReadingName } from './proof-readings.ts';

/** What the engine must answer, by DESIGN's words and the readings alone. Shares no code with the engine. */

/** A window as the API shows it. */
export interface WindowRow {
  region: string;
  windowStart: string;
  windowEnd: string;
  avgPowerKw: number;
  minPowerKw: number;
  maxPowerKw: number;
  energyKwhSum: number;
  energySource: string;
  voltageAvg: number | null;
  voltageMin: number | null;
  voltageMax: number | null;
  count: number;
}

/** All must be zero but `compared`. */
export class Findings {
  /** Acknowledged readings that are in no window. */
  lost = 0;
  /** Countings of a reading past the first. */
  duplicated = 0;
  /** Windows that are not what their readings make, readings nobody sent, answers that cannot be. */
  wrong = 0;
  /** Windows looked at. */
  compared = 0;
  /** The first few, in words. */
  readonly examples: string[] = [];

  get isClean(): boolean {
    return this.lost === 0 && this.duplicated === 0 && this.wrong === 0;
  }

  note(kind: 'lost' | 'duplicated' | 'wrong', count: number, example: () => string): void {
    this[kind] += count;
    if (this.examples.length < EXAMPLES_MAX) this.examples.push(`${kind}: ${example()}`);
  }

  add(other: Findings): void {
    this.lost += other.lost;
    this.duplicated += other.duplicated;
    this.wrong += other.wrong;
    this.compared += other.compared;
    this.examples.push(...other.examples.slice(0, EXAMPLES_MAX - this.examples.length));
  }
}

/** More do not help to find the first. */
const EXAMPLES_MAX = 10;
const QUARTER_MINUTES = 15;
/** The engine estimates energy from the mean as it shows it: one billionth, and a hair for the difference of two doubles. */
const ESTIMATE_TOLERANCE = 1.01e-9;

/** Bits by slot. */
interface MinuteRecord {
  sent: number;
  /** Acknowledged, or seen in a window once: either way it has to stay. */
  kept: number;
}

export class ProofOracle {
  readonly readings: ProofReadings;
  private readonly meters = new Map<number, Map<number, MinuteRecord>>();
  private readonly touchedFrom = new Map<number, number>();

  constructor(readings: ProofReadings) {
    this.readings = readings;
  }

  sent(name: ReadingName): void {
    this.recordOf(name).sent |= 1 << name.slot;
    this.touch(name);
  }

  acknowledged(name: ReadingName): void {
    this.recordOf(name).kept |= 1 << name.slot;
  }

  isKept(name: ReadingName): boolean {
    return (this.recordOf(name).kept & (1 << name.slot)) !== 0;
  }

  /** Meters with readings sent since this was called last, each with the first minute of the first quarter concerned. */
  takeTouched(): Map<number, number> {
    const taken = new Map(this.touchedFrom);
    this.touchedFrom.clear();
    return taken;
  }

  /** Every meter from its first minute on. */
  everything(): Map<number, number> {
    return new Map([...this.meters].map(([meter, minutes]) => [meter, quarterOf([...minutes.keys()].reduce((a, b) => Math.min(a, b)))]));
  }

  /** True when readings of the meter from `fromMinute` on may or may not be counted. */
  isUncertain(meter: number, fromMinute: number): boolean {
    for (const [minute, { sent, kept }] of this.meters.get(meter) ?? []) if (minute >= fromMinute && sent !== kept) return true;
    return false;
  }

  /** Holds a meter's windows from `fromMinute` (the first of a quarter) on against what was sent. */
  check(meter: number, fromMinute: number, oneMinute: readonly WindowRow[], quarters: readonly WindowRow[]): Findings {
    const findings = new Findings();
    const counted = new Map<number, ReadingName[]>();
    const records = this.meters.get(meter) ?? new Map<number, MinuteRecord>();
    const rows = new Map<number, WindowRow>();
    for (const row of oneMinute) {
      const minute = Date.parse(row.windowStart) / 60_000;
      if (rows.has(minute)) findings.note('wrong', 1, () => `${this.name(meter, minute)} has two windows`);
      rows.set(minute, row);
      if (!records.has(minute)) findings.note('wrong', 1, () => `${this.name(meter, minute)} has a window and no readings: ${JSON.stringify(row)}`);
    }
    for (const [minute, record] of records) {
      if (minute < fromMinute) continue;
      const names = this.checkMinute(meter, minute, record, rows.get(minute), findings);
      const quarter = quarterOf(minute);
      if (names.length > 0) counted.set(quarter, [...(counted.get(quarter) ?? []), ...names]);
    }
    for (const row of quarters) {
      const quarter = Date.parse(row.windowStart) / 60_000;
      this.checkWindow(meter, quarter, QUARTER_MINUTES, counted.get(quarter) ?? [], row, findings);
      counted.delete(quarter);
    }
    for (const quarter of counted.keys()) findings.note('wrong', 1, () => `${this.name(meter, quarter)} has no 15m window`);
    return findings;
  }

  /** Readings counted in the minute, by its window. */
  private checkMinute(meter: number, minute: number, record: MinuteRecord, row: WindowRow | undefined, findings: Findings): ReadingName[] {
    const found = row === undefined ? [] : this.readings.multiplicities(meter, minute, row.count, row.avgPowerKw);
    if (found === null) {
      findings.note('wrong', 1, () => `${this.name(meter, minute)} cannot come from its readings: ${JSON.stringify(row)}`);
      return [];
    }
    const names: ReadingName[] = [];
    let repeats = 0;
    for (let slot = 0; slot < SLOTS; slot++) {
      const bit = 1 << slot;
      const times = found[slot] ?? 0;
      if (times === 0 && (record.kept & bit) !== 0) findings.note('lost', 1, () => `${this.name(meter, minute)} slot ${slot} was acknowledged`);
      if (times > 1) findings.note('duplicated', times - 1, () => `${this.name(meter, minute)} slot ${slot} counts ${times} times`);
      if (times > 0 && (record.sent & bit) === 0) findings.note('wrong', 1, () => `${this.name(meter, minute)} slot ${slot} was never sent`);
      repeats += Math.max(0, times - 1);
      if (times > 0) {
        record.kept |= bit & record.sent;
        names.push({ meter, minute, slot });
      }
    }
    if (row !== undefined && repeats === 0) this.checkWindow(meter, minute, 1, names, row, findings);
    return names;
  }

  private checkWindow(meter: number, startMinute: number, minutes: number, names: readonly ReadingName[], row: WindowRow, findings: Findings): void {
    findings.compared++;
    if (!this.equals(meter, startMinute, minutes, names, row)) {
      findings.note('wrong', 1, () => `${this.name(meter, startMinute)} (${minutes} min, ${names.length} readings) is ${JSON.stringify(row)}`);
    }
  }

  private equals(meter: number, startMinute: number, minutes: number, names: readonly ReadingName[], row: WindowRow): boolean {
    const count = names.length;
    if (row.count !== count || count === 0 || row.region !== this.readings.region(meter)) return false;
    if (Date.parse(row.windowStart) !== startMinute * 60_000 || Date.parse(row.windowEnd) !== (startMinute + minutes) * 60_000) return false;
    const all = names.map((name) => this.readings.measurements(name));
    const power = all.map(({ powerMicro }) => powerMicro);
    const energy = all.flatMap(({ energyMicro }) => (energyMicro === null ? [] : [energyMicro]));
    const voltage = all.flatMap(({ voltageTenths }) => (voltageTenths === null ? [] : [voltageTenths]));
    if (row.avgPowerKw !== meanOf(power, 1_000) || row.minPowerKw !== least(power) / 1e6 || row.maxPowerKw !== most(power) / 1e6) return false;
    if (row.energySource !== (energy.length > 0 ? 'measured' : 'estimated')) return false;
    const estimate = (sumOf(power) * minutes) / 60 / count / 1e6;
    if (energy.length > 0 ? row.energyKwhSum !== sumOf(energy) / 1e6 : Math.abs(row.energyKwhSum - estimate) > ESTIMATE_TOLERANCE) return false;
    if (voltage.length === 0) return row.voltageAvg === null && row.voltageMin === null && row.voltageMax === null;
    return row.voltageAvg === meanOf(voltage, 1e8) && row.voltageMin === least(voltage) / 10 && row.voltageMax === most(voltage) / 10;
  }

  private recordOf({ meter, minute }: ReadingName): MinuteRecord {
    let minutes = this.meters.get(meter);
    if (minutes === undefined) this.meters.set(meter, (minutes = new Map()));
    let record = minutes.get(minute);
    if (record === undefined) minutes.set(minute, (record = { sent: 0, kept: 0 }));
    return record;
  }

  private touch({ meter, minute }: ReadingName): void {
    const quarter = quarterOf(minute);
    const before = this.touchedFrom.get(meter);
    if (before === undefined || quarter < before) this.touchedFrom.set(meter, quarter);
  }

  private name(meter: number, minute: number): string {
    return `${this.readings.meterId(meter)} at ${new Date(minute * 60_000).toISOString()}`;
  }
}

function quarterOf(minute: number): number {
  return Math.floor(minute / QUARTER_MINUTES) * QUARTER_MINUTES;
}

/** Mean of whole numbers, rounded half up to 1e-9 of the unit; `toNano` is how many billionths one of them is. Exact: all below 2^53. */
function meanOf(values: readonly number[], toNano: number): number {
  return Math.floor((2 * sumOf(values) * toNano + values.length) / (2 * values.length)) / 1e9;
}

function sumOf(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

function least(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b));
}

function most(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b));
}

import { billionths, type OracleReading } from '../oracle/window-oracle.ts';
import type { WireWindow } from './engine-api.ts';
import { ROUNDING } from './window-difference.ts';

/**
 * The windows of millions of real readings, by the same words as the window oracle but in columns of doubles: BigInts and an object a window
 * would take longer than the engine. Every step is exact or throws, and real-data-windows.test.ts holds it against the oracle. Shares no code
 * with the engine.
 */

export type Granularity = '1m' | '15m';

const LENGTH_MS = { '1m': 60_000, '15m': 900_000 } as const;
const WINDOWS_PER_HOUR = { '1m': 60, '15m': 4 } as const;
const BILLION = 1e9;

/** The windows that one meter must have, in order of time; index them by `length`. NaN stands for a voltage that no reading carried. */
export class ExpectedWindows {
  readonly meterId: string;
  readonly region: string;
  readonly granularity: Granularity;
  /** How many windows there are; the columns are longer. */
  length = 0;
  /** Epoch ms. */
  readonly startMs: Float64Array;
  readonly count: Uint32Array;
  readonly avgPowerKw: Float64Array;
  readonly minPowerKw: Float64Array;
  readonly maxPowerKw: Float64Array;
  readonly energyKwhSum: Float64Array;
  /** 1 where readings carried energy. */
  readonly measured: Uint8Array;
  readonly voltageAvg: Float64Array;
  readonly voltageMin: Float64Array;
  readonly voltageMax: Float64Array;

  /** Throws unless the readings are of one meter and one region, status OK, and each is newer than the one before. */
  constructor(readings: readonly OracleReading[], granularity: Granularity) {
    this.meterId = readings[0].meterId;
    this.region = readings[0].region;
    this.granularity = granularity;
    const most = readings.length;
    const column = (): Float64Array => new Float64Array(most);
    this.startMs = column();
    this.count = new Uint32Array(most);
    this.avgPowerKw = column();
    this.minPowerKw = column();
    this.maxPowerKw = column();
    this.energyKwhSum = column();
    this.measured = new Uint8Array(most);
    this.voltageAvg = column();
    this.voltageMin = column();
    this.voltageMax = column();
    for (let first = 0; first < most; ) first = this.append(readings, first);
  }

  /** Where the window before `at` ends, epoch ms; −Infinity for the first. */
  endBefore(at: number): number {
    return at === 0 ? -Infinity : this.startMs[at - 1] + LENGTH_MS[this.granularity];
  }

  /** null when the API's window is number `at` of these, `final` and never corrected; else both, as text. */
  difference(at: number, got: WireWindow): string | null {
    if (at >= this.length) return `got ${JSON.stringify(got)} after the last of ${this.length} windows`;
    const energy = this.energyKwhSum[at];
    const same =
      got.meterId === this.meterId &&
      got.region === this.region &&
      got.granularity === this.granularity &&
      got.windowStart === isoText(this.startMs[at]) &&
      got.windowEnd === isoText(this.startMs[at] + LENGTH_MS[this.granularity]) &&
      got.avgPowerKw === this.avgPowerKw[at] &&
      got.minPowerKw === this.minPowerKw[at] &&
      got.maxPowerKw === this.maxPowerKw[at] &&
      (this.measured[at] === 1
        ? got.energySource === 'measured' && got.energyKwhSum === energy
        : got.energySource === 'estimated' && Math.abs(got.energyKwhSum - energy) <= ROUNDING) &&
      sameVoltage(got.voltageAvg, this.voltageAvg[at]) &&
      sameVoltage(got.voltageMin, this.voltageMin[at]) &&
      sameVoltage(got.voltageMax, this.voltageMax[at]) &&
      got.count === this.count[at] &&
      got.revision === 0 &&
      got.final;
    return same ? null : `got ${JSON.stringify(got)}, expected ${JSON.stringify(this.window(at))}`;
  }

  /** Window number `at` as the API should show it. */
  window(at: number): WireWindow {
    const voltage = (column: Float64Array): number | null => (Number.isNaN(column[at]) ? null : column[at]);
    return {
      meterId: this.meterId,
      region: this.region,
      granularity: this.granularity,
      windowStart: isoText(this.startMs[at]),
      windowEnd: isoText(this.startMs[at] + LENGTH_MS[this.granularity]),
      avgPowerKw: this.avgPowerKw[at],
      minPowerKw: this.minPowerKw[at],
      maxPowerKw: this.maxPowerKw[at],
      energyKwhSum: this.energyKwhSum[at],
      energySource: this.measured[at] === 1 ? 'measured' : 'estimated',
      voltageAvg: voltage(this.voltageAvg),
      voltageMin: voltage(this.voltageMin),
      voltageMax: voltage(this.voltageMax),
      count: this.count[at],
      revision: 0,
      final: true,
    };
  }

  /** Adds the window that begins with reading `first`; returns the first reading after it. */
  private append(readings: readonly OracleReading[], first: number): number {
    const length = LENGTH_MS[this.granularity];
    const startMs = Math.floor(readings[first].timestamp / length) * length;
    let [power, powerMin, powerMax] = [0, Infinity, -Infinity];
    let [energy, energies] = [0, 0];
    let [volts, voltsMin, voltsMax, voltages] = [0, Infinity, -Infinity, 0];
    let next = first;
    for (; next < readings.length && readings[next].timestamp < startMs + length; next++) {
      const reading = readings[next];
      if (next > 0 && !(reading.timestamp > readings[next - 1].timestamp)) throw new Error(`the readings of ${this.meterId} are not in order of time at ${reading.timestamp}`);
      if (reading.meterId !== this.meterId || reading.region !== this.region || reading.status === 'ERROR') throw new Error(`reading ${next} is not of one meter and region with the first, or not OK`);
      const units = wholeBillionths(reading.powerKw);
      power = safe(power + units);
      powerMin = Math.min(powerMin, units);
      powerMax = Math.max(powerMax, units);
      if (reading.energyKwh !== undefined) {
        energy = safe(energy + wholeBillionths(reading.energyKwh));
        energies++;
      }
      if (reading.voltage !== undefined) {
        const voltage = wholeBillionths(reading.voltage);
        volts = safe(volts + voltage);
        voltsMin = Math.min(voltsMin, voltage);
        voltsMax = Math.max(voltsMax, voltage);
        voltages++;
      }
    }
    const at = this.length++;
    const count = next - first;
    this.startMs[at] = startMs;
    this.count[at] = count;
    this.avgPowerKw[at] = roundedQuotient(power, count) / BILLION;
    this.minPowerKw[at] = powerMin / BILLION;
    this.maxPowerKw[at] = powerMax / BILLION;
    this.measured[at] = energies > 0 ? 1 : 0;
    // Mean kW × hours.
    this.energyKwhSum[at] = (energies > 0 ? energy : roundedQuotient(power, count * WINDOWS_PER_HOUR[this.granularity])) / BILLION;
    this.voltageAvg[at] = voltages > 0 ? roundedQuotient(volts, voltages) / BILLION : NaN;
    this.voltageMin[at] = voltages > 0 ? voltsMin / BILLION : NaN;
    this.voltageMax[at] = voltages > 0 ? voltsMax / BILLION : NaN;
    return next;
  }
}

/** The shortest decimal text of the number, in billionths. Throws where a double does not hold that exactly. */
export function wholeBillionths(value: number): number {
  // A double has one decimal of at most 15 digits, if any, and that is its shortest text: where dividing gives the value back, this is it.
  const millionths = Math.round(value * 1e6);
  if (millionths / 1e6 === value && Number.isSafeInteger(millionths * 1_000)) return millionths * 1_000;
  return safe(Number(billionths(value)));
}

/** floor(a / b + 1/2) for whole a and b > 0; `%` and the division of a multiple are exact, the quotient of any two doubles is not. */
function roundedQuotient(a: number, b: number): number {
  const doubled = safe(2 * a + b);
  const rest = ((doubled % (2 * b)) + 2 * b) % (2 * b);
  return safe(doubled - rest) / (2 * b);
}

/** The number itself; throws unless it is a whole one that a double holds exactly. */
export function safe(whole: number): number {
  if (!Number.isSafeInteger(whole)) throw new Error(`${whole} is too large for exact arithmetic in doubles`);
  return whole;
}

function sameVoltage(got: number | null, wanted: number): boolean {
  return got === null ? Number.isNaN(wanted) : got === wanted;
}

const isoTexts = new Map<number, string>();

/** ISO 8601 as the API writes it. Remembered: all meters of a file have windows at the same few thousand times. */
function isoText(epochMs: number): string {
  let text = isoTexts.get(epochMs);
  if (text === undefined) isoTexts.set(epochMs, (text = new Date(epochMs).toISOString()));
  return text;
}

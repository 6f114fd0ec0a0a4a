import { invariant } from '../../runtime/errors.ts';
import type { WireReading } from '../wire-reading.ts';
import { netPowerKw } from './household-load.ts';
import type { ScenarioOptions } from './scenario.ts';
import { Scenario } from './scenario.ts';
import { DRAW, draw } from './seeded-random.ts';

export interface FleetOptions extends ScenarioOptions {
  /** Time between two readings of a meter. */
  intervalMs: number;
  /** Nothing is read at or after this event time; Infinity for no end. */
  endMs: number;
}

const HOUR_MS = 3_600_000;
/** energyKwh is sent in whole milliwatt-hours: a register of that step, so that rounding never adds up. */
const MWH_PER_KWH = 1e6;
/** Low-voltage feeder: about 0.6 V lost per kW drawn at the house, gained per kW fed in. */
const VOLTS_PER_KW = 0.6;
const FREQUENCY_STEP_MS = 10_000;

/** region-01 … */
export function regionName(region: number): string {
  return `region-${String(region + 1).padStart(2, '0')}`;
}

/** meter-000001 … */
export function meterName(meter: number): string {
  return `meter-${String(meter + 1).padStart(6, '0')}`;
}

/**
 * The readings of a fleet in order of true time, one meter after the other; the same options give the same readings. Meter m belongs to region
 * m mod regions and reads at a moment of its own in each interval. Memory is a few typed arrays, whatever the length of the run.
 */
export class Fleet {
  private readonly options: FleetOptions;
  private readonly scenario: Scenario;
  /** Meters in order of their phase. */
  private readonly order: Uint32Array;
  private readonly phaseMs: Float64Array;
  /** Everything each meter has counted since the start, kWh. */
  private readonly registerKwh: Float64Array;
  private readonly seq: Float64Array;
  private interval = 0;
  private position = 0;

  constructor(options: FleetOptions) {
    this.options = options;
    this.scenario = new Scenario(options);
    const { meters, seed, intervalMs } = options;
    this.phaseMs = new Float64Array(meters);
    for (let m = 0; m < meters; m++) this.phaseMs[m] = Math.floor(draw(seed, DRAW.phase, m) * intervalMs);
    const phaseMs = this.phaseMs;
    this.order = Uint32Array.from({ length: meters }, (_, m) => m).sort((a, b) => phaseMs[a] - phaseMs[b] || a - b);
    this.registerKwh = new Float64Array(meters);
    this.seq = new Float64Array(meters);
  }

  /** True time of the next reading, whether or not its meter will be silent; Infinity after the end. */
  get nextTimeMs(): number {
    const { startMs, endMs, intervalMs } = this.options;
    const atMs = startMs + this.interval * intervalMs + this.phaseMs[this.order[this.position]];
    return atMs < endMs ? atMs : Infinity;
  }

  /** Takes the reading at `nextTimeMs`, which must be finite; null when its meter is silent then. */
  step(): WireReading | null {
    const atMs = this.nextTimeMs;
    invariant(atMs < Infinity, 'a reading was asked for after the end of the run');
    const meter = this.order[this.position];
    if (++this.position === this.order.length) {
      this.position = 0;
      this.interval++;
    }
    return this.read(meter, atMs);
  }

  private read(meter: number, atMs: number): WireReading | null {
    const { seed, intervalMs, regions } = this.options;
    const region = meter % regions;
    const supply = this.scenario.supply(meter, region, atMs);
    if (supply === 'silent') return null;
    const seq = ++this.seq[meter];
    const timestamp = atMs + this.scenario.clockErrorMs(meter, atMs);
    const meterId = meterName(meter);
    const identity = { readingId: `${meterId}-${timestamp.toString(36)}`, meterId, region: regionName(region), timestamp };
    if (supply === 'dark') return { ...identity, powerKw: 0, energyKwh: 0, voltage: 0, current: 0, seq };
    const powerKw = roundTo(this.meanPowerKw(meter, region, atMs - intervalMs / 2), 1e3);
    const energyKwh = this.count(meter, powerKw * (intervalMs / HOUR_MS));
    const voltage = roundTo(230 + 3 * (draw(seed, DRAW.voltage, meter, atMs) - 0.5) - VOLTS_PER_KW * powerKw, 1e1);
    const powerFactor = roundTo(0.93 + 0.06 * draw(seed, DRAW.powerFactor, meter, Math.floor(atMs / HOUR_MS)), 1e3);
    const current = roundTo((Math.abs(powerKw) * 1_000) / (voltage * powerFactor), 1e3);
    return { ...identity, powerKw, energyKwh, voltage, current, frequency: roundTo(this.frequencyHz(atMs), 1e3), powerFactor, seq };
  }

  /** The mean over an interval is taken as the power at its middle. */
  private meanPowerKw(meter: number, region: number, middleMs: number): number {
    const trueKw = netPowerKw(this.options.seed, meter, Math.floor(middleMs)) + this.scenario.peakKw(region, middleMs);
    return trueKw > 0 ? trueKw * this.scenario.shownShare(meter, middleMs) : trueKw;
  }

  /** Moves the meter's register on and returns the difference in whole milliwatt-hours, as kWh. */
  private count(meter: number, energyKwh: number): number {
    const before = Math.round(this.registerKwh[meter] * MWH_PER_KWH);
    this.registerKwh[meter] += energyKwh;
    return (Math.round(this.registerKwh[meter] * MWH_PER_KWH) - before) / MWH_PER_KWH;
  }

  /** 50 ± 0.02 Hz, the same for every meter at a time, as on one synchronous grid. */
  private frequencyHz(atMs: number): number {
    const step = Math.floor(atMs / FREQUENCY_STEP_MS);
    const share = (atMs % FREQUENCY_STEP_MS) / FREQUENCY_STEP_MS;
    const { seed } = this.options;
    const level = draw(seed, DRAW.frequency, step) * (1 - share) + draw(seed, DRAW.frequency, step + 1) * share;
    return 50 + 0.04 * (level - 0.5);
  }
}

/** -0 becomes 0. */
function roundTo(value: number, perOne: number): number {
  return Math.round(value * perOne) / perOne + 0;
}

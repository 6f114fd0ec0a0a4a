import type { WireRegionWindow, WireWindow } from './engine-api.ts';
import { safe, wholeBillionths } from './real-data-windows.ts';
import { ROUNDING } from './window-difference.ts';

interface WindowSum {
  meters: number;
  /** Billionths of a kW and of a kWh. */
  power: number;
  energy: number;
  minPowerKw: number;
  maxPowerKw: number;
}

/** What the windows of one region must be: exact sums over its meters' windows. One for each granularity; RegionalSums for many windows. */
export class ExpectedRegion {
  private readonly region: string;
  private readonly sums = new Map<string, WindowSum>();

  constructor(region: string) {
    this.region = region;
  }

  add({ windowStart, avgPowerKw, energyKwhSum, minPowerKw, maxPowerKw }: WireWindow): void {
    let sum = this.sums.get(windowStart);
    if (sum === undefined) this.sums.set(windowStart, (sum = { meters: 0, power: 0, energy: 0, minPowerKw: Infinity, maxPowerKw: -Infinity }));
    sum.meters++;
    sum.power = safe(sum.power + wholeBillionths(avgPowerKw));
    sum.energy = safe(sum.energy + wholeBillionths(energyKwhSum));
    if (minPowerKw < sum.minPowerKw) sum.minPowerKw = minPowerKw;
    if (maxPowerKw > sum.maxPowerKw) sum.maxPowerKw = maxPowerKw;
  }

  /** The first difference between the region's windows, in order of time, and the sums, or null. */
  difference(windows: readonly WireRegionWindow[]): string | null {
    let before = '';
    for (const got of windows) {
      const sum = this.sums.get(got.windowStart);
      const same =
        sum !== undefined &&
        got.windowStart > before &&
        got.region === this.region &&
        got.metersReporting === sum.meters &&
        wholeBillionths(got.sumPowerKw) === sum.power &&
        wholeBillionths(got.energyKwhSum) === sum.energy &&
        Math.abs(got.avgPowerKw - sum.power / 1e9 / sum.meters) <= ROUNDING &&
        got.minPowerKw === sum.minPowerKw &&
        got.maxPowerKw === sum.maxPowerKw;
      if (!same) return `got ${JSON.stringify(got)}, its meters' windows give ${JSON.stringify(sum) ?? 'none'}`;
      before = got.windowStart;
    }
    return windows.length === this.sums.size ? null : `got ${windows.length} regional windows, the meters' windows make ${this.sums.size}`;
  }
}

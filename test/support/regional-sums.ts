import { billionths } from '../oracle/window-oracle.ts';
import type { WireRegionWindow, WireWindow } from './engine-api.ts';
import { ROUNDING } from './window-difference.ts';

/** What regional windows must be: exact sums over the meters' windows, in billionths. One for each granularity. */
export class RegionalSums {
  private readonly sums = new Map<string, { meters: number; power: bigint; energy: bigint; min: number; max: number }>();

  add({ region, windowStart, avgPowerKw, energyKwhSum, minPowerKw, maxPowerKw }: WireWindow): void {
    const key = `${region} ${windowStart}`;
    const sum = this.sums.get(key) ?? { meters: 0, power: 0n, energy: 0n, min: Infinity, max: -Infinity };
    this.sums.set(key, sum);
    sum.meters++;
    sum.power += billionths(avgPowerKw);
    sum.energy += billionths(energyKwhSum);
    sum.min = Math.min(sum.min, minPowerKw);
    sum.max = Math.max(sum.max, maxPowerKw);
  }

  /** The first difference between the windows of all regions and the sums, or null. */
  difference(windows: readonly WireRegionWindow[]): string | null {
    for (const got of windows) {
      const sum = this.sums.get(`${got.region} ${got.windowStart}`);
      const same =
        sum !== undefined &&
        got.metersReporting === sum.meters &&
        billionths(got.sumPowerKw) === sum.power &&
        billionths(got.energyKwhSum) === sum.energy &&
        Math.abs(got.avgPowerKw - Number(sum.power) / 1e9 / sum.meters) <= ROUNDING &&
        got.minPowerKw === sum.min &&
        got.maxPowerKw === sum.max;
      if (!same) return `got ${JSON.stringify(got)}, its meters' windows give ${sum === undefined ? 'none' : JSON.stringify({ ...sum, power: String(sum.power), energy: String(sum.energy) })}`;
    }
    return windows.length === this.sums.size ? null : `got ${windows.length} regional windows, the meters' windows make ${this.sums.size}`;
  }
}

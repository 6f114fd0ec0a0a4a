import { billionths, type OracleWindow } from './window-oracle.ts';

/** A region's window as sums over its meters' windows, in billionths. */
export interface OracleRegionWindow {
  region: string;
  windowStart: number;
  meters: number;
  powerUnits: bigint;
  energyUnits: bigint;
  minPowerKw: number;
  maxPowerKw: number;
}

/** Regional windows of one granularity, keyed `region/windowStart`: each meter's window counts in the region of its newest reading. */
export function regionWindowsOf(windows: readonly OracleWindow[]): Map<string, OracleRegionWindow> {
  const regions = new Map<string, OracleRegionWindow>();
  for (const { region, windowStart, avgPowerKw, energyKwhSum, minPowerKw, maxPowerKw } of windows) {
    const key = `${region}/${windowStart}`;
    const sum = regions.get(key) ?? { region, windowStart, meters: 0, powerUnits: 0n, energyUnits: 0n, minPowerKw: Infinity, maxPowerKw: -Infinity };
    regions.set(key, {
      ...sum,
      meters: sum.meters + 1,
      powerUnits: sum.powerUnits + billionths(avgPowerKw),
      energyUnits: sum.energyUnits + billionths(energyKwhSum),
      minPowerKw: Math.min(sum.minPowerKw, minPowerKw),
      maxPowerKw: Math.max(sum.maxPowerKw, maxPowerKw),
    });
  }
  return regions;
}

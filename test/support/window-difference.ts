import type { OracleWindow } from '../oracle/window-oracle.ts';
import type { WireWindow } from './engine-api.ts';

/**
 * One billionth: the engine estimates energy from the mean it shows, the oracle from the exact one (see the oracle's head). A hair more,
 * because the difference of two doubles is not exact.
 */
export const ROUNDING = 1.01e-9;

/**
 * null when the API's window is the oracle's, revision and `final` aside; else both, as text. Plain comparisons: expect() on millions of
 * windows would take minutes.
 */
export function windowDifference(got: WireWindow, wanted: OracleWindow): string | null {
  const same =
    got.meterId === wanted.meterId &&
    got.region === wanted.region &&
    got.granularity === wanted.granularity &&
    Date.parse(got.windowStart) === wanted.windowStart &&
    Date.parse(got.windowEnd) === wanted.windowEnd &&
    got.avgPowerKw === wanted.avgPowerKw &&
    got.minPowerKw === wanted.minPowerKw &&
    got.maxPowerKw === wanted.maxPowerKw &&
    got.energySource === wanted.energySource &&
    (wanted.energySource === 'measured' ? got.energyKwhSum === wanted.energyKwhSum : Math.abs(got.energyKwhSum - wanted.energyKwhSum) <= ROUNDING) &&
    got.voltageAvg === wanted.voltageAvg &&
    got.voltageMin === wanted.voltageMin &&
    got.voltageMax === wanted.voltageMax &&
    got.count === wanted.count;
  return same ? null : `got ${JSON.stringify(got)}, the oracle has ${JSON.stringify(wanted)}`;
}

/** The first difference between two lists, or null. */
export function windowsDifference(got: readonly WireWindow[], wanted: readonly OracleWindow[]): string | null {
  for (let i = 0; i < Math.min(got.length, wanted.length); i++) {
    const fault = windowDifference(got[i], wanted[i]);
    if (fault !== null) return fault;
  }
  return got.length === wanted.length ? null : `got ${got.length} windows, the oracle has ${wanted.length}`;
}

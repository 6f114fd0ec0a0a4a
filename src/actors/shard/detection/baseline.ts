import type { DetectionConfig } from './detection-config.ts';
import type { DetectorCells } from './detector-cells.ts';
import { F32, F64, FLAG, hasFlag, setFlag, U32 } from './detector-cells.ts';

const DAY_MS = 86_400_000;
/** A window never counts for more than this much time in the mean, however long the meter was away before it. */
const WINDOW_WEIGHT_MS_MAX = 3_600_000;

/**
 * Feeds one (winsorised) window average to the exponentially weighted mean and variance (West 1979). A window's weight follows from
 * the time since the one before, so that a half-hourly meter has the same memory as a meter by the minute; the first windows are averaged evenly.
 */
export function feedBaseline(cells: DetectorCells, powerKw: number, sincePreviousMs: number, config: DetectionConfig): void {
  const row = cells.at >> 3;
  const windowsAt = (cells.at >> 2) + U32.windows;
  const windows = cells.u32[windowsAt] + 1;
  const elapsed = Math.min(sincePreviousMs, WINDOW_WEIGHT_MS_MAX);
  const weight = Math.max(1 / windows, elapsed / (config.baselineTauMs + elapsed));
  const delta = powerKw - cells.f64[row + F64.mean];
  cells.f64[row + F64.mean] += weight * delta;
  cells.f64[row + F64.variance] = (1 - weight) * (cells.f64[row + F64.variance] + weight * delta * delta);
  // Saturates: 2^32 − 1 minutes are eight thousand years, but an overflow would restart the warm-up.
  if (windows <= 0xffffffff) cells.u32[windowsAt] = windows;
}

/**
 * Makes a level the new normal: the mean moves there, and the variance widens by the square of the step, so that the level left
 * behind lies within one deviation and going back to it is no new alarm.
 */
export function adoptMean(cells: DetectorCells, meanKw: number): void {
  const row = cells.at >> 3;
  const step = meanKw - cells.f64[row + F64.mean];
  cells.f64[row + F64.mean] = meanKw;
  cells.f64[row + F64.variance] += step * step;
}

/** Deviation of the exponentially weighted baseline, kW, without floors. */
export function baselineDeviationKw(cells: DetectorCells): number {
  return Math.sqrt(cells.f64[(cells.at >> 3) + F64.variance]);
}

/** `deviationKw` raised to the floors of the configuration; above 0 for every valid configuration. */
export function flooredDeviation(deviationKw: number, expectedKw: number, config: DetectionConfig): number {
  return Math.max(deviationKw, config.relativeFloor * Math.abs(expectedKw), config.absoluteFloorKw);
}

/** Starts the record of lowest windows with a meter's first one. */
export function startLows(cells: DetectorCells, powerKw: number): void {
  cells.f32[(cells.at >> 2) + F32.lowToday] = powerKw;
  cells.f32[(cells.at >> 2) + F32.lowBefore] = powerKw;
}

/** Moves on to another UTC day when the window at `startMs` is the first of one. A day whose beginning was unseen is not a whole one. */
export function turnDay(cells: DetectorCells, startMs: number, lastStartMs: number): void {
  if (Math.floor(startMs / DAY_MS) === Math.floor(lastStartMs / DAY_MS)) return;
  const row = cells.at >> 2;
  if (cells.f32[row + F32.lowToday] !== Infinity) cells.f32[row + F32.lowBefore] = cells.f32[row + F32.lowToday];
  cells.f32[row + F32.lowToday] = Infinity;
  setFlag(cells, hasFlag(cells, FLAG.secondDay) ? FLAG.wholeDay : FLAG.secondDay, true);
}

/** Notes that part of the day goes by unseen (a pause, an outage, a stuck register) or belongs to another level: the next whole day is the one after. */
export function breakDay(cells: DetectorCells): void {
  setFlag(cells, FLAG.secondDay | FLAG.wholeDay, false);
}

/** Notes an ordinary window, or one whose level was adopted, in the record of lowest windows. */
export function noteLow(cells: DetectorCells, powerKw: number): void {
  const row = cells.at >> 2;
  if (powerKw < cells.f32[row + F32.lowToday]) cells.f32[row + F32.lowToday] = powerKw;
}

/** Lowest window of today and of the last day before, kW; Infinity while no whole day is known. For drops. */
export function usualLowKw(cells: DetectorCells): number {
  return hasFlag(cells, FLAG.wholeDay) ? lowestSeenKw(cells) : Infinity;
}

/** Lowest ordinary window of today and of the last day before, as far as they were seen, kW. For what needs no whole day to be told. */
export function lowestSeenKw(cells: DetectorCells): number {
  const row = cells.at >> 2;
  return Math.min(cells.f32[row + F32.lowBefore], cells.f32[row + F32.lowToday]);
}

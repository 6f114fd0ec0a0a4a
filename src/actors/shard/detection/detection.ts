import { baselineDeviationKw, breakDay, feedBaseline, noteLow, startLows, turnDay } from './baseline.ts';
import { cadenceMs, observeSpacing } from './cadence.ts';
import type { DetectionConfig } from './detection-config.ts';
import type { DetectorCells } from './detector-cells.ts';
import { clearRun, F32, F64, KIND, openSeverity, U32 } from './detector-cells.ts';
import type { AnomalySink } from './episodes.ts';
import { observeFlatness } from './flat-line.ts';
import { observeDarkness } from './outage.ts';
import { expectedDeviationKw, expectedPowerKw, levelScore, noteOrdinaryLow, observeLevel } from './power-level.ts';
import type { ProfileSource } from './seasonal-profile.ts';
import { addToHour, isSeasonal, noteDeparture, turnHour } from './seasonal-profile.ts';
import { observeVoltage } from './voltage-band.ts';
import type { WindowFacts } from './window-facts.ts';

/**
 * Baselines and anomalies of one meter, as pure functions over its row of bytes: no clock, no allocation, the same events for the
 * same windows. Fed with each one-minute window as it first closes, in order; corrections are not fed again.
 *
 * A meter that sends every 15 or 30 minutes has one window per reading, so where a rule says "lasting", it asks for both a number
 * of windows and a time, and a window stands for the usual spacing between the meter's windows.
 */

const WINDOW_MS = 60_000;
const HOUR_MS = 3_600_000;
/** A pause of more than this many spacings (and of an hour) breaks every run of windows that was under way. */
const PAUSE_SPACINGS = 10;

/**
 * Judges one window, tells `emit` what begins, worsens and ends, and feeds the baselines. A window that is not newer than the
 * last one is ignored, so that a replay is harmless. `profile` is the meter's own.
 */
export function observeWindow(cells: DetectorCells, profile: ProfileSource, window: WindowFacts, config: DetectionConfig, emit: AnomalySink): void {
  const startMs = window.startMs;
  const power = window.avgPowerKw;
  const row = cells.at >> 3;
  const lastStartMs = cells.f64[row + F64.lastStart];
  const first = cells.u32[(cells.at >> 2) + U32.windows] === 0;
  if (first) startLows(cells, power);
  else if (startMs <= lastStartMs) return;
  else advance(cells, profile, startMs, lastStartMs, config);
  cells.f64[row + F64.lastStart] = startMs;

  observeVoltage(cells, startMs, window.voltageAvg, config, emit);
  const warm = cells.u32[(cells.at >> 2) + U32.windows] >= config.warmupWindows;
  const expected = expectedPowerKw(cells, startMs, power);
  const deviation = expectedDeviationKw(cells, expected, config);
  const isMeasurement = !(warm && observeDarkness(cells, window, expected, deviation, config, emit)) && !observeFlatness(cells, window, expected, warm, config, emit);
  cells.f32[(cells.at >> 2) + F32.lastAvg] = power;
  if (!isMeasurement) {
    breakDay(cells);
    if (openSeverity(cells, KIND.spike) === 0) clearRun(cells, KIND.spike);
    if (openSeverity(cells, KIND.drop) === 0) clearRun(cells, KIND.drop);
    return;
  }

  const sinceMs = first ? WINDOW_MS : startMs - lastStartMs;
  if (!warm) {
    noteLow(cells, power);
    feedBaseline(cells, power, sinceMs, config);
    addToHour(cells, power);
    return;
  }
  const score = levelScore(cells, power, expected, deviation, config);
  observeLevel(cells, KIND.spike, startMs, power, expected, score, config, emit);
  observeLevel(cells, KIND.drop, startMs, power, expected, -score, config, emit);
  if (score > -config.enterScore) noteOrdinaryLow(cells, power, expected);
  const isOpen = openSeverity(cells, KIND.spike) !== 0 || openSeverity(cells, KIND.drop) !== 0;
  feedBaseline(cells, winsorised(power, expected, (isOpen ? config.openEpisodeReach : config.enterScore) * deviation), sinceMs, config);
  if (isSeasonal(cells)) {
    const ordinary = winsorised(power, expected, config.enterScore * deviation);
    noteDeparture(cells, ordinary - expected, sinceMs, config);
    addToHour(cells, ordinary);
  } else {
    // Without a profile nothing says what is extraordinary for this hour: the first Monday morning of an office must teach as it is.
    addToHour(cells, power);
  }
}

/** `powerKw`, but no further from `expectedKw` than `reachKw`. */
function winsorised(powerKw: number, expectedKw: number, reachKw: number): number {
  return Math.max(expectedKw - reachKw, Math.min(expectedKw + reachKw, powerKw));
}

/** Moves the row's notion of time from one window to the next. */
function advance(cells: DetectorCells, profile: ProfileSource, startMs: number, lastStartMs: number, config: DetectionConfig): void {
  const spacing = cells.f32[(cells.at >> 2) + F32.spacing];
  const step = startMs - lastStartMs;
  if (spacing > 0 && step > HOUR_MS && step > PAUSE_SPACINGS * spacing) {
    breakDay(cells);
    clearRun(cells, KIND.spike);
    clearRun(cells, KIND.drop);
    clearRun(cells, KIND.voltageBand);
    clearRun(cells, KIND.outage);
    clearRun(cells, KIND.flatLine);
  }
  observeSpacing(cells, step);
  if (Math.floor(startMs / HOUR_MS) !== Math.floor(lastStartMs / HOUR_MS)) turnHour(cells, profile, startMs, config);
  turnDay(cells, startMs, lastStartMs);
}

/** What queries show of a meter's baseline; allocates. */
export function baselineOf(
  cells: DetectorCells,
  config: DetectionConfig,
): { meanKw: number; deviationKw: number; windows: number; warm: boolean; cadenceMs: number | null } {
  const windows = cells.u32[(cells.at >> 2) + U32.windows];
  return {
    meanKw: cells.f64[(cells.at >> 3) + F64.mean],
    deviationKw: baselineDeviationKw(cells),
    windows,
    warm: windows >= config.warmupWindows,
    cadenceMs: cadenceMs(cells),
  };
}

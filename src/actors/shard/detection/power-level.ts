import { adoptMean, baselineDeviationKw, breakDay, flooredDeviation, noteLow, usualLowKw } from './baseline.ts';
import type { DetectionConfig, SeverityScores } from './detection-config.ts';
import type { DetectorCells } from './detector-cells.ts';
import { clearRun, extendRun, F32, F64, FLAG, hasFlag, KIND, openSeverity, runSpanMs, runStartMs, SEVERITY_CODE, U8 } from './detector-cells.ts';
import type { AnomalyBasis, AnomalySink } from './episodes.ts';
import { endEpisode, openEpisode, worsenEpisode } from './episodes.ts';
import { isSeasonal } from './seasonal-profile.ts';

/** Spikes and drops: how far one window's power is from what is expected of the meter, and for how long. */

const WINDOW_MS = 60_000;
const LEVEL_RUN_MAX = 255;

/**
 * Expected power in the current hour, kW: the profile's where it knows the hour, with the adopted shift where that comes closer to
 * `powerKw`; else the weighted mean.
 */
export function expectedPowerKw(cells: DetectorCells, startMs: number, powerKw: number): number {
  if (!isSeasonal(cells)) return cells.f64[(cells.at >> 3) + F64.mean];
  const seasonal = cells.f32[(cells.at >> 2) + F32.seasonalMean];
  if (startMs >= cells.f64[(cells.at >> 3) + F64.shiftUntil]) return seasonal;
  const shifted = seasonal + cells.f32[(cells.at >> 2) + F32.shift];
  return Math.abs(powerKw - shifted) < Math.abs(powerKw - seasonal) ? shifted : seasonal;
}

/** Deviation that scores are counted in, kW, with floors. */
export function expectedDeviationKw(cells: DetectorCells, expectedKw: number, config: DetectionConfig): number {
  const own = isSeasonal(cells) ? cells.f32[(cells.at >> 2) + F32.seasonalDeviation] : baselineDeviationKw(cells);
  return flooredDeviation(own, expectedKw, config);
}

/**
 * Signed score of a window: (power − expected) / deviation, or, where that is lower, its depth under the lowest level of two days.
 * A household's load is so skewed (mean 1.1 kW, deviation 1.2) that by the first alone it could vanish unseen; but it has a base load.
 */
export function levelScore(cells: DetectorCells, powerKw: number, expectedKw: number, deviationKw: number, config: DetectionConfig): number {
  const plain = (powerKw - expectedKw) / deviationKw;
  const low = usualLowKw(cells);
  if (low === Infinity || powerKw >= low) return plain;
  const depth = (low - powerKw) / Math.max(config.lowRelativeFloor * Math.abs(low), config.lowAbsoluteFloorKw);
  return Math.min(plain, -config.lowScore - depth);
}

/** What expectedPowerKw is drawn from. */
export function levelBasis(cells: DetectorCells): AnomalyBasis {
  if (!isSeasonal(cells)) return 'recent';
  return hasFlag(cells, FLAG.hourOfWeek) ? 'hour_of_week' : 'hour_of_day';
}

/**
 * INFO, WARN or CRITICAL by score. Not CRITICAL from the weighted mean alone while no whole day is known: a meter installed in the
 * evening must not page anybody on its first morning.
 */
function levelSeverity(cells: DetectorCells, score: number, scores: SeverityScores): number {
  if (score < scores.warn) return SEVERITY_CODE.INFO;
  return score >= scores.critical && (isSeasonal(cells) || hasFlag(cells, FLAG.wholeDay)) ? SEVERITY_CODE.CRITICAL : SEVERITY_CODE.WARN;
}

/**
 * Notes an ordinary window in the record of lows. One that only an adopted rise explains is no low: the way back to the
 * profile lies below it.
 */
export function noteOrdinaryLow(cells: DetectorCells, powerKw: number, expectedKw: number): void {
  if (isSeasonal(cells) && expectedKw > cells.f32[(cells.at >> 2) + F32.seasonalMean]) return;
  noteLow(cells, powerKw);
}

/** Runs one side's hysteresis. `score` is positive towards that side: the signed score for spikes, its negation for drops. */
export function observeLevel(
  cells: DetectorCells,
  kind: typeof KIND.spike | typeof KIND.drop,
  startMs: number,
  powerKw: number,
  expectedKw: number,
  score: number,
  config: DetectionConfig,
  emit: AnomalySink,
): void {
  const severityScores = kind === KIND.spike ? config.spikeSeverityScores : config.dropSeverityScores;
  if (openSeverity(cells, kind) === 0) {
    if (score < config.enterScore) {
      clearRun(cells, kind);
      return;
    }
    const run = extendRun(cells, kind, startMs);
    if (run === 1) cells.u8[cells.at + U8.levelRun] = 0;
    addToLevel(cells, powerKw, expectedKw);
    if (run < config.levelEnterWindows || runSpanMs(cells, kind, startMs) < config.levelEnterMs) return;
    openEpisode(cells, kind, levelBasis(cells), levelSeverity(cells, score, severityScores), runStartMs(cells, kind), powerKw, expectedKw, score, emit);
    return;
  }
  if (score < config.exitScore) {
    const run = extendRun(cells, kind, startMs);
    if (run < config.levelExitWindows || runSpanMs(cells, kind, startMs) < config.levelExitMs) return;
    endEpisode(cells, kind, runStartMs(cells, kind), 'recovered', emit);
    return;
  }
  clearRun(cells, kind);
  worsenEpisode(cells, kind, levelBasis(cells), levelSeverity(cells, score, severityScores), powerKw, expectedKw, score, emit);
  if (addToLevel(cells, powerKw, expectedKw) < config.adoptWindows) return;
  adoptLevel(cells, startMs, powerKw, config);
  endEpisode(cells, kind, startMs + WINDOW_MS, 'adapted', emit);
}

/** Adds a window to the level run (one for both sides: a later run takes it over); returns the run's length. */
function addToLevel(cells: DetectorCells, powerKw: number, expectedKw: number): number {
  const length = Math.min(cells.u8[cells.at + U8.levelRun] + 1, LEVEL_RUN_MAX);
  const level = isSeasonal(cells) ? powerKw - expectedKw : powerKw;
  const meanAt = (cells.at >> 2) + F32.levelMean;
  if (length === 1) cells.f32[meanAt] = level;
  else cells.f32[meanAt] += (level - cells.f32[meanAt]) / length;
  cells.u8[cells.at + U8.levelRun] = length;
  return length;
}

/**
 * The run's level becomes normal. Beside a profile it is a departure that is accepted as well as the profile itself, for as long as the
 * slots need to learn it: a holiday ends and the old pattern is no alarm either.
 */
function adoptLevel(cells: DetectorCells, startMs: number, powerKw: number, config: DetectionConfig): void {
  const level = cells.f32[(cells.at >> 2) + F32.levelMean];
  const mean = cells.f64[(cells.at >> 3) + F64.mean];
  if (isSeasonal(cells)) {
    cells.f32[(cells.at >> 2) + F32.shift] = level;
    cells.f64[(cells.at >> 3) + F64.shiftUntil] = startMs + config.adoptedForMs;
    adoptMean(cells, mean + level);
  } else {
    adoptMean(cells, level);
    breakDay(cells);
  }
  // A drop was kept out of the record; now it is what the meter does.
  noteLow(cells, powerKw);
  cells.u8[cells.at + U8.levelRun] = 0;
}

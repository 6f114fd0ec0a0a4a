import { baselineDeviationKw, lowestSeenKw } from './baseline.ts';
import type { DetectionConfig } from './detection-config.ts';
import type { DetectorCells } from './detector-cells.ts';
import {
  clearRun,
  extendRun,
  F32,
  F64,
  FLAG,
  hasFlag,
  KIND,
  openSeverity,
  runSpanMs,
  runStartMs,
  setFlag,
  SEVERITY_CODE,
  U16,
} from './detector-cells.ts';
import type { AnomalySink } from './episodes.ts';
import { endEpisode, openEpisode, startedAtMs } from './episodes.ts';
import type { WindowFacts } from './window-facts.ts';

const MINUTE_MS = 60_000;
/** No habit excuses more: a stretch of two days (flatUsualFactor 2) is always told. */
const FLAT_USUAL_MINUTES_MAX = 24 * 60;
/** A habit fades by this share with each shorter stretch that would have been an episode: two weeks of nights shrink it to a sixth. */
const FLAT_FADE_SHARE = 1 / 8;

/**
 * Flat lines: a register that stands still. Every reading of `flatWindows` windows and `flatMs` is the same, though the meter's
 * power has varied. What a meter does of its own accord is no fault: a stretch must be `flatUsualFactor` times as long as the
 * longest one known to be a habit (one that was told of becomes one when it comes back at the same level), and a stretch of zeros counts only if nothing like it was seen today or the day before (solar at night, an empty flat).
 * Returns true while an episode is open: its values are not measurements and must feed no baseline.
 */
export function observeFlatness(
  cells: DetectorCells,
  window: WindowFacts,
  expectedKw: number,
  warm: boolean,
  config: DetectionConfig,
  emit: AnomalySink,
): boolean {
  const still = window.minPowerKw === window.maxPowerKw;
  const same = still && Math.fround(window.avgPowerKw) === cells.f32[(cells.at >> 2) + F32.lastAvg];
  if (openSeverity(cells, KIND.flatLine) !== 0) {
    if (same) return true;
    const level = cells.f32[(cells.at >> 2) + F32.lastAvg];
    if (level === cells.f32[(cells.at >> 2) + F32.flatLevel]) noteHabit(cells, window.startMs - startedAtMs(cells, KIND.flatLine));
    cells.f32[(cells.at >> 2) + F32.flatLevel] = level;
    endEpisode(cells, KIND.flatLine, window.startMs, 'recovered', emit);
  } else if (!same && runLength(cells) > 0) {
    const stretchMs = window.startMs - runStartMs(cells, KIND.flatLine);
    if (runLength(cells) >= config.flatWindows && stretchMs >= config.flatMs) noteHabit(cells, stretchMs);
    clearRun(cells, KIND.flatLine);
  }
  if (!still) return false;
  if (runLength(cells) === 0) {
    setFlag(cells, FLAG.flatCounts, Math.abs(window.avgPowerKw) > config.darkKw || lowestSeenKw(cells) > config.darkKw);
  }
  const run = extendRun(cells, KIND.flatLine, window.startMs);
  if (!warm || run < config.flatWindows || !isUnusual(cells, window.startMs, config)) return false;
  const deviation = baselineDeviationKw(cells);
  const score = Math.abs(window.avgPowerKw - expectedKw) / deviation;
  openEpisode(cells, KIND.flatLine, 'recent', SEVERITY_CODE.WARN, runStartMs(cells, KIND.flatLine), window.avgPowerKw, expectedKw, score, emit);
  return true;
}

function runLength(cells: DetectorCells): number {
  return cells.u16[(cells.at >> 1) + U16.run + KIND.flatLine];
}

function isUnusual(cells: DetectorCells, startMs: number, config: DetectionConfig): boolean {
  const usualMs = cells.u16[(cells.at >> 1) + U16.flatUsual] * MINUTE_MS;
  const mean = Math.abs(cells.f64[(cells.at >> 3) + F64.mean]);
  return (
    hasFlag(cells, FLAG.flatCounts) &&
    runSpanMs(cells, KIND.flatLine, startMs) >= Math.max(config.flatMs, config.flatUsualFactor * usualMs) &&
    baselineDeviationKw(cells) > Math.max(config.flatDeviationKw, config.flatRelativeDeviation * mean)
  );
}

/** Remembers a stretch long enough to be an episode as something this meter does. */
function noteHabit(cells: DetectorCells, stretchMs: number): void {
  const index = (cells.at >> 1) + U16.flatUsual;
  const faded = Math.floor(cells.u16[index] * (1 - FLAT_FADE_SHARE));
  cells.u16[index] = Math.max(faded, Math.min(Math.floor(stretchMs / MINUTE_MS), FLAT_USUAL_MINUTES_MAX));
}

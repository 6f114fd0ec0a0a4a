import { baselineDeviationKw, flooredDeviation, lowestSeenKw, noteLow } from './baseline.ts';
import { silenceThresholdMs } from './cadence.ts';
import type { DetectionConfig } from './detection-config.ts';
import type { DetectorCells } from './detector-cells.ts';
import { clearRun, extendRun, F64, FLAG, hasFlag, KIND, openSeverity, runStartMs, setFlag, SEVERITY_CODE } from './detector-cells.ts';
import type { AnomalySink } from './episodes.ts';
import { endEpisode, openEpisode, startedAtMs, worsenEpisode } from './episodes.ts';
import type { WindowFacts } from './window-facts.ts';

/**
 * Outages by darkness: the meter reports, but neither power nor voltage, while its neighbours have power. Only for a meter that is warm and of
 * which power is expected. Where the neighbours are dark too, or nothing is known of them, as in history, it is no meter's outage: that would page
 * somebody with a claim that nobody checked. What is certain, that power is gone, is told as a drop.
 *
 * A meter that tells its voltage is believed. One that does not may be at zero of its own accord (a charger, an empty flat), so darkness
 * that was seen today or the day before is no news: such a meter is told once, and then it is a habit.
 * Returns true when the window says nothing about the meter's habits and must feed no baseline.
 */
export function observeDarkness(
  cells: DetectorCells,
  window: WindowFacts,
  expectedKw: number,
  deviationKw: number,
  config: DetectionConfig,
  emit: AnomalySink,
): boolean {
  const dark = isDark(window, config);
  if (openSeverity(cells, KIND.outage) !== 0) {
    if (hasFlag(cells, FLAG.silent)) return false;
    if (dark) return true;
    endEpisode(cells, KIND.outage, window.startMs, 'recovered', emit);
    if (Number.isNaN(window.voltageAvg)) noteLow(cells, 0);
    return false;
  }
  const isOutage =
    dark &&
    Math.abs(expectedKw) >= config.darkExpectedKw &&
    (lowestSeenKw(cells) > config.darkKw || !Number.isNaN(window.voltageAvg)) &&
    window.regionPoweredShare >= config.darkRegionPoweredShare &&
    window.regionReporting >= config.darkRegionReportingMin;
  if (!isOutage) {
    clearRun(cells, KIND.outage);
    return false;
  }
  if (extendRun(cells, KIND.outage, window.startMs) >= config.darkEnterWindows) {
    // A silence that ended inside the run's first window must not share its start: the start is the episode's identity.
    const startedAt = Math.max(runStartMs(cells, KIND.outage), startedAtMs(cells, KIND.outage));
    setFlag(cells, FLAG.silent, false);
    const score = Math.abs(window.avgPowerKw - expectedKw) / deviationKw;
    openEpisode(cells, KIND.outage, 'dark', SEVERITY_CODE.CRITICAL, startedAt, window.avgPowerKw, expectedKw, score, emit);
  }
  return true;
}

function isDark(window: WindowFacts, config: DetectionConfig): boolean {
  return (
    Math.abs(window.avgPowerKw) <= config.darkKw &&
    Math.abs(window.minPowerKw) <= config.darkKw &&
    Math.abs(window.maxPowerKw) <= config.darkKw &&
    // NaN, no voltage known, compares false.
    !(Math.abs(window.voltageAvg) >= (config.nominalVoltageV * config.voltageAbsentPercent) / 100)
  );
}

/**
 * Opens an outage when a live meter has been silent for too long, and raises it after `silenceCriticalMs`. `nowMs` and `lastArrivalMs`
 * are clock times, `newestMs` is the timestamp of the meter's newest reading and becomes the start. Its value is 0 kW: nothing measured.
 */
export function observeSilence(cells: DetectorCells, nowMs: number, lastArrivalMs: number, newestMs: number, config: DetectionConfig, emit: AnomalySink): void {
  const silentMs = nowMs - lastArrivalMs;
  const open = openSeverity(cells, KIND.outage);
  const expected = cells.f64[(cells.at >> 3) + F64.mean];
  const score = Math.abs(expected) / flooredDeviation(baselineDeviationKw(cells), expected, config);
  const code = silentMs >= config.silenceCriticalMs ? SEVERITY_CODE.CRITICAL : SEVERITY_CODE.WARN;
  if (open === 0) {
    if (silentMs <= silenceThresholdMs(cells, config)) return;
    setFlag(cells, FLAG.silent, true);
    openEpisode(cells, KIND.outage, 'silent', code, Math.max(newestMs, startedAtMs(cells, KIND.outage)), 0, expected, score, emit);
  } else if (hasFlag(cells, FLAG.silent) && code > open) {
    worsenEpisode(cells, KIND.outage, 'silent', code, 0, expected, score, emit);
  }
}

/**
 * Ends a silence: a reading came that is newer than all before, with timestamp `atMs`. A late, older one is no sign of life: it may come
 * from somebody else's store. Without an open silence it does nothing.
 */
export function observeReturn(cells: DetectorCells, atMs: number, emit: AnomalySink): void {
  if (openSeverity(cells, KIND.outage) !== 0 && hasFlag(cells, FLAG.silent)) endEpisode(cells, KIND.outage, atMs, 'recovered', emit);
}

/** Clock time after which `observeSilence` has something to say if nothing comes; Infinity when it has said all. Epoch ms. */
export function silenceDeadlineMs(cells: DetectorCells, lastArrivalMs: number, config: DetectionConfig): number {
  const open = openSeverity(cells, KIND.outage);
  if (open === 0) return lastArrivalMs + silenceThresholdMs(cells, config);
  if (hasFlag(cells, FLAG.silent) && open < SEVERITY_CODE.CRITICAL) return lastArrivalMs + config.silenceCriticalMs;
  return Infinity;
}

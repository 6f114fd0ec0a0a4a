import type { DetectionConfig } from './detection-config.ts';
import type { DetectorCells } from './detector-cells.ts';
import { F32 } from './detector-cells.ts';

/**
 * Usual spacings in time, learned from steps. Steps are cut off before they are averaged: a single gap moves an estimate little,
 * while a meter that is set to another interval is followed within some dozens of steps (a factor of ten in twenty).
 */

const STEP_WEIGHT = 1 / 8;
/** A step counts as at most this many times the estimate: a gap of any length raises it by an eighth. */
const STEP_FACTOR_MAX = 2;
/**
 * Deliveries are learned faster, because an estimate too short is a false outage at each: a meter that delivers quarter-hours once a
 * day is understood after three days, and one that was away for a week forgets that within three deliveries.
 */
const ARRIVAL_WEIGHT = 1 / 2;
const ARRIVAL_FACTOR_MAX = 8;
/** Arrivals closer than this share of the cadence are one delivery in several pieces. */
const SAME_DELIVERY_SHARE = 1 / 2;

/** Notes the step in event time to a reading newer than all before; older ones say nothing. Both epoch ms. */
export function observeReading(cells: DetectorCells, timestampMs: number, previousTimestampMs: number): void {
  learnStep(cells, (cells.at >> 2) + F32.cadence, timestampMs - previousTimestampMs);
}

/**
 * Notes a delivery of a live meter: clock time now and at its last one, epoch ms. Optional: without it a meter that collects readings
 * and delivers them rarely is taken for silent in between. Feeds `observeSilence` only, never a window's verdict.
 */
export function observeArrival(cells: DetectorCells, nowMs: number, lastArrivalMs: number): void {
  const row = cells.at >> 2;
  const cadence = cells.f32[row + F32.cadence];
  const gap = nowMs - lastArrivalMs;
  if (cadence === 0 || gap < cadence * SAME_DELIVERY_SHARE) return;
  const usual = Math.max(cells.f32[row + F32.arrivalGap], cadence);
  cells.f32[row + F32.arrivalGap] = usual + ARRIVAL_WEIGHT * (Math.min(gap, usual * ARRIVAL_FACTOR_MAX) - usual);
}

/** Notes the step between two windows. Apart from `observeReading`, because windows come in order whatever order readings came in. */
export function observeSpacing(cells: DetectorCells, stepMs: number): void {
  learnStep(cells, (cells.at >> 2) + F32.spacing, stepMs);
}

function learnStep(cells: DetectorCells, index: number, stepMs: number): void {
  if (!(stepMs > 0)) return;
  const usual = cells.f32[index];
  if (usual === 0) cells.f32[index] = stepMs;
  else cells.f32[index] = usual + STEP_WEIGHT * (Math.min(stepMs, usual * STEP_FACTOR_MAX) - usual);
}

/** Usual time between the meter's readings in event time, ms; null before two of them. */
export function cadenceMs(cells: DetectorCells): number | null {
  const cadence = cells.f32[(cells.at >> 2) + F32.cadence];
  return cadence === 0 ? null : cadence;
}

/** Silence longer than this is an outage, ms. */
export function silenceThresholdMs(cells: DetectorCells, config: DetectionConfig): number {
  const row = cells.at >> 2;
  const cadence = cells.f32[row + F32.cadence] || config.cadenceUnknownMs;
  return Math.max(config.silenceMinMs, config.silenceCadences * cadence, config.silenceArrivalGaps * cells.f32[row + F32.arrivalGap]);
}

import { MICRO, QUARTER_MS } from '../model/energy.ts';
import type { QuarterSpan, SpanEnergy } from '../model/queries.ts';
import type { RegionWindow } from '../model/window.ts';
import { isoTime, windowShape } from './wire-shapes.ts';

/** Energy and load as they go over the wire. */

export function energyShape({ importMicroKwh, exportMicroKwh, peakMicroKw, peakQuarter, quality }: SpanEnergy) {
  return {
    importKwh: importMicroKwh / MICRO,
    exportKwh: exportMicroKwh / MICRO,
    peak: peakQuarter === null ? null : { powerKw: peakMicroKw / MICRO, at: isoTime(peakQuarter * QUARTER_MS) },
    quarters: { ...quality },
  };
}

export function spanShape({ from, to }: QuarterSpan): { from: string; to: string } {
  return { from: isoTime(from * QUARTER_MS), to: isoTime(to * QUARTER_MS) };
}

/** How much more `now` is than `then`, in percent with two places; null where there was nothing. */
export function changePercent(now: number, then: number): number | null {
  return then <= 0 ? null : roundTo((100 * (now - then)) / then, 2);
}

/** Of the capacity, in percent with two places. Inside, a window keeps it as it is: prices and alerts ask whether it is above a limit. */
export function loadPercentShape(percent: number | null): number | null {
  return percent === null ? null : roundTo(percent, 2);
}

export function regionWindowShape(window: RegionWindow) {
  return { ...windowShape(window), loadPercent: loadPercentShape(window.loadPercent) };
}

export function roundTo(value: number, places: number): number {
  const factor = 10 ** places;
  return Math.round(value * factor) / factor;
}

import type { RegionWindow } from '../model/window.ts';
import { loadPercentShape } from './energy-shapes.ts';
import type { EngineSnapshot, MeterNow } from './live-source.ts';
import { isoTime, meterShape, windowShape } from './wire-shapes.ts';

/** Items of the live stream as they go over the wire, where REST has others. */

/** Of a window only what a curve needs: an hour of ten regions is 600 of them. All are one-minute windows. */
export function curveWindowShape({ region, windowStart, metersReporting, sumPowerKw, loadPercent, final }: RegionWindow): object {
  return { region, windowStart: isoTime(windowStart), metersReporting, sumPowerKw, loadPercent: loadPercentShape(loadPercent), final };
}

export function engineSnapshotShape(snapshot: EngineSnapshot): object {
  return { ...snapshot, startedAt: isoTime(snapshot.startedAt), now: isoTime(snapshot.now) };
}

export function meterNowShape({ meter, openWindows, closedWindows }: MeterNow): object {
  return { meter: meterShape(meter), openWindows: openWindows.map(windowShape), closedWindows: closedWindows.map(windowShape) };
}

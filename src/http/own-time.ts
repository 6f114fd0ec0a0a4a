import { mayReach, type Principal, type Subject } from '../model/access.ts';
import { QUARTER_MS } from '../model/energy.ts';
import { begin, end, holdsAll, isAlways, partsOf, type HeldSpan, type HeldTime } from '../model/held-time.ts';
import type { MeterId } from '../model/ids.ts';
import type { MeterState, QuarterSpan, SpanEnergy } from '../model/queries.ts';
import { filterWindows } from '../model/window-block.ts';
import { SPANS_MAX, type EnginePort } from './engine-port.ts';

/** What of a meter lies in the time in which it is somebody's. Of what straddles an edge nothing: a window, a quarter-hour or an episode is whole or it is not there. */

interface Range {
  from: number;
  to: number;
}

/** The least range that has all of theirs; null: nothing of it is. */
export function rangeWithin({ from, to }: Range, held: HeldTime): Range | null {
  const parts = partsOf(held, from, to);
  return parts.length === 0 ? null : { from: parts[0].from, to: parts[parts.length - 1].to };
}

export function windowsWithin<Window extends { windowStart: number; windowEnd: number }>(windows: readonly Window[], held: HeldTime): Window[] {
  return isAlways(held) ? [...windows] : windows.filter(({ windowStart, windowEnd }) => holdsAll(held, windowStart, windowEnd));
}

/** The same of a block of them. */
export function packedWithin(windows: ArrayBuffer, held: HeldTime): ArrayBuffer {
  return isAlways(held) ? windows : filterWindows(windows, (startMs, endMs) => holdsAll(held, startMs, endMs));
}

/** Of things of a meter that is theirs at some time those that are: a consumer asks for the meter, and an operator or admin for all there is of it. */
export function ownOf<Thing>(things: readonly Thing[], subjectOf: (thing: Thing) => Subject, principal: Principal, nowMs: number): Thing[] {
  return principal.role === 'consumer' ? things.filter((thing) => mayReach(principal, subjectOf(thing), nowMs)) : [...things];
}

/** Whole quarter-hours. */
export function quartersWithin({ from, to }: QuarterSpan, held: HeldTime): QuarterSpan[] {
  return partsOf(held, from * QUARTER_MS, to * QUARTER_MS)
    .map((part) => ({ from: Math.ceil(part.from / QUARTER_MS), to: Math.floor(part.to / QUARTER_MS) }))
    .filter((part) => part.from < part.to);
}

/** Of each list of spans the energy, together; null: no such meter. A list without spans has none. */
export async function energyOfParts(engine: Pick<EnginePort, 'energy'>, meterId: MeterId, lists: readonly (readonly QuarterSpan[])[]): Promise<SpanEnergy[] | null> {
  const spans = lists.flat();
  const found: SpanEnergy[] = [];
  for (let at = 0; at === 0 || at < spans.length; at += SPANS_MAX) {
    const some = await engine.energy(meterId, spans.slice(at, at + SPANS_MAX));
    if (some === null) return null;
    found.push(...some);
  }
  let at = 0;
  return lists.map((parts) => found.slice(at, (at += parts.length)).reduce(together, NO_ENERGY));
}

const NO_ENERGY: SpanEnergy = { importMicroKwh: 0, exportMicroKwh: 0, peakMicroKw: 0, peakQuarter: null, quality: { measured: 0, estimated: 0, missing: 0 } };

/** `b` is later. */
function together(a: SpanEnergy, b: SpanEnergy): SpanEnergy {
  const peak = b.peakQuarter !== null && (a.peakQuarter === null || b.peakMicroKw > a.peakMicroKw) ? b : a;
  return {
    importMicroKwh: a.importMicroKwh + b.importMicroKwh,
    exportMicroKwh: a.exportMicroKwh + b.exportMicroKwh,
    peakMicroKw: peak.peakMicroKw,
    peakQuarter: peak.peakQuarter,
    quality: { measured: a.quality.measured + b.quality.measured, estimated: a.quality.estimated + b.quality.estimated, missing: a.quality.missing + b.quality.missing },
  };
}

/**
 * A meter as it is now for whom it is theirs in `span`: one that has not sent anything in that time is none yet (null). Of who has it since a day, neither the count of its readings nor what is usual is told, as both come
 * of those before.
 */
export async function meterWithin(engine: Pick<EnginePort, 'anomalies'>, meter: MeterState, span: HeldSpan, nowMs: number): Promise<Omit<MeterState, 'readings'> & { readings: number | null } | null> {
  const { newestTimestamp, lastReading, openAnomalies } = meter;
  const isIn = (at: number): boolean => begin(span) <= at && at < end(span);
  if (!isIn(newestTimestamp) || !isIn(lastReading.timestamp)) return null;
  if (span.from === null) return meter;
  const began = openAnomalies.length === 0 ? [] : (await engine.anomalies({ meterId: meter.meterId, region: null, kind: null, severity: null, open: true, from: span.from, to: nowMs + 1, limit: OPEN_MAX, cursor: null })).data.map(({ kind }) => kind);
  return { ...meter, openAnomalies: openAnomalies.filter((kind) => began.includes(kind)), readings: null, baseline: NO_BASELINE };
}

/** A meter has one of each kind at a time. */
const OPEN_MAX = 100;
const NO_BASELINE: MeterState['baseline'] = { meanKw: 0, deviationKw: 0, windows: 0, warm: false, hourOfWeek: [] };

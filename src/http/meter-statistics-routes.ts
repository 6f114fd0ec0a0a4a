import { z } from 'zod';
import { heldTime, isWithin } from '../model/access.ts';
import type { AnomalyKind } from '../model/anomaly.ts';
import { MICRO, QUARTER_MS, QUARTERS_PER_HOUR } from '../model/energy.ts';
import type { HeldTime } from '../model/held-time.ts';
import { asMeterId, type MeterId } from '../model/ids.ts';
import type { QuarterSpan, SpanEnergy } from '../model/queries.ts';
import type { MeterWindow } from '../model/window.ts';
import type { EnginePort } from './engine-port.ts';
import { meterStatisticsSchema } from './energy-schemas.ts';
import { energyShape, roundTo, spanShape } from './energy-shapes.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { notWithinReach } from './guard.ts';
import { dayOrTimeParameter, momentOf, untilNow, zoneParameter } from './local-spans.ts';
import { LIST_LIMITS, unknownMeter } from './meter-routes.ts';
import { EVERYBODY } from './operation.ts';
import { energyOfParts, quartersWithin, windowsWithin } from './own-time.ts';
import { eachRow } from './page-walk.ts';
import type { Problem } from './problem-details.ts';
import { invalidQuery, isProblem, timeRange } from './query-parameters.ts';

/** A quarter of a year: 8,832 windows that are looked through. */
const STATISTICS_DAYS_MAX = 92;
/** So much longer local days may be when the clock was put back within them. */
const CLOCK_CHANGE_QUARTERS = QUARTERS_PER_HOUR;
/** Windows that a shard gives at once, in its share of a turn. */
const WINDOWS_PER_QUESTION = 1_000;

const statisticsQuery = z.object({ from: dayOrTimeParameter.optional(), to: dayOrTimeParameter.optional(), zone: zoneParameter });

/** What a meter did in a time: energy as bills count it, and what its closed quarter-hour windows and its anomalies tell. */
export function addMeterStatisticsRoutes(routes: GatewayRoutes): void {
  const { engine } = routes;

  routes.get('/api/v1/meters/:meterId/statistics', { id: 'getMeterStatistics', summary: 'What a meter did in a time', tag: 'Meters', access: { roles: EVERYBODY, scope: 'meter-times' }, response: meterStatisticsSchema }, statisticsQuery, async ({ path: [name], query: { zone, from, to }, principal, nowMs }) => {
    const range = timeRange({ from: from === undefined ? from : momentOf(from, zone), to: to === undefined ? to : momentOf(to, zone) }, nowMs);
    if (isProblem(range)) return range;
    const areDays = typeof from === 'string' && typeof to === 'string';
    const asked = quartersOf(range, STATISTICS_DAYS_MAX, areDays ? CLOCK_CHANGE_QUARTERS : 0);
    if (isProblem(asked)) return asked;
    const meterId = asMeterId(name);
    if (meterId === null) return unknownMeter(name);
    const held = heldTime(principal, meterId, nowMs);
    const parts = quartersWithin(asked, held);
    if (parts.length === 0) return notWithinReach('meter', name);
    const found = await energyOfParts(engine, meterId, [parts.map((part) => untilNow(part, nowMs))]);
    if (found === null) return unknownMeter(name);
    const span = { from: parts[0].from, to: parts[parts.length - 1].to };
    const bounds = { from: span.from * QUARTER_MS, to: span.to * QUARTER_MS };
    const [windows, anomalies] = await Promise.all([windowFigures(engine, meterId, bounds, held), anomalyCounts(engine, meterId, bounds, held, nowMs)]);
    return { document: { meterId: name, ...spanShape(span), ...energyShape(found[0]), ...powerFigures(found[0]), ...windows, anomalies } };
  });
}

/** Quarter-hours that begin in the range, which may be so many days long, and so many quarter-hours more. */
export function quartersOf(range: { from: number; to: number }, daysMax: number, quartersMore = 0): QuarterSpan | Problem {
  const span = { from: Math.ceil(range.from / QUARTER_MS), to: Math.ceil(range.to / QUARTER_MS) };
  if (span.from >= span.to) return invalidQuery([{ parameter: 'to', message: 'no quarter-hour begins between "from" and "to"' }]);
  return span.to - span.from <= daysMax * 24 * QUARTERS_PER_HOUR + quartersMore ? span : invalidQuery([{ parameter: 'from', message: `expected ${daysMax} days before "to" at most` }]);
}

function powerFigures({ importMicroKwh, exportMicroKwh, peakMicroKw, quality: { measured, estimated, missing } }: SpanEnergy) {
  const known = measured + estimated;
  const meanKw = (microKwh: number) => (microKwh / MICRO / known) * QUARTERS_PER_HOUR;
  return {
    avgPowerKw: known === 0 ? null : roundTo(meanKw(importMicroKwh - exportMicroKwh), 6),
    loadFactor: peakMicroKw === 0 ? null : roundTo(meanKw(importMicroKwh) / (peakMicroKw / MICRO), 4),
    completenessPercent: known + missing === 0 ? null : roundTo((100 * known) / (known + missing), 2),
  };
}

async function windowFigures(engine: EnginePort, meterId: MeterId, range: { from: number; to: number }, held: HeldTime) {
  let readings = 0;
  let [minPowerKw, maxPowerKw] = [Infinity, -Infinity];
  const corrections = { windows: 0, changes: 0 };
  await eachRow<MeterWindow>(
    async (cursor) => {
      const page = await engine.meterWindows(meterId, { granularity: '15m', ...range, limit: WINDOWS_PER_QUESTION, cursor });
      return page === null ? NO_ROWS : { ...page, data: windowsWithin(page.data, held) };
    },
    (window) => {
      if (!window.final) return;
      readings += window.count;
      minPowerKw = Math.min(minPowerKw, window.minPowerKw);
      maxPowerKw = Math.max(maxPowerKw, window.maxPowerKw);
      corrections.windows += window.revision > 0 ? 1 : 0;
      corrections.changes += window.revision;
    },
  );
  return { readings, minPowerKw: readings === 0 ? null : minPowerKw, maxPowerKw: readings === 0 ? null : maxPowerKw, corrections };
}

async function anomalyCounts(engine: EnginePort, meterId: MeterId, range: { from: number; to: number }, held: HeldTime, nowMs: number) {
  const counts: Partial<Record<AnomalyKind, number>> = {};
  await eachRow(
    (cursor) => engine.anomalies({ meterId, region: null, kind: null, severity: null, open: false, ...range, limit: LIST_LIMITS.max, cursor }),
    ({ kind, startedAt, endedAt }) => {
      if (isWithin(held, { from: startedAt, to: endedAt, share: 'all' }, nowMs)) counts[kind] = (counts[kind] ?? 0) + 1;
    },
  );
  return counts;
}

const NO_ROWS = { data: [], nextCursor: null };

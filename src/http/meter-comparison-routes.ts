import { z } from 'zod';
import { heldTime } from '../model/access.ts';
import { MICRO, QUARTER_MS } from '../model/energy.ts';
import { asMeterId, type RegionId } from '../model/ids.ts';
import type { QuarterSpan } from '../model/queries.ts';
import { dateField } from './billing-fields.ts';
import type { EnginePort } from './engine-port.ts';
import { meterComparisonSchema } from './energy-schemas.ts';
import { changePercent, energyShape, roundTo } from './energy-shapes.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { notWithinReach } from './guard.ts';
import { daysBetween, daysLater, FIRST_DATE, spanOfDays, today, yearsLater, zoneParameter } from './local-spans.ts';
import { unknownMeter } from './meter-routes.ts';
import { EVERYBODY } from './operation.ts';
import { energyOfParts, quartersWithin } from './own-time.ts';
import { eachRow } from './page-walk.ts';
import { invalidQuery } from './query-parameters.ts';

const DAYS_DEFAULT = 30;
/** A quarter of a year: 8,832 windows of the region that are looked through. */
const DAYS_MAX = 92;
/** Windows of a region that are asked for at once: a month. Each question looks at the open windows of all meters. */
const REGION_WINDOWS_PER_QUESTION = 31 * 96;
/** A mean of fewer would tell a customer what single neighbours take. */
const METERS_OF_MEAN_MIN = 10;

const comparisonQuery = z.object({ from: dateField.optional(), to: dateField.optional(), zone: zoneParameter });

/** A meter's local days beside those before, those of the year before, and what its region takes. */
export function addMeterComparisonRoutes(routes: GatewayRoutes): void {
  const { engine } = routes;

  routes.get('/api/v1/meters/:meterId/comparison', { id: 'compareMeter', summary: 'Days of a meter beside those before, those a year ago, and its region', tag: 'Meters', access: { roles: EVERYBODY, scope: 'meter-times' }, response: meterComparisonSchema }, comparisonQuery, async ({ path: [name], query: { zone, ...given }, principal, nowMs }) => {
    const to = given.to ?? today(zone, nowMs);
    const from = given.from ?? daysLater(to, -DAYS_DEFAULT);
    const days = daysBetween(from, to);
    if (days <= 0) return invalidQuery([{ parameter: 'to', message: 'must be a day after "from": the first that is not included' }]);
    if (days > DAYS_MAX) return invalidQuery([{ parameter: 'to', message: `expected ${DAYS_MAX} days after "from" at most` }]);
    if (to > today(zone, nowMs)) return invalidQuery([{ parameter: 'to', message: 'expected today at the latest: days that go on compare with none that are over' }]);
    if (from < yearsLater(FIRST_DATE, 1)) return invalidQuery([{ parameter: 'from', message: 'expected 1972 or later' }]);
    const periods = [{ from, to }, { from: daysLater(from, -days), to: from }, { from: yearsLater(from, -1), to: yearsLater(to, -1) }];
    const spans = periods.map((period) => spanOfDays(zone, period.from, period.to));
    const meterId = asMeterId(name);
    if (meterId === null) return unknownMeter(name);
    const held = heldTime(principal, meterId, nowMs);
    const parts = spans.map((span) => quartersWithin(span, held));
    if (parts[0].length === 0) return notWithinReach('meter', name);
    const [meter, energy] = await Promise.all([engine.meter(meterId), energyOfParts(engine, meterId, parts)]);
    if (meter === null || energy === null) return unknownMeter(name);
    // What is theirs of one and not of the other says nothing beside it.
    const isWhole = parts.map((own, i) => own.length === 1 && own[0].from === spans[i].from && own[0].to === spans[i].to);
    const change = (i: number): number | null => (isWhole[0] && isWhole[i] ? changePercent(energy[0].importMicroKwh, energy[i].importMicroKwh) : null);
    const [period, before, lastYear] = energy.map((one, i) => ({ ...periods[i], ...energyShape(one) }));
    const mean = isWhole[0] ? await meanMeter(engine, meter.region as RegionId, spans[0]) : null;
    const netKwh = (energy[0].importMicroKwh - energy[0].exportMicroKwh) / MICRO;
    return {
      document: {
        meterId: name, zone, period, before, lastYear,
        changePercent: { before: change(1), lastYear: change(2) },
        region: mean === null ? null : { region: meter.region, ...mean, changePercent: changePercent(netKwh, mean.netKwh) },
      },
    };
  });
}

/** Of each quarter-hour the mean of the meters that reported, added up. */
async function meanMeter(engine: EnginePort, region: RegionId, span: QuarterSpan): Promise<{ meters: number; netKwh: number } | null> {
  const range = { from: span.from * QUARTER_MS, to: span.to * QUARTER_MS };
  let [windows, meters, netKwh] = [0, 0, 0];
  await eachRow(
    async (cursor) => (await engine.regionWindows(region, { granularity: '15m', ...range, limit: REGION_WINDOWS_PER_QUESTION, cursor })) ?? { data: [], nextCursor: null },
    ({ metersReporting, energyKwhSum }) => {
      if (metersReporting === 0) return;
      windows++;
      meters += metersReporting;
      netKwh += energyKwhSum / metersReporting;
    },
  );
  return windows === 0 || meters / windows < METERS_OF_MEAN_MIN ? null : { meters: roundTo(meters / windows, 1), netKwh: roundTo(netKwh, 6) };
}

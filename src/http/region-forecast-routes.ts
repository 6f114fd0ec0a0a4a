import { z } from 'zod';
import { QUARTER_MS } from '../model/energy.ts';
import { isId, type RegionId } from '../model/ids.ts';
import type { RegionForecast } from '../model/region-forecast.ts';
import { regionForecastSchema } from './energy-schemas.ts';
import { loadPercentShape } from './energy-shapes.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { zoneParameter } from './local-spans.ts';
import { OPERATORS } from './operation.ts';
import { limitParameter } from './query-parameters.ts';
import { REGION_HINT } from './region-routes.ts';
import { unknownThing } from './route-answers.ts';
import { isoTime } from './wire-shapes.ts';

const QUARTERS_AN_HOUR = 4;
const HOURS_LIMITS = { default: 24, max: 48 };

const forecastQuery = z.object({ hours: limitParameter(HOURS_LIMITS), zone: zoneParameter });

/** What a region will probably draw. */
export function addRegionForecastRoutes(routes: GatewayRoutes): void {
  const { engine } = routes;

  routes.get('/api/v1/regions/:region/forecast', { id: 'getRegionForecast', summary: 'Load of a region in the next hours, as it is expected', tag: 'Regions', access: { roles: OPERATORS, scope: 'region' }, response: regionForecastSchema }, forecastQuery, async ({ path: [name], query: { hours, zone } }) => {
    const [forecast, regions] = await Promise.all([isId(name) ? engine.regionForecast(name as RegionId, zone) : null, engine.regions()]);
    if (forecast === null) return unknownThing('region', name, REGION_HINT);
    const capacityKw = regions.find(({ region }) => region === name)?.capacityKw ?? null;
    return { document: forecastShape(forecast, capacityKw, hours * QUARTERS_AN_HOUR) };
  });
}

function forecastShape({ region, zone, asOf, basis, missing, level, quarters, backtest }: RegionForecast, capacityKw: number | null, count: number): z.input<typeof regionForecastSchema> {
  const until = asOf / QUARTER_MS + count;
  const data = quarters
    .filter(({ quarter }) => quarter < until)
    .map(({ quarter, powerKw, lowKw, highKw }) => ({ windowStart: isoTime(quarter * QUARTER_MS), powerKw, lowKw, highKw, loadPercent: loadPercentShape(capacityKw === null || capacityKw === 0 ? null : (powerKw / capacityKw) * 100) }));
  return {
    region,
    zone,
    asOf: isoTime(asOf),
    capacityKw,
    basis,
    missing,
    level,
    data,
    backtest: backtest === null ? null : { ...backtest, from: isoTime(backtest.from * QUARTER_MS), to: isoTime(backtest.to * QUARTER_MS) },
  };
}

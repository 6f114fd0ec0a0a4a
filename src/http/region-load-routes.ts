import { z } from 'zod';
import type { DynamicPrice } from '../model/billing.ts';
import { isId, type RegionId } from '../model/ids.ts';
import { OperationalError } from '../runtime/errors.ts';
import { priceShape } from './billing-shapes.ts';
import { regionLoadSchema, topConsumersSchema } from './energy-schemas.ts';
import { energyShape, spanShape } from './energy-shapes.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { quartersOf } from './meter-statistics-routes.ts';
import { OPERATORS } from './operation.ts';
import { choiceParameter, isProblem, limitParameter, rangeParameters, timeRange } from './query-parameters.ts';
import { REGION_HINT } from './region-routes.ts';
import { unknownThing } from './route-answers.ts';
import type { TariffsPort } from './tariffs-port.ts';
import { isoTime } from './wire-shapes.ts';

/** Each day is one more of the blocks that are read of all meters. */
const RANKED_DAYS_MAX = 31;
const RANKED_LIMITS = { default: 10, max: 100 };

const topQuery = z.object({ ...rangeParameters, by: choiceParameter(['energy', 'peak']).default('energy'), limit: limitParameter(RANKED_LIMITS) });

/** A region now, with what a kWh costs in it, and who takes the most. */
export function addRegionLoadRoutes(routes: GatewayRoutes): void {
  const { engine, tariffs } = routes;

  routes.get('/api/v1/regions/:region/load', { id: 'getRegionLoad', summary: 'Load, capacity and price of a region now', tag: 'Regions', access: { roles: OPERATORS, scope: 'region' }, response: regionLoadSchema }, z.object({}), async ({ path: [name], nowMs }) => {
    const region = (await engine.regions()).find((one) => one.region === name);
    if (region === undefined) return unknownThing('region', name, REGION_HINT);
    const price = region.capacityKw === null ? null : await priceNow(tariffs, name);
    return { document: { at: isoTime(nowMs), ...region, price: price === null ? null : priceShape(price) } };
  });

  routes.get('/api/v1/regions/:region/top-consumers', { id: 'listTopConsumers', summary: 'Meters of a region that took the most in a time', tag: 'Regions', access: { roles: OPERATORS, scope: 'region' }, response: topConsumersSchema }, topQuery, async ({ path: [name], query: { by, limit, ...given }, nowMs }) => {
    const range = timeRange(given, nowMs);
    if (isProblem(range)) return range;
    const span = quartersOf(range, RANKED_DAYS_MAX);
    if (isProblem(span)) return span;
    const top = isId(name) ? await engine.topConsumers(name as RegionId, { span, order: by, limit }) : null;
    if (top === null) return unknownThing('region', name, REGION_HINT);
    return { document: { region: name, ...spanShape(span), by, meters: top.meters, data: top.data.map(({ meterId, ...energy }, i) => ({ rank: i + 1, meterId, ...energyShape(energy) })) } };
  });
}

/** Null as well while whoever knows it is away: the load is known all the same. */
async function priceNow(tariffs: TariffsPort, region: string): Promise<DynamicPrice | null> {
  try {
    return (await tariffs.ask({ kind: 'prices' })).find((price) => price.region === region) ?? null;
  } catch (error) {
    if (error instanceof OperationalError && (error.retryable || error.code === 'billing_off')) return null;
    throw error;
  }
}

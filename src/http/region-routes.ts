import { z } from 'zod';
import { isId, type RegionId } from '../model/ids.ts';
import { regionWindowShape } from './energy-shapes.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { windowQuery } from './meter-routes.ts';
import { OPERATORS } from './operation.ts';
import { isProblem, timeRange } from './query-parameters.ts';
import { unknownThing } from './route-answers.ts';
import { pageOf, regionSchema, regionWindowSchema } from './wire-schemas.ts';
import { pageShape } from './wire-shapes.ts';

export const REGION_HINT = 'GET /api/v1/regions lists those that have meters or a configured capacity.';

/** /api/v1/regions and what lies below. Regions are few (regionLimit), so their list is one page. */
export function addRegionRoutes(routes: GatewayRoutes): void {
  const { engine } = routes;

  routes.get('/api/v1/regions', { id: 'listRegions', summary: 'Regions and their load now', tag: 'Regions', access: { roles: OPERATORS, scope: 'rows' }, response: pageOf(regionSchema) }, z.object({}), async () => ({ document: { data: await engine.regions(), nextCursor: null } }));

  routes.get('/api/v1/regions/:region', { id: 'getRegion', summary: 'A region now', tag: 'Regions', access: { roles: OPERATORS, scope: 'region' }, response: regionSchema }, z.object({}), async ({ path }) => {
    const region = (await engine.regions()).find((one) => one.region === path[0]);
    return region === undefined ? unknownThing('region', path[0], REGION_HINT) : { document: region };
  });

  routes.get('/api/v1/regions/:region/aggregates', { id: 'listRegionWindows', summary: 'Windows of a region', tag: 'Regions', access: { roles: OPERATORS, scope: 'region' }, response: pageOf(regionWindowSchema) }, windowQuery, async ({ path, query, nowMs }) => {
    const range = timeRange(query, nowMs);
    if (isProblem(range)) return range;
    const { granularity, limit, cursor = null } = query;
    const page = isId(path[0]) ? await engine.regionWindows(path[0] as RegionId, { granularity, ...range, limit, cursor }) : null;
    return page === null ? unknownThing('region', path[0], REGION_HINT) : { document: pageShape(page, regionWindowShape) };
  });
}

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { heldTime } from '../model/access.ts';
import { spanAt } from '../model/held-time.ts';
import { asMeterId } from '../model/ids.ts';
import { GRANULARITIES } from '../model/window.ts';
import type { PackedWindows } from '../model/queries.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { EVERYBODY, OPERATORS } from './operation.ts';
import { meterWithin, packedWithin, rangeWithin } from './own-time.ts';
import type { Problem } from './problem-details.ts';
import { choiceParameter, cursorParameter, idParameter, isProblem, limitParameter, rangeParameters, timeRange } from './query-parameters.ts';
import { unknownThing, type RenderedPage } from './route-answers.ts';
import { meterSchema, meterSummarySchema, meterWindowSchema, pageOf } from './wire-schemas.ts';
import { WindowPageRenderer } from './window-rendering.ts';
import { meterShape, meterSummaryShape, pageShape } from './wire-shapes.ts';

/** Rows of a list a page: a screenful or two; at most what is answered in one turn without being felt. */
export const LIST_LIMITS = { default: 100, max: 1_000 };
/** Windows a page: most of a day of minutes; at most a week of them, 4 MB of JSON. */
export const WINDOW_LIMITS = { default: 1_000, max: 10_000 };

/** Parameters of every `aggregates` path. */
export const windowQuery = z.object({
  granularity: choiceParameter(GRANULARITIES).default('1m'),
  ...rangeParameters,
  limit: limitParameter(WINDOW_LIMITS),
  cursor: cursorParameter.optional(),
});

const meterListQuery = z.object({
  region: idParameter.optional(),
  limit: limitParameter(LIST_LIMITS),
  cursor: cursorParameter.optional(),
});

const HINT = 'GET /api/v1/meters lists those that have sent a reading.';

export function unknownMeter(name: string): Problem {
  return unknownThing('meter', name, HINT);
}

/** /api/v1/meters and what lies below. */
export function addMeterRoutes(routes: GatewayRoutes): void {
  const { engine } = routes;
  const renderer = new WindowPageRenderer();
  const windowPage = ({ windows, nextCursor }: PackedWindows): RenderedPage => ({
    // A quarter as long as its JSON.
    tag: () => createHash('sha1').update(new Uint8Array(windows)).update(nextCursor ?? '').digest('base64url'),
    render: () => renderer.render(windows, nextCursor),
  });

  routes.get('/api/v1/meters', { id: 'listMeters', summary: 'Meters, in order of their id', tag: 'Meters', access: { roles: OPERATORS, scope: 'rows' }, response: pageOf(meterSummarySchema) }, meterListQuery, async ({ query }) => {
    const page = await engine.meters({ region: query.region ?? null, limit: query.limit, cursor: query.cursor ?? null });
    return { document: pageShape(page, meterSummaryShape) };
  });

  routes.get('/api/v1/meters/:meterId', { id: 'getMeter', summary: 'A meter: last reading, health and baseline', tag: 'Meters', access: { roles: EVERYBODY, scope: 'meter' }, response: meterSchema }, z.object({}), async ({ path, principal, nowMs }) => {
    const meterId = asMeterId(path[0]);
    const found = meterId === null ? null : await engine.meter(meterId);
    const span = meterId === null ? null : spanAt(heldTime(principal, meterId, nowMs), nowMs);
    const meter = found === null || span === null ? null : await meterWithin(engine, found, span, nowMs);
    return meter === null ? unknownMeter(path[0]) : { document: meterShape(meter) };
  });

  routes.get('/api/v1/meters/:meterId/aggregates', { id: 'listMeterWindows', summary: 'Windows of a meter, open ones among them', tag: 'Meters', access: { roles: EVERYBODY, scope: 'meter-times' }, response: pageOf(meterWindowSchema) }, windowQuery, async ({ path, query, principal, nowMs }) => {
    const range = timeRange(query, nowMs);
    if (isProblem(range)) return range;
    const meterId = asMeterId(path[0]);
    const { granularity, limit, cursor = null } = query;
    if (meterId === null) return unknownMeter(path[0]);
    const held = heldTime(principal, meterId, nowMs);
    const within = rangeWithin(range, held);
    if (within === null) return { document: { data: [], nextCursor: null } };
    const packed = await engine.packedMeterWindows(meterId, { granularity, ...within, limit, cursor });
    return packed === null ? unknownMeter(path[0]) : { document: null, page: windowPage({ ...packed, windows: packedWithin(packed.windows, held) }) };
  });
}

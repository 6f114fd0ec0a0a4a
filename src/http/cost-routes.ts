import { z } from 'zod';
import { heldTime } from '../model/access.ts';
import { isAlways, spanAt, type HeldTime } from '../model/held-time.ts';
import { asMeterId, type MeterId } from '../model/ids.ts';
import { dateField, tariffIdField } from './billing-fields.ts';
import { billSchema, comparedTariffSchema, cycleSchema, meterTariffSchema } from './billing-schemas.ts';
import { billShape, comparedShape, cycleShape, tariffVersionShape } from './billing-shapes.ts';
import type { GatewayRoutes, RouteRequest } from './gateway-routes.ts';
import { notWithinReach } from './guard.ts';
import { unknownMeter } from './meter-routes.ts';
import { EVERYBODY, type Operation } from './operation.ts';
import { invalidQuery, timeParameter } from './query-parameters.ts';
import type { RouteAnswer } from './route-answers.ts';
import { pageOf } from './wire-schemas.ts';

/** Tariffs that are compared at once: each rates all months anew. */
const COMPARED_MAX = 20;

const noQuery = z.object({});
const atQuery = z.object({ at: timeParameter.optional() });
const days = { from: dateField, to: dateField };
const estimateQuery = z.object({ ...days, tariff: tariffIdField.optional() });
const compareQuery = z.object({
  ...days,
  tariffs: z
    .string()
    .regex(new RegExp(`^[A-Za-z0-9._-]{1,64}(,[A-Za-z0-9._-]{1,64}){0,${COMPARED_MAX - 1}}$`), `expected ids of tariffs with commas between them, ${COMPARED_MAX} at most`)
    .transform((text) => text.split(',')),
});

/** Which tariff counts for a meter, and what it costs, as its intervals are now: nothing is stored, and nothing is rounded that a bill would not round. */
export function addCostRoutes(routes: GatewayRoutes): void {
  const { tariffs } = routes;

  function ofMeter<Schema extends z.ZodObject>(path: string, operation: Pick<Operation, 'id' | 'summary' | 'response'>, schema: Schema, answer: (meterId: MeterId, request: RouteRequest<z.output<Schema>>) => Promise<RouteAnswer>): void {
    const scope = path === 'cycle' || path === 'projection' ? 'meter' : 'meter-times';
    routes.get(`/api/v1/meters/:meterId/${path}`, { ...operation, tag: 'Tariffs', access: { roles: EVERYBODY, scope } }, schema, (request) => {
      const meterId = asMeterId(request.path[0]);
      return meterId === null ? unknownMeter(request.path[0]) : answer(meterId, request);
    });
  }

  ofMeter('tariff', { id: 'getMeterTariff', summary: 'The tariff that counts for a meter', response: meterTariffSchema }, atQuery, async (meterId, { query: { at }, principal, nowMs }) => {
    if (spanAt(heldTime(principal, meterId, nowMs), at ?? nowMs) === null) return notWithinReach('meter', meterId);
    const { agreementId, ...tariff } = await tariffs.ask({ kind: 'tariffOf', meterId, at: at ?? nowMs });
    return { document: { ...tariffVersionShape(tariff), agreementId } };
  });

  ofMeter('estimate', { id: 'estimateCost', summary: 'What the energy of some days costs', response: billSchema }, estimateQuery, async (meterId, { query: { from, to, tariff: tariffId = null }, ...request }) => {
    if (to <= from) return END_NOT_AFTER;
    return { document: billShape(await tariffs.ask({ kind: 'estimate', meterId, from, to, tariffId, ...withinOf(meterId, request) })) };
  });

  ofMeter('cycle', { id: 'getCycle', summary: 'The month that goes on: so far, and projected to its end', response: cycleSchema }, noQuery, async (meterId, request) => ({ document: cycleShape(await tariffs.ask({ kind: 'cycle', meterId, ...withinOf(meterId, request) })) }));

  ofMeter('projection', { id: 'getProjection', summary: 'The month that goes on, projected to its end', response: billSchema }, noQuery, async (meterId, request) => ({ document: billShape((await tariffs.ask({ kind: 'cycle', meterId, ...withinOf(meterId, request) })).projected) }));

  ofMeter('compare', { id: 'compareTariffs', summary: 'What months cost under several tariffs, cheapest first', response: pageOf(comparedTariffSchema) }, compareQuery, async (meterId, { query: { from, to, tariffs: tariffIds }, ...request }) => {
    if (to <= from) return END_NOT_AFTER;
    return { document: comparedShape(await tariffs.ask({ kind: 'compare', meterId, from, to, tariffIds: [...new Set(tariffIds)], ...withinOf(meterId, request) })) };
  });
}

/** The time that days have to lie in, unless any may. */
function withinOf(meterId: MeterId, { principal, nowMs }: Pick<RouteRequest<object>, 'principal' | 'nowMs'>): { within?: HeldTime } {
  const held = heldTime(principal, meterId, nowMs);
  return isAlways(held) ? {} : { within: held };
}

const END_NOT_AFTER = invalidQuery([{ parameter: 'to', message: 'must be a day after "from": the first that is not included' }]);

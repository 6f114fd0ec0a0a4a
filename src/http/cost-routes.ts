import { z } from 'zod';
import { isId } from '../model/ids.ts';
import { dateField, tariffIdField } from './billing-fields.ts';
import { billSchema, comparedTariffSchema, cycleSchema, meterTariffSchema } from './billing-schemas.ts';
import { billShape, comparedShape, cycleShape, tariffVersionShape } from './billing-shapes.ts';
import type { GatewayRoutes, RouteAnswer, RouteRequest } from './gateway-routes.ts';
import { unknownMeter } from './meter-routes.ts';
import { EVERYBODY, type Operation } from './operation.ts';
import { invalidQuery, timeParameter } from './query-parameters.ts';
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

  function ofMeter<Schema extends z.ZodObject>(path: string, operation: Pick<Operation, 'id' | 'summary' | 'response'>, schema: Schema, answer: (meterId: string, request: RouteRequest<z.output<Schema>>) => Promise<RouteAnswer>): void {
    routes.get(`/api/v1/meters/:meterId/${path}`, { ...operation, tag: 'Tariffs', access: { roles: EVERYBODY, scope: 'meter' } }, schema, (request) => {
      const [meterId] = request.path;
      return isId(meterId) ? answer(meterId, request) : unknownMeter(meterId);
    });
  }

  ofMeter('tariff', { id: 'getMeterTariff', summary: 'The tariff that counts for a meter', response: meterTariffSchema }, atQuery, async (meterId, { query: { at }, nowMs }) => {
    const { agreementId, ...tariff } = await tariffs.ask({ kind: 'tariffOf', meterId, at: at ?? nowMs });
    return { document: { ...tariffVersionShape(tariff), agreementId } };
  });

  ofMeter('estimate', { id: 'estimateCost', summary: 'What the energy of some days costs', response: billSchema }, estimateQuery, async (meterId, { query: { from, to, tariff: tariffId = null } }) => {
    if (to <= from) return END_NOT_AFTER;
    return { document: billShape(await tariffs.ask({ kind: 'estimate', meterId, from, to, tariffId })) };
  });

  ofMeter('cycle', { id: 'getCycle', summary: 'The month that goes on: so far, and projected to its end', response: cycleSchema }, noQuery, async (meterId) => ({ document: cycleShape(await tariffs.ask({ kind: 'cycle', meterId })) }));

  ofMeter('projection', { id: 'getProjection', summary: 'The month that goes on, projected to its end', response: billSchema }, noQuery, async (meterId) => ({ document: billShape((await tariffs.ask({ kind: 'cycle', meterId })).projected) }));

  ofMeter('compare', { id: 'compareTariffs', summary: 'What months cost under several tariffs, cheapest first', response: pageOf(comparedTariffSchema) }, compareQuery, async (meterId, { query: { from, to, tariffs: tariffIds } }) => {
    if (to <= from) return END_NOT_AFTER;
    return { document: comparedShape(await tariffs.ask({ kind: 'compare', meterId, from, to, tariffIds: [...new Set(tariffIds)] })) };
  });
}

const END_NOT_AFTER = invalidQuery([{ parameter: 'to', message: 'must be a day after "from": the first that is not included' }]);

import { z } from 'zod';
import type { TariffAnswers } from '../actors/tariffs/protocol.ts';
import type { Subject } from '../model/access.ts';
import { isId } from '../model/ids.ts';
import { OperationalError } from '../runtime/errors.ts';
import { priceField, reasonField } from './billing-fields.ts';
import { priceOverrideSchema, priceSchema } from './billing-schemas.ts';
import { priceOverrideShape, priceShape } from './billing-shapes.ts';
import { byField, invalidBody, timeField } from './body-fields.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { LIST_LIMITS } from './meter-routes.ts';
import { EVERYBODY, OPERATORS, type ThingScope } from './operation.ts';
import { cursorParameter, flagParameter, idParameter, isProblem, limitParameter, openTimeRange, rangeParameters } from './query-parameters.ts';
import { unknownThing } from './route-answers.ts';
import type { TariffsPort } from './tariffs-port.ts';
import { regionSubjects, subjectOf } from './thing-scopes.ts';
import { pageOf } from './wire-schemas.ts';
import { pageShape } from './wire-shapes.ts';

const OVERRIDES = '/api/v1/price-overrides';
/** One that nobody remembers would hold for ever. */
const OVERRIDE_MAX_MS = 366 * 86_400_000;

const pageParameters = { limit: limitParameter(LIST_LIMITS), cursor: cursorParameter.optional() };
const historyQuery = z.object({ ...rangeParameters, ...pageParameters });
const overridesQuery = z.object({ region: idParameter.optional(), ended: flagParameter.default(false), ...pageParameters });
const endQuery = z.object({ by: byField, reason: reasonField });
const newOverride = z.strictObject({
  region: idParameter,
  price: priceField,
  from: timeField.optional(),
  until: timeField,
  by: byField,
  reason: reasonField,
});

/** /api/v1/prices: what a kWh costs by the load of its region, and what operators made of it. */
export function addPriceRoutes(routes: GatewayRoutes): void {
  const { tariffs } = routes;
  const thisOverride: ThingScope<object, null> = { noun: 'override', words: 'of its region', of: ({ path: [id] }) => overrideSubjects(tariffs, id) };

  routes.get('/api/v1/prices', { id: 'listPrices', summary: 'What a kWh costs now, by region', tag: 'Prices', access: { roles: EVERYBODY, scope: 'none' }, response: pageOf(priceSchema) }, z.object({}), async () => ({ document: { data: (await tariffs.ask({ kind: 'prices' })).map(priceShape), nextCursor: null } }));

  routes.get('/api/v1/prices/:region', { id: 'getPrice', summary: 'What a kWh costs now in a region', tag: 'Prices', access: { roles: EVERYBODY, scope: 'none' }, response: priceSchema }, z.object({}), async ({ path: [region] }) => {
    const price = (await tariffs.ask({ kind: 'prices' })).find((one) => one.region === region);
    return price === undefined ? unknownThing('price', region, 'GET /api/v1/prices lists those there are: of regions with a configured capacity.') : { document: priceShape(price) };
  });

  routes.get('/api/v1/prices/:region/history', { id: 'listPriceHistory', summary: 'Prices of a region in a time, newest first', tag: 'Prices', access: { roles: EVERYBODY, scope: 'none' }, response: pageOf(priceSchema) }, historyQuery, async ({ path: [region], query: { limit, cursor = null, ...given }, nowMs }) => {
    // A region may have had prices and none now.
    if (!isId(region)) return unknownThing('region', region, 'No region is called that.');
    const range = openTimeRange(given, nowMs);
    if (isProblem(range)) return range;
    return { document: pageShape(await tariffs.ask({ kind: 'priceHistory', region, ...range, limit, cursor }), priceShape) };
  });

  routes.serve(OVERRIDES, {
    GET: routes.read({ id: 'listPriceOverrides', summary: 'Prices that operators set', tag: 'Prices', access: { roles: OPERATORS, scope: 'rows' }, response: pageOf(priceOverrideSchema) }, overridesQuery, async ({ query: { region = null, ended: withEnded, limit, cursor = null } }) => ({
      document: pageShape(await tariffs.ask({ kind: 'overrides', region, withEnded, limit, cursor }), priceOverrideShape),
    })),
    POST: routes.write({ id: 'createPriceOverride', summary: 'Sets the price of a region until a time', tag: 'Prices', access: { roles: OPERATORS, scope: OF_REGION }, response: priceOverrideSchema, creates: true }, newOverride, async ({ body: { from: givenFrom, until, ...rest }, nowMs }) => {
      const from = givenFrom ?? nowMs;
      if (from < nowMs - CLOCKS_APART_MS) return invalidBody([{ path: 'from', message: 'expected now or later: what was published stays as it was' }]);
      if (until <= from) return invalidBody([{ path: 'until', message: 'expected a time after "from", which is now unless given' }]);
      if (until <= nowMs) return invalidBody([{ path: 'until', message: 'expected a time after now' }]);
      if (until - from > OVERRIDE_MAX_MS) return invalidBody([{ path: 'until', message: 'expected a year after "from" at most' }]);
      const override = await tariffs.ask({ kind: 'makeOverride', from, until, ...rest });
      return { document: priceOverrideShape(override), location: `${OVERRIDES}/${encodeURIComponent(override.id)}` };
    }),
  });

  routes.serve(`${OVERRIDES}/:id`, {
    // The record stays.
    DELETE: routes.remove({ id: 'endPriceOverride', summary: 'Ends a price that was set; the record stays', tag: 'Prices', access: { roles: OPERATORS, scope: thisOverride }, response: priceOverrideSchema }, endQuery, async ({ path: [id], query: { by, reason } }) => {
      try {
        return { document: priceOverrideShape(await tariffs.ask({ kind: 'endOverride', id, by, reason })) };
      } catch (error) {
        // Stand-ins of rotas have the same code.
        if (!(error instanceof OperationalError) || error.code !== 'unknown_override') throw error;
        return unknownThing('override', id, `GET ${OVERRIDES}?ended=true lists them.`);
      }
    }),
  });
}

const OF_REGION: ThingScope<object, z.output<typeof newOverride>> = { noun: 'region', words: 'of the region that it is for', of: ({ body }) => regionSubjects([body.region]) };

async function overrideSubjects(tariffs: TariffsPort, id: string): Promise<Subject[] | null> {
  let cursor: string | null = null;
  do {
    const page: TariffAnswers['overrides'] = await tariffs.ask({ kind: 'overrides', region: null, withEnded: true, limit: LIST_LIMITS.max, cursor });
    const override = page.data.find((one) => one.id === id);
    if (override !== undefined) return [subjectOf(null, override.region)];
    cursor = page.nextCursor;
  } while (cursor !== null);
  return null;
}

/** What a client's "now" may be behind. */
const CLOCKS_APART_MS = 60_000;

import { z } from 'zod';
import { checkTariff } from '../actors/tariffs/tariff-check.ts';
import { tariffSchema, type TariffFault } from '../actors/tariffs/tariff-document.ts';
import { isId } from '../model/ids.ts';
import { tariffCheckSchema, tariffSummarySchema, tariffVersionSchema } from './billing-schemas.ts';
import { tariffSummaryShape, tariffVersionShape } from './billing-shapes.ts';
import { byField, invalidBody } from './body-fields.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { LIST_LIMITS } from './meter-routes.ts';
import { ADMINS, EVERYBODY, OPERATORS } from './operation.ts';
import type { Problem } from './problem-details.ts';
import { cursorParameter, limitParameter, timeParameter } from './query-parameters.ts';
import { unknownThing } from './route-answers.ts';
import { pageOf } from './wire-schemas.ts';
import { pageShape } from './wire-shapes.ts';

const BASE = '/api/v1/tariffs';
const listQuery = z.object({ limit: limitParameter(LIST_LIMITS), cursor: cursorParameter.optional() });
const versionParameter = z.string().regex(/^[1-9]\d{0,8}$/, 'expected the number of a version').transform(Number);
const oneQuery = z.object({ version: versionParameter.optional() });
const atQuery = z.object({ at: timeParameter.optional() });
const putQuery = z.object({ by: byField });
/** The document itself, judged by what it says. */
const anything = z.unknown();

/** /api/v1/tariffs: their documents by version, and which one counts for whom. */
export function addTariffRoutes(routes: GatewayRoutes): void {
  const { tariffs } = routes;

  routes.get(BASE, { id: 'listTariffs', summary: 'Tariffs in their newest versions', tag: 'Tariffs', access: { roles: EVERYBODY, scope: 'none' }, response: pageOf(tariffSummarySchema) }, listQuery, async ({ query: { limit, cursor = null } }) => ({ document: pageShape(await tariffs.ask({ kind: 'tariffs', limit, cursor }), tariffSummaryShape) }));

  // Whether a document is right is what is asked here, so one that is wrong is no failed request.
  routes.serve(`${BASE}/check`, {
    POST: routes.write({ id: 'checkTariff', summary: 'What is wrong with a document of a tariff', tag: 'Tariffs', access: { roles: OPERATORS, scope: 'none' }, response: tariffCheckSchema, request: z.union([tariffSchema, anything]) }, anything, ({ body }) => {
      const { document, faults } = checkTariff(body);
      return { document: { valid: document !== null, faults, document } };
    }),
  });

  routes.serve(`${BASE}/:id`, {
    GET: routes.read({ id: 'getTariff', summary: 'A tariff in its newest version, or another', tag: 'Tariffs', access: { roles: EVERYBODY, scope: 'none' }, response: tariffVersionSchema }, oneQuery, async ({ path: [id], query: { version = null } }) => {
      const tariff = await tariffs.ask({ kind: 'tariff', id, version });
      return { document: tariffVersionShape(tariff), version: tariff.version };
    }),
    // The whole document, which becomes a version of its own: who has the one before keeps it in what was billed.
    PUT: routes.writeWith({ id: 'putTariff', summary: 'A new version of a tariff', tag: 'Tariffs', access: { roles: ADMINS, scope: 'none' }, response: tariffVersionSchema, request: tariffSchema, creates: true }, putQuery, anything, async ({ path: [id], query: { by }, body, version: expectedVersion }) => {
      const { document, faults } = checkTariff(body);
      if (document === null) return invalidTariff(faults);
      if (document.id !== id) return invalidTariff([{ path: 'id', message: `expected ${JSON.stringify(id.slice(0, 64))}, as in the address` }]);
      const tariff = await tariffs.ask({ kind: 'putTariff', document, expectedVersion, by });
      return { document: tariffVersionShape(tariff), version: tariff.version, location: `${BASE}/${encodeURIComponent(id)}?version=${tariff.version}` };
    }),
  });

  routes.get(`${BASE}/:id/versions`, { id: 'listTariffVersions', summary: 'All versions of a tariff', tag: 'Tariffs', access: { roles: EVERYBODY, scope: 'none' }, response: pageOf(tariffSummarySchema) }, z.object({}), async ({ path: [id] }) => ({ document: { data: (await tariffs.ask({ kind: 'tariffVersions', id })).map(tariffSummaryShape), nextCursor: null } }));

  routes.get('/api/v1/regions/:region/tariffs', { id: 'listRegionTariffs', summary: 'Tariffs that count in a region for who has no other', tag: 'Tariffs', access: { roles: EVERYBODY, scope: 'none' }, response: pageOf(tariffSummarySchema) }, atQuery, async ({ path: [region], query: { at }, nowMs }) => {
    // A tariff may name regions that have no meters yet.
    if (!isId(region)) return unknownThing('region', region, 'No region is called that.');
    return { document: { data: (await tariffs.ask({ kind: 'tariffsOfRegion', region, at: at ?? nowMs })).map(tariffSummaryShape), nextCursor: null } };
  });
}

function invalidTariff(faults: readonly TariffFault[]): Problem {
  return { ...invalidBody(faults), code: 'invalid_tariff' };
}

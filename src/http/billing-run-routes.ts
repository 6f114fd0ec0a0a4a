import { z } from 'zod';
import { monthField } from './billing-fields.ts';
import { billingRunSchema } from './billing-schemas.ts';
import { runShape } from './billing-shapes.ts';
import { byField } from './body-fields.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { LIST_LIMITS } from './meter-routes.ts';
import { ADMINS, OPERATORS } from './operation.ts';
import { cursorParameter, limitParameter } from './query-parameters.ts';
import { pageOf } from './wire-schemas.ts';
import { pageShape } from './wire-shapes.ts';

const BASE = '/api/v1/billing-runs';
const listQuery = z.object({ limit: limitParameter(LIST_LIMITS), cursor: cursorParameter.optional() });
const newRun = z.strictObject({ month: monthField, by: byField });

/** /api/v1/billing-runs: the bills of a month, for everybody who has none yet. */
export function addBillingRunRoutes(routes: GatewayRoutes): void {
  const { tariffs } = routes;

  routes.serve(BASE, {
    GET: routes.read({ id: 'listBillingRuns', summary: 'Monthly runs, newest first', tag: 'Bills', access: { roles: OPERATORS, scope: 'everything' }, response: pageOf(billingRunSchema) }, listQuery, async ({ query: { limit, cursor = null } }) => ({ document: pageShape(await tariffs.ask({ kind: 'runs', limit, cursor }), runShape) })),
    // A month has one run: asked for again, that one goes on.
    POST: routes.write({ id: 'startBillingRun', summary: 'Bills a month for everybody who has no bill of it yet', tag: 'Bills', access: { roles: ADMINS, scope: 'none' }, response: billingRunSchema, creates: true }, newRun, async ({ body }) => {
      const run = await tariffs.ask({ kind: 'startRun', ...body });
      return { document: runShape(run), location: `${BASE}/${encodeURIComponent(run.id)}` };
    }),
  });

  routes.get(`${BASE}/:id`, { id: 'getBillingRun', summary: 'A monthly run and how far it is', tag: 'Bills', access: { roles: OPERATORS, scope: 'everything' }, response: billingRunSchema }, z.object({}), async ({ path: [id] }) => ({ document: runShape(await tariffs.ask({ kind: 'run', id })) }));
}

import { z } from 'zod';
import type { AccountDesk } from './account-desk.ts';
import { auditLogSchema } from './account-schemas.ts';
import { auditShape } from './account-shapes.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { LIST_LIMITS } from './meter-routes.ts';
import { ADMINS } from './operation.ts';
import { cursorParameter, isProblem, limitParameter, openTimeRange, rangeParameters } from './query-parameters.ts';
import { pageShape } from './wire-shapes.ts';

const wordParameter = z.string().min(1, 'expected a word').max(128, 'longer than any');

/** /api/v1/audit-log: who changed what, newest first. */
export function addAuditRoutes(routes: GatewayRoutes, accounts: AccountDesk): void {
  const query = z.object({ by: wordParameter.optional(), action: wordParameter.optional(), ...rangeParameters, limit: limitParameter(LIST_LIMITS), cursor: cursorParameter.optional() });
  routes.get('/api/v1/audit-log', { id: 'listAuditLog', summary: 'Who changed what, when and from where, newest first', tag: 'Accounts', access: { roles: ADMINS, scope: 'none' }, response: auditLogSchema }, query, async ({ query: { by = null, action = null, from, to, limit, cursor = null }, nowMs }) => {
    const range = openTimeRange({ from, to }, nowMs, 0);
    if (isProblem(range)) return range;
    return { document: pageShape(await accounts.ask({ kind: 'auditLog', query: { by, action, ...range, limit, cursor } }), auditShape) };
  });
}

import { z } from 'zod';
import { DISPUTE_OUTCOMES } from '../model/billing.ts';
import { amountField, reasonField } from './billing-fields.ts';
import { disputeSchema } from './billing-schemas.ts';
import { disputeShape } from './billing-shapes.ts';
import { byField, idField } from './body-fields.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { LIST_LIMITS } from './meter-routes.ts';
import { ABOUT_EVERYTHING, ADMINS, EVERYBODY, type ThingScope } from './operation.ts';
import { cursorParameter, flagParameter, limitParameter } from './query-parameters.ts';
import { invoiceScope, invoiceSubjects } from './thing-scopes.ts';
import { pageOf } from './wire-schemas.ts';
import { pageShape } from './wire-shapes.ts';

const BASE = '/api/v1/disputes';
/** An invoice has no more. */
const LINES_MAX = 500;
/** Of one invoice: nobody disputes a bill so often. */
const OF_INVOICE_MAX = 1_000;

const listQuery = z.object({ invoice: idField.optional(), open: flagParameter.default(false), limit: limitParameter(LIST_LIMITS), cursor: cursorParameter.optional() });
const newDispute = z.strictObject({ reason: reasonField, lines: z.array(z.int().min(1)).max(LINES_MAX).default([]), by: byField });
const resolution = z
  .strictObject({ outcome: z.enum(DISPUTE_OUTCOMES, `expected one of ${DISPUTE_OUTCOMES.join(', ')}`), resolution: reasonField, creditAmount: amountField.nullable().default(null), by: byField })
  .refine(({ outcome, creditAmount }) => outcome === 'upheld' || creditAmount === null, { path: ['creditAmount'], message: 'expected none: only a dispute that is upheld gives a credit note' });

/** /api/v1/disputes, and those of an invoice. */
export function addDisputeRoutes(routes: GatewayRoutes): void {
  const { tariffs } = routes;
  const namedInvoice: ThingScope<z.output<typeof listQuery>, null> = {
    noun: 'invoice',
    words: 'of the meter of the invoice that the query names',
    of: ({ query: { invoice } }) => (invoice === undefined ? [ABOUT_EVERYTHING] : invoiceSubjects(tariffs, invoice)),
  };

  routes.get(BASE, { id: 'listDisputes', summary: 'Disputes', tag: 'Bills', access: { roles: EVERYBODY, scope: namedInvoice }, response: pageOf(disputeSchema) }, listQuery, async ({ query: { invoice: invoiceId = null, open: openOnly, limit, cursor = null } }) => ({
    document: pageShape(await tariffs.ask({ kind: 'disputes', invoiceId, openOnly, limit, cursor }), disputeShape),
  }));

  routes.serve('/api/v1/invoices/:id/disputes', {
    GET: routes.read({ id: 'listInvoiceDisputes', summary: 'Disputes of an invoice', tag: 'Bills', access: { roles: EVERYBODY, scope: invoiceScope(tariffs) }, response: pageOf(disputeSchema) }, z.object({}), async ({ path: [invoiceId] }) => ({ document: pageShape(await tariffs.ask({ kind: 'disputes', invoiceId, openOnly: false, limit: OF_INVOICE_MAX, cursor: null }), disputeShape) })),
    POST: routes.write({ id: 'createDispute', summary: 'Somebody does not agree with an invoice', tag: 'Bills', access: { roles: EVERYBODY, scope: invoiceScope(tariffs) }, response: disputeSchema }, newDispute, async ({ path: [invoiceId], body }) => ({ document: disputeShape(await tariffs.ask({ kind: 'dispute', invoiceId, ...body })) })),
  });

  routes.serve(`${BASE}/:id/resolve`, {
    POST: routes.write({ id: 'resolveDispute', summary: 'A dispute is upheld or rejected', tag: 'Bills', access: { roles: ADMINS, scope: 'none' }, response: disputeSchema }, resolution, async ({ path: [id], body }) => ({ document: disputeShape(await tariffs.ask({ kind: 'resolveDispute', id, ...body })) })),
  });
}

import { z } from 'zod';
import { INVOICE_CSV_HEAD, invoiceCsvRows } from '../actors/tariffs/papers/invoice-csv.ts';
import { PAPER_LANGUAGES } from '../actors/tariffs/papers/paper-words.ts';
import type { InvoiceQuery } from '../actors/tariffs/protocol.ts';
import { INVOICE_STATES, type Invoice } from '../model/billing.ts';
import { amountField, methodField, monthField, referenceField } from './billing-fields.ts';
import { explainedInvoiceSchema, invoiceSchema, invoiceSummarySchema, paidSchema, paymentSchema } from './billing-schemas.ts';
import { explainedShape, invoiceShape, invoiceSummaryShape, paymentShape } from './billing-shapes.ts';
import { byField, idField, timeField } from './body-fields.ts';
import type { GatewayRoutes, RouteRequest } from './gateway-routes.ts';
import { LIST_LIMITS } from './meter-routes.ts';
import { EVERYBODY, OPERATORS, type ThingScope } from './operation.ts';
import { ownOf } from './own-time.ts';
import { choiceParameter, cursorParameter, idParameter, limitParameter } from './query-parameters.ts';
import type { Answer, AnswerFile } from './route-answers.ts';
import { billSubject, invoiceScope, monthSubject } from './thing-scopes.ts';
import { pageOf } from './wire-schemas.ts';
import { pageShape } from './wire-shapes.ts';

const BASE = '/api/v1/invoices';

const listParameters = {
  agreement: idField.optional(),
  meterId: idParameter.optional(),
  region: idParameter.optional().describe('Bills of the meters that are in this region now.'),
  state: choiceParameter(INVOICE_STATES).optional(),
  run: idField.optional(),
  cursor: cursorParameter.optional(),
};
const listQuery = z.object({ ...listParameters, limit: limitParameter(LIST_LIMITS) });
/** With the lines of each: 1 MB of JSON. */
const EXPORT_LIMITS = { default: 100, max: 200 };
const exportQuery = z.object({ ...listParameters, format: choiceParameter(['json', 'csv']).default('json'), limit: limitParameter(EXPORT_LIMITS) });
const draftQuery = z.object({ month: monthField });
const pdfQuery = z.object({ language: choiceParameter(PAPER_LANGUAGES).default('en') });

const payment = z.strictObject({ amount: amountField, method: methodField, reference: referenceField, receivedAt: timeField.optional(), by: byField });

type ListParameters = Omit<z.output<typeof listQuery>, 'limit'>;

/** /api/v1/invoices: bills and credit notes, as lists, documents and files, and what was paid of them. */
export function addInvoiceRoutes(routes: GatewayRoutes): void {
  const { tariffs } = routes;
  const thisInvoice = invoiceScope(tariffs);
  const thisDraft: ThingScope<z.output<typeof draftQuery>, null> = {
    noun: 'agreement',
    words: 'of the agreement\'s meter',
    of: async ({ path: [id], query: { month } }) => [monthSubject(await tariffs.ask({ kind: 'agreement', id }), month)],
  };
  const find = async ({ query, principal, nowMs }: RouteRequest<ListParameters & { limit: number }>) => {
    const { data, nextCursor } = await tariffs.ask({ kind: 'invoices', query: invoiceQuery(query) });
    return { data: ownOf(data, billSubject, principal, nowMs), nextCursor };
  };

  /** People know invoices by their numbers, and those name each other by id. */
  async function numbersOf({ corrects, correctedBy }: Invoice): Promise<Record<string, string>> {
    const others = [corrects, ...correctedBy].filter((id) => id !== null);
    return Object.fromEntries(await Promise.all(others.map(async (id) => [id, (await tariffs.ask({ kind: 'invoice', id })).number ?? id])));
  }

  routes.get(BASE, { id: 'listInvoices', summary: 'Invoices and credit notes without their lines', tag: 'Bills', access: { roles: EVERYBODY, scope: 'named-place' }, response: pageOf(invoiceSummarySchema) }, listQuery, async (request) => ({ document: pageShape(await find(request), invoiceSummaryShape) }));

  // Of CSV the first page has the names of the columns, so that pages one after the other are one file.
  routes.get(`${BASE}/export`, { id: 'exportInvoices', summary: 'Invoices with their lines, as JSON or CSV', tag: 'Bills', access: { roles: EVERYBODY, scope: 'named-place' }, response: pageOf(invoiceSchema), files: ['text/csv'] }, exportQuery, async (request) => {
    const { format, cursor } = request.query;
    const page = await find(request);
    if (format === 'json') return { document: pageShape(page, invoiceShape) };
    return { document: null, file: { ...csvFile('invoices', page.data, cursor === undefined), nextCursor: page.nextCursor } };
  });

  routes.get(`${BASE}/:id`, { id: 'getInvoice', summary: 'An invoice with its lines', tag: 'Bills', access: { roles: EVERYBODY, scope: thisInvoice }, response: invoiceSchema }, z.object({}), async ({ path: [id] }) => shown(await tariffs.ask({ kind: 'invoice', id })));

  routes.get(`${BASE}/:id/csv`, { id: 'getInvoiceCsv', summary: 'An invoice as CSV', tag: 'Bills', access: { roles: EVERYBODY, scope: thisInvoice }, files: ['text/csv'] }, z.object({}), async ({ path: [id] }) => {
    const invoice = await tariffs.ask({ kind: 'invoice', id });
    return { document: null, file: csvFile(fileName(invoice), [invoice], true) };
  });

  routes.get(`${BASE}/:id/pdf`, { id: 'getInvoicePdf', summary: 'An invoice as PDF', tag: 'Bills', access: { roles: EVERYBODY, scope: thisInvoice }, files: ['application/pdf'] }, pdfQuery, async ({ path: [id], query: { language } }) => {
    const invoice = await tariffs.ask({ kind: 'invoice', id });
    return { document: null, file: { type: 'application/pdf', name: `${fileName(invoice)}.pdf`, content: await tariffs.print(invoice, language, await numbersOf(invoice)) } };
  });

  // From the intervals as they are now.
  routes.get(`${BASE}/:id/explain`, { id: 'explainInvoice', summary: 'An invoice computed anew, line by line', tag: 'Bills', access: { roles: EVERYBODY, scope: thisInvoice }, response: explainedInvoiceSchema }, z.object({}), async ({ path: [id] }) => ({ document: explainedShape(await tariffs.ask({ kind: 'explainInvoice', id })) }));

  routes.get('/api/v1/agreements/:id/draft', { id: 'getDraft', summary: 'The bill of a month as it would be', tag: 'Bills', access: { roles: EVERYBODY, scope: thisDraft }, response: invoiceSchema }, draftQuery, async ({ path: [agreementId], query: { month } }) => ({ document: invoiceShape(await tariffs.ask({ kind: 'draft', agreementId, month })) }));

  routes.serve(`${BASE}/:id/payments`, {
    GET: routes.read({ id: 'listPayments', summary: 'Payments of an invoice', tag: 'Bills', access: { roles: EVERYBODY, scope: thisInvoice }, response: pageOf(paymentSchema) }, z.object({}), async ({ path: [invoiceId] }) => ({ document: { data: (await tariffs.ask({ kind: 'payments', invoiceId })).map(paymentShape), nextCursor: null } })),
    // The same reference again is the same payment, so a client that heard nothing sends it again.
    POST: routes.write({ id: 'createPayment', summary: 'A payment came; the same reference again is the same payment', tag: 'Bills', access: { roles: OPERATORS, scope: thisInvoice }, response: paidSchema }, payment, async ({ path: [invoiceId], body: { receivedAt, ...paid }, nowMs }) => {
      const { payment, invoice } = await tariffs.ask({ kind: 'pay', invoiceId, ...paid, receivedAt: receivedAt ?? nowMs });
      return { document: { payment: paymentShape(payment), invoice: invoiceShape(invoice) } };
    }),
  });
}

function invoiceQuery(parameters: ListParameters & { limit: number }): InvoiceQuery {
  const { agreement: agreementId = null, meterId = null, state = null, run = null, region = null, limit, cursor = null } = parameters;
  return { agreementId, meterId, state, run, region, limit, cursor };
}

function shown(invoice: Invoice): Answer {
  return { document: invoiceShape(invoice), version: invoice.version };
}

/** A draft has no number. */
function fileName({ number, kind, from }: Invoice): string {
  return number ?? `${kind}-draft-${from}`;
}

function csvFile(name: string, invoices: readonly Invoice[], withHead: boolean): AnswerFile {
  return { type: 'text/csv; charset=utf-8', name: `${name}.csv`, content: `${withHead ? INVOICE_CSV_HEAD : ''}${invoices.map(invoiceCsvRows).join('')}` };
}

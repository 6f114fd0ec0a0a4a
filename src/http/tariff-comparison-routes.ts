import { z } from 'zod';
import { COMPARED_TARIFFS_MAX, NAMED_METERS_MAX, type ComparisonScope } from '../actors/tariffs/comparison.ts';
import { comparisonCsvHead, comparisonCsvRow } from '../actors/tariffs/papers/comparison-csv.ts';
import { monthField, tariffIdField } from './billing-fields.ts';
import { comparedCustomerSchema, comparisonSchema } from './billing-schemas.ts';
import { comparedCustomerShape, comparisonShape } from './billing-shapes.ts';
import { byField } from './body-fields.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { LIST_LIMITS } from './meter-routes.ts';
import { OPERATORS } from './operation.ts';
import { choiceParameter, cursorParameter, idParameter, limitParameter } from './query-parameters.ts';
import { pageOf } from './wire-schemas.ts';
import { pageShape } from './wire-shapes.ts';

const BASE = '/api/v1/tariff-comparisons';
const listQuery = z.object({ limit: limitParameter(LIST_LIMITS), cursor: cursorParameter.optional() });
/** Rows of a hundred bytes. */
const ROWS_LIMITS = { default: 100, max: 5_000 };
const rowsQuery = z.object({ format: choiceParameter(['json', 'csv']).default('json'), limit: limitParameter(ROWS_LIMITS), cursor: cursorParameter.optional() });
const noQuery = z.object({});

const tariffField = z.strictObject({ id: tariffIdField, version: z.int('expected the number of a version').min(1, 'expected the number of a version').max(999_999_999).nullable().default(null) });
const meterField = idParameter;
const newComparison = z
  .strictObject({
    tariffs: z.array(tariffField).min(1, 'expected a tariff at least').max(COMPARED_TARIFFS_MAX, `expected ${COMPARED_TARIFFS_MAX} tariffs at most`),
    from: monthField,
    to: monthField,
    meters: z.array(meterField).min(1, 'expected a meter at least').max(NAMED_METERS_MAX, `expected ${NAMED_METERS_MAX} meters at most; name a region, or nobody for all agreements`).optional(),
    region: idParameter.optional(),
    by: byField,
  })
  .refine(({ from, to }) => to >= from, { path: ['to'], message: 'expected a month that is not before "from"; it is included' })
  .refine(({ meters, region }) => meters === undefined || region === undefined, { path: ['region'], message: 'expected meters or a region' })
  .refine(({ tariffs }) => new Set(tariffs.map(({ id, version }) => `${id}/${version}`)).size === tariffs.length, { path: ['tariffs'], message: 'expected each tariff once' });

/** /api/v1/tariff-comparisons: what months cost many customers under other tariffs, and which is the best for whom. */
export function addTariffComparisonRoutes(routes: GatewayRoutes): void {
  const { tariffs } = routes;

  routes.serve(BASE, {
    GET: routes.read({ id: 'listComparisons', summary: 'Comparisons of tariffs that are kept, newest first', tag: 'Tariffs', access: { roles: OPERATORS, scope: 'everything' }, response: pageOf(comparisonSchema) }, listQuery, async ({ query: { limit, cursor = null } }) => ({ document: pageShape(await tariffs.ask({ kind: 'comparisons', limit, cursor }), comparisonShape) })),
    POST: routes.write({ id: 'startComparison', summary: 'Has months of many customers rated under several tariffs', tag: 'Tariffs', access: { roles: OPERATORS, scope: 'everything' }, response: comparisonSchema, begins: true }, newComparison, async ({ body: { by, from: fromMonth, to: toMonth, meters, region, tariffs: compared } }) => {
      const of: ComparisonScope = meters !== undefined ? { kind: 'meters', meterIds: meters } : region !== undefined ? { kind: 'region', region } : { kind: 'agreements' };
      const comparison = await tariffs.ask({ kind: 'startComparison', comparison: { tariffs: compared, fromMonth, toMonth, of }, by });
      return { document: comparisonShape(comparison), location: `${BASE}/${encodeURIComponent(comparison.id)}`, isBegun: true };
    }),
  });

  routes.serve(`${BASE}/:id`, {
    GET: routes.read({ id: 'getComparison', summary: 'A comparison of tariffs: how far it is, and sums', tag: 'Tariffs', access: { roles: OPERATORS, scope: 'everything' }, response: comparisonSchema }, noQuery, async ({ path: [id] }) => ({ document: comparisonShape(await tariffs.ask({ kind: 'comparison', id })) })),
    // One that goes on is cancelled, and shows what it had; one that is over is removed.
    DELETE: routes.remove({ id: 'endComparison', summary: 'Cancels a comparison; one that is over is removed', tag: 'Tariffs', access: { roles: OPERATORS, scope: 'everything' }, response: comparisonSchema }, noQuery, async ({ path: [id] }) => ({ document: comparisonShape(await tariffs.ask({ kind: 'endComparison', id })) })),
  });

  // Of CSV the first page has the names of the columns, so that pages one after the other are one file.
  routes.get(`${BASE}/:id/meters`, { id: 'listComparedMeters', summary: 'What each customer of a comparison would pay, and its best tariff, as JSON or CSV', tag: 'Tariffs', access: { roles: OPERATORS, scope: 'everything' }, response: pageOf(comparedCustomerSchema), files: ['text/csv'] }, rowsQuery, async ({ path: [id], query: { format, limit, cursor = null } }) => {
    const comparison = await tariffs.ask({ kind: 'comparison', id });
    const page = await tariffs.ask({ kind: 'comparedCustomers', id, limit, cursor });
    if (format === 'json') return { document: pageShape(page, (customer) => comparedCustomerShape(comparison, customer)) };
    const content = `${cursor === null ? comparisonCsvHead(comparison) : ''}${page.data.map((customer) => comparisonCsvRow(comparison, customer)).join('')}`;
    return { document: null, file: { type: 'text/csv; charset=utf-8', name: `${id}.csv`, content, nextCursor: page.nextCursor } };
  });
}

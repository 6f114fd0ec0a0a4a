import { z } from 'zod';
import type { Agreement } from '../model/billing.ts';
import { OperationalError } from '../runtime/errors.ts';
import { customerClassField, customerField, dateField, tariffIdField } from './billing-fields.ts';
import { agreementSchema } from './billing-schemas.ts';
import { anyObject, byField, bodyFaults, invalidBody } from './body-fields.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { mergedJson } from './json-merge.ts';
import { LIST_LIMITS } from './meter-routes.ts';
import { ADMINS, EVERYBODY } from './operation.ts';
import type { Problem } from './problem-details.ts';
import { ownOf } from './own-time.ts';
import { cursorParameter, idParameter, isProblem, limitParameter } from './query-parameters.ts';
import type { Answer } from './route-answers.ts';
import { sentence } from './supervisor-refusals.ts';
import { agreementScope, agreementSubject } from './thing-scopes.ts';
import { pageOf } from './wire-schemas.ts';

const BASE = '/api/v1/agreements';
const listQuery = z.object({ meterId: idParameter.optional(), limit: limitParameter(LIST_LIMITS), cursor: cursorParameter.optional() });

const agreementFields = {
  meterId: z.string().regex(/^[A-Za-z0-9._:-]{1,64}$/, 'expected 1–64 characters of A–Z a–z 0–9 . _ : -'),
  customer: customerField,
  customerClass: customerClassField.default('residential'),
  tariffId: tariffIdField.nullable().default(null),
  movedIn: dateField,
  movedOut: dateField.nullable().default(null),
};
const newAgreement = z
  .strictObject({ ...agreementFields, by: byField })
  .refine(({ movedIn, movedOut }) => movedOut === null || movedOut > movedIn, { path: ['movedOut'], message: 'expected a day after movedIn: the first that is not theirs any more' });
/** A customer is merged: its other fields stay. */
const change = z.strictObject({ by: byField, customer: anyObject.optional(), tariffId: tariffIdField.nullable().optional(), movedOut: dateField.nullable().optional() });
const wholeCustomer = z.strictObject({ customer: customerField });
const changeWritten = z.strictObject({ ...change.shape, customer: customerField.partial().optional() });

/** /api/v1/agreements: who is billed for a meter, from when to when, under which tariff. */
export function addAgreementRoutes(routes: GatewayRoutes): void {
  const { tariffs } = routes;

  routes.serve(BASE, {
    GET: routes.read({ id: 'listAgreements', summary: 'Agreements, in order of their meters', tag: 'Tariffs', access: { roles: EVERYBODY, scope: 'named-meter' }, response: pageOf(agreementSchema) }, listQuery, async ({ query: { meterId = null, limit, cursor = null }, principal, nowMs }) => {
      const { data, nextCursor } = await tariffs.ask({ kind: 'agreements', meterId, limit, cursor });
      return { document: { data: ownOf(data, agreementSubject, principal, nowMs), nextCursor } };
    }),
    POST: routes.write({ id: 'createAgreement', summary: 'Somebody is billed for a meter from a day on', tag: 'Tariffs', access: { roles: ADMINS, scope: 'none' }, response: agreementSchema, creates: true }, newAgreement, ({ body: { by, ...agreement } }) =>
      namingThings(async () => {
        const made = await tariffs.ask({ kind: 'makeAgreement', agreement, by });
        return { ...shown(made), location: `${BASE}/${encodeURIComponent(made.id)}` };
      }),
    ),
  });

  routes.serve(`${BASE}/:id`, {
    GET: routes.read({ id: 'getAgreement', summary: 'An agreement', tag: 'Tariffs', access: { roles: EVERYBODY, scope: agreementScope(tariffs) }, response: agreementSchema }, z.object({}), async ({ path: [id] }) => shown(await tariffs.ask({ kind: 'agreement', id }))),
    PATCH: routes.write({ id: 'changeAgreement', summary: 'Changes customer, tariff or end of an agreement', tag: 'Tariffs', access: { roles: ADMINS, scope: 'none' }, response: agreementSchema, request: changeWritten }, change, async ({ path: [id], body: { by, customer: changed, tariffId, movedOut }, version }) => {
      const before = await tariffs.ask({ kind: 'agreement', id });
      const customer = changed === undefined ? undefined : patchedCustomer(before, changed);
      if (customer !== undefined && isProblem(customer)) return customer;
      if (typeof movedOut === 'string' && movedOut <= before.movedIn) return invalidBody([{ path: 'movedOut', message: `expected a day after ${before.movedIn}, when they moved in` }]);
      // What it was made of has to be what it replaces, also for a client that named no version.
      return namingThings(async () => shown(await tariffs.ask({ kind: 'changeAgreement', id, version: version ?? before.version, tariffId, customer, movedOut, by })));
    }),
  });
}

function shown(agreement: Agreement): Answer {
  return { document: agreement, version: agreement.version };
}

function patchedCustomer({ customer }: Agreement, changed: object): Agreement['customer'] | Problem {
  const parsed = wholeCustomer.safeParse({ customer: mergedJson(customer, changed) });
  return parsed.success ? parsed.data.customer : invalidBody(bodyFaults(parsed.error));
}

const FIELD_OF: Readonly<Record<string, string>> = { unknown_tariff: 'tariffId', unknown_meter: 'meterId' };

/** What a body names and is not there is a fault of the body, not of the address. */
async function namingThings(run: () => Promise<Answer>): Promise<Answer | Problem> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof OperationalError) || !Object.hasOwn(FIELD_OF, error.code)) throw error;
    return { ...invalidBody([{ path: FIELD_OF[error.code], message: sentence(error.message) }]), code: error.code };
  }
}

import { z } from 'zod';
import { REFUSED_FIELDS, ROW_OUTCOMES, type ImportRow, type RowOutcome } from '../actors/registry/protocol.ts';
import { asMeterId, isId, type RegionId } from '../model/ids.ts';
import { METER_STATUSES, utcDay, type RegisteredMeter } from '../model/registered-meter.ts';
import { OperationalError } from '../runtime/errors.ts';
import { byField, invalidBody } from './body-fields.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { LIST_LIMITS } from './meter-routes.ts';
import { ADMINS, EVERYBODY, OPERATORS, type Operation } from './operation.ts';
import type { Problem } from './problem-details.ts';
import { choiceParameter, cursorParameter, flagParameter, idParameter, limitParameter } from './query-parameters.ts';
import { importRowSchema, meterChangeSchema, meterFactsSchema, registeredMeterSchema, registeredMeterShape } from './registry-fields.ts';
import { unknownThing, type Answer } from './route-answers.ts';
import { ROWS_MAX, type JudgedRow } from './row-bodies.ts';
import { sentence } from './supervisor-refusals.ts';
import { registeredMeterScope } from './thing-scopes.ts';
import { count, pageOf } from './wire-schemas.ts';
import { pageShape } from './wire-shapes.ts';

/** /api/v1/registry: the master data of meters. Access goes by the region that stands there, since many of these meters have never sent anything. */

const BASE = '/api/v1/registry/meters';
const TEXT_CHARS_MAX = 64;

const listQuery = z.object({
  region: idParameter.optional(),
  class: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'expected 1–64 characters of A–Z a–z 0–9 . _ -').optional(),
  status: choiceParameter(METER_STATUSES).optional(),
  q: z.string().trim().min(1, 'expected the beginning of an id, a serial number, a postal code, a city or a street').max(TEXT_CHARS_MAX, `expected ${TEXT_CHARS_MAX} characters at most`).optional(),
  limit: limitParameter(LIST_LIMITS),
  cursor: cursorParameter.optional(),
});

/** Without accounts somebody may say who they are. */
const byQuery = z.object({ by: byField.optional() });
const newRegions = flagParameter.default(false).describe('Takes regions as well of which no meter is known and that have no configured capacity.');
const putQuery = z.object({ ...byQuery.shape, newRegions });
const importQuery = z.object({
  ...byQuery.shape,
  newRegions,
  mode: choiceParameter(['write', 'dry-run']).default('write').describe('dry-run: says what would come of it, and writes nothing.'),
  rows: choiceParameter(['all', 'refused']).default('all').describe('Which rows the answer lists.'),
});

const rowSchema = z.strictObject({ index: count.describe('From 0.'), meterId: z.string().nullable(), outcome: z.enum(ROW_OUTCOMES), code: z.string().optional(), path: z.string().optional(), message: z.string().optional() });
const importSchema = z.strictObject({ dryRun: z.boolean(), created: count, updated: count, unchanged: count, refused: count, rows: z.array(rowSchema) }).meta({ id: 'RegistryImport' });

const named = (id: string, summary: string): Pick<Operation, 'id' | 'summary' | 'tag' | 'response'> => ({ id, summary, tag: 'Registry', response: registeredMeterSchema });

export function addRegistryRoutes(routes: GatewayRoutes): void {
  const { registry } = routes;
  const scope = registeredMeterScope(registry);

  routes.get(BASE, { ...named('listRegisteredMeters', 'Meters of the registry, by their id, or by what they are sought by'), access: { roles: OPERATORS, scope: 'rows' }, response: pageOf(registeredMeterSchema) }, listQuery, async ({ query, principal, nowMs }) => {
    const { region, class: customerClass = null, status = null, q: text = null, limit, cursor = null } = query;
    const own = principal.regions === 'all' ? null : [...principal.regions];
    const regions = region === undefined ? own : [region as RegionId];
    const page = await registry.page({ regions, customerClass, status, text, limit, cursor });
    return { document: pageShape(page, (meter) => registeredMeterShape(meter, utcDay(nowMs))) };
  });

  routes.serve(`${BASE}/:meterId`, {
    GET: routes.read({ ...named('getRegisteredMeter', 'What the registry has of a meter'), access: { roles: EVERYBODY, scope } }, z.object({}), async ({ path: [name], nowMs }) => {
      const meterId = asMeterId(name);
      const meter = meterId === null ? null : await registry.meter(meterId);
      // A planned meter is an installed one the next day, and no version more.
      return meter === null ? unknownRegistered(name) : { ...shown(meter, nowMs), changesByItself: true };
    }),
    PUT: routes.writeWith({ ...named('putRegisteredMeter', 'Makes the entry of a meter, or replaces all of it; what is not named is not known then'), access: { roles: ADMINS, scope: 'none' } }, putQuery, meterFactsSchema, ({ path: [name], query, body: facts, version, principal, nowMs }) => {
      const meterId = asMeterId(name);
      if (meterId === null) return unknownRegistered(name);
      return namingFields(async () => shown(await registry.put({ meterId, facts, version, by: query.by ?? principal.name, takesNewRegions: query.newRegions }), nowMs));
    }),
    PATCH: routes.writeWith({ ...named('changeRegisteredMeter', 'Changes what is named of an entry'), access: { roles: OPERATORS, scope } }, byQuery, meterChangeSchema, ({ path: [name], query, body: change, version, principal, nowMs }) => {
      const meterId = asMeterId(name);
      if (meterId === null) return unknownRegistered(name);
      return namingFields(async () => shown(await registry.change({ meterId, change, version, by: query.by ?? principal.name }), nowMs));
    }),
    DELETE: routes.remove({ id: 'removeRegisteredMeter', summary: 'Takes a meter out of the registry; its readings stay', tag: 'Registry', access: { roles: ADMINS, scope: 'none' } }, byQuery, async ({ path: [name], version }) => {
      const meterId = asMeterId(name);
      if (meterId === null) return unknownRegistered(name);
      await registry.remove(meterId, version);
      return { document: null };
    }),
  });

  routes.serve('/api/v1/registry/imports', {
    POST: routes.writeRows(
      { id: 'importRegisteredMeters', summary: 'Makes or changes entries, many at once, from an array or NDJSON; each row is answered, and what it does not name stays', tag: 'Registry', access: { roles: ADMINS, scope: 'none' }, response: importSchema, request: z.array(z.union([importRowSchema, z.unknown()])).min(1).max(ROWS_MAX) },
      importQuery,
      importRowSchema,
      async ({ query, body, principal }) => {
        const isDryRun = query.mode === 'dry-run';
        const outcomes = await registry.importRows(importRows(body), { by: query.by ?? principal.name, isDryRun, takesNewRegions: query.newRegions });
        return { document: importShape(outcomes, isDryRun, query.rows === 'all') };
      },
    ),
  });
}

function shown(meter: RegisteredMeter, nowMs: number): Answer {
  return { document: registeredMeterShape(meter, utcDay(nowMs)), version: meter.version };
}

function* importRows(rows: Iterable<JudgedRow<z.output<typeof importRowSchema>>>): Generator<ImportRow> {
  for (const judged of rows) {
    if ('row' in judged) {
      const { meterId, ...change } = judged.row;
      yield { meterId, change };
    } else yield { meterId: idIn(judged.value), refusal: { code: 'invalid_row', path: judged.path, message: judged.message } };
  }
}

/** What a broken row calls itself, where that is an id. */
function idIn(value: unknown): string | null {
  const { meterId } = (typeof value === 'object' && value !== null ? value : {}) as { meterId?: unknown };
  return typeof meterId === 'string' && isId(meterId) ? meterId : null;
}

function importShape(outcomes: readonly RowOutcome[], dryRun: boolean, listsAll: boolean): z.output<typeof importSchema> {
  const counts = { created: 0, updated: 0, unchanged: 0, refused: 0 };
  const rows: z.output<typeof rowSchema>[] = [];
  for (const [index, row] of outcomes.entries()) {
    const { meterId, outcome } = row;
    counts[outcome]++;
    if (row.outcome === 'refused') rows.push({ index, meterId, outcome, ...row.refusal });
    else if (listsAll) rows.push({ index, meterId, outcome });
  }
  return { dryRun, ...counts, rows };
}

/** What a body says that cannot be is a fault of the body, of the field that says it. */
async function namingFields(run: () => Promise<Answer>): Promise<Answer | Problem> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof OperationalError) || error.code === 'serial_taken' || !Object.hasOwn(REFUSED_FIELDS, error.code)) throw error;
    return { ...invalidBody([{ path: REFUSED_FIELDS[error.code], message: sentence(error.message) }]), code: error.code };
  }
}

function unknownRegistered(name: string): Problem {
  return unknownThing('registered meter', name, `GET ${BASE} lists those that there are.`);
}

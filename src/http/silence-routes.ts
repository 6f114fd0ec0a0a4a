import { z } from 'zod';
import { ALERT_TYPES, type Silence } from '../model/alert.ts';
import { SEVERITIES } from '../model/anomaly.ts';
import { NOT_BLANK } from '../model/plain-text.ts';
import { silenceSchema } from './alert-schemas.ts';
import { silenceShape } from './alert-shapes.ts';
import { byField, invalidBody, timeField, whyField } from './body-fields.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { LIST_LIMITS } from './meter-routes.ts';
import { OPERATORS, type ThingScope } from './operation.ts';
import type { Problem } from './problem-details.ts';
import { cursorParameter, flagParameter, isProblem, limitParameter } from './query-parameters.ts';
import { unknownThing, type Answer } from './route-answers.ts';
import { regionSubjects } from './thing-scopes.ts';
import { pageOf } from './wire-schemas.ts';
import { pageShape } from './wire-shapes.ts';

/** A silence that nobody remembers hides what it was not made for. */
const SILENCE_MAX_MS = 366 * 86_400_000;
/** Each is tried on each alert. */
const PATTERNS_MAX = 100;

const pattern = z.string().regex(/^[A-Za-z0-9._:*-]{1,64}$/, 'expected a name, where * may stand for any characters');
const patterns = z.array(pattern).max(PATTERNS_MAX).default([]);
const match = z
  .strictObject({
    types: z.array(z.enum(ALERT_TYPES)).max(ALERT_TYPES.length).default([]),
    severities: z.array(z.enum(SEVERITIES)).max(SEVERITIES.length).default([]),
    rules: patterns,
    regions: patterns,
    meters: patterns,
    components: patterns,
  })
  // One that nobody thought of would keep everything quiet.
  .refine((lists) => Object.values(lists).some((list) => list.length > 0), 'expected at least one list that is not empty; every alert is {"severities": ["INFO", "WARN", "CRITICAL"]}');

const newSilence = z.strictObject({ match, startsAt: timeField.optional(), endsAt: timeField, by: byField, comment: whyField.regex(NOT_BLANK, 'expected what it is for') });
const change = z
  .strictObject({ endsAt: timeField.nullable().default(null), comment: newSilence.shape.comment.nullable().default(null), by: byField })
  .refine(({ endsAt, comment }) => endsAt !== null || comment !== null, 'expected endsAt, comment or both');

const listQuery = z.object({ ended: flagParameter.default(false), limit: limitParameter(LIST_LIMITS), cursor: cursorParameter.optional() });
const endQuery = z.object({ by: byField, why: whyField.optional() });

/** Who has some regions may keep alerts of those back, named one by one. */
const MATCHED: ThingScope<object, z.output<typeof newSilence>> = { noun: 'region', words: 'of each region that `match` names', of: ({ body }) => regionSubjects(body.match.regions) };

/** Paths of the two kinds, and what one of them is called. */
const COLLECTIONS = [
  { kind: 'silence', base: '/api/v1/silences', noun: 'silence', thing: 'Silence', things: 'Silences' },
  { kind: 'maintenance', base: '/api/v1/maintenance-windows', noun: 'maintenance window', thing: 'MaintenanceWindow', things: 'MaintenanceWindows' },
] as const;

/** Silences and maintenance windows: the same but for their name. DELETE ends one before its time; the record stays. */
export function addSilenceRoutes(routes: GatewayRoutes): void {
  for (const collection of COLLECTIONS) addCollection(routes, collection);
}

function addCollection(routes: GatewayRoutes, { kind, base, noun, thing, things }: (typeof COLLECTIONS)[number]): void {
  const { alerts } = routes;
  const shown = (silence: Silence, nowMs: number): Answer => ({ document: silenceShape(silence, nowMs), version: silence.version, changesByItself: true });

  /** One of this kind, or the 404: an id of the other kind is none. */
  async function find(id: string): Promise<Silence | Problem> {
    const silence = await alerts.ask({ kind: 'silence', id });
    return silence?.kind === kind ? silence : unknownThing(noun, id, `GET ${base}?ended=true lists them.`);
  }

  const thisOne: ThingScope<object, unknown> = {
    noun,
    words: MATCHED.words,
    of: async ({ path: [id] }) => {
      const silence = await find(id);
      return isProblem(silence) ? null : regionSubjects(silence.match.regions);
    },
  };

  routes.serve(base, {
    GET: routes.read({ id: `list${things}`, summary: `Each ${noun} that has not ended`, tag: 'Alerts', access: { roles: OPERATORS, scope: 'none' }, response: pageOf(silenceSchema) }, listQuery, async ({ query: { ended, limit, cursor = null }, nowMs }) => {
      const page = await alerts.ask({ kind: 'silences', silenceKind: kind, withEnded: ended, limit, cursor });
      return { document: pageShape(page, (silence) => silenceShape(silence, nowMs)) };
    }),
    POST: routes.write({ id: `create${thing}`, summary: `Keeps notifications of matching alerts back: a ${noun}`, tag: 'Alerts', access: { roles: OPERATORS, scope: MATCHED }, response: silenceSchema, creates: true }, newSilence, async ({ body, nowMs }) => {
      const { by: createdBy, startsAt = nowMs, ...rest } = body;
      const fault = faultOfEnd(rest.endsAt, startsAt, nowMs);
      if (fault !== null) return fault;
      const silence = await alerts.ask({ kind: 'makeSilence', silence: { kind, startsAt, createdBy, ...rest } });
      return { ...shown(silence, nowMs), location: `${base}/${encodeURIComponent(silence.id)}` };
    }),
  });

  routes.serve(`${base}/:id`, {
    GET: routes.read({ id: `get${thing}`, summary: `A ${noun}`, tag: 'Alerts', access: { roles: OPERATORS, scope: 'none' }, response: silenceSchema }, z.object({}), async ({ path: [id], nowMs }) => {
      const silence = await find(id);
      return isProblem(silence) ? silence : shown(silence, nowMs);
    }),
    PATCH: routes.write({ id: `change${thing}`, summary: `Changes the end or the comment of a ${noun}`, tag: 'Alerts', access: { roles: OPERATORS, scope: thisOne }, response: silenceSchema }, change, async ({ path: [id], body, version, nowMs }) => {
      const silence = await find(id);
      if (isProblem(silence)) return silence;
      const fault = body.endsAt === null ? null : faultOfEnd(body.endsAt, silence.startsAt, nowMs);
      return fault ?? shown(await alerts.ask({ kind: 'changeSilence', id, version, ...body }), nowMs);
    }),
    DELETE: routes.remove({ id: `end${thing}`, summary: `Ends a ${noun} now; the record stays`, tag: 'Alerts', access: { roles: OPERATORS, scope: thisOne }, response: silenceSchema }, endQuery, async ({ path: [id], query: { by, why = null }, version, nowMs }) => {
      const silence = await find(id);
      return isProblem(silence) ? silence : shown(await alerts.ask({ kind: 'endSilence', id, version, by, why }), nowMs);
    }),
  });
}

function faultOfEnd(endsAt: number, startsAt: number, nowMs: number): Problem | null {
  if (endsAt <= Math.max(startsAt, nowMs)) return invalidBody([{ path: 'endsAt', message: 'expected a time after startsAt and after now; DELETE ends one at once' }]);
  return endsAt - startsAt > SILENCE_MAX_MS ? invalidBody([{ path: 'endsAt', message: 'expected a year from its start at most' }]) : null;
}

import { z } from 'zod';
import { ON_CALL_SPAN_MAX_MS, type NewSchedule } from '../actors/notifications/protocol.ts';
import { newOverrideSchema, newScheduleSchema, scheduleChangeSchema } from '../actors/people/contact-rules.ts';
import type { Schedule, ScheduleOverride } from '../model/contact.ts';
import { OperationalError } from '../runtime/errors.ts';
import { anyObject, bodyFaults, invalidBody } from './body-fields.ts';
import { peopleListQuery } from './contact-routes.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { mergedJson } from './json-merge.ts';
import { OPERATORS } from './operation.ts';
import { onCallTurnSchema, overrideSchema, scheduleSchema } from './people-schemas.ts';
import { onCallTurnShape, overrideShape, scheduleShape } from './people-shapes.ts';
import type { Problem } from './problem-details.ts';
import { invalidQuery, isProblem, rangeParameters } from './query-parameters.ts';
import { unknownThing, type Answer } from './route-answers.ts';
import { sentence } from './supervisor-refusals.ts';
import { pageOf } from './wire-schemas.ts';
import { pageShape } from './wire-shapes.ts';

const BASE = '/api/v1/schedules';
/** What is shown of a rotation that is asked for without an end. */
const ON_CALL_DEFAULT_MS = 7 * 86_400_000;
const onCallQuery = z.object(rangeParameters);

/** /api/v1/schedules: who is on call, and who stands in. */
export function addScheduleRoutes(routes: GatewayRoutes): void {
  const { alerts } = routes;

  routes.serve(BASE, {
    GET: routes.read({ id: 'listSchedules', summary: 'Rotas', tag: 'People', access: { roles: OPERATORS, scope: 'none' }, response: pageOf(scheduleSchema) }, peopleListQuery, async ({ query: { limit, cursor = null } }) => ({ document: pageShape(await alerts.ask({ kind: 'schedules', limit, cursor }), scheduleShape) })),
    POST: routes.write({ id: 'createSchedule', summary: 'A new rota', tag: 'People', access: { roles: OPERATORS, scope: 'none' }, response: scheduleSchema, creates: true }, newScheduleSchema, ({ body }) =>
      namingPeople('layers', async () => {
        const schedule = await alerts.ask({ kind: 'makeSchedule', schedule: body });
        return { ...shown(schedule), location: pathOf(schedule.id) };
      }),
    ),
  });

  routes.serve(`${BASE}/:id`, {
    GET: routes.read({ id: 'getSchedule', summary: 'A rota', tag: 'People', access: { roles: OPERATORS, scope: 'none' }, response: scheduleSchema }, z.object({}), async ({ path: [id] }) => {
      const schedule = await alerts.ask({ kind: 'schedule', id });
      return schedule === null ? unknownSchedule(id) : shown(schedule);
    }),
    PATCH: routes.write({ id: 'changeSchedule', summary: 'Changes what is named of a rota', tag: 'People', access: { roles: OPERATORS, scope: 'none' }, response: scheduleSchema, request: scheduleChangeSchema }, anyObject, async ({ path: [id], body, version }) => {
      const schedule = await alerts.ask({ kind: 'schedule', id });
      if (schedule === null) return unknownSchedule(id);
      const change = patched(schedule, body);
      if (isProblem(change)) return change;
      return namingPeople('layers', async () => shown(await alerts.ask({ kind: 'changeSchedule', id, version: version ?? schedule.version, change })));
    }),
    DELETE: routes.remove({ id: 'removeSchedule', summary: 'Removes a rota', tag: 'People', access: { roles: OPERATORS, scope: 'none' } }, z.object({}), async ({ path: [id], version }) => ({ document: await alerts.ask({ kind: 'removeSchedule', id, version }) })),
  });

  routes.get(`${BASE}/:id/on-call`, { id: 'listOnCallTurns', summary: 'Who is on call, turn by turn', tag: 'People', access: { roles: OPERATORS, scope: 'none' }, response: pageOf(onCallTurnSchema) }, onCallQuery, async ({ path: [scheduleId], query, nowMs }) => {
    const from = query.from ?? nowMs;
    const to = query.to ?? from + ON_CALL_DEFAULT_MS;
    if (to <= from) return invalidQuery([{ parameter: 'to', message: 'must be later than "from", which is now unless given' }]);
    if (to - from > ON_CALL_SPAN_MAX_MS) return invalidQuery([{ parameter: 'to', message: `must be ${ON_CALL_SPAN_MAX_MS / 86_400_000} days after "from" at most` }]);
    return { document: { data: (await alerts.ask({ kind: 'onCall', scheduleId, from, to })).map(onCallTurnShape), nextCursor: null } };
  });

  routes.serve(`${BASE}/:id/overrides`, {
    POST: routes.write({ id: 'createOverride', summary: 'Somebody stands in', tag: 'People', access: { roles: OPERATORS, scope: 'none' }, response: scheduleSchema, creates: true }, newOverrideSchema, ({ path: [scheduleId], body, version }) =>
      namingPeople('contactId', async () => {
        const schedule = await alerts.ask({ kind: 'override', scheduleId, version, override: body });
        const made = schedule.overrides.findLast((override) => isSame(override, body));
        return { ...shown(schedule), location: made === undefined ? pathOf(scheduleId) : `${pathOf(scheduleId)}/overrides/${encodeURIComponent(made.id)}` };
      }),
    ),
  });

  routes.serve(`${BASE}/:id/overrides/:overrideId`, {
    GET: routes.read({ id: 'getOverride', summary: 'Who stands in, and when', tag: 'People', access: { roles: OPERATORS, scope: 'none' }, response: overrideSchema }, z.object({}), async ({ path: [id, overrideId] }) => {
      const schedule = await alerts.ask({ kind: 'schedule', id });
      if (schedule === null) return unknownSchedule(id);
      const override = schedule.overrides.find((one) => one.id === overrideId);
      // Its version is the schedule's.
      return override === undefined ? unknownThing('override', overrideId, `GET ${pathOf(id)} shows those of the schedule.`) : { document: overrideShape(override), version: schedule.version };
    }),
    DELETE: routes.remove({ id: 'removeOverride', summary: 'Nobody stands in any more', tag: 'People', access: { roles: OPERATORS, scope: 'none' }, response: scheduleSchema }, z.object({}), async ({ path: [scheduleId, overrideId], version }) => shown(await alerts.ask({ kind: 'removeOverride', scheduleId, overrideId, version }))),
  });
}

/** Somebody whom a document names and who is not there is a fault of the document, not of the address. */
async function namingPeople(path: string, run: () => Promise<Answer>): Promise<Answer | Problem> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof OperationalError) || error.code !== 'unknown_contact') throw error;
    return { ...invalidBody([{ path, message: sentence(error.message) }]), code: error.code };
  }
}

function pathOf(scheduleId: string): string {
  return `${BASE}/${encodeURIComponent(scheduleId)}`;
}

function shown(schedule: Schedule): Answer {
  return { document: scheduleShape(schedule), version: schedule.version };
}

function unknownSchedule(id: string): Problem {
  return unknownThing('schedule', id, `GET ${BASE} lists them.`);
}

function patched({ name, zone, layers }: Schedule, change: object): Partial<NewSchedule> | Problem {
  const parsed = newScheduleSchema.safeParse(mergedJson({ name, zone, layers }, change));
  if (!parsed.success) return invalidBody(bodyFaults(parsed.error));
  return Object.fromEntries(Object.entries(parsed.data).filter(([field]) => Object.hasOwn(change, field)));
}

function isSame(a: Omit<ScheduleOverride, 'id'>, b: Omit<ScheduleOverride, 'id'>): boolean {
  return a.contactId === b.contactId && a.from === b.from && a.to === b.to;
}

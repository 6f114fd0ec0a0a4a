import { z } from 'zod';
import { BULK_MAX, type AlertAnswers } from '../actors/alerts/protocol.ts';
import { ALERT_STATES, ALERT_TYPES, type Alert, type AlertListQuery } from '../model/alert.ts';
import { SEVERITIES } from '../model/anomaly.ts';
import { isId } from '../model/ids.ts';
import { NOT_BLANK } from '../model/plain-text.ts';
import { alertDetailSchema, alertSchema, alertStatisticsSchema, bulkResolutionSchema } from './alert-schemas.ts';
import { alertDetailShape, alertShape } from './alert-shapes.ts';
import { byField, idField, whyField } from './body-fields.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { LIST_LIMITS } from './meter-routes.ts';
import { EVERYBODY, OPERATORS, type ThingScope } from './operation.ts';
import type { Problem } from './problem-details.ts';
import { choiceParameter, cursorParameter, flagParameter, idParameter, isProblem, limitParameter, openTimeRange, rangeParameters } from './query-parameters.ts';
import { unknownThing, type Answer } from './route-answers.ts';
import { alertScope, alertSubjects } from './thing-scopes.ts';
import { pageOf } from './wire-schemas.ts';
import { pageShape } from './wire-shapes.ts';

/** Of what an alert is about. */
const subjectParameters = {
  type: choiceParameter(ALERT_TYPES).optional(),
  severity: choiceParameter(SEVERITIES).optional(),
  meterId: idParameter.optional(),
  suppressed: flagParameter.optional(),
};
const pageParameters = { limit: limitParameter(LIST_LIMITS), cursor: cursorParameter.optional() };
const stateParameter = choiceParameter([...ALERT_STATES, 'active']).optional();

const listQuery = z.object({ state: stateParameter, ...subjectParameters, region: idParameter.optional(), ...rangeParameters, ...pageParameters });
const activeQuery = z.object({ ...subjectParameters, region: idParameter.optional(), ...pageParameters });
const regionQuery = z.object({ state: stateParameter, ...subjectParameters, ...rangeParameters, ...pageParameters });
const statisticsQuery = z.object(rangeParameters);

/** Why somebody acknowledges may go without saying; resolving by hand says that the engine was wrong or will not see it, so it takes a reason. */
const acknowledgement = z.strictObject({ by: byField, why: whyField.nullable().default(null) });
const resolution = z.strictObject({ by: byField, why: whyField.regex(NOT_BLANK, 'expected why it is over') });
const bulkResolution = z.strictObject({
  ids: z
    .array(idField)
    .min(1, `expected 1 to ${BULK_MAX} ids`)
    .max(BULK_MAX, `expected 1 to ${BULK_MAX} ids`)
    .superRefine((ids, context) => {
      for (const [at, id] of ids.entries()) if (ids.indexOf(id) < at) context.addIssue({ code: 'custom', path: [at], message: 'named twice' });
    })
    .meta({ uniqueItems: true }),
  ...resolution.shape,
});

type ListParameters = z.output<typeof listQuery>;

const alertTimes = ({ startedAt, resolved }: z.output<typeof alertSchema>) => ({ from: startedAt, to: resolved?.at ?? null });

/** /api/v1/alerts, what lies below, and the alerts of a region. */
export function addAlertRoutes(routes: GatewayRoutes): void {
  const { alerts, engine } = routes;
  const thisAlert = alertScope(alerts);
  const theseAlerts: ThingScope<object, z.output<typeof bulkResolution>> = { noun: 'alert', words: 'of what each of the alerts is about', of: ({ body }) => alertSubjects(alerts, body.ids) };

  routes.get('/api/v1/alerts', { id: 'listAlerts', summary: 'Alerts that were opened in a time, newest first', tag: 'Alerts', access: { roles: EVERYBODY, scope: 'rows', lasts: alertTimes }, response: pageOf(alertSchema) }, listQuery, async ({ query, nowMs }) => {
    const asked = alertList(query, nowMs);
    return isProblem(asked) ? asked : { document: pageShape(await alerts.ask({ kind: 'alerts', query: asked }), alertShape) };
  });

  routes.get('/api/v1/alerts/active', { id: 'listActiveAlerts', summary: 'Alerts that go on', tag: 'Alerts', access: { roles: EVERYBODY, scope: 'rows', lasts: alertTimes }, response: pageOf(alertSchema) }, activeQuery, async ({ query, nowMs }) => {
    const asked = alertList({ ...query, state: 'active' }, nowMs);
    return isProblem(asked) ? asked : { document: pageShape(await alerts.ask({ kind: 'alerts', query: asked }), alertShape) };
  });

  routes.get('/api/v1/alerts/statistics', { id: 'getAlertStatistics', summary: 'Counts of alerts, and how soon people act', tag: 'Alerts', access: { roles: OPERATORS, scope: 'everything' }, response: alertStatisticsSchema }, statisticsQuery, async ({ query, nowMs }) => {
    const range = openTimeRange(query, nowMs);
    if (isProblem(range)) return range;
    return { document: await alerts.ask({ kind: 'alertStatistics', ...range }) };
  });

  routes.get('/api/v1/regions/:region/alerts', { id: 'listRegionAlerts', summary: 'Alerts of a region', tag: 'Alerts', access: { roles: OPERATORS, scope: 'region' }, response: pageOf(alertSchema) }, regionQuery, async ({ path: [region], query, nowMs }) => {
    const asked = alertList({ ...query, region }, nowMs);
    if (isProblem(asked)) return asked;
    const page = isId(region) ? await alerts.ask({ kind: 'alerts', query: asked }) : null;
    // One without alerts is a region all the same, or nobody has heard of it.
    const isKnown = page !== null && (page.data.length > 0 || (await engine.regions()).some((known) => known.region === region));
    return isKnown ? { document: pageShape(page, alertShape) } : unknownThing('region', region, 'GET /api/v1/regions lists those that have meters or a configured capacity.');
  });

  routes.serve('/api/v1/alerts/resolve', {
    POST: routes.write({ id: 'resolveAlerts', summary: 'Resolves up to 100 alerts, each by itself', tag: 'Alerts', access: { roles: OPERATORS, scope: theseAlerts }, response: bulkResolutionSchema }, bulkResolution, async ({ body }) => ({ document: bulkShape(await alerts.ask({ kind: 'resolveAll', ...body })) })),
  });

  routes.get('/api/v1/alerts/:id', { id: 'getAlert', summary: 'An alert with its history', tag: 'Alerts', access: { roles: EVERYBODY, scope: thisAlert }, response: alertDetailSchema }, z.object({}), async ({ path: [id] }) => {
    const detail = await alerts.ask({ kind: 'alert', id });
    return detail === null ? unknownThing('alert', id, 'GET /api/v1/alerts lists them.') : { document: alertDetailShape(detail), version: detail.alert.version };
  });

  routes.serve('/api/v1/alerts/:id/acknowledge', {
    POST: routes.write({ id: 'acknowledgeAlert', summary: 'Somebody sees to an alert', tag: 'Alerts', access: { roles: OPERATORS, scope: thisAlert }, response: alertSchema }, acknowledgement, async ({ path: [id], version, body }) => answered(await alerts.ask({ kind: 'acknowledge', id, version, ...body }))),
  });

  routes.serve('/api/v1/alerts/:id/resolve', {
    POST: routes.write({ id: 'resolveAlert', summary: 'An alert is over', tag: 'Alerts', access: { roles: OPERATORS, scope: thisAlert }, response: alertSchema }, resolution, async ({ path: [id], version, body }) => answered(await alerts.ask({ kind: 'resolve', id, version, ...body }))),
  });
}

function answered(alert: Alert): Answer {
  return { document: alertShape(alert), version: alert.version };
}

/** The question, or the fault in its range. */
function alertList(parameters: Omit<ListParameters, 'region'> & { region?: string }, nowMs: number): AlertListQuery | Problem {
  const { state = null, type = null, severity = null, region = null, meterId = null, suppressed = null, limit, cursor = null } = parameters;
  // What goes on concerns the reader whenever it began.
  const goesOn = state !== null && state !== 'resolved';
  const range = openTimeRange(parameters, nowMs, goesOn ? 0 : undefined);
  return isProblem(range) ? range : { state, type, severity, region, meterId, isSuppressed: suppressed, ...range, limit, cursor };
}

function bulkShape(results: AlertAnswers['resolveAll']): object {
  const resolved = results.filter(({ error }) => error === null).length;
  return { resolved, failed: results.length - resolved, data: results.map(({ id, alert, error }) => ({ id, alert: alert === null ? null : alertShape(alert), error })) };
}

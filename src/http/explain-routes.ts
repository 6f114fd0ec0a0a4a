import { z } from 'zod';
import { ANOMALY_KINDS, type Anomaly, type AnomalyKind } from '../model/anomaly.ts';
import { isId } from '../model/ids.ts';
import { explainedAlertSchema, explainedAnomalySchema } from './alert-schemas.ts';
import { alertShape, decisionShape } from './alert-shapes.ts';
import type { EnginePort } from './engine-port.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { OPERATORS, type ThingScope } from './operation.ts';
import { unknownThing } from './route-answers.ts';
import { alertScope, subjectOf } from './thing-scopes.ts';
import { anomalyShape } from './wire-shapes.ts';

/** An id as a person may have copied it from somewhere. */
const ID_CHARS_MAX = 128;
const idText = z.string().min(1, 'expected an id').max(ID_CHARS_MAX, 'longer than any id');

const alertQuery = z.object({ contact: idText.optional() });
const anomalyQuery = z.object({ id: idText });

/** "Why was I paged?" and "why was I not?": each decision about an alert, or about an anomaly that may not have become one. */
export function addExplainRoutes(routes: GatewayRoutes): void {
  const { alerts, engine } = routes;

  routes.get('/api/v1/alerts/:id/explain', { id: 'explainAlert', summary: 'Why who was told of an alert, or was not', tag: 'Alerts', access: { roles: OPERATORS, scope: alertScope(alerts) }, response: explainedAlertSchema }, alertQuery, async ({ path: [id], query }) => {
    const contactId = query.contact ?? null;
    if (contactId !== null && (await alerts.ask({ kind: 'contact', id: contactId })) === null) return unknownThing('contact', contactId, 'GET /api/v1/contacts lists them.');
    const { alert, decisions } = await alerts.ask({ kind: 'explainAlert', id });
    const aboutPeople = await alerts.ask({ kind: 'explainDeliveries', alertId: id, contactId });
    const all = [...decisions, ...aboutPeople].filter((decision) => contactId === null || decision.contactId === null || decision.contactId === contactId);
    // Sorting is stable: what was decided in one moment stays in order.
    return { document: { alert: alertShape(alert), decisions: all.sort((a, b) => a.at - b.at).map(decisionShape) } };
  });

  routes.get('/api/v1/anomalies/explain', { id: 'explainAnomaly', summary: 'Why an anomaly became an alert, or did not', tag: 'Alerts', access: { roles: OPERATORS, scope: anomalyScope }, response: explainedAnomalySchema }, anomalyQuery, async ({ query: { id } }) => {
    const anomaly = await findAnomaly(engine, id);
    if (anomaly === null) return unknownThing('anomaly', id, 'GET /api/v1/anomalies lists them.');
    const { alertId, decisions } = await alerts.ask({ kind: 'explainAnomaly', anomaly });
    return { document: { anomaly: anomalyShape(anomaly), alertId, decisions: decisions.map(decisionShape) } };
  });
}

const anomalyScope: ThingScope<z.output<typeof anomalyQuery>, null> = { noun: 'anomaly', words: 'of the anomaly\'s meter', of: ({ query: { id } }) => [subjectOf(id.split('/')[0], null)] };

/** By its id, `meterId/kind/startedAt`; of one meter and kind no two begin at once. */
async function findAnomaly(engine: EnginePort, id: string): Promise<Anomaly | null> {
  const [, meterId, kind, start] = /^([^/]+)\/([a-z_]+)\/(\d{1,15})$/.exec(id) ?? [];
  if (meterId === undefined || !isId(meterId) || !(ANOMALY_KINDS as readonly string[]).includes(kind)) return null;
  const from = Number(start);
  const { data } = await engine.anomalies({ meterId, region: null, kind: kind as AnomalyKind, severity: null, open: false, from, to: from + 1, limit: 1, cursor: null });
  return data.find((anomaly) => anomaly.id === id) ?? null;
}

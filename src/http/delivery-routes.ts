import { z } from 'zod';
import { SEVERITIES } from '../model/anomaly.ts';
import { CHANNEL_NAMES } from '../model/contact.ts';
import { DELIVERY_STATES } from '../model/notice.ts';
import { idField } from './body-fields.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { LIST_LIMITS } from './meter-routes.ts';
import { OPERATORS } from './operation.ts';
import { deliverySchema, messageSchema } from './people-schemas.ts';
import { deliveryShape, messageShape } from './people-shapes.ts';
import { choiceParameter, cursorParameter, isProblem, limitParameter, openTimeRange, rangeParameters } from './query-parameters.ts';
import { unknownThing } from './route-answers.ts';
import { pageOf } from './wire-schemas.ts';
import { pageShape } from './wire-shapes.ts';

const listQuery = z.object({
  contact: idField.optional(),
  alert: idField.optional(),
  channel: choiceParameter(CHANNEL_NAMES).optional(),
  state: choiceParameter(DELIVERY_STATES).optional(),
  ...rangeParameters,
  limit: limitParameter(LIST_LIMITS),
  cursor: cursorParameter.optional(),
});

const channelField = z.enum(CHANNEL_NAMES, `expected one of ${CHANNEL_NAMES.join(', ')}`);
const previewBody = z.strictObject({ contactId: idField, channel: channelField, severity: z.enum(SEVERITIES).default('WARN') });
const testBody = z.strictObject({ contactId: idField, channel: channelField });

/** /api/v1/deliveries: what went to whom, by which way and how far. /api/v1/notifications: a message that somebody wants to see. */
export function addDeliveryRoutes(routes: GatewayRoutes): void {
  const { alerts } = routes;

  routes.get('/api/v1/deliveries', { id: 'listDeliveries', summary: 'What went to whom, and how far it came', tag: 'People', access: { roles: OPERATORS, scope: 'none' }, response: pageOf(deliverySchema) }, listQuery, async ({ query, nowMs }) => {
    const range = openTimeRange(query, nowMs);
    if (isProblem(range)) return range;
    const { contact: contactId = null, alert: alertId = null, channel = null, state = null, limit, cursor = null } = query;
    return { document: pageShape(await alerts.ask({ kind: 'deliveries', query: { contactId, alertId, channel, state, ...range, limit, cursor } }), deliveryShape) };
  });

  // Ids have slashes: they are sent as %2F.
  routes.get('/api/v1/deliveries/:id', { id: 'getDelivery', summary: 'A delivery with its receipts', tag: 'People', access: { roles: OPERATORS, scope: 'none' }, response: deliverySchema }, z.object({}), async ({ path: [id] }) => {
    const delivery = await alerts.ask({ kind: 'delivery', id });
    return delivery === null ? unknownThing('delivery', id, 'GET /api/v1/deliveries lists them; an id has its slashes as %2F here.') : { document: deliveryShape(delivery) };
  });

  routes.serve('/api/v1/notifications/preview', {
    POST: routes.write({ id: 'previewNotification', summary: 'A message as a contact would get it', tag: 'People', access: { roles: OPERATORS, scope: 'none' }, response: messageSchema }, previewBody, async ({ body }) => ({ document: messageShape(await alerts.ask({ kind: 'preview', ...body })) })),
  });

  routes.serve('/api/v1/notifications/test', {
    POST: routes.write({ id: 'testNotification', summary: 'Sends a contact a message that says it is a test', tag: 'People', access: { roles: OPERATORS, scope: 'none' }, response: deliverySchema }, testBody, async ({ body }) => ({ document: deliveryShape(await alerts.ask({ kind: 'sendTest', ...body })) })),
  });
}

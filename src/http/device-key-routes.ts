import { z } from 'zod';
import type { AccountDesk } from './account-desk.ts';
import { changerOf, nameField, PEER_HEADERS, scopeField } from './account-fields.ts';
import { deviceKeysSchema, deviceKeySchema, newDeviceKeySchema } from './account-schemas.ts';
import { deviceKeyShape } from './account-shapes.ts';
import { timeField } from './body-fields.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { LIST_LIMITS } from './meter-routes.ts';
import { ADMINS, type Operation } from './operation.ts';
import { cursorParameter, limitParameter } from './query-parameters.ts';
import { pageShape } from './wire-shapes.ts';

const BASE = '/api/v1/device-keys';
const admins = (id: string, summary: string): Pick<Operation, 'id' | 'summary' | 'tag' | 'access' | 'headers'> => ({ id, summary, tag: 'Accounts', access: { roles: ADMINS, scope: 'none' }, headers: PEER_HEADERS });

/** /api/v1/device-keys: what meters and collectors send readings with. */
export function addDeviceKeyRoutes(routes: GatewayRoutes, accounts: AccountDesk): void {
  const body = z.strictObject({ name: nameField, scope: scopeField, expiresAt: timeField.nullable().default(null) });
  routes.serve(BASE, {
    GET: routes.read({ ...admins('listDeviceKeys', 'Keys that readings are sent with, without the keys themselves'), response: deviceKeysSchema }, z.object({ limit: limitParameter(LIST_LIMITS), cursor: cursorParameter.optional() }), async ({ query: { limit, cursor = null } }) => ({
      document: pageShape(await accounts.ask({ kind: 'deviceKeys', limit, cursor }), deviceKeyShape),
    })),
    POST: routes.write({ ...admins('createDeviceKey', 'A new key, for some meters, some regions, or all; it is shown this once'), response: newDeviceKeySchema, creates: true, secretAnswer: true }, body, async ({ body: { name, scope, expiresAt }, ...request }) => {
      const { deviceKey, key } = await accounts.ask({ kind: 'makeDeviceKey', name, scope, expiresAt, by: changerOf(request) });
      return { document: { deviceKey: deviceKeyShape(deviceKey), key }, location: `${BASE}/${deviceKey.id}` };
    }),
  });
  routes.serve(`${BASE}/:id`, {
    DELETE: routes.remove({ ...admins('revokeDeviceKey', 'Has a key count no more'), response: deviceKeySchema }, z.object({}), async ({ path: [id], ...request }) => ({ document: deviceKeyShape(await accounts.ask({ kind: 'revokeDeviceKey', id, by: changerOf(request) })) })),
  });
}

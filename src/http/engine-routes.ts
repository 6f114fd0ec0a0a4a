import { z } from 'zod';
import type { GatewayRoutes } from './gateway-routes.ts';
import { OPERATORS } from './operation.ts';
import { engineSchema } from './wire-schemas.ts';
import { engineShape } from './wire-shapes.ts';

/** /api/v1/engine: version, state, rates and shards. */
export function addEngineRoutes(routes: GatewayRoutes): void {
  routes.get('/api/v1/engine', { id: 'getEngine', summary: 'The engine: state, rates, shards and what is beside it', tag: 'Engine', access: { roles: OPERATORS, scope: 'none' }, response: engineSchema }, z.object({}), async () => ({ document: engineShape(await routes.engine.engineStatus()) }));
}

import { z } from 'zod';
import type { GatewayRoutes } from './gateway-routes.ts';
import { engineShape } from './wire-shapes.ts';

/** /api/v1/engine: version, state, rates and shards. */
export function addEngineRoutes(routes: GatewayRoutes): void {
  routes.get('/api/v1/engine', z.object({}), async () => ({ document: engineShape(await routes.engine.engineStatus()) }));
}

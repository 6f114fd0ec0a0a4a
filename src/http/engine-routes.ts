import { z } from 'zod';
import type { GatewayRoutes } from './gateway-routes.ts';
import { ADMINS, OPERATORS } from './operation.ts';
import { engineSchema, operationsSchema } from './wire-schemas.ts';
import { engineShape, operationsShape } from './wire-shapes.ts';

/** /api/v1/engine: version, state, rates and shards; /api/v1/operations: what keeps it running. */
export function addEngineRoutes(routes: GatewayRoutes): void {
  routes.get('/api/v1/engine', { id: 'getEngine', summary: 'The engine: state, rates, shards and what is beside it', tag: 'Engine', access: { roles: OPERATORS, scope: 'none' }, response: engineSchema }, z.object({}), async () => ({ document: engineShape(await routes.engine.engineStatus()) }));

  routes.get('/api/v1/operations', { id: 'getOperations', summary: 'Threads, queues, memory, systems beside the engine and settings without secrets', tag: 'Engine', access: { roles: ADMINS, scope: 'none' }, response: operationsSchema }, z.object({}), async () => ({ document: operationsShape(await routes.engine.operations()) }));
}

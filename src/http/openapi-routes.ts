import { z } from 'zod';
import type { GatewayRoutes } from './gateway-routes.ts';
import { openApiDocument, type OpenApiOptions } from './openapi/openapi-document.ts';

/** /api/v1/openapi.json: made when somebody asks first, of the routes as they are then. */
export function addOpenApiRoutes(routes: GatewayRoutes, options: OpenApiOptions): void {
  let document: object | null = null;
  routes.get('/api/v1/openapi.json', { id: 'getOpenApi', summary: 'This document', tag: 'Engine', access: 'public', response: z.looseObject({ openapi: z.string(), paths: z.looseObject({}) }) }, z.object({}), () => ({
    document: (document ??= openApiDocument(routes.served, options)),
  }));
}

import { z } from 'zod';
import type { GatewayRoutes } from './gateway-routes.ts';
import { LIST_LIMITS } from './meter-routes.ts';
import { OPERATORS } from './operation.ts';
import { choiceParameter, cursorParameter, idParameter, isProblem, limitParameter, rangeParameters, timeRange } from './query-parameters.ts';
import { REJECT_CODES } from './reject-codes.ts';
import { deadLetterSchema, pageOf } from './wire-schemas.ts';
import { deadLetterShape, pageShape } from './wire-shapes.ts';

const deadLetterQuery = z.object({
  code: choiceParameter(REJECT_CODES).optional(),
  meterId: idParameter.optional(),
  ...rangeParameters,
  limit: limitParameter(LIST_LIMITS),
  cursor: cursorParameter.optional(),
});

/** /api/v1/dead-letters: rejected readings that came in the range, newest first. */
export function addDeadLetterRoutes(routes: GatewayRoutes): void {
  routes.get('/api/v1/dead-letters', { id: 'listDeadLetters', summary: 'Readings that were rejected, newest first', tag: 'Anomalies', access: { roles: OPERATORS, scope: 'named-meter' }, response: pageOf(deadLetterSchema) }, deadLetterQuery, async ({ query, nowMs }) => {
    const range = timeRange(query, nowMs);
    if (isProblem(range)) return range;
    const { code = null, meterId = null, limit, cursor = null } = query;
    const page = await routes.engine.deadLetters({ code, meterId, ...range, limit, cursor });
    return { document: pageShape(page, deadLetterShape) };
  });
}

import { z } from 'zod';
import type { RejectCode } from '../model/reading.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { LIST_LIMITS } from './meter-routes.ts';
import { OPERATORS } from './operation.ts';
import { choiceParameter, cursorParameter, idParameter, isProblem, limitParameter, rangeParameters, timeRange } from './query-parameters.ts';
import { deadLetterShape, pageShape } from './wire-shapes.ts';

/** Every RejectCode; the compiler refuses one that is missing or made up. */
const REJECT_CODES = Object.keys({
  not_an_object: 1,
  invalid_json: 1,
  missing_field: 1,
  invalid_type: 1,
  invalid_meter_id: 1,
  invalid_region: 1,
  invalid_reading_id: 1,
  invalid_timestamp: 1,
  timestamp_too_old: 1,
  timestamp_in_future: 1,
  not_finite: 1,
  out_of_range: 1,
  invalid_status: 1,
  conflict: 1,
  too_late: 1,
  meter_limit: 1,
  region_limit: 1,
  reading_too_large: 1,
  invalid_message: 1,
  wrong_partition: 1,
} satisfies Record<RejectCode, 1>) as [RejectCode, ...RejectCode[]];

const deadLetterQuery = z.object({
  code: choiceParameter(REJECT_CODES).optional(),
  meterId: idParameter.optional(),
  ...rangeParameters,
  limit: limitParameter(LIST_LIMITS),
  cursor: cursorParameter.optional(),
});

/** /api/v1/dead-letters: rejected readings that came in the range, newest first. */
export function addDeadLetterRoutes(routes: GatewayRoutes): void {
  routes.get('/api/v1/dead-letters', { id: 'listDeadLetters', summary: 'Readings that were rejected, newest first', tag: 'Anomalies', access: { roles: OPERATORS, scope: 'named-meter' } }, deadLetterQuery, async ({ query, nowMs }) => {
    const range = timeRange(query, nowMs);
    if (isProblem(range)) return range;
    const { code = null, meterId = null, limit, cursor = null } = query;
    const page = await routes.engine.deadLetters({ code, meterId, ...range, limit, cursor });
    return { document: pageShape(page, deadLetterShape) };
  });
}

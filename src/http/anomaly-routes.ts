import { z } from 'zod';
import { ANOMALY_KINDS, SEVERITIES } from '../model/anomaly.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { LIST_LIMITS } from './meter-routes.ts';
import { EVERYBODY } from './operation.ts';
import { choiceParameter, cursorParameter, flagParameter, idParameter, isProblem, limitParameter, rangeParameters, timeRange } from './query-parameters.ts';
import { anomalySchema, pageOf } from './wire-schemas.ts';
import { anomalyShape, pageShape } from './wire-shapes.ts';

const anomalyQuery = z.object({
  meterId: idParameter.optional(),
  region: idParameter.optional(),
  kind: choiceParameter(ANOMALY_KINDS).optional(),
  severity: choiceParameter(SEVERITIES).optional(),
  open: flagParameter.default(false),
  ...rangeParameters,
  limit: limitParameter(LIST_LIMITS),
  cursor: cursorParameter.optional(),
});

const anomalyTimes = ({ startedAt, endedAt }: z.output<typeof anomalySchema>) => ({ from: startedAt, to: endedAt });

/** /api/v1/anomalies: episodes that started in the range, newest first. */
export function addAnomalyRoutes(routes: GatewayRoutes): void {
  routes.get('/api/v1/anomalies', { id: 'listAnomalies', summary: 'Episodes that began in a time, newest first', tag: 'Anomalies', access: { roles: EVERYBODY, scope: 'rows', lasts: anomalyTimes }, response: pageOf(anomalySchema) }, anomalyQuery, async ({ query, nowMs }) => {
    // What goes on concerns the reader whenever it began.
    const range = timeRange(query, nowMs, query.open ? 0 : undefined);
    if (isProblem(range)) return range;
    const page = await routes.engine.anomalies({
      meterId: query.meterId ?? null,
      region: query.region ?? null,
      kind: query.kind ?? null,
      severity: query.severity ?? null,
      open: query.open,
      ...range,
      limit: query.limit,
      cursor: query.cursor ?? null,
    });
    return { document: pageShape(page, anomalyShape) };
  });
}

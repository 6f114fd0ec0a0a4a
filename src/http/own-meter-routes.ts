import { z } from 'zod';
import type { GatewayRoutes } from './gateway-routes.ts';
import { cursorParameter, limitParameter } from './query-parameters.ts';
import { ownRegistrySchema, ownRegistryShape } from './registry-fields.ts';
import { idText, meterSummarySchema, pageOf } from './wire-schemas.ts';
import { meterSummaryShape } from './wire-shapes.ts';

/** Each is a question to a shard. */
const OWN_LIMITS = { default: 100, max: 200 };

const ownQuery = z.object({ limit: limitParameter(OWN_LIMITS), cursor: cursorParameter.optional() });

const ownMeterSchema = z.strictObject({ meterId: idText, meter: meterSummarySchema.nullable().describe('Null while it has not sent a reading.'), registry: ownRegistrySchema }).meta({ id: 'OwnMeter' });

/** /api/v1/me/meters: those that were given to who asks. Operators have regions, and none. */
export function addOwnMeterRoutes(routes: GatewayRoutes): void {
  const { engine, registry } = routes;

  routes.get('/api/v1/me/meters', { id: 'listOwnMeters', summary: 'Meters of who asks, in order of their id', tag: 'Meters', access: 'signed-in', response: pageOf(ownMeterSchema) }, ownQuery, async ({ principal, query: { limit, cursor = '' } }) => {
    const after = [...principal.meters].sort().filter((meterId) => meterId > cursor);
    const page = after.slice(0, limit);
    const found = await Promise.all(page.map(async (meterId) => ({ state: await engine.meter(meterId), entry: await registry.meter(meterId) })));
    const data = page.map((meterId, i) => {
      const { state, entry } = found[i];
      const own = ownRegistryShape(entry);
      if (state === null) return { meterId, meter: null, registry: own };
      const { lastReading: _reading, readings: _readings, cadenceMs: _cadence, baseline: _baseline, ...summary } = state;
      return { meterId, meter: meterSummaryShape(summary), registry: own };
    });
    return { document: { data, nextCursor: after.length > limit ? page.at(-1)! : null } };
  });
}

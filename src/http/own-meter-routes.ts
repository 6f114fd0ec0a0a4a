import { z } from 'zod';
import { heldTime } from '../model/access.ts';
import { spanAt } from '../model/held-time.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { meterWithin } from './own-time.ts';
import { cursorParameter, limitParameter } from './query-parameters.ts';
import { ownRegistrySchema, ownRegistryShape } from './registry-fields.ts';
import { idText, meterSummarySchema, pageOf, timeOrNull } from './wire-schemas.ts';
import { isoTimeOrNull, meterSummaryShape } from './wire-shapes.ts';

/** Each is a question to a shard. */
const OWN_LIMITS = { default: 100, max: 200 };

const ownQuery = z.object({ limit: limitParameter(OWN_LIMITS), cursor: cursorParameter.optional() });

const ownMeterSchema = z
  .strictObject({
    meterId: idText,
    meter: meterSummarySchema.nullable().describe('Null while it is not theirs, and while it has not sent a reading in their time.'),
    times: z.array(z.strictObject({ from: timeOrNull.describe('Null: always.'), until: timeOrNull.describe('The first moment that is not theirs; null: no end is known.') })).describe('When it is, or was, theirs.'),
    registry: ownRegistrySchema,
  })
  .meta({ id: 'OwnMeter' });

/** /api/v1/me/meters: those that are or were those of who asks. Operators have regions, and none. */
export function addOwnMeterRoutes(routes: GatewayRoutes): void {
  const { engine, registry } = routes;

  routes.get('/api/v1/me/meters', { id: 'listOwnMeters', summary: 'Meters of who asks, in order of their id', tag: 'Meters', access: 'signed-in', response: pageOf(ownMeterSchema) }, ownQuery, async ({ principal, nowMs, query: { limit, cursor = '' } }) => {
    const after = [...principal.meters.keys()].sort().filter((meterId) => meterId > cursor && heldTime(principal, meterId, nowMs).length > 0);
    const page = after.slice(0, limit);
    const found = await Promise.all(
      page.map(async (meterId) => {
        const span = spanAt(heldTime(principal, meterId, nowMs), nowMs);
        if (span === null) return { state: null, entry: null };
        const state = await engine.meter(meterId);
        return { state: state === null ? null : await meterWithin(engine, state, span, nowMs), entry: await registry.meter(meterId) };
      }),
    );
    const data = page.map((meterId, i) => {
      const { state, entry } = found[i];
      const own = ownRegistryShape(entry);
      const times = heldTime(principal, meterId, nowMs).map(({ from, until }) => ({ from: isoTimeOrNull(from), until: isoTimeOrNull(until) }));
      if (state === null) return { meterId, meter: null, times, registry: own };
      const { lastReading: _reading, readings: _readings, cadenceMs: _cadence, baseline: _baseline, ...summary } = state;
      return { meterId, meter: meterSummaryShape(summary), times, registry: own };
    });
    return { document: { data, nextCursor: after.length > limit ? page.at(-1)! : null } };
  });
}

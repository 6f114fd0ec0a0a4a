import { z } from 'zod';
import { heldTime, type Principal } from '../model/access.ts';
import { asMeterId } from '../model/ids.ts';
import type { QuarterSpan } from '../model/queries.ts';
import { dateField, monthField } from './billing-fields.ts';
import { SPANS_MAX } from './engine-port.ts';
import { dailySchema, monthlySchema } from './energy-schemas.ts';
import { energyShape, spanShape } from './energy-shapes.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { daysBetween, daysLater, FIRST_DATE, monthsBetween, monthsLater, spanOfDays, today, untilNow, zoneParameter } from './local-spans.ts';
import { unknownMeter } from './meter-routes.ts';
import { EVERYBODY } from './operation.ts';
import { energyOfParts, quartersWithin } from './own-time.ts';
import type { Problem } from './problem-details.ts';
import { invalidQuery } from './query-parameters.ts';

/** Shown when the query names no `from`. */
const DAYS_DEFAULT = 30;
const MONTHS_DEFAULT = 12;
/** Ten years: 3,660 blocks of energy that are read. */
const MONTHS_MAX = 120;

const dailyQuery = z.object({ from: dateField.optional(), to: dateField.optional(), zone: zoneParameter });
const monthlyQuery = z.object({ from: monthField.optional(), to: monthField.optional(), zone: zoneParameter });

/** A meter's energy by local days and months, as bills count it. */
export function addMeterEnergyRoutes(routes: GatewayRoutes): void {
  const { engine } = routes;

  /** Of spans by their names, as far as they are over and theirs who asks; what has nothing that is theirs is left out. */
  async function answer<Name>(name: string, { principal, nowMs }: { principal: Principal; nowMs: number }, named: readonly (readonly [Name, QuarterSpan])[]) {
    const meterId = asMeterId(name);
    if (meterId === null) return null;
    const held = heldTime(principal, meterId, nowMs);
    const own = named.map(([of, span]) => ({ of, parts: quartersWithin(span, held) })).filter(({ parts }) => parts.length > 0);
    const found = await energyOfParts(engine, meterId, own.map(({ parts }) => parts.map((part) => untilNow(part, nowMs))));
    if (found === null) return null;
    const rows = found.map((energy, i) => {
      const { of, parts } = own[i];
      const span = { from: parts[0].from, to: parts[parts.length - 1].to };
      return { of, row: { ...spanShape(span), isOver: untilNow(span, nowMs).to === span.to, ...energyShape(energy) } };
    });
    return { rows };
  }

  routes.get('/api/v1/meters/:meterId/daily', { id: 'listDailyEnergy', summary: 'Energy of a meter by local day', tag: 'Meters', access: { roles: EVERYBODY, scope: 'meter-times' }, response: dailySchema }, dailyQuery, async ({ path: [name], query: { zone, ...given }, principal, nowMs }) => {
    const to = given.to ?? daysLater(today(zone, nowMs), 1);
    const from = given.from ?? daysLater(to, -DAYS_DEFAULT);
    const days = daysBetween(from, to);
    const fault = rangeFault(from, days, SPANS_MAX, 'day');
    if (fault !== null) return fault;
    const dates = Array.from({ length: days }, (_, i) => daysLater(from, i));
    const found = await answer(name, { principal, nowMs }, dates.map((date) => [date, spanOfDays(zone, date, daysLater(date, 1))] as const));
    return found === null ? unknownMeter(name) : { document: { meterId: name, zone, data: found.rows.map(({ of: date, row }) => ({ date, ...row })) } };
  });

  routes.get('/api/v1/meters/:meterId/monthly', { id: 'listMonthlyEnergy', summary: 'Energy of a meter by local month', tag: 'Meters', access: { roles: EVERYBODY, scope: 'meter-times' }, response: monthlySchema }, monthlyQuery, async ({ path: [name], query: { zone, ...given }, principal, nowMs }) => {
    const to = given.to ?? monthsLater(today(zone, nowMs).slice(0, 7), 1);
    const from = given.from ?? monthsLater(to, -MONTHS_DEFAULT);
    const count = monthsBetween(from, to);
    const fault = rangeFault(`${from}-02`, count, MONTHS_MAX, 'month');
    if (fault !== null) return fault;
    const months = Array.from({ length: count }, (_, i) => monthsLater(from, i));
    const found = await answer(name, { principal, nowMs }, months.map((month) => [month, spanOfDays(zone, `${month}-01`, `${monthsLater(month, 1)}-01`)] as const));
    return found === null ? unknownMeter(name) : { document: { meterId: name, zone, data: found.rows.map(({ of: month, row }) => ({ month, ...row })) } };
  });
}

function rangeFault(from: string, count: number, countMax: number, unit: string): Problem | null {
  if (from < FIRST_DATE) return invalidQuery([{ parameter: 'from', message: 'expected 1970 or later' }]);
  if (count <= 0) return invalidQuery([{ parameter: 'to', message: `must be after "from": the first ${unit} that is not included` }]);
  return count <= countMax ? null : invalidQuery([{ parameter: 'to', message: `expected ${countMax} ${unit}s after "from" at most` }]);
}

import { z } from 'zod';
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

  /** Of spans by their names, as far as they are over. */
  async function answer(name: string, zone: string, spans: readonly QuarterSpan[], nowMs: number) {
    const meterId = asMeterId(name);
    const found = meterId === null ? null : await engine.energy(meterId, spans.map((span) => untilNow(span, nowMs)));
    if (found === null) return null;
    return { meterId: name, zone, data: found.map((energy, i) => ({ ...spanShape(spans[i]), isOver: untilNow(spans[i], nowMs).to === spans[i].to, ...energyShape(energy) })) };
  }

  routes.get('/api/v1/meters/:meterId/daily', { id: 'listDailyEnergy', summary: 'Energy of a meter by local day', tag: 'Meters', access: { roles: EVERYBODY, scope: 'meter' }, response: dailySchema }, dailyQuery, async ({ path: [name], query: { zone, ...given }, nowMs }) => {
    const to = given.to ?? daysLater(today(zone, nowMs), 1);
    const from = given.from ?? daysLater(to, -DAYS_DEFAULT);
    const days = daysBetween(from, to);
    const fault = rangeFault(from, days, SPANS_MAX, 'day');
    if (fault !== null) return fault;
    const dates = Array.from({ length: days }, (_, i) => daysLater(from, i));
    const found = await answer(name, zone, dates.map((date) => spanOfDays(zone, date, daysLater(date, 1))), nowMs);
    return found === null ? unknownMeter(name) : { document: { ...found, data: found.data.map((row, i) => ({ date: dates[i], ...row })) } };
  });

  routes.get('/api/v1/meters/:meterId/monthly', { id: 'listMonthlyEnergy', summary: 'Energy of a meter by local month', tag: 'Meters', access: { roles: EVERYBODY, scope: 'meter' }, response: monthlySchema }, monthlyQuery, async ({ path: [name], query: { zone, ...given }, nowMs }) => {
    const to = given.to ?? monthsLater(today(zone, nowMs).slice(0, 7), 1);
    const from = given.from ?? monthsLater(to, -MONTHS_DEFAULT);
    const count = monthsBetween(from, to);
    const fault = rangeFault(`${from}-02`, count, MONTHS_MAX, 'month');
    if (fault !== null) return fault;
    const months = Array.from({ length: count }, (_, i) => monthsLater(from, i));
    const found = await answer(name, zone, months.map((month) => spanOfDays(zone, `${month}-01`, `${monthsLater(month, 1)}-01`)), nowMs);
    return found === null ? unknownMeter(name) : { document: { ...found, data: found.data.map((row, i) => ({ month: months[i], ...row })) } };
  });
}

function rangeFault(from: string, count: number, countMax: number, unit: string): Problem | null {
  if (from < FIRST_DATE) return invalidQuery([{ parameter: 'from', message: 'expected 1970 or later' }]);
  if (count <= 0) return invalidQuery([{ parameter: 'to', message: `must be after "from": the first ${unit} that is not included` }]);
  return count <= countMax ? null : invalidQuery([{ parameter: 'to', message: `expected ${countMax} ${unit}s after "from" at most` }]);
}

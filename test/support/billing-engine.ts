import { post, type Answer } from './engine-api.ts';
import type { EngineProcess } from './engine-process.ts';

/** Tariffs and bills of a real engine, over its API. */

const QUARTER_MS = 900_000;

export async function send<Body = Record<string, any>>(engine: EngineProcess, method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer<Body>> {
  const response = await fetch(engine.apiUrl(path), { method, headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers }, body: body === undefined ? undefined : JSON.stringify(body) });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Body };
}

/** The same, and it has to succeed. */
export async function sent<Body = Record<string, any>>(engine: EngineProcess, method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Body> {
  const answer = await send<Body>(engine, method, path, body, headers);
  if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/** A household tariff of Sydney: peak on workdays from 15:00 to 21:00, holidays and nights off peak, a daily charge and GST. */
export function exampleTariff(change: object = {}): Record<string, any> {
  return {
    format: 'seg-tariff/1', id: 'tou', name: 'Time of use', currency: 'AUD', zone: 'Australia/Sydney', effectiveFrom: '2020-01-01',
    appliesTo: { regions: ['sydney*'] },
    holidays: [{ date: '2026-10-05', name: 'Labour Day' }],
    schedules: [{
      name: 'use', periods: [{ name: 'peak' }, { name: 'off-peak' }],
      rules: [
        { days: ['weekday'], spans: [{ from: '00:00', to: '15:00', period: 'off-peak' }, { from: '15:00', to: '21:00', period: 'peak' }, { from: '21:00', to: '24:00', period: 'off-peak' }] },
        { days: ['weekend', 'holiday'], spans: [{ from: '00:00', to: '24:00', period: 'off-peak' }] },
      ],
    }],
    charges: [
      { kind: 'energy', name: 'Energy', schedule: 'use', rates: [{ period: 'peak', tiers: [{ price: '0.42' }] }, { period: 'off-peak', tiers: [{ price: '0.21' }] }] },
      { kind: 'fixed', name: 'Supply', price: '1.10', per: 'day' },
      { kind: 'tax', name: 'GST', percent: '10' },
    ],
    ...change,
  };
}

/** Readings of a meter that counts energy, one a quarter-hour, from `fromMs` to `toMs`; `wattHours` of a quarter-hour's start. */
export async function postQuarters(engine: EngineProcess, meterId: string, region: string, range: { fromMs: number; toMs: number }, wattHours: (startMs: number) => number, headers: Record<string, string> = {}): Promise<void> {
  const readings = [];
  for (let start = range.fromMs; start < range.toMs; start += QUARTER_MS) {
    const wh = wattHours(start);
    readings.push({ meterId, region, timestamp: start + QUARTER_MS / 2, powerKw: (wh * 4) / 1_000, energyKwh: wh / 1_000 });
  }
  await post(engine, readings, headers);
}

/** All rows of a list of the API. */
export async function allOf<Row = Record<string, any>>(engine: EngineProcess, path: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (let cursor: string | null = null; ; ) {
    const page: { data: Row[]; nextCursor: string | null } = await sent(engine, 'GET', `${path}${path.includes('?') ? '&' : '?'}limit=1000${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`);
    rows.push(...page.data);
    if (page.nextCursor === null) return rows;
    cursor = page.nextCursor;
  }
}

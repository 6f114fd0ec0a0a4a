import { ApiClient } from '../cli/api-client.ts';
import { runMonth } from '../cli/billing/bill-run.ts';
import { systemClock } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';
import { dayStart } from '../actors/tariffs/calendar.ts';
import { daysOfMonth, monthAfter } from '../actors/tariffs/billed-days.ts';
import { demoAgreements, registryRows } from './demo-households.ts';
import { DEMO_TARIFF_ID, DEMO_ZONE, demoTariff } from './demo-tariff.ts';

/** What a clerk finds in the demo: a registry, a tariff, agreements and the bills of a month, made over the API as anybody would. */

const BY = 'Demo';
/** The engine bills a month when it is over in the last zone, UTC−12. */
const LAST_ZONE_MS = 12 * 3_600_000;

export interface BilledMonth {
  /** As 2026-07: the newest one that can be billed. */
  month: string;
  /** When it begins for those who are billed, epoch ms. */
  startMs: number;
}

export function billedMonth(nowMs: number): BilledMonth {
  const month = monthAfter(new Date(nowMs - LAST_ZONE_MS).toISOString().slice(0, 7), -1);
  return { month, startMs: dayStart(DEMO_ZONE, daysOfMonth(month).from) };
}

/**
 * Makes what is not there: entries where the registry is empty; where there is no tariff, that of the demo, with agreements from the beginning of the month and its bills. One that was broken off goes on;
 * tariffs of somebody else are left alone. Gives what was made, in words. Throws OperationalError: those of ApiClient, `demo_refused`.
 */
export async function setUpDemo(apiUrl: string, { month, cadenceMs }: { month: string; cadenceMs: number }, signal: AbortSignal): Promise<string[]> {
  const api = new ApiClient(apiUrl, signal);
  try {
    const made = [...(await fillRegistry(api, cadenceMs)), ...(await putTariff(api, month))];
    if (!(await hasDemoTariff(api))) return made;
    return [...made, ...(await makeAgreements(api, month)), ...(await billMonth(api, month, signal))];
  } finally {
    api.close();
  }
}

async function fillRegistry(api: ApiClient, cadenceMs: number): Promise<string[]> {
  if (!(await isEmpty(api, '/api/v1/registry/meters'))) return [];
  const rows = registryRows(cadenceMs);
  const { refused } = await api.postRows('/api/v1/registry/imports', { rows: 'refused', newRegions: 'true', by: BY }, rows.map((row) => JSON.stringify(row)).join('\n'));
  if (refused !== 0) throw new OperationalError('demo_refused', `the registry did not take ${String(refused)} of ${rows.length} entries`);
  return [`${rows.length} registry entries`];
}

async function putTariff(api: ApiClient, month: string): Promise<string[]> {
  if (!(await isEmpty(api, '/api/v1/tariffs'))) return [];
  await api.put(`/api/v1/tariffs/${DEMO_TARIFF_ID}?by=${BY}`, demoTariff(daysOfMonth(month).from));
  return ['a tariff'];
}

async function hasDemoTariff(api: ApiClient): Promise<boolean> {
  try {
    await api.document(`/api/v1/tariffs/${DEMO_TARIFF_ID}`);
    return true;
  } catch (error) {
    if (error instanceof OperationalError && error.code === 'not_found') return false;
    throw error;
  }
}

async function makeAgreements(api: ApiClient, month: string): Promise<string[]> {
  let made = 0;
  for (const agreement of demoAgreements()) {
    if (!(await isEmpty(api, '/api/v1/agreements', { meterId: agreement.meterId }))) continue;
    await api.post('/api/v1/agreements', { ...agreement, customerClass: 'residential', tariffId: DEMO_TARIFF_ID, movedIn: daysOfMonth(month).from, by: BY });
    made++;
  }
  return made === 0 ? [] : [`${made} agreements`];
}

async function billMonth(api: ApiClient, month: string, signal: AbortSignal): Promise<string[]> {
  if (!(await isEmpty(api, '/api/v1/billing-runs'))) return [];
  const isDone = await runMonth(api, { month, by: BY, isWatched: true }, noText, { clock: systemClock, progress: { isTTY: false, write: noText }, signal });
  if (!isDone) throw new OperationalError('demo_refused', `not everybody has a bill of ${month}; the page of bills says why`);
  return [`the bills of ${month}`];
}

async function isEmpty(api: ApiClient, path: string, query: Record<string, string> = {}): Promise<boolean> {
  for await (const { data } of api.pages(path, { ...query, limit: '1' })) return data.length === 0;
  return true;
}

/** The demo says in a line of its own what was made. */
function noText(): void {}

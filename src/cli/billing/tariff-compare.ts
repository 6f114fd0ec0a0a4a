import { AMOUNT_DIGITS, decimalText, parseDecimal } from '../../model/decimal.ts';
import type { ComparedTariff } from '../../actors/tariffs/protocol.ts';
import { plainLine } from '../../actors/notifications/templates/plain-line.ts';
import type { Agreement } from '../../model/billing.ts';
import type { Clock } from '../../runtime/clock.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { ApiClient } from '../api-client.ts';
import { writeOut, type Print } from '../engine-command.ts';
import { ProgressLine, withThousands, type ProgressStream } from '../progress-line.ts';
import { textTable } from '../text-table.ts';

/** What months would have cost under other tariffs, for a meter or for everybody. */

export interface CompareOptions {
  /** null: every meter with an agreement. */
  meters: readonly string[] | null;
  /** null: all tariffs. */
  tariffs: readonly string[] | null;
  /** Both included. */
  fromMonth: string;
  toMonth: string;
  /** CSV; null: none. */
  out: string | null;
}

export interface CompareModules {
  clock: Clock;
  progress: ProgressStream;
}

const PAGE = 500;
/** The API compares so many at once. */
const TARIFFS_MAX = 20;
/** Of those that could not be rated. */
const FAULTS_SHOWN = 10;
/** Sums over everybody. */
interface TariffSum {
  total: bigint;
  /** Meters for which it is the cheapest. */
  best: number;
  currency: string;
}

/** Prints the comparison. Throws OperationalError: those of ApiClient, and `out_unwritable`; a meter that cannot be rated is left out and named. */
export async function compareTariffs(api: ApiClient, options: CompareOptions, print: Print, { clock, progress }: CompareModules): Promise<void> {
  const tariffs = options.tariffs ?? (await tariffIds(api));
  if (tariffs.length === 0) throw new OperationalError('usage', 'the engine has no tariffs to compare; seg tariff put gives it one');
  if (tariffs.length > TARIFFS_MAX) throw new OperationalError('usage', `${tariffs.length} tariffs are more than the ${TARIFFS_MAX} that are compared at once; name some with --tariffs`);
  const query = { from: `${options.fromMonth}-01`, to: dayAfter(options.toMonth), tariffs: tariffs.join(',') };
  const sums = new Map<string, TariffSum>();
  const rows = ['meterId,tariffId,version,total,currency,difference,best\r\n'];
  const faults: string[] = [];
  const line = new ProgressLine(progress);
  let rated = 0;
  let last: readonly ComparedTariff[] = [];
  for await (const meterId of options.meters ?? agreementMeters(api)) {
    const compared = await comparedOf(api, meterId, query, faults);
    if (compared !== null) {
      rated++;
      last = compared;
      addUp(sums, compared);
      for (const [i, { tariffId, version, total, currency, difference }] of compared.entries()) rows.push(`${meterId},${tariffId},${version},${total},${currency},${difference},${i === 0 ? 'yes' : ''}\r\n`);
    }
    const nowMs = clock.monotonic();
    if (line.due(nowMs)) line.show(`${withThousands(rated)} meters rated under ${tariffs.length} tariffs${faults.length > 0 ? `, ${withThousands(faults.length)} left out` : ''}`, nowMs);
  }
  line.end();
  if (options.out !== null) await writeOut(options.out, rows.join(''));
  if (rated > 0) print(rated === 1 ? meterTable(last) : fleetTable(sums, rated));
  for (const fault of faults.slice(0, FAULTS_SHOWN)) print(`left out: ${plainLine(fault)}\n`);
  if (faults.length > FAULTS_SHOWN) print(`and ${withThousands(faults.length - FAULTS_SHOWN)} more were left out\n`);
  if (rated === 0) throw new OperationalError('nothing_rated', 'there was nothing to compare');
}

async function comparedOf(api: ApiClient, meterId: string, query: Record<string, string>, faults: string[]): Promise<ComparedTariff[] | null> {
  try {
    return (await api.document(`/api/v1/meters/${encodeURIComponent(meterId)}/compare`, query)).data as ComparedTariff[];
  } catch (error) {
    // One meter's trouble is its own; an engine that cannot be asked is everybody's.
    if (!(error instanceof OperationalError) || (error.code !== 'not_found' && error.code !== 'api_refused')) throw error;
    faults.push(`${meterId}: ${error.message}`);
    return null;
  }
}

function addUp(sums: Map<string, TariffSum>, compared: readonly ComparedTariff[]): void {
  for (const [i, { tariffId, total, currency }] of compared.entries()) {
    const sum = sums.get(tariffId) ?? { total: 0n, best: 0, currency };
    sum.total += parseDecimal(total, AMOUNT_DIGITS);
    if (i === 0) sum.best++;
    sums.set(tariffId, sum);
  }
}

function meterTable(compared: readonly ComparedTariff[]): string {
  const months = compared[0].monthly.map(({ month }) => month);
  return textTable(
    [{ title: 'tariff' }, { title: 'total', align: 'right' }, { title: '' }, { title: 'difference', align: 'right' }, ...months.map((title) => ({ title, align: 'right' as const }))],
    compared.map(({ tariffId, version, total, currency, difference, monthly }) => [`${tariffId} v${version}`, total, currency, difference, ...months.map((month) => monthly.find((other) => other.month === month)?.total ?? '')]),
  );
}

function fleetTable(sums: ReadonlyMap<string, TariffSum>, rated: number): string {
  const ordered = [...sums].sort(([, a], [, b]) => (a.total < b.total ? -1 : a.total > b.total ? 1 : 0));
  const table = textTable(
    [{ title: 'tariff' }, { title: 'all together', align: 'right' }, { title: '' }, { title: 'best for', align: 'right' }],
    ordered.map(([tariffId, { total, best, currency }]) => [tariffId, decimalText(total, AMOUNT_DIGITS, 2), currency, withThousands(best)]),
  );
  return `${table}${withThousands(rated)} meters\n`;
}

async function tariffIds(api: ApiClient): Promise<string[]> {
  const ids: string[] = [];
  for await (const { data } of api.pages('/api/v1/tariffs', { limit: String(PAGE) })) ids.push(...data.map(({ id }) => String(id)));
  return ids;
}

/** Each once, though it may have had several agreements. */
async function* agreementMeters(api: ApiClient): AsyncGenerator<string> {
  const seen = new Set<string>();
  for await (const { data } of api.pages('/api/v1/agreements', { limit: String(PAGE) })) {
    for (const { meterId } of data as unknown as Agreement[]) {
      if (seen.has(meterId)) continue;
      seen.add(meterId);
      yield meterId;
    }
  }
}

/** `2026-12` → `2027-01-01`. */
function dayAfter(month: string): string {
  return new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5)), 1)).toISOString().slice(0, 10);
}

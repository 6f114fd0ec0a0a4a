import { COMPARED_TARIFFS_MAX, NAMED_METERS_MAX, type ComparedVersion, type TariffComparison } from '../../actors/tariffs/comparison.ts';
import { tariffName } from '../../actors/tariffs/papers/comparison-csv.ts';
import type { ComparedTariff } from '../../actors/tariffs/protocol.ts';
import { plainLine } from '../../actors/notifications/templates/plain-line.ts';
import { AMOUNT_DIGITS, parseDecimal } from '../../model/decimal.ts';
import type { Clock } from '../../runtime/clock.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { ApiClient } from '../api-client.ts';
import { writeOut, type Print } from '../engine-command.ts';
import { progressBar, rateParts } from '../progress-bar.ts';
import { ProgressLine, withThousands, type ProgressStream } from '../progress-line.ts';
import { pause } from '../retry-policy.ts';
import { textTable } from '../text-table.ts';

/** What months would have cost under other tariffs: for a meter at once, for many as a comparison of the engine's that is watched until it is over. */

export interface CompareOptions {
  /** Meters, a region, or `agreements`: everybody with one. */
  of: { meters: readonly string[] } | { region: string } | 'agreements';
  /** null: all tariffs. */
  tariffs: readonly ComparedVersion[] | null;
  /** Both included. */
  fromMonth: string;
  toMonth: string;
  /** Gets a row for each customer; null: none. */
  csv: string | null;
  by: string;
}

export interface CompareModules {
  clock: Clock;
  progress: ProgressStream;
  signal?: AbortSignal;
}

const COMPARISONS = '/api/v1/tariff-comparisons';
const PAGE = 500;
const CSV_PAGE = 5_000;
const POLL_MS_MIN = 50;
const POLL_MS_MAX = 500;

type WireComparison = Omit<TariffComparison, 'startedAt' | 'endedAt' | 'of'>;

/** Prints the comparison. Throws OperationalError: those of ApiClient, `usage`, `out_unwritable`, `nothing_rated`, `comparison_failed`, and `aborted` when it was stopped, after which the engine does no more of it. */
export async function compareTariffs(api: ApiClient, options: CompareOptions, print: Print, modules: CompareModules): Promise<void> {
  const tariffs = options.tariffs ?? (await storedTariffs(api));
  if (tariffs.length === 0) throw new OperationalError('usage', 'the engine has no tariffs to compare; seg tariff put gives it one');
  if (tariffs.length > COMPARED_TARIFFS_MAX) throw new OperationalError('usage', `${tariffs.length} tariffs are more than the ${COMPARED_TARIFFS_MAX} that are compared at once; name some with --tariffs`);
  const { of, csv } = options;
  const meters = typeof of === 'object' && 'meters' in of ? of.meters : null;
  if (meters !== null && meters.length > NAMED_METERS_MAX) throw new OperationalError('usage', `${meters.length} meters are more than the ${NAMED_METERS_MAX} that can be named; take --region or --all`);
  if (meters?.length === 1 && csv === null && tariffs.every(({ version }) => version === null)) return print(meterTable(await comparedOf(api, meters[0], tariffs, options)));
  const { fromMonth: from, toMonth: to, by } = options;
  const begun = (await api.post(COMPARISONS, { tariffs, from, to, by, ...(of === 'agreements' ? {} : of) })) as unknown as WireComparison;
  const comparison = await watch(api, begun, modules);
  if (comparison.state !== 'done') throw new OperationalError('comparison_failed', `comparison ${plainLine(comparison.id)} was ${comparison.state === 'failed' ? `given up: ${plainLine(comparison.failures.at(-1)?.message ?? '')}` : 'cancelled'}`);
  if (csv !== null) await writeOut(csv, await rowsOf(api, comparison.id));
  if (comparison.rated > 0) print(summary(comparison));
  for (const { code, count, meterId, message } of comparison.failures) print(plainLine(`left out: ${withThousands(count)}, ${meterId === null ? message : `as ${meterId}: ${message}`} [${code}]`) + '\n');
  if (comparison.rated === 0) throw new OperationalError('nothing_rated', 'there was nothing to compare');
}

async function watch(api: ApiClient, begun: WireComparison, { clock, progress, signal }: CompareModules): Promise<WireComparison> {
  const path = `${COMPARISONS}/${encodeURIComponent(begun.id)}`;
  const line = new ProgressLine(progress);
  const startedMs = clock.monotonic();
  let comparison = begun;
  try {
    for (let waitMs = POLL_MS_MIN; comparison.state === 'running' || comparison.state === 'paused'; waitMs = Math.min(POLL_MS_MAX, waitMs * 2)) {
      const nowMs = clock.monotonic();
      if (line.due(nowMs)) line.show(comparisonProgress(comparison, nowMs - startedMs), nowMs);
      await pause(waitMs, signal);
      comparison = (await api.document(path)) as unknown as WireComparison;
    }
    return comparison;
  } catch (error) {
    if (!(error instanceof OperationalError) || error.code !== 'aborted') throw error;
    await api.remove(path);
    throw new OperationalError('aborted', 'the comparison was cancelled', { cause: error });
  } finally {
    line.end();
  }
}

/** `[########----------------]  33 %  33,120 of 100,000 looked at  33,118 customers rated  2 left out  1,240/s  54s left`. */
export function comparisonProgress({ all, done, rated, failed, state }: WireComparison, watchedMs: number): string {
  return [
    progressBar(done, all ?? Infinity),
    all === null ? 'counting meters' : `${withThousands(done)} of ${withThousands(all)} looked at`,
    `${withThousands(rated)} customers rated`,
    ...(failed > 0 ? [`${withThousands(failed)} left out`] : []),
    ...(state === 'paused' ? ['waiting for a part of the engine'] : rateParts((all ?? 0) - done, done / watchedMs, watchedMs)),
  ].join('  ');
}

function summary({ id, rated, currency, tariffs, present, saving }: WireComparison): string {
  const ordered = [...tariffs].sort((a, b) => compareAmounts(a.total, b.total));
  const table = textTable(
    [{ title: 'tariff' }, { title: 'all together', align: 'right' }, { title: '' }, { title: 'best for', align: 'right' }, { title: '', align: 'right' }],
    ordered.map((tariff) => [`${tariffName(tariff, tariffs)}`, tariff.total, currency, withThousands(tariff.bestFor), `${((tariff.bestFor / rated) * 100).toFixed(0)} %`]),
  );
  const now = present.customers === 0 ? '' : `${withThousands(present.customers)} pay ${present.total} ${currency} now; ${withThousands(saving.customers)} of them would save ${saving.total} ${currency} with the best of these`;
  return `${table}${withThousands(rated)} customers\n${now === '' ? '' : `${plainLine(now)}\n`}comparison ${plainLine(id)} is kept with a row for each: ${COMPARISONS}/${plainLine(id)}/meters\n`;
}

function compareAmounts(a: string, b: string): number {
  const difference = parseDecimal(a, AMOUNT_DIGITS) - parseDecimal(b, AMOUNT_DIGITS);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** Pages one after the other are one file. */
async function rowsOf(api: ApiClient, id: string): Promise<string> {
  const parts: string[] = [];
  for await (const part of api.files(`${COMPARISONS}/${encodeURIComponent(id)}/meters`, { format: 'csv', limit: String(CSV_PAGE) })) parts.push(part.toString('utf8'));
  return parts.join('');
}

async function comparedOf(api: ApiClient, meterId: string, tariffs: readonly ComparedVersion[], { fromMonth, toMonth }: CompareOptions): Promise<ComparedTariff[]> {
  const query = { from: `${fromMonth}-01`, to: dayAfter(toMonth), tariffs: tariffs.map(({ id }) => id).join(',') };
  return (await api.document(`/api/v1/meters/${encodeURIComponent(meterId)}/compare`, query)).data as ComparedTariff[];
}

function meterTable(compared: readonly ComparedTariff[]): string {
  const months = compared[0].monthly.map(({ month }) => month);
  return textTable(
    [{ title: 'tariff' }, { title: 'total', align: 'right' }, { title: '' }, { title: 'difference', align: 'right' }, ...months.map((title) => ({ title, align: 'right' as const }))],
    compared.map(({ tariffId, version, total, currency, difference, monthly }) => [`${tariffId} v${version}`, total, currency, difference, ...months.map((month) => monthly.find((other) => other.month === month)?.total ?? '')]),
  );
}

async function storedTariffs(api: ApiClient): Promise<ComparedVersion[]> {
  const tariffs: ComparedVersion[] = [];
  for await (const { data } of api.pages('/api/v1/tariffs', { limit: String(PAGE) })) tariffs.push(...data.map(({ id }) => ({ id: String(id), version: null })));
  return tariffs;
}

/** `2026-12` → `2027-01-01`. */
function dayAfter(month: string): string {
  return new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5)), 1)).toISOString().slice(0, 10);
}

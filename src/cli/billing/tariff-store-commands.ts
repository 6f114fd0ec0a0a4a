import { readFile } from 'node:fs/promises';
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { ComparedVersion } from '../../actors/tariffs/comparison.ts';
import type { TariffVersion } from '../../actors/tariffs/protocol.ts';
import { plainLine } from '../../actors/notifications/templates/plain-line.ts';
import { systemClock } from '../../runtime/clock.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { ApiClient } from '../api-client.ts';
import { runToEnd } from '../command-end.ts';
import { addBy, addUrl, byName, toStdout, withApi, type Print } from '../engine-command.ts';
import { collect, wholeNumber } from '../option-values.ts';
import { textTable } from '../text-table.ts';
import { compareTariffs, type CompareOptions } from './tariff-compare.ts';

const TARIFFS = '/api/v1/tariffs';
const LIST_PAGE = 500;

const HELP = `
With a running engine:
  seg tariff put home-tou.json
  seg tariff list
  seg tariff show home-tou --version 2
  seg tariff compare --meter house-1 --from 2026-01 --to 2026-06
  seg tariff compare --all --from 2026-01 --to 2026-06 --tariffs flat,home-tou@2 --csv best.csv`;

/** Of a row of `GET /api/v1/tariffs`. */
interface WireTariff {
  id: string;
  version: number;
  name: string;
  currency: string;
  zone: string;
  effectiveFrom: string;
  effectiveTo: string | null;
}

/** Adds to `seg tariff` what is asked of a running engine. */
export function registerStoredTariffs(tariff: Command): void {
  tariff.addHelpText('after', HELP);
  addBy(addUrl(tariff.command('put')))
    .argument('<file>', 'a tariff document; - is stdin')
    .description('give the engine a tariff, or a new version of one; what was billed keeps the version it was billed by')
    .action((file: string, flags: { url: string; by?: string }) => runToEnd((signal) => withApi(flags, signal, (api) => putTariff(api, file, byName(flags.by), toStdout))));
  addUrl(tariff.command('list'))
    .description('list the tariffs')
    .action((flags: { url: string }) => runToEnd((signal) => withApi(flags, signal, (api) => listTariffs(api, toStdout))));
  addUrl(tariff.command('show'))
    .argument('<tariff>', 'its id')
    .description('show the document of a tariff')
    .option('--version <n>', 'not the newest one', wholeNumber(1, 999_999_999))
    .action((id: string, flags: { url: string; version?: number }) => runToEnd((signal) => withApi(flags, signal, (api) => showTariff(api, id, flags.version, toStdout))));
  addCompare(tariff);
}

interface CompareFlags {
  url: string;
  by?: string;
  all?: true;
  meter?: string[];
  region?: string;
  from: string;
  to: string;
  tariffs?: ComparedVersion[];
  csv?: string;
}

function addCompare(tariff: Command): void {
  addBy(addUrl(tariff.command('compare')))
    .description('what stored months would have cost under other tariffs, and which is the best for whom; Ctrl-C cancels it')
    .addOption(new Option('--meter <id>', 'one meter; more with commas, or again').argParser(collect).conflicts(['all', 'region']))
    .addOption(new Option('--region <region>', 'every meter of a region').conflicts('all'))
    .option('--all', 'everybody with an agreement')
    .requiredOption('--from <month>', 'first month, such as 2026-01', parseMonth)
    .requiredOption('--to <month>', 'last month', parseMonth)
    .addOption(new Option('--tariffs <ids>', 'tariffs to compare, with commas (default: all); home-tou@2 is its version 2 for all days, whenever that is in force').argParser(collectVersions))
    .option('--csv <file>', 'also write a row for each customer: costs under each tariff, the best one, what it saves')
    .action((flags: CompareFlags) =>
      runToEnd(async (signal) => {
        const of = flags.meter !== undefined ? { meters: [...new Set(flags.meter)] } : flags.region !== undefined ? { region: flags.region } : flags.all ? 'agreements' : null;
        if (of === null) throw new OperationalError('usage', 'name meters with --meter or a region with --region, or take --all');
        if (flags.to < flags.from) throw new OperationalError('usage', '--to must not be before --from');
        const options: CompareOptions = { of, tariffs: flags.tariffs ?? null, fromMonth: flags.from, toMonth: flags.to, csv: flags.csv ?? null, by: byName(flags.by) };
        await withApi(flags, signal, (api) => compareTariffs(api, options, toStdout, { clock: systemClock, progress: process.stderr, signal }));
      }),
    );
}

/** Throws OperationalError `unreadable`, and those of ApiClient: a document with faults is refused with their paths. */
export async function putTariff(api: ApiClient, file: string, by: string, print: Print): Promise<void> {
  const document = await readDocument(file);
  const stored = (await api.put(`${TARIFFS}/${encodeURIComponent(String(document.id))}?by=${encodeURIComponent(by)}`, document)) as unknown as TariffVersion;
  print(plainLine(`${stored.id} is stored as version ${stored.version}`) + '\n');
}

async function readDocument(file: string): Promise<Record<string, unknown>> {
  try {
    const document = JSON.parse(await readFile(file === '-' ? '/dev/stdin' : file, 'utf8')) as Record<string, unknown> | null;
    if (typeof document === 'object' && document !== null && typeof document.id === 'string') return document;
  } catch (cause) {
    throw new OperationalError('unreadable', `cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
  throw new OperationalError('unreadable', `${file} is not a tariff document: it has no "id"`);
}

export async function listTariffs(api: ApiClient, print: Print): Promise<void> {
  const rows: string[][] = [];
  for await (const { data } of api.pages(TARIFFS, { limit: String(LIST_PAGE) })) {
    for (const { id, version, name, currency, zone, effectiveFrom, effectiveTo } of data as unknown as WireTariff[]) rows.push([id, String(version), name, currency, zone, effectiveFrom, effectiveTo ?? '']);
  }
  if (rows.length === 0) return print('there are no tariffs yet; seg tariff put gives the engine one\n');
  print(textTable([{ title: 'id' }, { title: 'version', align: 'right' }, { title: 'name' }, { title: 'currency' }, { title: 'zone' }, { title: 'from' }, { title: 'to' }], rows));
}

export async function showTariff(api: ApiClient, id: string, version: number | undefined, print: Print): Promise<void> {
  const tariff = (await api.document(`${TARIFFS}/${encodeURIComponent(id)}`, version === undefined ? {} : { version: String(version) })) as unknown as TariffVersion;
  print(`${JSON.stringify(tariff.document, null, 2)}\n`);
}

/** `flat,home-tou@2`. */
function collectVersions(text: string, previous: ComparedVersion[] | undefined): ComparedVersion[] {
  const given = collect(text, []).map((part): ComparedVersion => {
    const [, id, version] = /^([A-Za-z0-9._-]{1,64})(?:@([1-9]\d{0,8}))?$/.exec(part) ?? [];
    if (id === undefined) throw new InvalidArgumentError('Write ids of tariffs, such as flat, or flat@2 for one of its versions.');
    return { id, version: version === undefined ? null : Number(version) };
  });
  return [...(previous ?? []), ...given];
}

function parseMonth(text: string): string {
  if (!/^\d{4}-(0[1-9]|1[0-2])$/.test(text)) throw new InvalidArgumentError('Write a month like 2026-07.');
  return text;
}

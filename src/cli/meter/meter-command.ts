import { Option, type Command } from 'commander';
import { METER_STATUSES } from '../../model/registered-meter.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { ApiClient } from '../api-client.ts';
import { EXIT, EXIT_CODES_HELP, endUsageFaultsWith2, runToEnd } from '../command-end.ts';
import { addUrl, toStdout, withApi, type Print } from '../engine-command.ts';
import { wholeNumber } from '../option-values.ts';
import { withThousands } from '../progress-line.ts';
import { textTable } from '../text-table.ts';
import { METER_COLUMNS, namedField, rowOfFields, type MeterColumn } from './meter-columns.ts';
import { exportMeters } from './meter-export.ts';
import { importMeters } from './meter-import.ts';

const BASE = '/api/v1/registry/meters';
const ROWS_SHOWN = 100;

const HELP = `
Examples:
  seg meter import meters.csv.gz --column serial=Zählernummer --set country=DE --dry-run
  seg meter list --region region-01 --status planned
  seg meter set meter-1 "street=Hauptstraße 1" city=Köln installedOn=2026-07-01
  seg meter export --out meters.csv
${EXIT_CODES_HELP} Rows that were refused are a failure.`;

const IMPORT_HELP = `
A CSV file has a header. Columns are found by the names of fields in whatever letters, also as postal_code; --column names others:
  ${METER_COLUMNS.join(', ')}
An empty cell means that it is not known; a column that is not there leaves what the registry has. Days are 2026-07-01 or 01.07.2026.
NDJSON has a row of POST /api/v1/registry/imports a line. Either may be gzip.

Every refused row is printed with its line; the others are written. A run that was stopped is gone on with by running it again: what is there already is unchanged.

Example:
  seg meter import meters.csv --column meterId=Zählpunkt --column serial="Zähler Nr." --set region=region-01 --new-regions
${EXIT_CODES_HELP} Rows that were refused are a failure.`;

interface Address {
  url: string;
  token?: string;
}

interface FilterFlags {
  region?: string;
  class?: string;
  status?: string;
  q?: string;
}

interface ImportFlags extends Address {
  column: string[];
  set: string[];
  delimiter?: string;
  newRegions?: boolean;
  dryRun?: boolean;
  by?: string;
}

/** Adds `seg meter`. */
export function registerMeter(program: Command): void {
  const meter = endUsageFaultsWith2(program.command('meter')).description('the registry of meters of a running engine: serial numbers, addresses, what they are').addHelpText('after', HELP);
  const each = (text: string, before: string[]): string[] => [...before, text];
  addUrl(meter.command('import'))
    .description('make and change entries from a file, CSV or NDJSON, plain or gzip')
    .argument('<file>')
    .option('--column <field=name>', 'the column that a field is in; repeatable', each, [])
    .option('--set <field=value>', 'of every row that does not say it; repeatable', each, [])
    .option('--delimiter <char>', 'separator, or "tab" (default: the one of , ; tab | that the first line has most of)')
    .option('--new-regions', 'take regions as well of which nothing is known')
    .option('--dry-run', 'say what would come of it, and write nothing')
    .option('--by <name>', 'who does it, in an engine without accounts')
    .addHelpText('after', IMPORT_HELP)
    .action((file: string, flags: ImportFlags) => runToEnd((signal) => withApi(flags, signal, (api) => runImport(api, file, flags))));
  addFilters(addUrl(meter.command('list')))
    .description('list entries')
    .option('--limit <n>', 'how many at most', wholeNumber(1, 1_000_000), ROWS_SHOWN)
    .action((flags: Address & FilterFlags & { limit: number }) => runToEnd((signal) => withApi(flags, signal, (api) => listMeters(api, flags, flags.limit, toStdout))));
  addUrl(meter.command('show'))
    .description('show the entry of a meter')
    .argument('<meter>')
    .action((id: string, flags: Address) => runToEnd((signal) => withApi(flags, signal, async (api) => toStdout(`${JSON.stringify(await api.document(pathOf(id)), null, 2)}\n`))));
  addUrl(meter.command('set'))
    .description('change fields of an entry, or make it; an empty value means that it is not known')
    .argument('<meter>')
    .argument('<field=value...>')
    .action((id: string, fields: string[], flags: Address) => runToEnd((signal) => withApi(flags, signal, (api) => setFields(api, id, fields, toStdout))));
  addUrl(meter.command('remove'))
    .description('take a meter out of the registry; its readings stay')
    .argument('<meter>')
    .action((id: string, flags: Address) =>
      runToEnd((signal) =>
        withApi(flags, signal, async (api) => {
          await api.remove(pathOf(id));
          toStdout(`${id} is not in the registry any more.\n`);
        }),
      ),
    );
  addFilters(addUrl(meter.command('export')))
    .description('write entries to a file that seg meter import takes')
    .addOption(new Option('--format <format>', 'of the file').choices(['csv', 'ndjson']).default('csv'))
    .option('--out <file>', 'the file, or - for stdout', '-')
    .action((flags: Address & FilterFlags & { format: 'csv' | 'ndjson'; out: string }) =>
      runToEnd((signal) =>
        withApi(flags, signal, async (api) => {
          const meters = await exportMeters(api, { query: queryOf(flags), format: flags.format, out: flags.out });
          process.stderr.write(`${withThousands(meters)} meters written${flags.out === '-' ? '' : ` to ${flags.out}`}\n`);
        }),
      ),
    );
}

function addFilters(command: Command): Command {
  return command
    .option('--region <name>', 'of one region')
    .option('--class <name>', 'of one class of customers')
    .addOption(new Option('--status <status>', 'as it is today').choices(METER_STATUSES))
    .option('--q <text>', 'what the id, the serial number, the postal code, the city or the street begins with');
}

function queryOf({ region, class: customerClass, status, q }: FilterFlags): Record<string, string> {
  return Object.fromEntries(Object.entries({ region, class: customerClass, status, q }).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

async function runImport(api: ApiClient, file: string, { column, set, delimiter, newRegions = false, dryRun = false, by }: ImportFlags): Promise<void> {
  const plan = { columns: fieldMap(column, ' of --column'), constants: fieldMap(set, ' of --set'), delimiter: delimiter === undefined ? null : delimiterOf(delimiter) };
  const { refused } = await importMeters(api, { file, plan, isDryRun: dryRun, newRegions, by }, process.stderr);
  if (refused > 0) process.exitCode = EXIT.failed;
}

function fieldMap(texts: readonly string[], option: string): Map<MeterColumn, string> {
  return new Map(texts.map((text) => namedField(text, option)));
}

function delimiterOf(text: string): string {
  const delimiter = text === 'tab' || text === '\\t' ? '\t' : text;
  if (delimiter.length !== 1) throw new OperationalError('usage', 'the --delimiter is one character, or tab');
  return delimiter;
}

export async function listMeters(api: Pick<ApiClient, 'pages'>, filters: FilterFlags, limit: number, print: Print): Promise<void> {
  const rows: string[][] = [];
  let isMore = false;
  for await (const { data, nextCursor } of api.pages(BASE, { ...queryOf(filters), limit: String(Math.min(limit, 1_000)) })) {
    for (const meter of data) rows.push(rowOf(meter));
    isMore = rows.length > limit || nextCursor !== null;
    if (rows.length >= limit) break;
  }
  if (rows.length === 0) return print('There are none.\n');
  print(textTable(['meter', 'serial', 'class', 'region', 'status', 'installed', 'address'].map((title) => ({ title })), rows.slice(0, limit)));
  if (isMore) print(`There are more than ${withThousands(limit)}; --limit shows them, seg meter export writes all.\n`);
}

function rowOf(meter: Record<string, unknown>): string[] {
  const { street, postalCode, city, country } = meter.address as Record<string, string | null>;
  const address = [street, [postalCode, city].filter((part) => part !== null).join(' '), country].filter((part) => part !== null && part !== '').join(', ');
  return [...[meter.meterId, meter.serial, meter.customerClass, meter.region, meter.status, meter.installedOn].map((value) => String(value ?? '–')), address];
}

async function setFields(api: ApiClient, id: string, texts: readonly string[], print: Print): Promise<void> {
  const row = rowOfFields(texts.map((text) => namedField(text, '')));
  if ('meterId' in row) throw new OperationalError('usage', 'the id of a meter is what it is; seg meter remove it, and make another');
  try {
    const { version } = await api.patch(pathOf(id), row);
    print(`${id} is at version ${String(version)}.\n`);
  } catch (error) {
    // Who may not see it may not make it either.
    if (!(error instanceof OperationalError) || error.code !== 'not_found' || !('region' in row)) throw error;
    await api.put(pathOf(id), row);
    print(`${id} is in the registry now.\n`);
  }
}

function pathOf(id: string): string {
  return `${BASE}/${encodeURIComponent(id)}`;
}

import type { WriteStream } from 'node:fs';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { once } from 'node:events';
import type { Command } from 'commander';
import { Option } from 'commander';
import { csvCell } from '../model/csv-cell.ts';
import type { Granularity, MeterWindow, RegionWindow } from '../model/window.ts';
import { GRANULARITIES } from '../model/window.ts';
import { systemClock } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';
import { ApiClient, DEFAULT_API_URL } from './api-client.ts';
import { EXIT_CODES_HELP, endUsageFaultsWith2, runToEnd } from './command-end.ts';
import { parseInstantMs } from './option-values.ts';
import { ProgressLine, withThousands } from './progress-line.ts';

export type ExportSubject = { meter: string } | { region: string } | { allMeters: true };

export interface ExportOptions {
  url: string;
  token?: string;
  subject: ExportSubject;
  granularity: Granularity;
  /** [fromMs, toMs), epoch ms. */
  fromMs: number;
  toMs: number;
  format: 'csv' | 'ndjson';
  /** `-` is stdout. */
  out: string;
}

export interface ExportHooks {
  signal?: AbortSignal;
  /** After every page. */
  onProgress?: (windows: number) => void;
}

/** Windows a request asks for: the API's most. */
const WINDOWS_PER_PAGE = 10_000;
const METERS_PER_PAGE = 1_000;
/** Before the engine's earliest timestamp. */
const FROM_MS_DEFAULT = Date.UTC(2000, 0, 1);
/** Readings may be this far ahead of the clock, and a window ends up to 15 min after its reading. */
const AHEAD_MS = 20 * 60_000;

const METER_COLUMNS = [
  'meterId', 'region', 'granularity', 'windowStart', 'windowEnd', 'avgPowerKw', 'minPowerKw', 'maxPowerKw', 'energyKwhSum', 'energySource',
  'voltageAvg', 'voltageMin', 'voltageMax', 'count', 'revision', 'final',
] as const satisfies readonly (keyof MeterWindow)[];
const REGION_COLUMNS = [
  'region', 'granularity', 'windowStart', 'windowEnd', 'metersReporting', 'sumPowerKw', 'avgPowerKw', 'minPowerKw', 'maxPowerKw', 'energyKwhSum',
  'capacityKw', 'loadPercent', 'final',
] as const satisfies readonly (keyof RegionWindow)[];

/**
 * Writes the windows of a meter, a region or all meters; returns how many. A file appears under its name only when it is complete. Throws OperationalError: those of
 * ApiClient.pages, and `out_unwritable`.
 */
export async function runExport(options: ExportOptions, hooks: ExportHooks = {}): Promise<number> {
  const client = new ApiClient(options.url, hooks.signal, options.token);
  const temporary = options.out === '-' ? null : `${options.out}.${process.pid}.tmp`;
  const out: Writable = temporary === null ? process.stdout : await openForWriting(temporary);
  const columns = 'region' in options.subject ? REGION_COLUMNS : METER_COLUMNS;
  let windows = 0;
  try {
    // With the first page: an error must not come after a line that looks like a result.
    let head = options.format === 'csv' ? `${columns.join(',')}\n` : '';
    for await (const path of windowPaths(client, options.subject)) {
      for await (const page of client.pages(path, windowQuery(options))) {
        await write(out, head + page.data.map((window) => rowText(window, columns, options.format)).join(''));
        head = '';
        windows += page.data.length;
        hooks.onProgress?.(windows);
      }
    }
    if (head !== '') await write(out, head);
    if (temporary !== null) {
      out.end();
      await finished(out);
      await rename(temporary, options.out);
    }
    return windows;
  } catch (error) {
    if (temporary !== null) {
      out.destroy();
      await rm(temporary, { force: true });
    }
    if (error instanceof OperationalError) throw error;
    throw new OperationalError('out_unwritable', `cannot write ${options.out}: ${(error as Error).message}`, { cause: error });
  } finally {
    client.close();
  }
}

async function* windowPaths(client: ApiClient, subject: ExportSubject): AsyncGenerator<string> {
  if ('meter' in subject) yield meterPath(subject.meter);
  else if ('region' in subject) yield `/api/v1/regions/${encodeURIComponent(subject.region)}/aggregates`;
  else for await (const page of client.pages('/api/v1/meters', { limit: String(METERS_PER_PAGE) })) for (const { meterId } of page.data) yield meterPath(String(meterId));
}

function meterPath(meterId: string): string {
  return `/api/v1/meters/${encodeURIComponent(meterId)}/aggregates`;
}

function windowQuery({ granularity, fromMs, toMs }: ExportOptions): Record<string, string> {
  return { granularity, from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString(), limit: String(WINDOWS_PER_PAGE) };
}

function rowText(window: Record<string, unknown>, columns: readonly string[], format: 'csv' | 'ndjson'): string {
  return format === 'ndjson' ? `${JSON.stringify(window)}\n` : `${columns.map((column) => csvCell((window[column] ?? null) as string | number | boolean | null)).join(',')}\n`;
}

async function openForWriting(path: string): Promise<WriteStream> {
  const out = createWriteStream(path);
  // `once` rejects when 'error' comes first; a directory that is not there is found before anything is asked.
  await once(out, 'open').catch((cause: Error) => {
    throw new OperationalError('out_unwritable', `cannot write ${path}: ${cause.message}`, { cause });
  });
  return out;
}

/** Resolves when the text has been handed on, so that a slow disk or pipe slows the export; rejects when it failed. */
function write(out: Writable, text: string): Promise<void> {
  return new Promise((resolve, reject) => out.write(text, (error) => (error ? reject(error) : resolve())));
}

interface ExportFlags {
  url: string;
  token?: string;
  meter?: string;
  region?: string;
  allMeters?: boolean;
  granularity: Granularity;
  from?: number;
  to?: number;
  format: 'csv' | 'ndjson';
  out: string;
}

const NOTES_HELP = `
Examples:
  seg export --meter meter-000001 --granularity 15m --from 2026-01-01 --to 2026-02-01 --out january.csv
  seg export --region region-01 --format ndjson > region-01.ndjson
${EXIT_CODES_HELP} A file that could not be completed is not left behind.`;

/** Adds `seg export`. */
export function registerExport(program: Command): void {
  endUsageFaultsWith2(program.command('export'))
    .description('write the windows of a meter, a region or all meters to a file')
    .option('--url <url>', 'API port of the engine', DEFAULT_API_URL)
    .option('--token <token>', 'access token (default: SEG_TOKEN, the file of SEG_TOKEN_FILE, or that of seg login)')
    .addOption(new Option('--meter <id>', 'one meter').conflicts(['region', 'allMeters']))
    .addOption(new Option('--region <name>', 'one region').conflicts(['allMeters']))
    .option('--all-meters', 'every meter, in order of id')
    .addOption(new Option('--granularity <granularity>', 'length of the windows').choices(GRANULARITIES).default('15m'))
    .option('--from <time>', 'first window, like 2026-01-31T12:00:00Z or 2026-01-31 (default: the oldest)', parseInstantMs)
    .option('--to <time>', 'windows that start before it (default: the newest)', parseInstantMs)
    .addOption(new Option('--format <format>', 'of the file').choices(['csv', 'ndjson']).default('csv'))
    .option('--out <file>', 'the file, or - for stdout', '-')
    .addHelpText('after', NOTES_HELP)
    .action((flags: ExportFlags) => runToEnd((signal) => exportWindows(flags, signal)));
}

async function exportWindows(flags: ExportFlags, signal: AbortSignal): Promise<void> {
  const fromMs = flags.from ?? FROM_MS_DEFAULT;
  const toMs = flags.to ?? systemClock.now() + AHEAD_MS;
  if (fromMs >= toMs) throw new OperationalError('usage', '--from must be before --to');
  const { url, token, granularity, format, out } = flags;
  const line = new ProgressLine(process.stderr);
  const onProgress = (windows: number) => {
    const nowMs = systemClock.monotonic();
    if (line.due(nowMs)) line.show(`${withThousands(windows)} windows`, nowMs);
  };
  try {
    const windows = await runExport({ url, token, subject: subjectOf(flags), granularity, fromMs, toMs, format, out }, { signal, onProgress });
    line.end();
    process.stderr.write(`${withThousands(windows)} windows written${out === '-' ? '' : ` to ${out}`}\n`);
  } finally {
    line.end();
  }
}

function subjectOf(flags: ExportFlags): ExportSubject {
  if (flags.meter !== undefined) return { meter: flags.meter };
  if (flags.region !== undefined) return { region: flags.region };
  if (flags.allMeters) return { allMeters: true };
  throw new OperationalError('usage', 'say what to export: --meter ID, --region NAME or --all-meters');
}

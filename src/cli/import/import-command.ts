import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import type { BodyFormat } from '../../actors/ingest/protocol.ts';
import { systemClock } from '../../runtime/clock.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { EXIT, EXIT_CODES_HELP, endUsageFaultsWith2, runToEnd } from '../command-end.ts';
import { DEFAULT_INGEST_URL } from '../ingest-client.ts';
import { collect, parseDurationMs, wholeNumber } from '../option-values.ts';
import { ProgressLine, formatDuration, withThousands } from '../progress-line.ts';
import type { ImportLayout, ImportPlan, ValueUnit } from './import-plan.ts';
import { IMPORT_LAYOUTS, VALUE_UNITS } from './import-plan.ts';
import type { PresetName } from './import-presets.ts';
import { IMPORT_PRESETS, PRESET_NAMES } from './import-presets.ts';
import type { ImportOptions, ImportProgress } from './import-run.ts';
import { DEFAULT_IMPORT, previewImport, runImport } from './import-run.ts';
import type { BadRow } from './row-reader.ts';

/** Readings that --dry-run prints. */
const PREVIEW_READINGS = 10;
/** Rows of a --region-map; the engine's default meter limit. */
const REGION_MAP_ROWS_MAX = 2_000_000;

interface ImportFlags {
  url: string;
  key?: string;
  preset?: PresetName;
  layout?: ImportLayout;
  delimiter?: string;
  header: boolean;
  missing?: string[];
  meter?: string;
  meterColumn?: string;
  meterPrefix?: string;
  region?: string;
  regionColumn?: string;
  regionMap?: string;
  timeColumn?: string;
  dateColumn?: string;
  timeFormat?: string;
  zone?: string;
  timestamps?: 'start' | 'end';
  interval?: number;
  unit?: string[];
  powerColumn?: string;
  energyColumn?: string;
  voltageColumn?: string;
  currentColumn?: string;
  frequencyColumn?: string;
  powerFactorColumn?: string;
  firstInterval?: string;
  start?: string;
  periodColumn?: string;
  periodStart?: string[];
  format: BodyFormat;
  gzip: boolean;
  batch: number;
  concurrency: number;
  maxErrors: number;
  stateDir: string;
  restart?: boolean;
  dryRun?: boolean;
}

const NOTES_HELP = `
Layouts:
  long            a reading a row: --time-column, --meter-column or --meter, --power-column and/or --energy-column
  wide-meters     a row a time, a column a meter: --time-column
  wide-intervals  a row a meter, a column an interval: --meter-column, --first-interval, --interval, and --start, --date-column or --period-column
Columns are named as in the header, or #3 for the third. Energy of an interval gives its mean power too. Readings carry the start of their interval.

Presets (any option given besides wins):
${PRESET_NAMES.map((name) => `  ${name.padEnd(7)} ${IMPORT_PRESETS[name].about}`).join('\n')}

Times without an offset are in --zone. Where clocks go back, a repeated time is the first of the two unless the row before it in the file (of the same meter) already was;
times that clocks skip are bad rows.

A run that is stopped or killed is continued by the same command; sending a reading twice is harmless.

Examples:
  seg import household_power_consumption.txt --preset uci
  seg import meters.csv --layout wide-meters --time-column ts --unit kWh --interval 30m --zone Europe/London --region north
  seg import readings.csv.gz --meter-column id --time-column at --time-format "DD.MM.YYYY HH:mm" --zone Europe/Berlin --power-column watts --unit W --region south
${EXIT_CODES_HELP} Bad rows and rejected readings alone are no failure unless there are more than --max-errors bad rows.`;

/** Adds `seg import FILE`. */
export function registerImport(program: Command): void {
  endUsageFaultsWith2(program.command('import'))
    .description('send the readings of a delimited file, plain or gzip, to a running engine; continues where an interrupted run ended')
    .argument('<file>', 'delimited text in UTF-8, plain or gzip')
    .option('--url <url>', 'ingest port of the engine', DEFAULT_INGEST_URL)
    .option('--key <key>', 'device key (default: SEG_KEY, or the file of SEG_KEY_FILE)')
    .addOption(new Option('--preset <name>', 'settings for a well-known file, see below').choices(PRESET_NAMES))
    .addOption(new Option('--layout <layout>', 'see below (default: long)').choices(IMPORT_LAYOUTS))
    .option('--delimiter <char>', 'separator, or "tab" (default: the one of , ; tab | that the first line has most of)', parseDelimiter)
    .option('--no-header', 'the first line is data; columns are #1, #2 …')
    .option('--missing <text>', 'stands for no value, as the empty text always does; repeatable (default: "?")', (text, previous?: string[]) => [...(previous ?? []), text])
    .option('--meter <id>', 'the one meter of the file')
    .option('--meter-column <column>', 'holds the meter id')
    .option('--meter-prefix <text>', 'put before every meter id')
    .option('--region <name>', 'region of all meters, or of those that the map does not have')
    .option('--region-column <column>', 'holds the region')
    .option('--region-map <file>', 'a file of lines "meter,region"')
    .option('--time-column <column>', 'holds the time, or the time of day when there is a --date-column')
    .option('--date-column <column>', 'holds the date; joined with the time by a space')
    .option('--time-format <format>', 'like "DD/MM/YYYY HH:mm:ss", or iso, epoch-ms, epoch-s (default: iso)')
    .option('--zone <zone>', 'of times without an offset: Europe/Paris, UTC, +10:00 (default: UTC)')
    .addOption(new Option('--timestamps <which>', 'what the file stamps an interval by (default: start)').choices(['start', 'end']))
    .option('--interval <duration>', 'between readings, like 30m; needed where values are energy', parseDurationMs)
    .option('--unit <unit>', `of the values: ${VALUE_UNITS.join(', ')}; for a long file one of power, one of energy, or both like W,Wh (default: kWh, and kW for a --power-column)`, collect)
    .option('--power-column <column>', 'long: mean power of the interval')
    .option('--energy-column <column>', 'long: energy of the interval')
    .option('--voltage-column <column>', 'long: V')
    .option('--current-column <column>', 'long: A')
    .option('--frequency-column <column>', 'long: Hz')
    .option('--power-factor-column <column>', 'long: −1 … 1')
    .option('--first-interval <column>', 'wide-intervals: the column of the first interval')
    .option('--start <time>', 'wide-intervals: local time of the first interval of every row, like 2018-10-29')
    .option('--period-column <column>', 'wide-intervals: names the period that the row covers')
    .option('--period-start <name=date>', 'wide-intervals: when a period begins, like w44=2018-10-29; repeatable', collect)
    .addOption(new Option('--format <format>', 'body of the requests').choices(['json', 'ndjson', 'msgpack']).default(DEFAULT_IMPORT.format))
    .option('--gzip', 'compress the requests', DEFAULT_IMPORT.gzip)
    .option('--batch <n>', 'readings per request', wholeNumber(1, 50_000), DEFAULT_IMPORT.batchSize)
    .option('--concurrency <n>', 'requests in flight; above 1 readings may arrive out of order and count as late', wholeNumber(1, 64), DEFAULT_IMPORT.concurrency)
    .option('--max-errors <n>', 'bad rows (or cells of wide rows) that are put up with', wholeNumber(0, Number.MAX_SAFE_INTEGER), DEFAULT_IMPORT.maxErrors)
    .option('--state-dir <directory>', 'where an unfinished import is remembered', DEFAULT_IMPORT.stateDirectory)
    .option('--restart', 'begin at the start of the file, whatever an earlier run remembered')
    .option('--dry-run', `print the first ${PREVIEW_READINGS} readings and send nothing`)
    .addHelpText('after', NOTES_HELP)
    .action((file: string, flags: ImportFlags) => runToEnd((signal) => importFile(file, flags, signal)));
}

async function importFile(file: string, flags: ImportFlags, signal: AbortSignal): Promise<void> {
  const options: ImportOptions = {
    file,
    url: flags.url,
    key: flags.key,
    preset: flags.preset ?? null,
    plan: await planOf(flags),
    format: flags.format,
    gzip: flags.gzip,
    batchSize: flags.batch,
    concurrency: flags.concurrency,
    maxErrors: flags.maxErrors,
    stateDirectory: flags.stateDir,
    restart: flags.restart ?? false,
  };
  if (flags.dryRun) {
    const preview = await previewImport(options, PREVIEW_READINGS);
    for (const reading of preview.readings) process.stdout.write(`${JSON.stringify({ ...reading, timestamp: new Date(reading.timestamp).toISOString() })}\n`);
    process.stderr.write(badRowsText(preview.badRows.length, preview.badRows));
    return;
  }
  const line = new ProgressLine(process.stderr);
  let resumeShown = false;
  const onProgress = (progress: ImportProgress) => {
    if (!resumeShown && progress.resumedFrom !== null) {
      process.stderr.write(`going on at data row ${withThousands(progress.resumedFrom.position.row + 1)}, where a run ended at ${progress.resumedFrom.savedAt}; --restart would begin anew\n`);
    }
    resumeShown = true;
    const nowMs = systemClock.monotonic();
    if (line.due(nowMs)) line.show(progressText(progress), nowMs);
  };
  try {
    const last = await runImport(options, { signal, onProgress });
    line.end();
    process.stderr.write(summaryText(last));
    if (!last.complete) process.exitCode = EXIT.failed;
  } finally {
    line.end();
  }
}

/** Only what the user gave, so that the rest may come from a preset. */
async function planOf(flags: ImportFlags): Promise<Partial<ImportPlan>> {
  const units = unitsOf(flags.unit ?? []);
  const plan: Partial<ImportPlan> = {
    layout: flags.layout,
    delimiter: flags.delimiter,
    header: flags.header,
    missing: flags.missing,
    meter: flags.meter,
    meterColumn: flags.meterColumn,
    meterPrefix: flags.meterPrefix,
    region: flags.region,
    regionColumn: flags.regionColumn,
    regionMap: flags.regionMap === undefined ? undefined : await readRegionMap(flags.regionMap),
    timeColumn: flags.timeColumn,
    dateColumn: flags.dateColumn,
    timeFormat: flags.timeFormat,
    zone: flags.zone,
    timestamps: flags.timestamps,
    intervalMs: flags.interval,
    ...units,
    powerColumn: flags.powerColumn,
    energyColumn: flags.energyColumn,
    voltageColumn: flags.voltageColumn,
    currentColumn: flags.currentColumn,
    frequencyColumn: flags.frequencyColumn,
    powerFactorColumn: flags.powerFactorColumn,
    firstInterval: flags.firstInterval,
    start: flags.start,
    periodColumn: flags.periodColumn,
    periodStarts: flags.periodStart === undefined ? undefined : periodStartsOf(flags.periodStart),
  };
  return Object.fromEntries(Object.entries(plan).filter(([, value]) => value !== undefined));
}

function unitsOf(names: readonly string[]): Partial<ImportPlan> {
  const units: Partial<ImportPlan> = {};
  for (const name of names) {
    const unit = VALUE_UNITS.find((candidate) => candidate.toLowerCase() === name.toLowerCase());
    if (unit === undefined) throw new OperationalError('usage', `"${name}" is no unit of --unit; write one of ${VALUE_UNITS.join(', ')}`);
    units.unit = unit satisfies ValueUnit;
    if (unit === 'kW' || unit === 'W') units.powerUnit = unit;
    else units.energyUnit = unit;
  }
  return units;
}

function periodStartsOf(entries: readonly string[]): Map<string, string> {
  return new Map(
    entries.map((entry) => {
      const equals = entry.indexOf('=');
      if (equals < 1) throw new OperationalError('usage', `"${entry}" of --period-start is not NAME=DATE, like w44=2018-10-29`);
      return [entry.slice(0, equals), entry.slice(equals + 1)];
    }),
  );
}

async function readRegionMap(path: string): Promise<Map<string, string>> {
  const bytes = await readFile(path).catch((cause: Error) => {
    throw new OperationalError('usage', `cannot read the --region-map ${path}: ${cause.message}`, { cause });
  });
  const map = new Map<string, string>();
  for (const [index, line] of bytes.toString('utf8').split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    const [meter, region, ...rest] = line.split(/[,;\t]/).map((cell) => cell.trim());
    if (region === undefined || rest.length > 0) throw new OperationalError('usage', `line ${index + 1} of the --region-map is not "meter,region"`);
    if (map.size >= REGION_MAP_ROWS_MAX) throw new OperationalError('usage', `the --region-map has more than ${REGION_MAP_ROWS_MAX} meters`);
    map.set(meter, region);
  }
  return map;
}

function parseDelimiter(text: string): string {
  const delimiter = text === 'tab' || text === '\\t' ? '\t' : text;
  if (delimiter.length !== 1) throw new InvalidArgumentError('Expected one character, or tab.');
  return delimiter;
}

function progressText(progress: ImportProgress): string {
  const { bytesRead, bytesTotal, totals, elapsedMs } = progress;
  const share = bytesTotal === 0 ? 1 : bytesRead / bytesTotal;
  const leftMs = share === 0 ? 0 : (elapsedMs * (1 - share)) / share;
  const filled = Math.round(share * 20);
  const parts = [
    `[${'#'.repeat(filled)}${'.'.repeat(20 - filled)}] ${(share * 100).toFixed(1)} %`,
    `${withThousands(progress.rows)} rows (${withThousands((progress.rows * 1_000) / Math.max(1, elapsedMs))}/s)`,
    `${withThousands(totals.acknowledged)} readings sent`,
    `${withThousands(totals.rejected)} rejected`,
    `${withThousands(progress.bad)} bad`,
    `${formatDuration(leftMs)} left`,
  ];
  return parts.join(' · ');
}

function summaryText(progress: ImportProgress): string {
  const { totals, elapsedMs } = progress;
  const perS = withThousands((totals.acknowledged * 1_000) / Math.max(1, elapsedMs));
  const end = progress.complete ? '' : 'stopped before the end of the file; the same command goes on from here\n';
  const earlier = progress.resumedFrom === null ? '' : `an earlier run had sent: ${withThousands(progress.resumedFrom.accepted)} accepted, ${withThousands(progress.resumedFrom.duplicates)} duplicates, ${withThousands(progress.resumedFrom.rejected)} rejected\n`;
  const codes = [...totals.rejectedByCode].map(([code, count]) => `  ${code}: ${withThousands(count)}\n`).join('');
  const samples = totals.rejectSamples
    .map(({ code, message, meterId, timestamp }) => `  ${meterId ?? '?'} at ${timestamp === null ? '?' : new Date(timestamp).toISOString()}: ${code}, ${message}\n`)
    .join('');
  const rejected = totals.rejected === 0 ? '' : `rejected by the engine:\n${codes}first ones:\n${samples}`;
  return `${withThousands(progress.rows)} rows, ${withThousands(totals.acknowledged)} readings in ${formatDuration(elapsedMs)} (${perS}/s): ${withThousands(totals.accepted)} accepted, ${withThousands(totals.duplicates)} duplicates, ${withThousands(totals.rejected)} rejected; ${withThousands(progress.missing)} without a value\n${earlier}${rejected}${badRowsText(progress.bad, progress.badRows)}${end}`;
}

function badRowsText(count: number, rows: readonly BadRow[]): string {
  if (count === 0) return '';
  const shown = rows.map(({ line, reason }) => `  line ${line}: ${reason}\n`).join('');
  return `${withThousands(count)} bad rows were left out${count > rows.length ? '; the first ones' : ''}:\n${shown}`;
}

import { readFile, writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { plainLine } from '../actors/notifications/templates/plain-line.ts';
import { calendarPng, calendarSvg } from '../actors/tariffs/calendar-picture.ts';
import { calendarText } from '../actors/tariffs/calendar-text.ts';
import { effectiveWords } from '../actors/tariffs/calendar-view.ts';
import { readHolidays } from '../actors/tariffs/holiday-file.ts';
import { countPrices } from '../actors/tariffs/price-count.ts';
import { checkTariff } from '../actors/tariffs/tariff-check.ts';
import type { TariffDocument, TariffFault } from '../actors/tariffs/tariff-document.ts';
import { tariffJsonSchema } from '../actors/tariffs/tariff-json-schema.ts';
import { importUrdb } from '../actors/tariffs/urdb/urdb-import.ts';
import { OperationalError } from '../runtime/errors.ts';
import { EXIT, EXIT_CODES_HELP, endUsageFaultsWith2, runToEnd } from './command-end.ts';
import { wholeNumber } from './option-values.ts';

/** Tariff documents without a running engine: checked, drawn, made of those of others. */

/** Where the text of a command goes. */
type Print = (text: string) => void;

export interface CheckFlags {
  picture?: string;
  year?: number;
}

export interface UrdbFlags {
  zone: string;
  currency: string;
  from?: string;
  id?: string;
  label?: string;
  holidays?: string;
  division: string;
  ignore: string[];
  output?: string;
}

const HELP = `
Examples:
  seg tariff check docs/tariffs/*.json
  seg tariff check my-tariff.json --picture my-tariff.png --year 2027
  seg tariff import-urdb rate.json --zone America/Los_Angeles --from 2027-01-01 -o rate-tariff.json
  seg tariff holidays bank-holidays.json --division scotland
  seg tariff schema > seg-tariff.schema.json
${EXIT_CODES_HELP} A document with faults is a failure.`;

/** Adds `seg tariff`, and gives it: what needs a running engine is added elsewhere. */
export function registerTariff(program: Command): Command {
  const tariff = endUsageFaultsWith2(program.command('tariff')).description('check and draw tariff documents, and make them of those of others').addHelpText('after', HELP);
  tariff
    .command('check')
    .description('name every fault of tariff documents, prove that every minute has one price, and show when which is')
    .argument('<file...>', 'tariff documents (JSON)')
    .option('--picture <file>', 'draw the year there, as .svg or .png; of one document', pictureFile)
    .option('--year <year>', 'that is drawn (default: the first that the tariff has from its beginning)', wholeNumber(2000, 2100))
    .action((files: string[], flags: CheckFlags) =>
      runToEnd(async () => {
        if (!(await checkFiles(files, flags, process.stdout.isTTY && process.env.NO_COLOR === undefined, toStdout))) process.exitCode = EXIT.failed;
      }),
    );
  tariff
    .command('import-urdb')
    .description("make a tariff document of a rate of OpenEI's Utility Rate Database (JSON of version 7 or 8)")
    .argument('<file>', 'a response, or one rate of it')
    .requiredOption('--zone <zone>', 'time zone of its hours, such as America/Chicago')
    .option('--currency <currency>', 'of its prices', 'USD')
    .option('--from <date>', 'first day of the tariff (default: that of the rate)')
    .option('--label <label>', 'which rate, of several')
    .option('--id <id>', 'of the tariff (default: made of the label)')
    .option('--holidays <file>', 'public holidays, on which weekend prices are to hold; as seg tariff holidays reads them')
    .option('--division <name>', 'whose holidays, where the file has those of several', 'england-and-wales')
    .option('--ignore <field>', 'leave out a field that would be refused; may be given several times', (field: string, before: string[]) => [...before, field], [])
    .option('-o, --output <file>', 'write the document there instead of printing it')
    .action((file: string, flags: UrdbFlags) =>
      runToEnd(async () => {
        if (!(await importFile(file, flags, toStdout, toStderr))) process.exitCode = EXIT.failed;
      }),
    );
  tariff
    .command('holidays')
    .description("print public holidays as a tariff document has them, of gov.uk's bank-holidays.json or a list of dates and names")
    .argument('<file>', 'JSON')
    .option('--division <name>', 'whose holidays, where the file has those of several', 'england-and-wales')
    .action((file: string, { division }: { division: string }) => runToEnd(async () => toStdout(json(await holidaysOf(file, division)))));
  tariff
    .command('schema')
    .description('print the JSON Schema of tariff documents')
    .action(() => runToEnd(async () => toStdout(json(tariffJsonSchema()))));
  return tariff;
}

/** Prints what is found; true when no document has a fault. Throws OperationalError: `file_unreadable`, `file_unwritable`, `usage`. */
export async function checkFiles(files: readonly string[], { picture, year }: CheckFlags, hasColours: boolean, print: Print): Promise<boolean> {
  if (picture !== undefined && files.length > 1) throw new OperationalError('usage', 'a picture is of one document');
  let isGood = true;
  for (const file of files) {
    const { document, faults } = checkTariff(await readJson(file));
    print(document === null ? faultText(file, faults) : documentText(file, document, hasColours));
    isGood &&= document !== null;
    if (document === null || picture === undefined) continue;
    const svg = calendarSvg(document, year ?? null);
    await write(picture, picture.endsWith('.png') ? calendarPng(svg) : svg);
    print(`drawn to ${picture}\n`);
  }
  return isGood;
}

/** The document goes to `print` or its file, what there is to say about it to `note`; true when there is one. Throws as `checkFiles`. */
export async function importFile(file: string, flags: UrdbFlags, print: Print, note: Print): Promise<boolean> {
  const { document, faults, notes } = importUrdb(await readJson(file), {
    zone: flags.zone,
    currency: flags.currency,
    id: flags.id ?? null,
    label: flags.label ?? null,
    effectiveFrom: flags.from ?? null,
    holidays: flags.holidays === undefined ? [] : await holidaysOf(flags.holidays, flags.division),
    ignored: flags.ignore,
  });
  for (const line of notes) note(`${plainLine(line)}\n`);
  if (document === null) {
    note(faultText(file, faults));
    return false;
  }
  if (flags.output === undefined) print(json(document));
  else {
    await write(flags.output, json(document));
    note(`written to ${flags.output}\n`);
  }
  return true;
}

async function holidaysOf(file: string, division: string): Promise<TariffDocument['holidays']> {
  const { holidays, faults } = readHolidays(await readJson(file), division);
  if (holidays === null) throw new OperationalError('file_unreadable', `${file}: ${faults.map(({ message }) => message).join('; ')}`);
  return holidays;
}

function faultText(file: string, faults: readonly TariffFault[]): string {
  const lines = faults.map(({ path, message }) => `${path === '' ? '' : `${path}: `}${message}`);
  return `${file}: ${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}\n${lines.map((line) => `  ${plainLine(line)}\n`).join('')}`;
}

function documentText(file: string, document: TariffDocument, hasColours: boolean): string {
  const counts = countPrices(document);
  const proved = counts.map(({ charge, minutes, least, most }) => `  ${plainLine(charge)}: ${least === most ? `${least} price` : `${least} to ${most} prices`} in each of ${minutes.toLocaleString('en')} minutes\n`);
  const last = document.holidays.map(({ date }) => date).reduce((newest, date) => (date > newest ? date : newest), '');
  const holidays = document.holidays.length === 0 ? '' : `  ${document.holidays.length} public holidays, the last on ${last}\n`;
  return `${file}: good\n${plainLine(`${document.name} (${document.id}), ${effectiveWords(document)}, ${document.currency}, ${document.zone}`)}\n${proved.join('')}${holidays}\n${calendarText(document, hasColours)}\n`;
}

async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, 'utf8').catch((cause: Error) => {
    throw new OperationalError('file_unreadable', `cannot read ${file}: ${cause.message}`, { cause });
  });
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new OperationalError('file_unreadable', `${file} is no JSON: ${(cause as Error).message}`, { cause });
  }
}

async function write(file: string, content: string | Uint8Array): Promise<void> {
  await writeFile(file, content).catch((cause: Error) => {
    throw new OperationalError('file_unwritable', `cannot write ${file}: ${cause.message}`, { cause });
  });
}

function pictureFile(file: string): string {
  if (!/\.(svg|png)$/.test(file)) throw new InvalidArgumentError('Name a file that ends with .svg or .png.');
  return file;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function toStdout(text: string): void {
  process.stdout.write(text);
}

function toStderr(text: string): void {
  process.stderr.write(text);
}

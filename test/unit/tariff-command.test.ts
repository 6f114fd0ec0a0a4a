import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Resvg } from '@resvg/resvg-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { calendarPng, calendarSvg } from '../../src/actors/tariffs/calendar-picture.ts';
import { calendarText } from '../../src/actors/tariffs/calendar-text.ts';
import { readHolidays } from '../../src/actors/tariffs/holiday-file.ts';
import { checkTariff } from '../../src/actors/tariffs/tariff-check.ts';
import type { TariffDocument } from '../../src/actors/tariffs/tariff-document.ts';
import { tariffJsonSchema } from '../../src/actors/tariffs/tariff-json-schema.ts';
import { checkFiles, importFile, type UrdbFlags } from '../../src/cli/tariff-command.ts';
import { REPOSITORY } from '../support/engine-process.ts';
import { suite } from '../support/required-suites.ts';

const EXAMPLES = join(REPOSITORY, 'docs/tariffs');

let directory: string;
let printed: string;
const print = (text: string): void => void (printed += text);

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seg-tariff-'));
  printed = '';
});

afterEach(() => rm(directory, { recursive: true, force: true }));

async function example(name: string): Promise<TariffDocument> {
  const { document, faults } = checkTariff(JSON.parse(await readFile(join(EXAMPLES, `${name}.json`), 'utf8')));
  expect(faults).toEqual([]);
  return document!;
}

async function written(name: string, value: unknown): Promise<string> {
  await writeFile(join(directory, name), typeof value === 'string' ? value : JSON.stringify(value));
  return join(directory, name);
}

describe('seg tariff check', () => {
  it('finds every example good, and each of its minutes with one price', async () => {
    const files = (await readdir(EXAMPLES)).filter((file) => file.endsWith('.json')).map((file) => join(EXAMPLES, file));
    expect(files.length).toBeGreaterThanOrEqual(4);
    expect(await checkFiles(files, {}, false, print)).toBe(true);
    expect(printed.match(/: good$/gm)).toHaveLength(files.length);
    expect(printed.match(/: 1 price in each of /g)!.length).toBeGreaterThanOrEqual(files.length);
    expect(printed).not.toMatch(/ to \d+ prices/);
    expect(printed).toContain('summer  mon–fri            ························██████████████··········  00:00 off-peak, 12:00 on-peak, 19:00 off-peak\n');
    expect(printed).toContain('26 public holidays, the last on 2027-12-26');
  });

  it('names each fault by its path, and goes on with the next document', async () => {
    const document = await example('flat');
    const broken = await written('broken.json', { ...document, effectiveTo: '2020-01-01', charges: [{ kind: 'energy', name: 'Usage', schedule: 'alwys', rates: [{ period: 'any', tiers: [{ price: '0.1' }] }] }] });
    expect(await checkFiles([broken, join(EXAMPLES, 'flat.json')], {}, false, print)).toBe(false);
    expect(printed).toContain(`${broken}: 2 faults\n  effectiveTo: has to be after "effectiveFrom", 2026-07-01\n  charges.0.schedule: there is no schedule "alwys"; did you mean "always"?\n`);
    expect(printed).toContain('flat.json: good\n');
    const steering = await written('steering.json', { ...document, name: 'Flat\u001b[31m', 'a\u001b[31m': 1 });
    expect(await checkFiles([steering], {}, false, print)).toBe(false);
    expect(printed).toContain('  name: expected one line of text');
    expect(printed).not.toContain('\u001b');
  });

  it('says what a file is that it cannot read', async () => {
    await expect(checkFiles([await written('no.json', '{ "format": ')], {}, false, print)).rejects.toMatchObject({ code: 'file_unreadable', message: expect.stringContaining('is no JSON') });
    await expect(checkFiles([join(directory, 'none.json')], {}, false, print)).rejects.toMatchObject({ code: 'file_unreadable' });
    await expect(checkFiles(['a.json', 'b.json'], { picture: 'a.svg' }, false, print)).rejects.toMatchObject({ code: 'usage' });
    await expect(checkFiles([join(EXAMPLES, 'flat.json')], { picture: join(directory, 'none/a.svg') }, false, print)).rejects.toMatchObject({ code: 'file_unwritable' });
  });

  it('draws a year as SVG or PNG', async () => {
    for (const name of ['year.svg', 'year.png']) expect(await checkFiles([join(EXAMPLES, 'time-of-use.json')], { picture: join(directory, name), year: 2027 }, false, print)).toBe(true);
    expect(await readFile(join(directory, 'year.svg'), 'utf8')).toContain('the year 2027');
    expect((await readFile(join(directory, 'year.png'))).subarray(1, 4).toString()).toBe('PNG');
  });
});

describe('the picture of a calendar', () => {
  /** Colour at a day of the year and an hour, of the first schedule. */
  function colours(svg: string): (day: number, hour: number) => string {
    const image = new Resvg(svg, { font: { loadSystemFonts: false } }).render();
    return (day, hour) => {
      const [x, y] = [56 + day * 2, Math.floor(64 + 28 + hour * 9)];
      return [...image.pixels.subarray((y * image.width + x) * 4).subarray(0, 3)].join(',');
    };
  }
  const NIGHT = '254,240,178';
  const PEAK = '150,20,56';

  it('has each hour of each day in the colour of its period', async () => {
    const at = colours(calendarSvg(await example('time-of-use')));
    // Monday 5 January 2026, and Epiphany after it.
    expect([at(4, 5.5), at(4, 8), at(4, 19), at(4, 23)]).toEqual([NIGHT, PEAK, PEAK, NIGHT]);
    expect([at(5, 8), at(5, 19)]).toEqual([NIGHT, NIGHT]);
    // Thursday 2 July 2026: another season.
    expect([at(182, 8) === PEAK, at(182, 20.5)]).toEqual([false, PEAK]);
    // The last evening of the year.
    expect([at(364, 19), at(364, 22.5)]).toEqual([PEAK, NIGHT]);
  });

  it('is a picture whatever the names are', async () => {
    const document = await example('time-of-use');
    document.name = `<script>&"'\u0000\u001b[31m${'long '.repeat(30)}\ud800`;
    document.schedules[0].periods[0].title = '\u202e<b>\u0007';
    const svg = calendarSvg(document);
    expect(svg).not.toMatch(/<script|<b>|\u001b|\u0000/);
    expect(calendarPng(svg).length).toBeGreaterThan(10_000);
    expect(calendarText(document, false)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
  });

  it('has room for as many periods as there may be', async () => {
    const document = await example('flat');
    const names = Array.from({ length: 64 }, (_, index) => `p${index}`);
    document.schedules = [{ name: 'always', periods: names.map((name) => ({ name })), rules: [{ seasons: [], days: ['weekday', 'weekend', 'holiday'], spans: names.map((period, index) => ({ from: clock(index * 20), to: index === 63 ? '24:00' : clock(index * 20 + 20), period })) }] }];
    document.charges = [{ kind: 'energy', name: 'Usage', schedule: 'always', tierScope: 'period', rates: names.map((period, index) => ({ period, tiers: [{ upTo: null, price: `0.${String(index).padStart(2, '0')}` }] })) }];
    expect(checkTariff(document).faults).toEqual([]);
    expect(calendarSvg(document)).toContain('lines more');
    expect(new Set(calendarText(document, false).split('\n')[2].slice(11, 59)).size).toBeGreaterThan(40);
  });

  it('in a terminal has colours only where it may', async () => {
    const document = await example('time-of-use');
    expect(calendarText(document, false)).not.toContain('\u001b');
    expect(calendarText(document, true)).toContain('\u001b[48;5;124m\u001b[30m█\u001b[0m');
  });
});

describe('seg tariff import-urdb', () => {
  const RATE = { label: 'abc', name: 'Flat', startdate: '2026-01-01', energyratestructure: [[{ rate: 0.1 }]], dgrules: 'Net Metering' };
  const FLAGS: UrdbFlags = { zone: 'America/Chicago', currency: 'USD', division: 'scotland', ignore: [] };

  it('writes a document that is good', async () => {
    const output = join(directory, 'tariff.json');
    const notes: string[] = [];
    expect(await importFile(await written('rate.json', RATE), { ...FLAGS, output, id: 'mine', holidays: await written('days.json', [{ date: '2026-07-04', name: 'Independence Day' }]) }, print, (text) => notes.push(text))).toBe(true);
    expect(notes).toEqual([expect.stringMatching(/^credits in kWh are kept by period/), `written to ${output}\n`]);
    expect(JSON.parse(await readFile(output, 'utf8'))).toMatchObject({ id: 'mine', holidays: [{ date: '2026-07-04' }], effectiveFrom: '2026-01-01' });
    expect(await checkFiles([output], {}, false, print)).toBe(true);
  });

  it('says by name what it cannot take', async () => {
    const notes: string[] = [];
    const file = await written('rate.json', { ...RATE, demandreactivepowercharge: 1 });
    expect(await importFile(file, FLAGS, print, (text) => notes.push(text))).toBe(false);
    expect(printed).toBe('');
    expect(notes.join('')).toBe(`${file}: 1 fault\n  demandreactivepowercharge: reactive power is not measured\n`);
    expect(await importFile(file, { ...FLAGS, ignore: ['demandreactivepowercharge'] }, print, () => {})).toBe(true);
    expect(JSON.parse(printed)).toMatchObject({ id: 'urdb-abc' });
  });
});

describe('public holidays', () => {
  it('are read as gov.uk answers with them, and as a list', () => {
    const published = { scotland: { division: 'scotland', events: [{ title: 'New Year’s Day', date: '2026-01-01', notes: '', bunting: true }] } };
    expect(readHolidays(published, 'scotland')).toEqual({ holidays: [{ date: '2026-01-01', name: 'New Year’s Day' }], faults: [] });
    expect(readHolidays([{ date: '2026-12-26', name: 'b' }, { date: '2026-12-25', name: 'a', more: 1 }, { date: '2026-12-26', name: 'c' }], 'any').holidays).toEqual([
      { date: '2026-12-25', name: 'a' },
      { date: '2026-12-26', name: 'c' },
    ]);
    expect(readHolidays(published, 'wales').faults).toEqual([{ path: '', message: 'there is no division "wales": expected scotland' }]);
    for (const json of [null, 5, { constructor: 1 }, [{ date: '2026-02-30', name: 'never' }]]) expect(readHolidays(json, 'scotland').holidays).toBeNull();
  });
});

const BANK_HOLIDAYS = join(resolve(REPOSITORY, '../shared/data'), 'holidays_uk/bank-holidays.json');
suite('the bank holidays of gov.uk', existsSync(BANK_HOLIDAYS), `It reads ${BANK_HOLIDAYS}.`, () => {
  it('are those of each division', async () => {
    const json: unknown = JSON.parse(await readFile(BANK_HOLIDAYS, 'utf8'));
    const of = (division: string): string[] => readHolidays(json, division).holidays!.filter(({ date }) => date.startsWith('2020')).map(({ date, name }) => `${date} ${name}`);
    expect(of('england-and-wales')).toEqual(['2020-01-01 New year', '2020-04-10 Good friday', '2020-04-13 Easter monday', '2020-05-08 Early may ve', '2020-05-25 Spring', '2020-08-31 Late august', '2020-12-25 Christmas', '2020-12-28 Boxing day']);
    expect(of('scotland')).toHaveLength(9);
    expect(of('northern-ireland')).toContain('2020-03-17 St patrick');
  });
});

describe('the JSON Schema of tariffs', () => {
  it('has every field, and needs those that have no default', () => {
    const schema = tariffJsonSchema() as { properties: Record<string, { pattern?: string; default?: unknown }>; required: string[]; additionalProperties: boolean };
    expect(schema.required.sort()).toEqual(['charges', 'currency', 'effectiveFrom', 'format', 'id', 'name', 'zone']);
    expect(schema.additionalProperties).toBe(false);
    expect(schema.properties.dueDays).toMatchObject({ default: 21 });
    expect(JSON.stringify(schema)).toContain('"const":"demand"');
  });

  it('is the same beside the API, whose document has names for its parts', async () => {
    const alone = tariffJsonSchema();
    await import('../../src/http/billing-schemas.ts');
    expect(tariffJsonSchema()).toEqual(alone);
    expect(alone.required).toBeDefined();
  });
});

function clock(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
}

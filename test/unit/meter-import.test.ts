import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { fieldOf, fieldsOfMeter, METER_COLUMNS, namedField, rowOfFields } from '../../src/cli/meter/meter-columns.ts';
import { listMeters } from '../../src/cli/meter/meter-command.ts';
import { importMeters, type MeterImportCounts } from '../../src/cli/meter/meter-import.ts';
import { OperationalError } from '../../src/runtime/errors.ts';

const directory = mkdtempSync(join(tmpdir(), 'seg-meter-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const NOTHING = { columns: new Map(), constants: new Map(), delimiter: null };

async function imported(content: string | Uint8Array, given: Partial<Parameters<typeof importMeters>[1]> = {}): Promise<{ counts: MeterImportCounts; sent: any[][]; queries: object[]; said: string }> {
  const file = join(directory, 'file');
  writeFileSync(file, content);
  const sent: any[][] = [];
  const queries: object[] = [];
  let said = '';
  const api = {
    postRows: async (_: string, query: object, body: string) => {
      const rows = body.split('\n').map((line) => (line.endsWith('}') ? JSON.parse(line) : line));
      sent.push(rows);
      queries.push(query);
      const refused = rows.flatMap((row, index) => (row.note === 'bad' ? [{ index, meterId: row.meterId, code: 'serial_taken', path: 'serial', message: 'taken' }] : []));
      return { created: rows.length - refused.length, updated: 0, unchanged: 0, refused: refused.length, rows: refused };
    },
  };
  const counts = await importMeters(api, { file, plan: NOTHING, isDryRun: false, newRegions: false, by: undefined, ...given }, { write: (text: string) => (said += text) });
  return { counts, sent, queries, said };
}

describe('columns', () => {
  it('are found by the names of fields, in whatever letters, and by what files call them besides', () => {
    for (const [header, field] of [['Meter ID', 'meterId'], ['postal_code', 'postalCode'], ['ZIP', 'postalCode'], ['RatedPowerKW', 'ratedPowerKw'], ['serial-number', 'serial'], ['colour', null]]) expect(fieldOf(header!), header!).toBe(field);
    expect(namedField('city=a=b', '')).toEqual(['city', 'a=b']);
    for (const text of ['=x', 'city', 'colour=grey']) expect(() => namedField(text, ''), text).toThrow(OperationalError);
    expect(() => namedField('citi=x', '')).toThrow(/did you mean "city"/);
  });

  it('become rows, and rows of the API become columns again', () => {
    expect(rowOfFields([['meterId', ' m '], ['city', ''], ['country', 'de'], ['latitude', '50,9'], ['longitude', '7'], ['phases', '3'], ['ratedPowerKw', 'many'], ['installedOn', '01.07.2026'], ['removedOn', ''], ['region', '']])).toEqual({
      meterId: 'm', address: { city: null, country: 'DE' }, location: { latitude: 50.9, longitude: 7 }, phases: 3, ratedPowerKw: 'many', installedOn: '2026-07-01', removedOn: null,
    });
    expect(rowOfFields([['latitude', ''], ['longitude', '']])).toEqual({ location: null });
    const cells = fieldsOfMeter({ meterId: 'm', region: 'r', address: { city: 'Köln' }, location: null, phases: 3, serial: null });
    expect(Object.fromEntries(METER_COLUMNS.map((column, i) => [column, cells[i]]).filter(([, cell]) => cell !== ''))).toEqual({ meterId: 'm', region: 'r', city: 'Köln', phases: '3' });
  });
});

describe('an import of meters', () => {
  it('sends rows in requests of thousands, in their order, and says the lines of those that were refused', async () => {
    const rows = Array.from({ length: 12_001 }, (_, i) => `m-${i},${i % 5_000 === 7 ? 'bad' : ''}`);
    const { counts, sent, queries, said } = await imported(gzipSync(`meterId,note\n${rows.join('\n')}\n`), { newRegions: true, by: 'Ada' });
    expect(sent.map((some) => some.length)).toEqual([5_000, 5_000, 2_001]);
    expect(sent.flat().map(({ meterId }) => meterId)).toEqual(rows.map((row) => row.split(',')[0]));
    expect(counts).toEqual({ rows: 12_001, created: 11_998, updated: 0, unchanged: 0, refused: 3 });
    expect(said).toMatch(/^line 9: m-7: serial: taken \[serial_taken\]\nline 5009: .*\nline 10009: .*\n12,001 rows in .*: 11,998 created, 0 updated, 0 unchanged, 3 refused\n$/);
    expect(queries[0]).toEqual({ rows: 'refused', newRegions: 'true', by: 'Ada' });
  });

  it('takes NDJSON as it is, with the lines of the file', async () => {
    const { sent, said } = await imported(`\ufeff{"meterId":"a"}\r\n\r\n{"meterId":"b","note":"bad"}\n{"meterId"\n"${'x'.repeat(70_000)}"\n{"meterId":"c"}`, { isDryRun: true });
    expect(sent).toEqual([[{ meterId: 'a' }, { meterId: 'b', note: 'bad' }, '{"meterId"', { meterId: 'c' }]]);
    expect(said).toContain('line 5: longer than 65536 characters [unreadable]\nline 3: b: serial: taken [serial_taken]\n');
    expect(said).toMatch(/; nothing was written\n$/);
  });

  it('of a file that is none says so', async () => {
    await expect(imported(gzipSync('meterId\nm\n'.repeat(50_000)).subarray(0, 200))).rejects.toMatchObject({ code: expect.stringMatching(/^file_/) });
    await expect(imported(gzipSync('{"meterId":"m"}\n'.repeat(50_000)).subarray(0, 300))).rejects.toMatchObject({ code: expect.stringMatching(/^file_/) });
    await expect(imported('a;b\n1;2\n')).rejects.toMatchObject({ code: 'usage', message: expect.stringContaining('--column meterId=') });
    expect((await imported('')).counts.rows).toBe(0);
    expect((await imported('meterId\n')).counts.rows).toBe(0);
    const { said, sent } = await imported('Nr|Stadt|Farbe\nm|Köln|blau\n', { plan: { ...NOTHING, columns: new Map([['meterId', 'Nr']]), constants: new Map([['city', 'Bonn'], ['region', 'north']]) } });
    expect(said).toMatch(/^columns that are not taken: Stadt, Farbe\n/);
    expect(sent).toEqual([[{ meterId: 'm', region: 'north', address: { city: 'Bonn' } }]]);
  });

  it('ends with what the engine says, and sends no more', async () => {
    const file = join(directory, 'file');
    writeFileSync(file, `meterId\n${'m\n'.repeat(200_000)}`);
    let asked = 0;
    const postRows = () => (asked++, Promise.reject(new OperationalError('api_refused', 'no')));
    await expect(importMeters({ postRows }, { file, plan: NOTHING, isDryRun: false, newRegions: false, by: undefined }, { write: () => true })).rejects.toMatchObject({ code: 'api_refused' });
    expect(asked).toBe(1);
  });
});

describe('a list of meters', () => {
  it('goes on over short pages until it has enough', async () => {
    const meter = (meterId: string) => ({ meterId, serial: null, customerClass: 'residential', region: 'north', status: 'planned', installedOn: null, address: { street: null, postalCode: '50667', city: 'Köln', country: null } });
    const pages = async function* () {
      yield { data: [meter('a')], nextCursor: 'x' };
      yield { data: [], nextCursor: 'y' };
      yield { data: [meter('b'), meter('c')], nextCursor: null };
    };
    let printed = '';
    await listMeters({ pages }, {}, 2, (text) => (printed += text));
    expect(printed).toBe('meter  serial  class        region  status   installed  address\na      –       residential  north   planned  –          50667 Köln\nb      –       residential  north   planned  –          50667 Köln\nThere are more than 2; --limit shows them, seg meter export writes all.\n');
  });
});

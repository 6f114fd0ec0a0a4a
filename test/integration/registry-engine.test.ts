import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRegistryStore, registryDirectory, REGISTRY_FORMAT } from '../../src/engine/open-registry-store.ts';
import { verifyRegistry } from '../../src/engine/verify-record-stores.ts';
import { METER_TABLES } from '../../src/actors/registry/meter-book.ts';
import { RecordTable } from '../../src/runtime/record-table.ts';
import { post } from '../support/engine-api.ts';
import { EngineProcess, eventually, removeDirectory, seg, temporaryDirectory, type CommandEnd } from '../support/engine-process.ts';

/** The registry of meters in real engines, by `seg meter`. */

/** Ten regions have a capacity by default. */
const SETTINGS = { SHARDS: '1' };
const COMMANDS_TIMEOUT_MS = 120_000;
/** Forty transactions. */
const ROWS = 20_000;

let engine: EngineProcess;
let dataDir: string;
let work: string;
beforeAll(async () => {
  work = temporaryDirectory();
  dataDir = join(work, 'data');
  engine = await EngineProcess.start({ dataDir, settings: SETTINGS });
}, 60_000);
afterAll(async () => {
  await engine?.kill9();
  removeDirectory(work);
});

const meter = (...args: string[]): Promise<CommandEnd> => seg(['meter', ...args.slice(0, 1), '--url', engine.apiUrl(), ...args.slice(1)]);
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(work, name), content);
  return join(work, name);
};
const shown = async (id: string): Promise<Record<string, any>> => JSON.parse((await meter('show', id)).stdout) as Record<string, any>;

const CSV = `Zählpunkt;Serial No;PLZ;City;street;Latitude;longitude;Rated_Power_kW;installed on;Colour
m-1;LG-1;50667;Köln;"Haupt""straße"" 1";50,94;6,96;14,5;01.03.2020;grey
m-2;lg-1;50667;Köln;Nebenweg 2;;;;;
m-3;LG-3;;Bonn;;50,7;;;;
m-4;LG-4;53111;Bonn;;;;;31.02.2020;
m-5;;53111;Bonn;;;;;;
`;
const OPTIONS = ['--column', 'meterId=Zählpunkt', '--column', 'serial=Serial No', '--column', 'postalCode=PLZ', '--set', 'region=region-01', '--set', 'country=de'];

describe('seg meter', () => {
  it('brings in a file with columns of any names, and says which rows were refused, and why', { timeout: COMMANDS_TIMEOUT_MS }, async () => {
    const path = file('meters.csv.gz', gzipSync(CSV));
    const tried = await meter('import', path, ...OPTIONS, '--dry-run');
    expect([tried.code, tried.stderr]).toEqual([1, expect.stringMatching(/2 created, 0 updated, 0 unchanged, 3 refused; nothing was written\n$/)]);
    expect((await meter('list')).stdout).toBe('There are none.\n');
    const { code, stderr } = await meter('import', path, ...OPTIONS);
    expect(code).toBe(1);
    const lines = stderr.split('\n');
    expect(lines[0]).toBe('columns that are not taken: Colour');
    expect(lines.slice(1, 4)).toEqual([
      'line 3: m-2: serial: meter "m-1" has the serial number "lg-1" [serial_taken]',
      expect.stringMatching(/^line 4: m-3: location\.longitude: expected a number from -180 to 180 \[invalid_row\]$/),
      expect.stringMatching(/^line 5: m-4: installedOn: .* \[invalid_row\]$/),
    ]);
    expect(await shown('m-1')).toMatchObject({ serial: 'LG-1', region: 'region-01', address: { street: 'Haupt"straße" 1', postalCode: '50667', city: 'Köln', country: 'DE' }, location: { latitude: 50.94, longitude: 6.96 }, ratedPowerKw: 14.5, installedOn: '2020-03-01', status: 'installed' });
    const again = await meter('import', path, ...OPTIONS);
    expect(again.stderr).toMatch(/0 created, 0 updated, 2 unchanged, 3 refused\n$/);
  });

  it('lists, changes, removes, and says what there is not', { timeout: COMMANDS_TIMEOUT_MS }, async () => {
    expect((await meter('list', '--q', 'KOELN')).stdout).toBe('There are none.\n');
    expect((await meter('list', '--q', 'köl')).stdout).toMatch(/^meter +serial +class +region +status +installed +address\nm-1 +LG-1 +residential +region-01 +installed +2020-03-01 +Haupt"straße" 1, 50667 Köln, DE\n$/);
    expect((await meter('list', '--status', 'planned')).stdout).toMatch(/\nm-5 /);
    expect((await meter('list', '--limit', '1')).stdout).toMatch(/There are more than 1;/);
    expect((await meter('set', 'm-5', 'installedOn=2021-01-01', 'city=', 'note=behind the house')).stdout).toBe('m-5 is at version 2.\n');
    expect(await shown('m-5')).toMatchObject({ note: 'behind the house', address: { city: null, postalCode: '53111' } });
    expect((await meter('set', 'm-9', 'region=region-02', 'phases=3')).stdout).toBe('m-9 is in the registry now.\n');
    expect((await meter('remove', 'm-9')).code).toBe(0);
    const gone = await meter('show', 'm-9');
    expect([gone.code, gone.stderr]).toEqual([1, expect.stringContaining('no registered meter "m-9"')]);
    const bad = await meter('set', 'm-5', 'removedOn=2020-01-01');
    expect([bad.code, bad.stderr]).toEqual([1, expect.stringContaining('cannot have been removed before')]);
    for (const args of [['set', 'm-5', 'colour=grey'], ['set', 'm-5', 'city'], ['import', 'x.csv', '--column', 'x'], ['import', file('none.csv', 'a,b\n1,2\n')], ['import', file('some.csv', 'meterId\nm'), '--column', 'city=Stadt']]) expect((await meter(...args)).code, args.join(' ')).toBe(2);
    expect((await meter('import', join(work, 'nowhere.csv'))).stderr).toMatch(/^seg: cannot read .*nowhere\.csv/);
    for (const args of [['--help'], ['import', '--help']]) expect((await seg(['meter', ...args])).stdout).toMatch(/Example.*:\n  seg meter /);
  });

  it('takes regions of which nothing is known from who says so, and knows those of readings', { timeout: COMMANDS_TIMEOUT_MS }, async () => {
    const path = file('new.ndjson', `${JSON.stringify({ meterId: 'n-1', region: 'west' })}\n\n{"meterId": "n-2",\n${JSON.stringify({ meterId: 'n-3', region: 'region-02', serial: 'N3' })}`);
    const refused = await meter('import', path);
    expect(refused.stderr).toMatch(/^line 1: n-1: region: there is no region "west".*\[unknown_region\]\nline 3: the row .*JSON.*\[invalid_row\]\n3 rows .*: 1 created, 0 updated, 0 unchanged, 2 refused\n$/);
    await post(engine, [{ meterId: 'n-1', region: 'west', timestamp: Date.now(), powerKw: 1 }]);
    for (let tries = 0; tries < 50 && (await meter('import', path)).stderr.includes('line 1'); tries++) await sleep(100);
    expect(await shown('n-1')).toMatchObject({ region: 'west', status: 'planned', version: 2 });
    expect((await meter('import', file('east.csv', 'meterId,region\ne-1,east'), '--new-regions')).code).toBe(0);
  });

  it('writes files that it takes', { timeout: COMMANDS_TIMEOUT_MS }, async () => {
    for (const [format, name] of [['csv', 'all.csv'], ['ndjson', 'all.ndjson']]) {
      const out = join(work, name);
      expect((await meter('export', '--format', format, '--out', out)).stderr).toBe(`5 meters written to ${out}\n`);
      expect((await meter('import', out)).stderr).toMatch(/0 created, 0 updated, 5 unchanged, 0 refused\n$/);
    }
    expect(readFileSync(join(work, 'all.csv'), 'utf8')).toContain('m-1,LG-1,,,residential,region-01,"Haupt""straße"" 1",50667,Köln,DE,50.94,6.96,,14.5,,2020-03-01,,\n');
    expect((await meter('export', '--region', 'west')).stdout).toMatch(/^meterId,.*\nn-1,.*\n$/);
  });

  it('goes on where a kill of the engine left off, when it is run again; backups have all of it', { timeout: COMMANDS_TIMEOUT_MS }, async () => {
    const path = file('many.csv', `meterId,region,serial,city\n${Array.from({ length: ROWS }, (_, i) => `k-${i},region-02,K${i},City ${i % 100}`).join('\n')}\n`);
    const broken = meter('import', path);
    // Some of it is written, and most is to come.
    await eventually(() => fetch(engine.apiUrl('/api/v1/registry/meters/k-0')), ({ status }) => status === 200, COMMANDS_TIMEOUT_MS);
    await engine.kill9();
    const { code, stderr } = await broken;
    engine = await EngineProcess.start({ dataDir, settings: SETTINGS });
    const again = await meter('import', path);
    const [, created, unchanged] = /20,000 rows .*: ([\d,]+) created, 0 updated, ([\d,]+) unchanged, 0 refused\n$/.exec(again.stderr)!.map((text) => Number(text.replaceAll(',', '')));
    expect([again.code, created + unchanged]).toEqual([0, ROWS]);
    console.log(`registry: killed with ${unchanged} of ${ROWS} rows written (${code === 0 ? 'it was done' : stderr.split('\n').at(-2)})`);
    // Whole transactions, in order.
    expect(unchanged % 500).toBe(0);
    const [backup, restored] = [join(work, 'backup'), join(work, 'restored')];
    expect((await seg(['backup', '--data-dir', dataDir, '--to', backup])).code).toBe(0);
    expect((await seg(['restore', '--from', backup, '--data-dir', restored])).code).toBe(0);
    const sound = await seg(['verify', '--data-dir', restored]);
    expect([sound.code, sound.stdout]).toEqual([0, expect.stringMatching(/records? of the registry.*: sound\n$/)]);
    const other = await EngineProcess.start({ dataDir: restored, settings: SETTINGS });
    try {
      expect(JSON.parse((await seg(['meter', 'show', '--url', other.apiUrl(), 'm-1'])).stdout)).toEqual(await shown('m-1'));
    } finally {
      expect(await other.stop()).toBe(0);
    }
    // What is found in one list and not in another is a fault.
    const store = await openRegistryStore(registryDirectory(restored));
    new RecordTable(store, METER_TABLES.regions).remove('region-01/m-1');
    await store.commit();
    await store.close();
    expect((await verifyRegistry(restored))!.findings.map(({ where, problem }) => `${where} ${problem}`)).toEqual(['meter m-1 is not found by "region-01/m-1" of the table "regions"', expect.stringMatching(/^table "regions" has \d+ entries where the meters give \d+$/)]);
  });
});

describe('a registry of another format', () => {
  it('keeps the engine from starting, with a word', { timeout: 60_000 }, async () => {
    const directory = temporaryDirectory();
    try {
      const store = await openRegistryStore(registryDirectory(directory));
      new RecordTable<object>(store, 'meta').put('store', { format: REGISTRY_FORMAT + 1 });
      await store.commit();
      await store.close();
      const refused = EngineProcess.spawn({ dataDir: directory, settings: { SHARDS: '1' } });
      expect(await refused.exited()).toBe(1);
      expect(refused.stderr).toMatch(/^seg: the registered meters in .* have format 2, this engine reads 1; use the engine that wrote them\n$/);
      expect((await verifyRegistry(directory))!.found).toBe(1);
    } finally {
      removeDirectory(directory);
    }
  });
});

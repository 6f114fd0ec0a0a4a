import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allRows, meterWindows, regionWindows, scrape, type WireWindow } from '../support/engine-api.ts';
import { EngineProcess, eventually, freePort, removeDirectory, seg, temporaryDirectory } from '../support/engine-process.ts';

/** The commands of `seg` as processes, against real engines. */

const HOUR_MS = 3_600_000;
const START_MS = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 30 * HOUR_MS;
const RANGE = { from: START_MS - HOUR_MS, to: Date.now() };
const REGIONS = ['region-01', 'region-02', 'region-03'];
const SIMULATION = ['--seed', '7', '--meters', '24', '--regions', '3', '--interval', '10s', '--duration', '4h', '--start', new Date(START_MS).toISOString(), '--speed', 'max'];

/** Windows of a list of meters, all closed, revisions aside: those tell how readings came, not what they say. */
async function closedWindows(engine: EngineProcess, granularity: '1m' | '15m'): Promise<Omit<WireWindow, 'revision'>[]> {
  const meters = await allRows<{ meterId: string }>(engine, '/api/v1/meters');
  const windows: Omit<WireWindow, 'revision'>[] = [];
  for (const { meterId } of meters) {
    const closed = await eventually(() => meterWindows(engine, meterId, granularity, RANGE), (all) => all.every(({ final }) => final), 10_000);
    for (const { revision: _, ...window } of closed) windows.push(window);
  }
  return windows;
}

describe('seg simulate and seg export', () => {
  let plain: EngineProcess;
  let troubled: EngineProcess;
  let work: string;
  beforeAll(async () => {
    work = temporaryDirectory();
    [plain, troubled] = await Promise.all([EngineProcess.start({ settings: { SHARDS: '2', LATENESS: '1s' } }), EngineProcess.start({ settings: { SHARDS: '1', LATENESS: '1s' } })]);
  });
  afterAll(async () => {
    await Promise.all([plain.dispose(), troubled.dispose()]);
    removeDirectory(work);
  });

  it('gives the same windows for a fleet whose readings come in order and for one with duplicates, late and broken ones', { timeout: 120_000 }, async () => {
    const inOrder = await seg(['simulate', '--url', plain.ingestUrl(), ...SIMULATION]);
    expect([inOrder.code, inOrder.stderr]).toEqual([0, expect.stringMatching(/34,560 readings acknowledged in .*: 34,560 accepted, 0 duplicates, 0 rejected/)]);
    const withTrouble = await seg(['simulate', '--url', troubled.ingestUrl(), ...SIMULATION, '--mode', 'duplicates,late,broken', '--format', 'msgpack', '--gzip']);
    expect([withTrouble.code, withTrouble.stderr]).toEqual([0, expect.stringMatching(/34,560 accepted, [1-9][\d,]* duplicates, [1-9][\d,]* rejected/)]);
    for (const granularity of ['1m', '15m'] as const) {
      const [wanted, got] = [await closedWindows(plain, granularity), await closedWindows(troubled, granularity)];
      expect(wanted.length).toBeGreaterThan(24 * 4);
      expect(got).toEqual(wanted);
      for (const region of REGIONS) expect(await regionWindows(troubled, region, granularity, RANGE)).toEqual(await regionWindows(plain, region, granularity, RANGE));
    }
    const metrics = await scrape(troubled);
    expect(metrics.get('seg_windows_corrected_total')).toBeGreaterThan(0);
    expect(metrics.get('seg_late_readings_total')).toBeGreaterThan(0);
    expect(metrics.get('seg_rejects_total{code="conflict"}')).toBeGreaterThan(0);
  });

  it('exports what the API shows, as NDJSON and CSV, of a meter, a region and all', { timeout: 60_000 }, async () => {
    const url = ['--url', plain.apiUrl()];
    const meter = await seg(['export', ...url, '--meter', 'meter-000001', '--granularity', '1m', '--format', 'ndjson']);
    expect([meter.code, meter.stderr]).toEqual([0, expect.stringContaining('windows written')]);
    const shown = await meterWindows(plain, 'meter-000001', '1m', RANGE);
    expect(rowsOf(meter.stdout)).toEqual(shown);
    const region = await seg(['export', ...url, '--region', 'region-02', '--format', 'ndjson']);
    expect(rowsOf(region.stdout)).toEqual(await regionWindows(plain, 'region-02', '15m', RANGE));
    const all = await seg(['export', ...url, '--all-meters', '--format', 'ndjson']);
    expect(rowsOf(all.stdout).map((window) => ({ ...(window as WireWindow), revision: undefined }))).toEqual((await closedWindows(plain, '15m')).map((window) => ({ ...window, revision: undefined })));

    const out = join(work, 'meter.csv');
    const csv = await seg(['export', ...url, '--meter', 'meter-000001', '--granularity', '1m', '--out', out]);
    expect([csv.code, csv.stdout]).toEqual([0, '']);
    const [header, ...lines] = readFileSync(out, 'utf8').trimEnd().split('\n');
    const columns = header.split(',') as (keyof WireWindow)[];
    expect(columns).toEqual(Object.keys(shown[0]));
    expect(lines).toEqual(shown.map((window) => columns.map((column) => String(window[column] ?? '')).join(',')));
    const part = await seg(['export', ...url, '--meter', 'meter-000001', '--granularity', '1m', '--format', 'ndjson', '--from', shown[5].windowStart, '--to', shown[9].windowStart]);
    expect(rowsOf(part.stdout)).toEqual(shown.slice(5, 9));
  });

  it('fails with 1 on what is not there, and says what to do', { timeout: 60_000 }, async () => {
    const unknown = await seg(['export', '--url', plain.apiUrl(), '--meter', 'nobody']);
    expect([unknown.code, unknown.stdout, unknown.stderr]).toEqual([1, expect.any(String), expect.stringContaining('nobody')]);
    const away = await seg(['export', '--url', `http://127.0.0.1:${await freePort()}`, '--meter', 'm']);
    expect([away.code, away.stderr]).toEqual([1, expect.stringMatching(/^seg: /)]);
    const noFile = await seg(['import', join(work, 'nowhere.csv'), '--preset', 'uci', '--url', plain.ingestUrl(), '--state-dir', work]);
    expect([noFile.code, noFile.stderr]).toEqual([1, expect.stringContaining('nowhere.csv')]);
    const noPlace = await seg(['export', '--url', plain.apiUrl(), '--meter', 'meter-000001', '--out', join(work, 'no/such/file.csv')]);
    expect([noPlace.code, noPlace.stderr]).toEqual([1, expect.stringContaining('file.csv')]);
  });
});

describe('the command line', () => {
  it('explains itself: all commands, and each of them by itself', { timeout: 60_000 }, async () => {
    const all = await seg(['--help']);
    expect([all.code, all.stderr, all.stdout]).toEqual([0, '', expect.stringMatching(/^Usage: seg /)]);
    const commands = [...all.stdout.matchAll(/^ {2}([a-z-]+) .*/gm)].map(([, name]) => name).filter((name) => name !== 'help');
    expect(commands).toEqual(['start', 'demo', 'simulate', 'import', 'export', 'prove', 'notify', 'tariff', 'bill', 'login', 'logout', 'user', 'meter', 'key', 'recover-admin', 'verify', 'backup', 'restore']);
    for (const command of commands) {
      const { code, stdout, stderr } = await seg([command, '--help']);
      expect([command, code, stderr]).toEqual([command, 0, '']);
      expect(stdout).toContain(`Usage: seg ${command} `);
      expect(stdout, command).toContain('Exit codes');
    }
  });

  it.each([
    ['an unknown command', ['simulat'], 'there is no command "simulat", did you mean simulate?'],
    ['an unknown word after a command that takes none', ['start', 'smulate'], 'there is no command "smulate", did you mean simulate?'],
    ['the second word of a command', ['start', 'lgout'], 'did you mean logout?'],
    ['an unknown option', ['simulate', '--metres', '4'], '--metres'],
    ['an unknown mode', ['simulate', '--mode', 'party'], 'party'],
    ['a number that is none', ['simulate', '--meters', 'many'], 'many'],
    ['nothing to export', ['export'], '--meter'],
    ['two things to export', ['export', '--meter', 'a', '--region', 'b'], '--region'],
    ['no file to import', ['import'], 'file'],
    ['an unknown preset', ['import', 'x.csv', '--preset', 'acorn'], 'acorn'],
  ])('ends with 2 on %s', async (_, args, named) => {
    const { code, stderr } = await seg(args);
    expect(stderr).toContain(named);
    expect(code).toBe(2);
  });
});

function rowsOf(ndjson: string): unknown[] {
  return ndjson.trimEnd().split('\n').map((line) => JSON.parse(line) as unknown);
}

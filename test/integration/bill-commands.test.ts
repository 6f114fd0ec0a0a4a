import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exampleTariff, postQuarters, sent } from '../support/billing-engine.ts';
import { EngineProcess, eventually, removeDirectory, seg, temporaryDirectory } from '../support/engine-process.ts';

/** `seg bill` and `seg tariff` as processes, against a real engine: from a document and readings to a paid bill on paper. */

const HOUR_MS = 3_600_000;
/** October 2026 of Sydney. */
const OCTOBER = { fromMs: Date.UTC(2026, 8, 30, 14), toMs: Date.UTC(2026, 9, 31, 13) };
const DEADLINE_MS = 60_000;

describe('seg bill and seg tariff', () => {
  let engine: EngineProcess;
  let work: string;
  let number: string;
  const run = (...args: string[]) => seg([...args, '--url', engine.apiUrl()], { cwd: work });

  beforeAll(async () => {
    work = temporaryDirectory();
    engine = await EngineProcess.start({ settings: { SHARDS: '1', LATENESS: '1s', BILLING_CORRECTION_INTERVAL: '1h' } });
    for (const [meterId, wattHours] of [['house', 150], ['cabin', 20]] as const) await postQuarters(engine, meterId, 'sydney', { ...OCTOBER, toMs: OCTOBER.toMs + HOUR_MS }, () => wattHours);
  }, DEADLINE_MS);
  afterAll(async () => {
    await engine.dispose();
    removeDirectory(work);
  });

  it('gives the engine tariffs, and says what is wrong with one', { timeout: DEADLINE_MS }, async () => {
    expect(await run('tariff', 'list')).toEqual({ code: 0, stdout: 'there are no tariffs yet; seg tariff put gives the engine one\n', stderr: '' });
    const tou = exampleTariff();
    writeFileSync(join(work, 'tou.json'), JSON.stringify(tou));
    expect(await run('tariff', 'put', 'tou.json', '--by', 'ada')).toEqual({ code: 0, stdout: 'tou is stored as version 1\n', stderr: '' });
    writeFileSync(join(work, 'dear.json'), JSON.stringify({ ...tou, id: 'dear', appliesTo: null, charges: [...tou.charges, { kind: 'fixed', name: 'Extra', price: '1000', per: 'day' }] }));
    expect((await run('tariff', 'put', 'dear.json')).code).toBe(0);
    writeFileSync(join(work, 'wrong.json'), JSON.stringify({ ...tou, currency: 'dollars' }));
    expect(await run('tariff', 'put', 'wrong.json')).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(/status 422.*"currency": expected a currency/) });
    const listed = await run('tariff', 'list');
    expect(listed.stdout).toMatch(/^id +version +name.*\n(dear|tou) +1 /);
    expect(JSON.parse((await run('tariff', 'show', 'tou')).stdout)).toMatchObject({ id: 'tou', currency: tou.currency });
  });

  it('bills a month with progress, and again nobody twice', { timeout: DEADLINE_MS }, async () => {
    for (const meterId of ['house', 'cabin', 'nowhere']) await sent(engine, 'POST', '/api/v1/agreements', { meterId, customer: { name: `Owner of ${meterId}`, address: ['1 High Street', 'Sydney'] }, movedIn: '2026-10-01', by: 'ada' }).catch(() => null);
    const first = await run('bill', 'run', '2026-10', '--by', 'ada');
    expect(first.stderr).toContain(' agreements');
    expect(first.stdout).toMatch(/^run \S+ of 2026-10: done\. \d of \d agreements, 2 invoices issued/);
    const again = await run('bill', 'run', '2026-10');
    expect(again.stdout).toContain('2 invoices issued');
    expect((await run('bill', 'run', '2099-01')).code).toBe(1);
    const listed = await run('bill', 'list', '--meter', 'house');
    number = /INV-\d{4}-\d{6}/.exec(listed.stdout)![0];
    expect(listed.stdout.trimEnd().split('\n')).toHaveLength(2);
  });

  it('shows and explains an invoice, which agrees to the last unit', { timeout: DEADLINE_MS }, async () => {
    const { code, stdout } = await run('bill', 'explain', number);
    expect([code, stdout]).toEqual([0, expect.stringContaining(`${number} agrees with its intervals to the last unit`)]);
    expect(stdout).not.toContain('DIFFERS');
    expect((await run('bill', 'show', number)).stdout).toContain('Owner of house, 1 High Street, Sydney');
    expect(await run('bill', 'show', 'INV-2000-000001')).toMatchObject({ code: 1, stderr: expect.stringContaining('INV-2000-000001') });
  });

  it('prints it, and books its payment once', { timeout: DEADLINE_MS }, async () => {
    expect(await run('bill', 'pdf', number, '--language', 'de')).toMatchObject({ code: 0, stdout: `written to ${number}.pdf\n` });
    expect(readFileSync(join(work, `${number}.pdf`)).subarray(0, 5).toString()).toBe('%PDF-');
    const { total } = await sent(engine, 'GET', `/api/v1/invoices/${number}`);
    const pay = () => run('bill', 'pay', number, total, '--reference', 'R-1', '--by', 'bank');
    const paid = await pay();
    expect([paid.code, paid.stdout]).toEqual([0, expect.stringContaining(`it is paid, 0.00 `)]);
    expect((await pay()).stdout).toBe(paid.stdout);
    expect((await run('bill', 'pay', number, '1.00', '--reference', 'R-2')).code).toBe(1);
  });

  it('exports invoices as a table', { timeout: DEADLINE_MS }, async () => {
    expect((await run('bill', 'export', '--out', 'all.csv')).stdout).toContain('2 invoices written');
    expect(readFileSync(join(work, 'all.csv'), 'utf8').split('\r\n').filter((line) => line.startsWith(number)).length).toBeGreaterThan(2);
  });

  it('compares tariffs for one and for everybody', { timeout: DEADLINE_MS }, async () => {
    const months = ['--from', '2026-10', '--to', '2026-10'];
    const one = await eventually(() => run('tariff', 'compare', '--meter', 'house', ...months), ({ code }) => code === 0);
    expect(one.stdout.split('\n').map((line) => line.split(' ')[0])).toEqual(['tariff', 'tou', 'dear', '']);
    const all = await run('tariff', 'compare', '--all', ...months, '--csv', 'best.csv');
    expect(all.stdout).toMatch(/\ntou +\S+ +\S+ +2 +100 %\ndear +\S+ +\S+ +0 +0 %\n2 customers\n2 pay \S+ AUD now; 0 of them would save 0.00 AUD/);
    expect(all.stderr).toContain(' customers rated');
    const rows = readFileSync(join(work, 'best.csv'), 'utf8').split('\r\n');
    expect([rows.length, rows[0]]).toEqual([1 + 2 + 1, 'meterId,agreementId,from,to,currency,present,dear,tou,best,saving']);
    expect(await run('tariff', 'compare', '--region', 'nowhere', ...months)).toMatchObject({ code: 1, stderr: expect.stringContaining('nothing to compare') });
    expect(await run('tariff', 'compare', '--meter', 'house', '--all', ...months)).toMatchObject({ code: 2 });
  });
});

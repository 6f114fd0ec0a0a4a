import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { INVOICE_CSV_HEAD } from '../../src/actors/tariffs/papers/invoice-csv.ts';
import { startGateway, type Gateway } from '../../src/http/gateway.ts';
import type { RegionId } from '../../src/model/ids.ts';
import { systemTimers } from '../../src/runtime/clock.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { apiClient, type ApiReply } from '../support/api-client.ts';
import { fakeAccounts, type PersonName } from '../support/fake-accounts.ts';
import { fakeEngine } from '../support/fake-engine.ts';
import { agreementOf, flatTariff, TariffsWorld } from '../support/tariffs-world.ts';

/** Bills of two regions through the gateway, each asked for by who has one of them, both, or none. */

const METERS = { 'n-1': 'north', 'n-2': 'north', 'n-3': 'north', 's-1': 'south', 's-2': 'south' };

let world: TariffsWorld;
let gateway: Gateway;
let monotonicMs = 0;
const call = apiClient(() => gateway.port);
const get = (path: string, who: PersonName): Promise<ApiReply> => call('GET', `/api/v1/${path}`, { headers: { authorization: `Bearer ${who}` } });

beforeAll(async () => {
  world = await TariffsWorld.start();
  await world.putTariff(flatTariff());
  for (const [meterId, region] of Object.entries(METERS)) {
    world.addMeter(meterId, 10_000, '2026-06-30T22:00:00Z', '2026-07-31T22:00:00Z', region);
    await world.makeAgreement(agreementOf(meterId));
  }
  await world.bill('2026-07');
  const engine = fakeEngine();
  engine.meterRegion = async (meterId) => ((await world.fleet.place(meterId))?.region ?? null) as RegionId | null;
  gateway = await startGateway(
    { host: '127.0.0.1', port: 0, queriesInFlightMax: 4, requestIdPrefix: 't' },
    { engine, tariffs: { ask: world.ask.bind(world), print: () => Promise.reject(new Error('nothing is printed here')) }, accounts: fakeAccounts(), clock: { now: () => world.now(), monotonic: () => monotonicMs }, timers: systemTimers, log: nullLog },
  );
});
afterAll(() => gateway.close(1_000));

const metersOf = ({ body }: ApiReply): string[] => body.data.map(({ meterId }: { meterId: string }) => meterId).sort();

/** What somebody may open of all there are. */
async function openable(who: PersonName): Promise<string[]> {
  const opened: string[] = [];
  for (const { id, meterId } of await world.invoices()) if ((await get(`invoices/${id}`, who)).status === 200) opened.push(meterId);
  return opened.sort();
}

describe('the bills of a region', () => {
  test('are exactly those that its operator may open', async () => {
    expect(metersOf(await get('invoices?region=north', 'operator'))).toEqual(['n-1', 'n-2', 'n-3']);
    expect(metersOf(await get('invoices?region=south', 'otherOperator'))).toEqual(['s-1', 's-2']);
    expect(await openable('operator')).toEqual(['n-1', 'n-2', 'n-3']);
    expect(await openable('otherOperator')).toEqual(['s-1', 's-2']);
  });

  test('of somebody else are not there, and those of all are refused with what to name', async () => {
    for (const path of ['invoices', 'invoices/export']) {
      for (const region of ['south', 'nowhere']) expect((await get(`${path}?region=${region}`, 'operator')).body, path).toMatchObject({ status: 404, code: 'unknown_region' });
      const { body } = await get(path, 'operator');
      expect(body, path).toMatchObject({ status: 403, code: 'region_required' });
      expect(body.detail).toMatch(/"region" or "meterId"/);
      // A region of theirs does not open another's meter, nor a meter of theirs another's region.
      expect((await get(`${path}?region=north&meterId=s-1`, 'operator')).body, path).toMatchObject({ status: 404, code: 'unknown_meter' });
      expect((await get(`${path}?region=south&meterId=n-1`, 'operator')).body, path).toMatchObject({ status: 404, code: 'unknown_region' });
      // A region does not stand for a consumer's meter.
      expect((await get(`${path}?region=north`, 'consumer')).body, path).toMatchObject({ status: 403, code: 'meter_required' });
    }
  });

  test('are a filter for who reaches all', async () => {
    for (const who of ['admin', 'allOperator'] as const) {
      expect(metersOf(await get('invoices?region=south', who))).toEqual(['s-1', 's-2']);
      expect(metersOf(await get('invoices', who))).toHaveLength(5);
      expect(metersOf(await get('invoices?region=nowhere', who))).toEqual([]);
    }
  });

  test('are filtered by the others as well', async () => {
    const [{ id, run, agreementId }] = (await get('invoices?region=north&meterId=n-2', 'operator')).body.data;
    const { total } = (await get(`invoices/${id}`, 'operator')).body;
    await world.ask({ kind: 'pay', invoiceId: id, amount: total, method: 'bank', reference: 'all of it', receivedAt: world.now(), by: 'bank' });
    expect(metersOf(await get('invoices?region=north&state=paid', 'operator'))).toEqual(['n-2']);
    expect(metersOf(await get('invoices?region=north&state=issued', 'operator'))).toEqual(['n-1', 'n-3']);
    expect(metersOf(await get(`invoices?region=north&run=${run}`, 'operator'))).toEqual(['n-1', 'n-2', 'n-3']);
    expect(metersOf(await get('invoices?region=north&run=run-2000-01', 'operator'))).toEqual([]);
    expect(metersOf(await get(`invoices?region=north&agreement=${encodeURIComponent(agreementId)}`, 'operator'))).toEqual(['n-2']);
    expect((await get('invoices?region=north&cursor=junk', 'operator')).body).toMatchObject({ status: 400 });
  });

  test('come in pages, and as one file of CSV', async () => {
    const pages: string[][] = [];
    let csv = '';
    for (let cursor = ''; ; ) {
      const page = await get(`invoices?region=north&limit=2${cursor}`, 'operator');
      const file = await get(`invoices/export?format=csv&region=north&limit=2${cursor}`, 'operator');
      pages.push(metersOf(page));
      csv += file.body;
      if (page.body.nextCursor === null) break;
      cursor = `&cursor=${page.body.nextCursor}`;
    }
    expect([pages.map(({ length }) => length), pages.flat().sort()]).toEqual([[2, 1], ['n-1', 'n-2', 'n-3']]);
    const numbers = new Set(csv.split('\n').slice(1).filter((line) => line !== '').map((line) => line.split(',')[0]));
    expect([csv.split(INVOICE_CSV_HEAD).length, csv.startsWith(INVOICE_CSV_HEAD), numbers.size]).toEqual([2, true, 3]);
    expect(csv).not.toContain('s-1');
  });

  test('go with a meter that moves', async () => {
    world.fleet.add('n-1', 'south');
    monotonicMs += 60_000;
    expect(metersOf(await get('invoices?region=north', 'operator'))).toEqual(['n-2', 'n-3']);
    expect(metersOf(await get('invoices?region=south', 'otherOperator'))).toEqual(['n-1', 's-1', 's-2']);
    expect([await openable('operator'), await openable('otherOperator')]).toEqual([['n-2', 'n-3'], ['n-1', 's-1', 's-2']]);
  });
});

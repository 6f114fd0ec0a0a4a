import { describe, expect, test } from 'vitest';
import { RunBook } from '../../src/actors/tariffs/run-book.ts';
import type { BillingRun } from '../../src/model/billing.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { StagedStore } from '../../src/runtime/staged-store.ts';
import { QUARTER_MS } from '../../src/model/energy.ts';
import { agreementOf, CORRECTION_EVERY_MS, flatTariff, TariffsWorld } from '../support/tariffs-world.ts';

const LATE = CORRECTION_EVERY_MS + 60_000;
/** 0.01 kWh in each of 2,976 quarter-hours of July: 29.76 kWh, 7.44 + 9.30 + 20 %. */
const JULY_TOTAL = '20.09';
const quarterOf = (time: string): number => Date.parse(time) / QUARTER_MS;

async function july(meters = 3): Promise<TariffsWorld> {
  const world = await TariffsWorld.start();
  await world.putTariff(flatTariff());
  for (let i = 1; i <= meters; i++) {
    world.addMeter(`m${i}`, 10_000, '2026-06-30T22:00:00Z', '2026-07-31T22:00:00Z');
    await world.makeAgreement(agreementOf(`m${i}`));
  }
  return world;
}

describe('tariffs', () => {
  test('are numbered, stay as they were, and are refused when somebody was quicker', async () => {
    const world = await TariffsWorld.start();
    await world.putTariff(flatTariff());
    expect(await world.ask({ kind: 'putTariff', document: flatTariff({}, '0.30'), expectedVersion: 1, by: 'Bob' })).toMatchObject({ version: 2, by: 'Bob' });
    await expect(world.ask({ kind: 'putTariff', document: flatTariff(), expectedVersion: 1, by: 'Bob' })).rejects.toMatchObject({ code: 'stale_version' });
    await world.restart();
    expect((await world.ask({ kind: 'tariffVersions', id: 'flat' })).map(({ version, document }) => [version, document.charges[0]])).toMatchObject([
      [2, { rates: [{ tiers: [{ price: '0.30' }] }] }],
      [1, { rates: [{ tiers: [{ price: '0.25' }] }] }],
    ]);
    await expect(world.ask({ kind: 'tariff', id: 'flat', version: 3 })).rejects.toMatchObject({ code: 'unknown_tariff' });
    await expect(world.ask({ kind: 'tariff', id: 'other', version: null })).rejects.toMatchObject({ code: 'unknown_tariff' });
  });

  test('count by agreement, then priority, then what they name', async () => {
    const world = await TariffsWorld.start();
    for (const [id, appliesTo] of [
      ['all', {}],
      ['north', { regions: ['nor*'] }],
      ['shops', { customerClasses: ['shop'] }],
      ['meter', { meters: ['m7'] }],
      ['first', { regions: ['west'], priority: 5 }],
      ['agreed', null],
    ] as const) {
      await world.putTariff(flatTariff({ id, appliesTo }));
    }
    for (const [meterId, region] of [['m1', 'south'], ['m2', 'north'], ['m3', 'north'], ['m7', 'north'], ['m8', 'west'], ['m9', 'north']]) world.fleet.add(meterId, region);
    await world.makeAgreement(agreementOf('m3', { customerClass: 'shop' }));
    await world.makeAgreement(agreementOf('m7', { customerClass: 'shop' }));
    await world.makeAgreement(agreementOf('m8', { customerClass: 'shop' }));
    await world.makeAgreement(agreementOf('m9', { tariffId: 'agreed' }));
    const at = Date.parse('2026-07-01T12:00:00Z');
    const found = await Promise.all(['m1', 'm2', 'm3', 'm7', 'm8', 'm9'].map((meterId) => world.ask({ kind: 'tariffOf', meterId, at })));
    expect(found.map(({ id }) => id)).toEqual(['all', 'north', 'shops', 'meter', 'first', 'agreed']);
    expect((await world.ask({ kind: 'tariffsOfRegion', region: 'north', at })).map(({ id }) => id)).toEqual(['north', 'all']);
    await expect(world.ask({ kind: 'tariffOf', meterId: 'm1', at: Date.parse('2025-07-01T12:00:00Z') })).rejects.toMatchObject({ code: 'no_tariff' });
    await expect(world.ask({ kind: 'tariffOf', meterId: 'nobody', at })).rejects.toMatchObject({ code: 'unknown_meter' });
  });

  test('begin with a day of their own zone', async () => {
    const world = await TariffsWorld.start();
    await world.putTariff(flatTariff());
    await world.putTariff(flatTariff({ effectiveFrom: '2026-08-01' }, '0.30'));
    world.fleet.add('m1');
    const at = (time: string): Promise<number> => world.ask({ kind: 'tariffOf', meterId: 'm1', at: Date.parse(time) }).then(({ version }) => version);
    expect([await at('2026-07-31T21:59:59Z'), await at('2026-07-31T22:00:00Z')]).toEqual([1, 2]);
  });
});

describe('agreements', () => {
  test('of a meter do not overlap', async () => {
    const world = await TariffsWorld.start();
    const first = await world.makeAgreement(agreementOf('m1', { movedOut: '2026-03-01' }));
    await expect(world.makeAgreement(agreementOf('m1', { movedIn: '2026-02-28' }))).rejects.toMatchObject({ code: 'agreement_overlaps' });
    const second = await world.makeAgreement(agreementOf('m1', { movedIn: '2026-03-01' }));
    const change = { kind: 'changeAgreement', id: first.id, version: 1, tariffId: undefined, customer: undefined, by: 'Ada' } as const;
    await expect(world.ask({ ...change, movedOut: null })).rejects.toMatchObject({ code: 'agreement_overlaps' });
    expect(await world.ask({ ...change, movedOut: '2026-02-01' })).toMatchObject({ version: 2, movedOut: '2026-02-01' });
    await expect(world.ask({ ...change, movedOut: null })).rejects.toMatchObject({ code: 'stale_version' });
    await expect(world.ask({ ...change, version: null, tariffId: 'none', movedOut: undefined })).rejects.toMatchObject({ code: 'unknown_tariff' });
    expect((await world.ask({ kind: 'agreements', meterId: 'm1', limit: 1, cursor: first.id })).data).toEqual([second]);
    expect(await world.ask({ kind: 'agreements', meterId: null, limit: 1, cursor: null })).toMatchObject({ data: [{ id: first.id }], nextCursor: first.id });
  });
});

describe('a monthly run', () => {
  test('bills each agreement once, with numbers in a row', async () => {
    const world = await july();
    expect(await world.bill('2026-07')).toMatchObject({ state: 'done', agreements: 3, done: 3, issued: 3, failed: 0 });
    const invoices = await world.invoices();
    expect(invoices.map(({ number, total, state, dueDate }) => [number, total, state, dueDate])).toEqual([3, 2, 1].map((n) => [`INV-2026-00000${n}`, JULY_TOTAL, 'issued', '2026-08-23']));
    expect(await world.bill('2026-07')).toMatchObject({ state: 'done', done: 3, issued: 3 });
    expect(await world.invoices()).toEqual(invoices);
    expect(world.events.filter(({ topic }) => topic === 'billing_updates')).toHaveLength(3);
    expect(await world.ask({ kind: 'invoice', id: 'INV-2026-000002' })).toMatchObject({ run: 'run-2026-07', customer: { name: 'Ada Lovelace' } });
  });

  test('is of a month that is over', async () => {
    const world = await july(1);
    await expect(world.ask({ kind: 'startRun', month: '2026-08', by: 'Ada' })).rejects.toMatchObject({ code: 'month_not_over' });
    for (const month of ['2026-13', '0000-01', '1969-12']) await expect(world.ask({ kind: 'startRun', month, by: 'Ada' }), month).rejects.toMatchObject({ code: 'bad_month' });
    expect((await world.ask({ kind: 'startRun', month: '1970-01', by: 'Ada' })).month).toBe('1970-01');
  });

  test('waits while shards are away, and goes on by itself', async () => {
    const world = await july();
    world.fleet.away = 4;
    expect(await world.bill('2026-07')).toMatchObject({ state: 'paused', issued: 0 });
    await expect(world.ask({ kind: 'startRun', month: '2026-06', by: 'Ada' })).rejects.toMatchObject({ code: 'run_under_way' });
    await world.pass(60_000);
    expect(await world.ask({ kind: 'run', id: 'run-2026-07' })).toMatchObject({ state: 'done', issued: 3, done: 3 });
  });

  test('counts its bills with quarter-hours missing, and those where they are more than a tenth', async () => {
    const world = await july(1);
    /** Of the month alone what comes after. */
    const addFrom = async (meterId: string, from: string): Promise<void> => {
      world.addMeter(meterId, 10_000, from, '2026-07-31T22:00:00Z');
      await world.makeAgreement(agreementOf(meterId));
    };
    await addFrom('one', '2026-06-30T23:15:00Z');
    // 297 and 298 of 2,976 are missing: the first count covers an hour before it.
    await addFrom('a-tenth', '2026-07-04T01:15:00Z');
    await addFrom('more', '2026-07-04T01:30:00Z');
    await addFrom('most', '2026-07-31T00:00:00Z');
    expect(await world.bill('2026-07')).toMatchObject({ issued: 5, incomplete: { bills: 4, aboveTenth: 2 } });
    const missing = async (meterId: string) => (await world.invoices({ meterId }))[0].quality.missing;
    expect([await missing('a-tenth'), await missing('more')]).toEqual([297, 298]);
    // Those that are billed the next time are counted with them.
    await addFrom('later', '2026-07-20T00:00:00Z');
    expect(await world.bill('2026-07')).toMatchObject({ issued: 6, incomplete: { bills: 5, aboveTenth: 3 } });
    await world.restart();
    expect((await world.ask({ kind: 'runs', limit: 1, cursor: null })).data).toMatchObject([{ incomplete: { bills: 5, aboveTenth: 3 } }]);
  });

  test('that was stored before bills were counted so does not say, and begins no count in its middle', async () => {
    const store = new MemoryStore({ takeCommit: async () => {} });
    const staged = new StagedStore(store);
    const { incomplete: _none, ...before } = new RunBook(staged).start('2026-06', 'Ada', 0);
    new RunBook(staged).put({ ...before, state: 'done', issued: 3 } as BillingRun);
    staged.flush();
    await store.commit();
    const book = new RunBook(new StagedStore(store));
    book.load();
    expect([book.get('run-2026-06').incomplete, book.page(1, null).data[0].incomplete, book.start('2026-06', 'Ada', 1).incomplete, book.underWay()[0].incomplete]).toEqual([null, null, null, null]);
  });

  test('names agreements that it cannot bill, and bills them the next time', async () => {
    const world = await july(1);
    await world.makeAgreement(agreementOf('silent'));
    await world.putTariff(flatTariff({ id: 'later', appliesTo: null, effectiveFrom: '2026-08-01' }));
    world.addMeter('m2', 10_000, '2026-07-01', '2026-08-01');
    const without = await world.makeAgreement(agreementOf('m2', { tariffId: 'later' }));
    expect(await world.bill('2026-07')).toMatchObject({ state: 'done', agreements: 3, done: 3, issued: 1, failed: 2, faults: [{ code: 'no_tariff' }, { code: 'unknown_meter' }] });
    world.addMeter('silent', 10_000, '2026-07-01', '2026-08-01');
    await world.ask({ kind: 'changeAgreement', id: without.id, version: null, tariffId: null, customer: undefined, movedOut: undefined, by: 'Ada' });
    expect(await world.bill('2026-07')).toMatchObject({ state: 'done', done: 3, issued: 3, failed: 0, faults: [] });
  });

  test('bills who moved out and who moved in for their days', async () => {
    const world = await july(0);
    world.addMeter('m1', 10_000, '2026-06-30T22:00:00Z', '2026-07-31T22:00:00Z');
    await world.makeAgreement(agreementOf('m1', { movedOut: '2026-07-11' }));
    await world.makeAgreement(agreementOf('m1', { movedIn: '2026-07-11' }));
    expect(await world.bill('2026-07')).toMatchObject({ issued: 2 });
    const invoices = await world.invoices();
    expect(invoices.map(({ from, to, importKwh }) => [from, to, importKwh])).toEqual([
      ['2026-07-11', '2026-08-01', '20.16'],
      ['2026-07-01', '2026-07-11', '9.6'],
    ]);
  });

  test('puts a change of tariff inside the month on one bill', async () => {
    const world = await july(1);
    await world.putTariff(flatTariff({ effectiveFrom: '2026-07-11' }, '0.50'));
    await world.bill('2026-07');
    const [{ parts, lines }] = await world.invoices();
    expect(parts.map(({ tariffVersion, from, to }) => [tariffVersion, from, to])).toEqual([
      [1, '2026-07-01', '2026-07-11'],
      [2, '2026-07-11', '2026-08-01'],
    ]);
    expect(lines.filter(({ kind }) => kind === 'energy').map(({ amount }) => amount)).toEqual(['2.40', '10.08']);
  });

  test('issues a draft in its place', async () => {
    const world = await july(1);
    const draft = await world.ask({ kind: 'draft', agreementId: 'AG-00000001', month: '2026-07' });
    expect(draft).toMatchObject({ number: null, state: 'draft', total: JULY_TOTAL });
    await expect(world.ask({ kind: 'pay', invoiceId: draft.id, amount: '1.00', method: 'bank', reference: 'r', receivedAt: 0, by: 'Ada' })).rejects.toMatchObject({ code: 'wrong_state' });
    await world.bill('2026-07');
    expect(await world.invoices()).toMatchObject([{ id: draft.id, number: 'INV-2026-000001', state: 'issued', version: 2 }]);
    await expect(world.ask({ kind: 'draft', agreementId: 'AG-00000001', month: '2026-07' })).rejects.toMatchObject({ code: 'already_billed' });
  });
});

describe('payments', () => {
  const pay = (world: TariffsWorld, amount: string, reference: string) => world.ask({ kind: 'pay', invoiceId: 'INV-2026-000001', amount, method: 'bank', reference, receivedAt: 5, by: 'Ada' });

  test('count once by reference, in part too, and never more than is to be paid', async () => {
    const world = await july(1);
    await world.bill('2026-07');
    const first = await pay(world, '10.00', 'a');
    expect(first).toMatchObject({ payment: { amount: '10.00' }, invoice: { paid: '10.00', outstanding: '10.09', state: 'issued' } });
    const again = await Promise.all([pay(world, '10', 'a'), pay(world, '10.00', 'a')]);
    expect(again).toEqual([first, first]);
    await expect(pay(world, '9.00', 'a')).rejects.toMatchObject({ code: 'reference_used' });
    await expect(pay(world, '10.10', 'b')).rejects.toMatchObject({ code: 'overpaid' });
    for (const amount of ['0', '-1', '0.001']) await expect(pay(world, amount, 'c')).rejects.toMatchObject({ code: 'bad_amount' });
    expect(await pay(world, '10.09', 'b')).toMatchObject({ invoice: { state: 'paid', outstanding: '0.00' } });
    expect((await world.ask({ kind: 'payments', invoiceId: 'INV-2026-000001' })).map(({ reference }) => reference)).toEqual(['a', 'b']);
    await expect(pay(world, '1.00', 'd')).rejects.toMatchObject({ code: 'overpaid' });
  });

  test('that do not come make an invoice overdue the day after it is due, in its zone', async () => {
    const world = await july(2);
    await world.bill('2026-07');
    await pay(world, '20.09', 'a');
    await world.jumpTo('2026-08-23T21:59:50Z');
    expect((await world.invoices()).map(({ state }) => state)).toEqual(['issued', 'paid']);
    await world.pass(6_000);
    expect((await world.invoices()).map(({ state }) => state)).toEqual(['overdue', 'paid']);
    expect(await world.invoices({ state: 'overdue' })).toHaveLength(1);
    expect(await world.invoices({ state: 'issued' })).toHaveLength(0);
  });
});

describe('disputes', () => {
  test('hold an invoice, and give a credit of the same part of tax when they are upheld', async () => {
    const world = await july(1);
    await world.bill('2026-07');
    const dispute = await world.ask({ kind: 'dispute', invoiceId: 'INV-2026-000001', reason: 'too much', lines: [1], by: 'Ada' });
    expect(await world.ask({ kind: 'invoice', id: dispute.invoiceId })).toMatchObject({ state: 'disputed' });
    await expect(world.ask({ kind: 'dispute', invoiceId: dispute.invoiceId, reason: 'too much', lines: [], by: 'Ada' })).rejects.toMatchObject({ code: 'wrong_state' });
    await world.jumpTo('2026-09-01T00:00:00Z');
    expect(await world.ask({ kind: 'invoice', id: dispute.invoiceId })).toMatchObject({ state: 'disputed' });
    const resolve = { kind: 'resolveDispute', id: dispute.id, outcome: 'upheld', resolution: 'you are right', creditAmount: '6.00', by: 'Bob' } as const;
    await expect(world.ask({ ...resolve, creditAmount: '20.10' })).rejects.toMatchObject({ code: 'bad_amount' });
    expect(await world.ask(resolve)).toMatchObject({ outcome: 'upheld', resolvedBy: 'Bob' });
    await expect(world.ask(resolve)).rejects.toMatchObject({ code: 'wrong_state' });
    const [note, invoice] = await world.invoices();
    expect(note).toMatchObject({ kind: 'creditNote', number: 'CN-2026-000001', corrects: invoice.id, net: '-5.00', tax: '-1.00', total: '-6.00', lines: [{ amount: '-5.00' }, { kind: 'tax', amount: '-1.00' }] });
    expect(invoice).toMatchObject({ state: 'overdue', outstanding: '14.09', correctedBy: [note.id] });
    expect(await world.ask({ kind: 'disputes', invoiceId: invoice.id, openOnly: true, limit: 10, cursor: null })).toMatchObject({ data: [] });
    expect(await world.ask({ kind: 'disputes', invoiceId: null, openOnly: false, limit: 10, cursor: null })).toMatchObject({ data: [{ id: dispute.id }] });
  });
});

describe('corrections', () => {
  test('take an invoice back and put another in its place, to which payments go on', async () => {
    const world = await july(2);
    await world.bill('2026-07');
    await world.ask({ kind: 'pay', invoiceId: 'INV-2026-000001', amount: '20.09', method: 'bank', reference: 'a', receivedAt: 5, by: 'Ada' });
    world.fleet.count('m1', quarterOf('2026-07-10T12:00:00Z'), 1_010_000);
    await world.pass(LATE);
    const [again, note, other, first] = await world.invoices();
    expect(first).toMatchObject({ state: 'credited', outstanding: '0.00', paid: '0.00', correctedBy: [note.id, again.id] });
    expect(note).toMatchObject({ number: 'CN-2026-000001', total: '-20.09', corrects: first.id, run: null });
    expect(again).toMatchObject({ number: 'INV-2026-000003', total: '20.39', paid: '20.09', outstanding: '0.30', state: 'issued', corrects: first.id });
    expect(again.differences).toContainEqual({ text: 'Total', before: '20.09 EUR', after: '20.39 EUR' });
    expect(other).toMatchObject({ state: 'issued', correctedBy: [] });
    await world.pass(3 * LATE);
    expect(await world.invoices()).toHaveLength(4);
    expect(await world.bill('2026-07')).toMatchObject({ done: 2, issued: 2 });
    expect(await world.invoices()).toHaveLength(4);
  });

  test('do not come of energy that changes no line', async () => {
    const world = await july(1);
    await world.bill('2026-07');
    world.fleet.count('m1', quarterOf('2026-07-10T12:00:00Z'), 9_000);
    world.fleet.count('m1', quarterOf('2026-07-10T12:15:00Z'), 11_000);
    await world.pass(LATE);
    expect(await world.invoices()).toHaveLength(1);
    expect(world.actor.metrics()).toMatchObject({ corrected: 0 });
  });

  test('wait for the end of a dispute, and end with the horizon', async () => {
    const world = await july(2);
    await world.bill('2026-07');
    const { id } = await world.ask({ kind: 'dispute', invoiceId: 'INV-2026-000001', reason: 'too much', lines: [], by: 'Ada' });
    world.fleet.count('m1', quarterOf('2026-07-10T12:00:00Z'), 1_010_000);
    await world.pass(LATE);
    expect(await world.invoices()).toHaveLength(2);
    await world.ask({ kind: 'resolveDispute', id, outcome: 'rejected', resolution: 'no', creditAmount: null, by: 'Bob' });
    await world.pass(LATE);
    expect(await world.invoices()).toHaveLength(4);
    await world.jumpTo('2026-09-11T00:00:00Z');
    world.fleet.count('m2', quarterOf('2026-07-10T12:00:00Z'), 1_010_000);
    await world.pass(LATE);
    expect(await world.invoices()).toHaveLength(4);
  });

  test('come of a move that is told of later', async () => {
    const world = await july(1);
    await world.bill('2026-07');
    const change = { kind: 'changeAgreement', id: 'AG-00000001', version: null, tariffId: undefined, customer: undefined, by: 'Ada' } as const;
    await world.ask({ ...change, movedOut: '2026-07-11' });
    await world.pass(LATE);
    expect(await world.invoices()).toMatchObject([{ from: '2026-07-01', to: '2026-07-11', number: 'INV-2026-000002' }, { kind: 'creditNote' }, { state: 'credited' }]);
    await world.ask({ ...change, movedOut: '2026-06-11' });
    await world.pass(LATE);
    expect(await world.invoices()).toMatchObject([{ kind: 'creditNote', number: 'CN-2026-000002' }, { state: 'credited' }, {}, {}]);
  });

  test('go over several months where one leaves over what the next uses', async () => {
    const world = await TariffsWorld.start(Date.parse('2026-08-02T00:00:00Z'));
    await world.putTariff(flatTariff({ metering: { method: 'netMetering' } }));
    world.addMeter('m1', -10_000, '2026-05-31T22:00:00Z', '2026-06-30T22:00:00Z');
    for (let quarter = quarterOf('2026-06-30T22:00:00Z'); quarter < quarterOf('2026-07-31T22:00:00Z'); quarter++) world.fleet.count('m1', quarter, 10_000);
    await world.makeAgreement(agreementOf('m1', { movedIn: '2026-06-01' }));
    await world.bill('2026-06');
    await world.bill('2026-07');
    const before = (await world.invoices()).map(({ total }) => total);
    world.fleet.count('m1', quarterOf('2026-06-10T12:00:00Z'), 0);
    world.fleet.count('m1', quarterOf('2026-06-10T12:15:00Z'), 0);
    world.fleet.count('m1', quarterOf('2026-06-10T12:30:00Z'), 1_000_000);
    await world.pass(2 * LATE);
    const standing = (await world.invoices()).filter(({ kind, state }) => kind === 'invoice' && state !== 'credited');
    expect(standing).toHaveLength(2);
    expect(standing.find(({ from }) => from === '2026-07-01')!.total).not.toBe(before[0]);
    expect(standing.every(({ corrects }) => corrects !== null)).toBe(true);
  });
});

describe('costs', () => {
  test('are explained line by line where credits in kWh and in money go from one to the next', async () => {
    const world = await TariffsWorld.start();
    const metering = { method: 'netMetering', creditPeriods: 'together', yearEndMonth: 8, yearEndPrice: '0.40', yearEndEnergy: 'netOfYear', creditPays: 'energy', yearEndCredit: 'kept' };
    await world.putTariff(flatTariff({ metering }));
    world.addMeter('m1', -10_000, '2026-06-30T22:00:00Z', '2026-07-31T22:00:00Z');
    for (let quarter = quarterOf('2026-07-31T22:00:00Z'); quarter < quarterOf('2026-09-30T22:00:00Z'); quarter++) world.fleet.count('m1', quarter, 6_000);
    await world.makeAgreement(agreementOf('m1', { movedIn: '2026-07-01' }));
    for (const [day, month] of [['2026-08-02', '2026-07'], ['2026-09-02', '2026-08'], ['2026-10-02', '2026-09']]) {
      await world.jumpTo(`${day}T00:00:00Z`);
      expect(await world.bill(month)).toMatchObject({ state: 'done', failed: 0 });
    }
    const explained = await Promise.all(['INV-2026-000001', 'INV-2026-000002', 'INV-2026-000003'].map((id) => world.ask({ kind: 'explainInvoice', id })));
    expect(explained.map(({ agrees }) => agrees)).toEqual([true, true, true]);
    // 29.76 kWh given in July; 17.856 used in August, and the rest sold; what it is worth pays for energy in September, and for no more.
    expect(explained[1].lines.map(({ how }) => how.replace(/, for 2026.*/, ''))).toEqual([
      'Energy credit, taken off what was used: 17.856 kWh that are not charged',
      'Base: 31 day × 0.30 EUR/day = 9.30 EUR',
      expect.stringMatching(/^Energy given beyond what was used since the last settlement, settled: 11.904 kWh × -0.40 EUR\/kWh = -4.7616, rounded -4.76 EUR/),
      'Credit kept for later bills: carried over, 4.76 EUR',
      'VAT 20 %: 20 % of 9.3 EUR = 1.86 EUR',
    ]);
    expect(explained[2].lines.map(({ how }) => how.replace(/, for 2026.*/, ''))).toEqual([
      'Energy: 17.28 kWh × 0.25 EUR/kWh = 4.32 EUR',
      'Base: 30 day × 0.30 EUR/day = 9.00 EUR',
      'Credit of earlier bills: carried over, -4.32 EUR',
      'VAT 20 %: 20 % of 9 EUR = 1.80 EUR',
    ]);
  });

  test('are explained line by line, and agree with a bill that nobody changed', async () => {
    const world = await july(1);
    await world.bill('2026-07');
    const explained = await world.ask({ kind: 'explainInvoice', id: 'INV-2026-000001' });
    expect(explained).toMatchObject({ agrees: true, recomputed: { total: JULY_TOTAL } });
    expect(explained.lines.every(({ agrees }) => agrees)).toBe(true);
    world.fleet.count('m1', quarterOf('2026-07-10T12:00:00Z'), 1_010_000);
    expect(await world.ask({ kind: 'explainInvoice', id: 'INV-2026-000001' })).toMatchObject({ agrees: false, recomputed: { total: '20.39' } });
    await world.pass(LATE);
    for (const id of ['INV-2026-000002']) expect(await world.ask({ kind: 'explainInvoice', id })).toMatchObject({ agrees: true });
  });

  test('of days are those of a bill', async () => {
    const world = await july(1);
    expect(await world.ask({ kind: 'estimate', meterId: 'm1', from: '2026-07-01', to: '2026-08-01', tariffId: null })).toMatchObject({ total: JULY_TOTAL, agreementId: 'AG-00000001' });
    const of = { kind: 'estimate', meterId: 'm1', from: '2026-07-01', to: '2026-07-01', tariffId: null } as const;
    await expect(world.ask(of)).rejects.toMatchObject({ code: 'bad_span' });
    await expect(world.ask({ ...of, to: '2028-07-01' })).rejects.toMatchObject({ code: 'period_too_long' });
    await expect(world.ask({ ...of, to: '2026-07-02', meterId: 'nobody' })).rejects.toMatchObject({ code: 'unknown_meter' });
    await expect(world.ask({ ...of, to: '2026-07-02', tariffId: 'none' })).rejects.toMatchObject({ code: 'unknown_tariff' });
  });

  test('of the month that goes on are projected to its end', async () => {
    const world = await TariffsWorld.start(Date.parse('2026-07-10T22:00:00Z'));
    await world.putTariff(flatTariff());
    world.addMeter('m1', 10_000, '2026-06-30T22:00:00Z', '2026-07-10T22:00:00Z');
    const { bill, projected } = await world.ask({ kind: 'cycle', meterId: 'm1' });
    expect(bill).toMatchObject({ from: '2026-07-01', to: '2026-07-12', importKwh: '9.6', quality: { measured: 960, missing: 0 } });
    expect(projected).toMatchObject({ from: '2026-07-01', to: '2026-08-01', importKwh: '29.76', total: JULY_TOTAL, quality: { measured: 960, estimated: 2_016, missing: 0 } });
  });

  test('under several tariffs are compared, the cheapest first', async () => {
    const world = await july(1);
    await world.putTariff(flatTariff({ id: 'dear', appliesTo: null }, '0.50'));
    await world.putTariff(flatTariff({ id: 'cheap', appliesTo: null }, '0.10'));
    const question = { kind: 'compare', meterId: 'm1', from: '2026-06-01', to: '2026-08-01', tariffIds: ['dear', 'flat', 'cheap'] } as const;
    const compared = await world.settled(world.ask({ ...question, tariffIds: [...question.tariffIds] }));
    expect(compared.map(({ tariffId, difference, monthly }) => [tariffId, difference, monthly.length])).toEqual([
      ['cheap', '-5.35', 2],
      ['flat', '0.00', 2],
      ['dear', '8.93', 2],
    ]);
  });
});

describe('the supervisor', () => {
  test('lets nothing out before it is on disk, and leaves no timer behind', async () => {
    let letGo = (): void => {};
    let isHeld = false;
    const world = await TariffsWorld.start(undefined, { takeCommit: () => (isHeld ? new Promise((resolve) => (letGo = resolve)) : Promise.resolve()) });
    isHeld = true;
    let isDone = false;
    const put = world.putTariff(flatTariff()).then(() => (isDone = true));
    await world.pass(0);
    expect(isDone).toBe(false);
    letGo();
    await put;
    isHeld = false;
    await world.actor.stop();
    expect(world.time.timersPending).toBe(0);
    await expect(world.ask({ kind: 'tariffs', limit: 1, cursor: null })).rejects.toMatchObject({ code: 'unavailable', retryable: true });
  });

  test('ends when a commit fails: who waits may try again, and the next has what was on disk', async () => {
    const world = await TariffsWorld.start();
    await world.putTariff(flatTariff());
    world.store.failNext('storage_full');
    await expect(world.putTariff(flatTariff())).rejects.toMatchObject({ code: 'unavailable', retryable: true });
    expect(world.failures).toMatchObject([{ code: 'storage_full' }]);
    await world.restart();
    expect(await world.ask({ kind: 'tariffVersions', id: 'flat' })).toHaveLength(1);
  });
});

describe('what leaves the supervisor', () => {
  test('is read again by a consumer that was away, and everything by a new one', async () => {
    const world = await july(2);
    world.consumers = ['pg'];
    await world.restart();
    await world.bill('2026-07');
    await world.ask({ kind: 'pay', invoiceId: 'INV-2026-000001', amount: '20.09', method: 'bank', reference: 'a', receivedAt: 5, by: 'Ada' });
    const read = async (): Promise<string[]> => {
      const ids: string[] = [];
      for (let position: string | null = null; ; ) {
        const piece = await world.actor.readOutbox('pg', position, 2);
        ids.push(...piece.events.map(({ topic, id }) => `${topic} ${id}`));
        position = piece.position;
        if (!piece.isLast) continue;
        await world.actor.acknowledgeOutbox('pg', position);
        return ids;
      }
    };
    const first = await read();
    expect(new Set(first)).toEqual(new Set(['billing_updates I00000000001', 'billing_updates I00000000002', 'payment_updates I00000000001-1']));
    expect(await read()).toEqual([]);
    await world.restart();
    await world.ask({ kind: 'dispute', invoiceId: 'INV-2026-000002', reason: 'too much', lines: [], by: 'Ada' });
    expect(await read()).toEqual(['billing_updates I00000000002', 'dispute_updates D-00000001']);
    world.consumers = ['other'];
    await world.restart();
    const piece = await world.actor.readOutbox('other', null, 100);
    expect(piece.events).toHaveLength(2);
  });
});

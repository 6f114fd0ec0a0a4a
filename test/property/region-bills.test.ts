import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NOTHING_CARRIED } from '../../src/actors/tariffs/bill-rating.ts';
import type { BillingDesk } from '../../src/actors/tariffs/billing-desk.ts';
import { InvoiceBook, type BillFilter } from '../../src/actors/tariffs/invoice-book.ts';
import type { InvoiceQuery } from '../../src/actors/tariffs/protocol.ts';
import { billsOfRegion } from '../../src/actors/tariffs/region-bills.ts';
import { Sequences } from '../../src/actors/tariffs/sequences.ts';
import type { TariffsState } from '../../src/actors/tariffs/tariffs-state.ts';
import type { Invoice } from '../../src/model/billing.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { StagedStore } from '../../src/runtime/staged-store.ts';
import { exampleInvoice } from '../support/example-bills.ts';

const METERS = ['m1', 'm2', 'm3', 'm4'];
const meterId = fc.constantFrom(...METERS);
const run = fc.constantFrom('run-a', 'run-b', null);
/** An agreement of each meter. */
const agreementOf = (meter: string): string => `of-${meter}`;
const made = fc.record({ meterId, run, isPaid: fc.boolean(), region: fc.constantFrom('north', 'south') });
/** null: there is no such meter any more. */
const regions = fc.tuple(...METERS.map(() => fc.constantFrom('north', 'south', null)));
const query = fc.record({
  agreementId: fc.option(meterId.map(agreementOf)),
  meterId: fc.option(meterId),
  state: fc.constantFrom(null, null, 'issued' as const, 'paid' as const),
  run: fc.oneof(fc.constant(null), run),
  limit: fc.integer({ min: 1, max: 5 }),
});

type Desk = Pick<BillingDesk, 'turn' | 'giveWay' | 'energy'>;

function deskOf(invoicesOf: TariffsState['invoicesOf'], regionOf: (meterId: string) => string | null): Desk {
  const place = async (meterId: string) => {
    const region = regionOf(meterId);
    return region === null ? null : { meterId, region };
  };
  return { turn: async (apply) => apply({ invoicesOf } as TariffsState, 0), giveWay: async () => {}, energy: { place } as BillingDesk['energy'] };
}

test('bills of a region are those of the meters that are there now, whatever region they were billed in, each once and the newest first', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(made, { maxLength: 25 }), regions, query, async (bills, places, { limit, ...filter }) => {
      const staged = new StagedStore(new MemoryStore({ takeCommit: async () => {} }));
      const book = new InvoiceBook(staged, new Sequences(staged));
      const all = bills.map(({ isPaid, ...bill }, i): Invoice => {
        const rated = { bill: exampleInvoice({ ...bill, agreementId: agreementOf(bill.meterId), from: `${2000 + i}-07-01`, to: `${2000 + i}-08-01`, total: '10.00' }), carried: NOTHING_CARRIED };
        const issued = book.issue({ rated, customer: rated.bill.customer, dueDays: 10, run: bill.run }, 0);
        return isPaid ? book.paid(issued.id, '10.00', 0) : issued;
      });
      const regionOf = (meter: string): string | null => places[METERS.indexOf(meter)];
      const desk = deskOf((asked: BillFilter, scanMax?: number) => book.page(asked, (agreementId) => agreementId.slice('of-'.length), scanMax), regionOf);
      const wanted = all.filter((bill) => regionOf(bill.meterId) === 'north' && (['agreementId', 'meterId', 'state', 'run'] as const).every((name) => filter[name] === null || filter[name] === bill[name])).map(({ id }) => id);
      const found: string[] = [];
      for (let cursor: string | null = null, pages = 0; ; pages++) {
        if (pages > all.length) throw new Error('the pages do not end');
        const page: { data: Invoice[]; nextCursor: string | null } = await billsOfRegion(desk, { ...filter, region: 'north', limit, cursor });
        if (page.data.length > limit) throw new Error(`${page.data.length} bills on a page of ${limit}`);
        found.push(...page.data.map(({ id }) => id));
        if (page.nextCursor === null) break;
        cursor = page.nextCursor;
      }
      expect(found).toEqual(wanted.reverse());
    }),
    { numRuns: 300 },
  );
});

test('a page looks at so many bills, however few of them are of the region, and the next one goes on there', async () => {
  const BILLS = 12_000;
  const looked: number[] = [];
  /** Bills by number, of which the last alone is of a meter in the north. */
  const invoicesOf = ({ cursor, limit }: BillFilter, scanMax = Infinity) => {
    const from = Number(cursor ?? 0);
    const to = Math.min(BILLS, from + limit, from + scanMax);
    looked.push(to - from);
    return { data: Array.from({ length: to - from }, (_, i) => exampleInvoice({ id: String(from + i + 1), meterId: `m${from + i + 1}` })), nextCursor: to === BILLS ? null : String(to) };
  };
  const desk = deskOf(invoicesOf, (meter) => (meter === `m${BILLS}` ? 'north' : 'south'));
  const ask = (cursor: string | null) => billsOfRegion(desk, { agreementId: null, meterId: null, state: null, run: null, region: 'north', limit: 10, cursor } satisfies InvoiceQuery & { region: string });
  const first = await ask(null);
  expect([first, looked.length, Math.max(...looked)]).toEqual([{ data: [], nextCursor: '5120' }, 80, 64]);
  const second = await ask(first.nextCursor);
  expect([second.data.length, second.nextCursor]).toEqual([0, '10240']);
  const third = await ask(second.nextCursor);
  expect([third.data.map(({ id }) => id), third.nextCursor]).toEqual([[String(BILLS)], null]);
});

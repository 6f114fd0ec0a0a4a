import type { Invoice } from '../../model/billing.ts';
import type { Page } from '../../model/queries.ts';
import type { BillingDesk } from './billing-desk.ts';
import { placesOf } from './meter-places.ts';
import type { InvoiceQuery } from './protocol.ts';

/** Bills that one turn reads, some 5 ms. */
const BILLS_PER_TURN = 64;
/** Turns of one page, half a second in all: a region that has few of the bills gives a short page and a cursor instead of a long wait. */
const TURNS_MAX = 80;

/**
 * Bills of the meters that are in a region now, newest first. A meter that moves takes its bills along, since who may open a bill goes by where its meter is (http/guard.ts); what region the bill itself names is where
 * that was when it was billed. Rejects with `bad_cursor`, or with what the energy source rejects with.
 */
export async function billsOfRegion({ turn, giveWay, energy }: Pick<BillingDesk, 'turn' | 'giveWay' | 'energy'>, { region, limit, cursor, ...filter }: InvoiceQuery & { region: string }): Promise<Page<Invoice>> {
  const data: Invoice[] = [];
  const regions = new Map<string, string | null>();
  let next = cursor;
  for (let turns = 0; turns < TURNS_MAX; turns++) {
    const after = next;
    const page = await turn((state) => state.invoicesOf({ ...filter, limit: BILLS_PER_TURN, cursor: after }, BILLS_PER_TURN));
    const asked = [...new Set(page.data.map(({ meterId }) => meterId))].filter((meterId) => !regions.has(meterId));
    (await placesOf(energy, asked)).forEach((place, i) => regions.set(asked[i], place?.region ?? null));
    for (const [i, invoice] of page.data.entries()) {
      if (regions.get(invoice.meterId) !== region) continue;
      data.push(invoice);
      if (data.length === limit) return { data, nextCursor: i === page.data.length - 1 ? page.nextCursor : invoice.id };
    }
    next = page.nextCursor;
    if (next === null) break;
    await giveWay();
  }
  return { data, nextCursor: next };
}

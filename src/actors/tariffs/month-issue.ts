import type { Invoice } from '../../model/billing.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { ReadyOrder } from './bill-maker.ts';
import type { MonthOrder } from './bill-orders.ts';
import { carriedTo } from './bill-orders.ts';
import { dayStart } from './calendar.ts';
import type { RatedBill } from './bill-rating.ts';
import type { NewInvoice } from './invoice-book.ts';
import type { TariffsState } from './tariffs-state.ts';

/** A bill that was worked out becomes an invoice. */

/** How long after its period an invoice is compared with the energy as it is. */
export interface WatchTimes {
  /** What a reading may be late, and room. Ms. */
  correctionHorizonMs: number;
}

/** An invoice with intervals that nothing is known of is watched so long: a meter that comes back brings its past along. */
export const MISSING_WATCH_MS = 400 * 86_400_000;

/** A bill, and the order that it is of. */
export interface MonthBill {
  ordered: MonthOrder;
  ready: ReadyOrder;
  rated: RatedBill;
}

/** Whether what the order was made of is still so, apart from the energy. */
export function isCurrent(state: TariffsState, { agreement, month, order }: MonthOrder): boolean {
  return state.agreements.get(agreement.id).version === agreement.version && JSON.stringify(carriedTo(state, agreement.id, month)) === JSON.stringify(order.carried);
}

export function newInvoice({ ordered, rated }: MonthBill, run: string | null): NewInvoice {
  const { stretches } = ordered.order;
  return { rated, customer: ordered.agreement.customer, dueDays: stretches[stretches.length - 1].tariff.document.dueDays, run };
}

/** Has the energy of an issued invoice looked at from now on. */
export function watchInvoice(state: TariffsState, invoice: Invoice, fingerprint: string, { correctionHorizonMs }: WatchTimes): void {
  const forMs = invoice.quality.missing > 0 ? Math.max(MISSING_WATCH_MS, correctionHorizonMs) : correctionHorizonMs;
  state.watch.put(invoice.id, { until: dayStart(invoice.zone, invoice.to) + forMs, seen: fingerprint });
}

/** Throws `month_not_over`. */
export function checkMonthOver({ order }: MonthOrder, nowMs: number): void {
  const { to, tariff } = order.stretches[order.stretches.length - 1];
  if (nowMs < dayStart(tariff.document.zone, to)) throw new OperationalError('month_not_over', `the days before ${to} are not over in ${tariff.document.zone}`);
}

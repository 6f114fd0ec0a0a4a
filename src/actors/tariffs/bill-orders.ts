import type { Agreement, Invoice } from '../../model/billing.ts';
import type { BillOrder } from './bill-maker.ts';
import { checkOneBill } from './bill-maker.ts';
import { NOTHING_CARRIED, type CarriedOver } from './bill-rating.ts';
import { billedDays, cutAtMonths, monthAfter, type Days } from './billed-days.ts';
import { monthOf } from './invoice-book.ts';
import type { MeterPlace } from './protocol.ts';
import type { TariffStretch } from './tariff-book.ts';
import type { TariffsState } from './tariffs-state.ts';

/** What goes into bills, from the books. Within turns. */

/** A bill of an agreement's month. */
export interface MonthOrder {
  agreement: Agreement;
  month: string;
  order: BillOrder;
}

/** null: the agreement has no day in the month. Throws `no_tariff`, `mixed_tariffs`. */
export function monthOrder(state: TariffsState, agreement: Agreement, region: string, month: string): MonthOrder | null {
  const days = billedDays(agreement, month);
  if (days === null) return null;
  return orderOf(state, agreement, month, days, region, state.tariffs.stretches(state.subjectOf({ meterId: agreement.meterId, region }, agreement), days.from, days.to));
}

/** The same month of an invoice again, under the versions that it was made with; where the agreement has other days by now, under those that count. null: it has none. */
export function orderAgain(state: TariffsState, invoice: Invoice): MonthOrder | null {
  const agreement = state.agreements.get(invoice.agreementId);
  const month = monthOf(invoice);
  const days = billedDays(agreement, month);
  if (days === null) return null;
  if (days.from !== invoice.from || days.to !== invoice.to) return monthOrder(state, agreement, invoice.region ?? '', month);
  return orderOf(state, agreement, month, days, invoice.region ?? '', stretchesOf(state, invoice));
}

/** The days and versions that an invoice was made of. */
export function stretchesOf(state: TariffsState, invoice: Invoice): TariffStretch[] {
  return invoice.parts.map(({ tariffId, tariffVersion, from, to }) => ({ from, to, tariff: state.tariffs.find(tariffId, tariffVersion) }));
}

/** What the bill of the month before carried on to this one. */
export function carriedTo(state: TariffsState, agreementId: string, month: string): CarriedOver {
  return state.invoices.carriedFrom(agreementId, monthAfter(month, -1));
}

/** Days of a meter under one or more tariffs, beside any invoice: by what the agreement of the first day says. Throws `no_tariff`, `unknown_tariff`, `mixed_tariffs`. */
export function costOrder(state: TariffsState, place: MeterPlace, { from, to }: Days, tariffId: string | null): BillOrder {
  const agreement = state.agreements.ofMeterOn(place.meterId, from);
  const stretches = cutAtMonths(tariffId === null ? state.tariffs.stretches(state.subjectOf(place, agreement), from, to) : state.tariffs.stretchesOf(tariffId, from, to));
  checkOneBill(stretches);
  return { agreementId: agreement?.id ?? '', ...place, stretches, carried: NOTHING_CARRIED, isLast: false, since: agreement?.movedIn ?? null };
}

function orderOf(state: TariffsState, agreement: Agreement, month: string, { to }: Days, region: string, stretches: readonly TariffStretch[]): MonthOrder {
  checkOneBill(stretches);
  const { id, meterId, movedIn, movedOut } = agreement;
  return { agreement, month, order: { agreementId: id, meterId, region, stretches, carried: carriedTo(state, id, month), isLast: movedOut === to, since: movedIn } };
}

import type { Bill, Invoice } from '../../model/billing.ts';
import { addUp, QUARTER_QUALITY } from '../../model/determinants.ts';
import { QUARTER_MS, type EnergyQuarter } from '../../model/energy.ts';
import type { HeldTime } from '../../model/held-time.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { BillMaker, billOf, RegionPeaks, unknownMeter, type BillOrder, type ReadyOrder } from './bill-maker.ts';
import { carriedTo, costOrder, monthOrder, orderAgain, stretchesOf } from './bill-orders.ts';
import { NOTHING_CARRIED, type RatedBill } from './bill-rating.ts';
import type { BillingDesk } from './billing-desk.ts';
import { dayAfter, daysBetween, daysOfMonth, isMonth, type Days } from './billed-days.ts';
import { dayStart } from './calendar.ts';
import { amountOf, amountText } from './money.ts';
import { explainInvoice } from './invoice-explanation.ts';
import { localDate } from './invoice-book.ts';
import { checkMonthOver, newInvoice } from './month-issue.ts';
import { projectQuarters } from './quarter-projection.ts';
import type { ComparedTariff, CycleCost, ExplainedInvoice, MeterPlace, TariffAnswers } from './protocol.ts';
import type { CostQuestion, TariffsState } from './tariffs-state.ts';

/** Days of one question: a year, and one of its ends. */
export const COST_DAYS_MAX = 400;
/** Tariffs that are compared at a time. */
export const COMPARED_MAX = 50;

/** Costs of one meter: what bills would say. */
export class Costs {
  private readonly desk: BillingDesk;
  private readonly maker: BillMaker;

  constructor(desk: BillingDesk) {
    this.desk = desk;
    this.maker = new BillMaker(desk.energy);
  }

  /** Rejects as protocol.ts says, or with what the energy source rejects with. */
  answer(question: CostQuestion): Promise<TariffAnswers[CostQuestion['kind']]> {
    switch (question.kind) {
      case 'tariffOf':
        return this.tariffOf(question.meterId, question.at);
      case 'estimate':
        return this.estimate(question.meterId, question, question.tariffId, question.within);
      case 'cycle':
        return this.cycle(question.meterId, question.within);
      case 'compare':
        return this.compare(question.meterId, question, question.tariffIds, question.within);
      case 'draft':
        return this.draft(question.agreementId, question.month);
      case 'explainInvoice':
        return this.explain(question.id);
    }
  }

  private async tariffOf(meterId: string, at: number): Promise<TariffAnswers['tariffOf']> {
    const place = await this.placeOf(meterId);
    return this.desk.turn((state) => state.tariffAt(place, at));
  }

  private async estimate(meterId: string, days: Days, tariffId: string | null, within: HeldTime | undefined): Promise<Bill> {
    checkDays(days);
    const place = await this.placeOf(meterId);
    const order = await this.desk.turn((state) => costOrderWithin(state, place, days, tariffId, within));
    return billOf(await this.maker.gatherOne(order)).bill;
  }

  /** The month that goes on in the tariff's zone: of what is known until now, and as it will be if that goes on. */
  private async cycle(meterId: string, within: HeldTime | undefined): Promise<CycleCost> {
    const place = await this.placeOf(meterId);
    const { nowMs, ...orders } = await this.desk.turn((state, nowMs) => ({ nowMs, ...cycleOrders(state, place, nowMs, within) }));
    const [soFar, whole] = await this.gather([orders.soFar, orders.whole]);
    const first = whole.stretches[0].plan.plan.firstQuarter;
    const last = whole.stretches[whole.stretches.length - 1].plan.plan;
    const now = Math.floor(nowMs / QUARTER_MS);
    const quarters = await this.desk.energy.quarters(meterId, first, last.firstQuarter + last.energyBuckets.length);
    if (quarters === null) throw unknownMeter(meterId);
    const known = quarters.filter(({ quarter }) => quarter < now);
    const { tariff } = orders.whole.stretches[0];
    const projected = projectQuarters(tariff.document, known, first, last.firstQuarter + last.energyBuckets.length);
    return { bill: billOf(withQuarters(soFar, known, now)).bill, projected: billOf(withQuarters(whole, projected, Infinity)).bill };
  }

  /** Months one after another, as what one leaves over is the next one's. */
  private async compare(meterId: string, asked: Days, tariffIds: readonly string[], within: HeldTime | undefined): Promise<ComparedTariff[]> {
    checkDays(asked);
    if (tariffIds.length === 0 || tariffIds.length > COMPARED_MAX) throw new OperationalError('bad_span', `between 1 and ${COMPARED_MAX} tariffs can be compared`);
    const place = await this.placeOf(meterId);
    const ids = [...new Set(tariffIds)];
    const { orders, present } = await this.desk.turn((state) => {
      const orders = ids.map((id) => costOrderWithin(state, place, asked, id, within));
      const { stretches } = orders[0];
      return { orders, present: presentOrder(state, place, { from: stretches[0].from, to: stretches[stretches.length - 1].to }) };
    });
    const [bills, [presentBills]] = await Promise.all([this.monthly(orders), this.monthly(present === null ? [] : [present])]);
    const compared = bills.map((months, i): ComparedTariff & { sum: bigint } => {
      const sum = months.reduce((total, { bill }) => total + amountOf(bill.total), 0n);
      const { tariff } = orders[i].stretches[orders[i].stretches.length - 1];
      const { currency, total } = months[0].bill;
      return { sum, tariffId: ids[i], version: tariff.version, total: amountText(sum, total), currency, difference: '', monthly: months.map(({ bill }) => ({ month: bill.from.slice(0, 7), total: bill.total })) };
    });
    compared.sort((a, b) => (a.sum < b.sum ? -1 : a.sum > b.sum ? 1 : 0));
    const presentSum = presentBills?.reduce((total, { bill }) => total + amountOf(bill.total), 0n);
    return compared.map(({ sum, ...tariff }) => {
      const isPresent = presentBills?.[0].bill.currency === tariff.currency;
      return { ...tariff, difference: amountText(sum - (isPresent ? presentSum! : compared[0].sum), tariff.total) };
    });
  }

  private async draft(agreementId: string, month: string): Promise<Invoice> {
    if (!isMonth(month)) throw new OperationalError('bad_month', `expected a month from 1970-01 on, such as 2026-07, got ${month}`);
    const { meterId } = await this.desk.turn((state) => state.agreements.get(agreementId));
    const place = await this.placeOf(meterId);
    const ordered = await this.desk.turn((state, nowMs) => {
      const agreement = state.agreements.get(agreementId);
      const found = monthOrder(state, agreement, place.region, month);
      if (found === null) throw new OperationalError('no_tariff', `agreement ${agreementId} has no day in ${month}`);
      checkMonthOver(found, nowMs);
      return found;
    });
    const ready = await this.maker.gatherOne(ordered.order);
    const rated = billOf(ready);
    return this.desk.turn((state) => state.invoices.draft(newInvoice({ ordered, ready, rated }, null)));
  }

  /** A credit note is explained by the invoice that it takes back. */
  private async explain(id: string): Promise<ExplainedInvoice> {
    const { invoice, original, order } = await this.desk.turn((state) => {
      const found = state.invoices.get(id);
      const of = found.kind === 'creditNote' ? state.invoices.get(found.corrects!) : found;
      return { invoice: found, original: of, order: invoiceOrder(state, of) };
    });
    const rated = billOf(await this.maker.gatherOne(order));
    return explainInvoice(invoice, original, rated.bill);
  }

  private async placeOf(meterId: string): Promise<MeterPlace> {
    const place = await this.desk.energy.place(meterId);
    if (place === null) throw unknownMeter(meterId);
    return place;
  }

  private async gather(orders: readonly BillOrder[]): Promise<ReadyOrder[]> {
    const ready = await this.maker.gather(orders, new RegionPeaks(this.desk.energy));
    return ready.map((one, i) => {
      if (one === null) throw unknownMeter(orders[i].meterId);
      return one;
    });
  }

  /** Bills of each order's months. */
  private async monthly(orders: readonly BillOrder[]): Promise<RatedBill[][]> {
    const months = orders.map(byMonths);
    const ready = await this.gather(months.flat());
    let at = 0;
    const bills: RatedBill[][] = [];
    for (const ofOrder of months) {
      let carried = NOTHING_CARRIED;
      const rated: RatedBill[] = [];
      for (const _month of ofOrder) {
        const one = ready[at++];
        const bill = billOf({ ...one, order: { ...one.order, carried } });
        carried = bill.carried;
        rated.push(bill);
      }
      bills.push(rated);
      await this.desk.giveWay();
    }
    return bills;
  }
}

function checkDays(days: Days): void {
  const count = daysBetween(days);
  if (!(count > 0)) throw new OperationalError('bad_span', `there is no day from ${days.from} to ${days.to}: the last is not included`);
  if (count > COST_DAYS_MAX) throw new OperationalError('period_too_long', `${count} days are more than the ${COST_DAYS_MAX} that one question may have`);
}

/** The month that goes on: to the end of today, and to its own. */
function cycleOrders(state: TariffsState, place: MeterPlace, nowMs: number, within: HeldTime | undefined): { soFar: BillOrder; whole: BillOrder } {
  const { document } = state.tariffAt(place, nowMs);
  const today = localDate(document.zone, nowMs);
  const month = today.slice(0, 7);
  const agreement = state.agreements.ofMeterOn(place.meterId, today);
  const days = daysOfMonth(month);
  const billed = {
    from: agreement !== null && agreement.movedIn > days.from ? agreement.movedIn : days.from,
    to: agreement?.movedOut != null && agreement.movedOut < days.to ? agreement.movedOut : days.to,
  };
  const { from, to: end } = within === undefined ? billed : daysWithin(billed, document.zone, within, place.meterId);
  // Today is the first day that is wholly theirs, or a later one is.
  if (from > today) throw unknownMeter(place.meterId);
  const order = (to: string): BillOrder => {
    const found = costOrder(state, place, { from, to }, null);
    // What others left over is not theirs.
    const carried = agreement === null || from !== billed.from ? found.carried : carriedTo(state, agreement.id, month);
    return agreement === null ? found : { ...found, carried, isLast: agreement.movedOut === to };
  };
  const tomorrow = dayAfter(today);
  return { soFar: order(tomorrow < end ? tomorrow : end), whole: order(end) };
}

/** Of the days those that lie in the time that is theirs who asks. */
function costOrderWithin(state: TariffsState, place: MeterPlace, days: Days, tariffId: string | null, within: HeldTime | undefined): BillOrder {
  const order = costOrder(state, place, days, tariffId);
  if (within === undefined) return order;
  const own = daysWithin(days, order.stretches[0].tariff.document.zone, within, place.meterId);
  return own.from === days.from && own.to === days.to ? order : costOrder(state, place, own, tariffId);
}

/** Throws `unknown_meter` when none of them is whole in it. */
function daysWithin({ from, to }: Days, zone: string, within: HeldTime, meterId: string): Days {
  for (const span of within.toReversed()) {
    const own = {
      from: span.from === null || dayStart(zone, from) >= span.from ? from : dayAfter(localDate(zone, span.from - 1)),
      to: span.until === null || dayStart(zone, to) <= span.until ? to : localDate(zone, span.until),
    };
    if (own.from < own.to) return own;
  }
  throw unknownMeter(meterId);
}

/** null: no tariff counts for the meter in these days. */
function presentOrder(state: TariffsState, place: MeterPlace, days: Days): BillOrder | null {
  try {
    return costOrder(state, place, days, null);
  } catch (error) {
    if (error instanceof OperationalError) return null;
    throw error;
  }
}

/** What an invoice was made of: as it is corrected, where its agreement has the same days. */
function invoiceOrder(state: TariffsState, invoice: Invoice): BillOrder {
  const again = orderAgain(state, invoice);
  if (again !== null && again.order.stretches[0].from === invoice.from && again.order.stretches[again.order.stretches.length - 1].to === invoice.to) return again.order;
  const { agreementId, meterId, region, from } = invoice;
  const agreement = state.agreements.get(agreementId);
  return { agreementId, meterId, region: region ?? '', stretches: stretchesOf(state, invoice), carried: carriedTo(state, agreementId, from.slice(0, 7)), isLast: false, since: agreement.movedIn };
}

function byMonths(order: BillOrder): BillOrder[] {
  const months = new Map<string, BillOrder>();
  for (const stretch of order.stretches) {
    const month = stretch.from.slice(0, 7);
    const known = months.get(month);
    months.set(month, { ...order, stretches: [...(known?.stretches ?? []), stretch] });
  }
  return [...months.values()];
}

/** The same made of these quarter-hours; those from `end` on are yet to come, and are not missing. */
function withQuarters(ready: ReadyOrder, quarters: readonly EnergyQuarter[], end: number): ReadyOrder {
  const byNumber = new Map(quarters.map((quarter) => [quarter.quarter, quarter]));
  const stretches = ready.stretches.map((stretch) => {
    const { plan } = stretch.plan;
    const length = plan.energyBuckets.length;
    const energy = new Float64Array(length);
    const quality = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      const known = byNumber.get(plan.firstQuarter + i);
      if (known === undefined) continue;
      energy[i] = known.microKwh;
      quality[i] = QUARTER_QUALITY[known.quality];
    }
    const determinants = addUp(plan, energy, quality);
    const yetToCome = Math.max(0, Math.min(length, plan.firstQuarter + length - end));
    return { ...stretch, determinants: { ...determinants, quality: { ...determinants.quality, missing: determinants.quality.missing - yetToCome } } };
  });
  return { ...ready, stretches };
}

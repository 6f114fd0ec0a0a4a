import type { BillingEvent } from '../actors/tariffs/protocol.ts';
import { BILLS_RECENT_MAX } from '../http/live-protocol.ts';
import type { RecentBills, Unsubscribe } from '../http/live-source.ts';
import { billSubject } from '../http/thing-scopes.ts';
import type { Subject } from '../model/access.ts';
import type { Dispute, DynamicPrice, Invoice, Payment } from '../model/billing.ts';

/** Prices and the newest of what happened to bills, as the live stream shows them, kept on the main thread from what the tariff supervisor tells. */

/** Invoices whose meter is known after they have left the list: those of the payments and disputes in theirs, and of some to come. 1 MB. */
const PLACES_MAX = 10_000;

export class BillingBoard {
  private readonly prices = new Map<string, DynamicPrice>();
  private readonly invoices = new Newest<Invoice>();
  private readonly payments = new Newest<Payment>();
  private readonly disputes = new Newest<Dispute>();
  /** By invoice; the one that was told of last is last. */
  private readonly places = new Map<string, Subject>();
  private readonly priceListeners = new Set<(changed: readonly DynamicPrice[]) => void>();
  private readonly billListeners = new Set<(changed: RecentBills) => void>();

  /** All prices there are when the supervisor is there, now or again. */
  seedPrices(prices: readonly DynamicPrice[]): void {
    this.notePrices(prices);
  }

  /** The newest invoices then, the newest first. */
  seedInvoices(invoices: readonly Invoice[]): void {
    this.noteBills({ invoices: invoices.toReversed(), payments: [], disputes: [] });
  }

  /** What happened, in order. */
  note(events: readonly BillingEvent[]): void {
    const prices: DynamicPrice[] = [];
    const bills: RecentBills = { invoices: [], payments: [], disputes: [] };
    for (const event of events) {
      if (event.topic === 'tariff_updates') prices.push(event.price);
      else if (event.topic === 'billing_updates') bills.invoices.push(event.invoice);
      else if (event.topic === 'payment_updates') {
        this.place(event.invoice);
        bills.payments.push(event.payment);
      }
      else bills.disputes.push(event.dispute);
    }
    this.notePrices(prices);
    this.noteBills(bills);
  }

  /** In order of region. */
  currentPrices(): DynamicPrice[] {
    return [...this.prices.values()].sort((a, b) => (a.region < b.region ? -1 : 1));
  }

  /** What changed last first. */
  recentBills(): RecentBills {
    return { invoices: this.invoices.list(), payments: this.payments.list(), disputes: this.disputes.list() };
  }

  /** Meter, region and period of an invoice; null when nothing was told of it for long. */
  placeOf(invoiceId: string): Subject | null {
    return this.places.get(invoiceId) ?? null;
  }

  onPrices(fn: (changed: readonly DynamicPrice[]) => void): Unsubscribe {
    this.priceListeners.add(fn);
    return () => this.priceListeners.delete(fn);
  }

  onBills(fn: (changed: RecentBills) => void): Unsubscribe {
    this.billListeners.add(fn);
    return () => this.billListeners.delete(fn);
  }

  private notePrices(changed: readonly DynamicPrice[]): void {
    if (changed.length === 0) return;
    for (const price of changed) this.prices.set(price.region, price);
    for (const fn of this.priceListeners) fn(changed);
  }

  private noteBills(changed: RecentBills): void {
    if (changed.invoices.length + changed.payments.length + changed.disputes.length === 0) return;
    for (const invoice of changed.invoices) this.place(invoice);
    this.invoices.note(changed.invoices);
    this.payments.note(changed.payments);
    this.disputes.note(changed.disputes);
    for (const fn of this.billListeners) fn(changed);
  }

  private place(invoice: Invoice): void {
    const { id } = invoice;
    this.places.delete(id);
    this.places.set(id, billSubject(invoice));
    if (this.places.size > PLACES_MAX) this.places.delete(this.places.keys().next().value!);
  }
}

/** The BILLS_RECENT_MAX that changed last. */
class Newest<Item extends { id: string }> {
  /** What changed last is last. */
  private readonly items = new Map<string, Item>();

  note(changed: readonly Item[]): void {
    for (const item of changed) {
      this.items.delete(item.id);
      this.items.set(item.id, item);
      if (this.items.size > BILLS_RECENT_MAX) this.items.delete(this.items.keys().next().value!);
    }
  }

  list(): Item[] {
    return [...this.items.values()].reverse();
  }
}

import { ChangeLog, type ChangeLogOptions, type LogPlace } from '../sinks/change-log.ts';
import type { Disputes } from './disputes.ts';
import type { InvoiceBook } from './invoice-book.ts';
import type { Payments } from './payments.ts';
import type { BillingEvent } from './protocol.ts';
import type { StagedStore } from '../../runtime/staged-store.ts';

/** Changes that are kept for a consumer that is away, some 100 MB; past it one that comes back reads everything. A run of a million invoices is told to one that keeps up. */
export const OUTBOX_ROWS_MAX = 2_000_000;
export interface BillingPiece {
  /** As they are now. */
  events: BillingEvent[];
  /** Where the next piece begins. */
  position: string;
  /** Nothing comes after it for now. */
  isLast: boolean;
}

/** What a change was of: by id, as what is read is its newest state, or a price itself, which never changes. */
export type BillingChange = { topic: 'billing_updates' | 'payment_updates' | 'dispute_updates'; at: number; key: string } | Extract<BillingEvent, { topic: 'tariff_updates' }>;

/** Parts of everything, in order; `changes` come after them. Prices of before are not among them. */
const HISTORY_PARTS = ['invoices', 'payments', 'disputes'] as const;
type HistoryPart = (typeof HISTORY_PARTS)[number];
const CHANGES = 'changes';

export interface BillingRecords {
  invoices: InvoiceBook;
  payments: Payments;
  disputes: Disputes;
}

/** What changed (sinks/change-log.ts): a row for each change of a turn. */
export class BillingOutbox {
  private readonly log: ChangeLog<BillingChange>;
  private readonly records: BillingRecords;

  constructor(staged: StagedStore, records: BillingRecords, options: ChangeLogOptions, rowsMax = OUTBOX_ROWS_MAX) {
    this.log = new ChangeLog(staged.table('billing-outbox'), options, { parts: HISTORY_PARTS, changes: CHANGES, rowsMax });
    this.records = records;
  }

  load(): void {
    this.log.load();
  }

  add(changes: readonly BillingChange[]): void {
    this.log.add(changes);
  }

  flush(): void {
    this.log.flush();
  }

  /** The piece that begins at `position`, of `max` events at most. null: at what is remembered of the consumer, else at the beginning of all; so for BEGINNING and what means nothing here. */
  read(consumer: string, position: string | null, max: number): BillingPiece {
    const place = this.log.placeOf(consumer, position);
    if (!this.log.isOn) return { events: [], position: this.log.position(place), isLast: true };
    return place.part === CHANGES ? this.readChanges(place, max) : this.readHistory(place, max);
  }

  /** Everything before the position is written. One that means nothing here is left alone. */
  acknowledge(consumer: string, position: string): void {
    this.log.acknowledge(consumer, position);
  }

  /** Forgets some rows that all have, and the oldest of too many; true when there are more. */
  forget(): boolean {
    return this.log.forget();
  }

  /** What a change is told as. */
  eventOf(change: BillingChange): BillingEvent {
    const { invoices, payments, disputes } = this.records;
    const { topic, at } = change;
    switch (topic) {
      case 'tariff_updates':
        return change;
      case 'billing_updates': {
        const invoice = invoices.get(change.key);
        return { topic, id: invoice.id, at, invoice };
      }
      case 'payment_updates': {
        const payment = payments.find(change.key)!;
        return { topic, id: payment.id, at, payment, invoice: invoices.get(payment.invoiceId) };
      }
      case 'dispute_updates': {
        const dispute = disputes.find(change.key)!;
        return { topic, id: dispute.id, at, dispute };
      }
    }
  }

  private readChanges({ sequence }: LogPlace, max: number): BillingPiece {
    const { rows, next } = this.log.changes(sequence, max);
    const changes = new Map(rows.map(({ key, record }) => [record.topic === 'tariff_updates' ? key : `${record.topic}/${record.key}`, record]));
    return { events: Array.from(changes.values(), (change) => this.eventOf(change)), position: this.log.position(next), isLast: rows.length < max };
  }

  private readHistory({ part, sequence, after }: LogPlace, max: number): BillingPiece {
    const known = part as HistoryPart;
    const keys = [...this.keysOf(known, after === '' ? null : after, max)];
    const events = keys.map((key) => this.eventOf(this.historyChange(known, key)));
    const following = HISTORY_PARTS[HISTORY_PARTS.indexOf(known) + 1] ?? CHANGES;
    const place: LogPlace = keys.length < max ? { part: following, sequence, after: '' } : { part, sequence, after: keys[keys.length - 1] };
    return { events: events.filter((event) => !isDraft(event)), position: this.log.position(place), isLast: false };
  }

  private keysOf(part: HistoryPart, after: string | null, max: number): Iterable<string> {
    const { invoices, payments, disputes } = this.records;
    return part === 'invoices' ? invoices.idsAfter(after, max) : part === 'payments' ? payments.keysAfter(after, max) : disputes.idsAfter(after, max);
  }

  /** As if it had changed when what is told of it did. */
  private historyChange(part: HistoryPart, key: string): BillingChange {
    const { invoices, payments, disputes } = this.records;
    if (part === 'invoices') return { topic: 'billing_updates', at: invoices.get(key).issuedAt ?? 0, key };
    if (part === 'payments') return { topic: 'payment_updates', at: payments.find(key)!.receivedAt, key };
    const { openedAt, resolvedAt } = disputes.find(key)!;
    return { topic: 'dispute_updates', at: resolvedAt ?? openedAt, key };
  }
}

function isDraft(event: BillingEvent): boolean {
  return event.topic === 'billing_updates' && event.invoice.number === null;
}

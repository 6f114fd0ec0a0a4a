import { sortableNumber } from '../../runtime/record-table.ts';
import { BEGINNING } from '../sinks/protocol.ts';
import type { Disputes } from './disputes.ts';
import type { InvoiceBook } from './invoice-book.ts';
import type { Payments } from './payments.ts';
import type { BillingEvent } from './protocol.ts';
import type { StagedStore, StagedTable } from './staged-store.ts';

/** Changes that are kept for a consumer that is away, some 100 MB; past it one that comes back reads everything. A run of a million invoices is told to one that keeps up. */
export const OUTBOX_ROWS_MAX = 2_000_000;
/** Rows that one step forgets. */
const FORGET_STEP = 1_000;
/** After every sequence. */
const STATE_KEY = '~';

export interface BillingOutboxOptions {
  consumers: readonly string[];
  /** Names this outbox: no two of a data directory may have the same, and it has no dot. Counts when there is none yet. */
  generation: string;
}

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

interface OutboxState {
  generation: string;
  first: number;
  next: number;
  /** Everything before is written, by consumer. */
  positions: Record<string, string>;
}

/** Parts of everything, in order; `changes` come after them. Prices of before are not among them. */
const HISTORY_PARTS = ['invoices', 'payments', 'disputes'] as const;
type HistoryPart = (typeof HISTORY_PARTS)[number];
type Place = { part: 'changes'; sequence: number } | { part: HistoryPart; sequence: number; after: string };

export interface BillingRecords {
  invoices: InvoiceBook;
  payments: Payments;
  disputes: Disputes;
}

/** What changed, in the order in which that went to disk, for the systems beside the engine: a row for each change of a turn, in the turn's transaction (as alerts/alert-outbox.ts). */
export class BillingOutbox {
  private readonly table: StagedTable<BillingChange | OutboxState>;
  private readonly records: BillingRecords;
  private readonly options: BillingOutboxOptions;
  private readonly rowsMax: number;
  /** null: there are no consumers. */
  private state: OutboxState | null = null;
  private isChanged = false;

  constructor(staged: StagedStore, records: BillingRecords, options: BillingOutboxOptions, rowsMax = OUTBOX_ROWS_MAX) {
    this.table = staged.table('billing-outbox');
    this.records = records;
    this.options = options;
    this.rowsMax = rowsMax;
  }

  load(): void {
    const { consumers, generation } = this.options;
    const found = this.table.get(STATE_KEY) as OutboxState | null;
    if (consumers.length === 0) {
      // The next consumer begins with everything, under another name.
      if (found !== null) this.table.remove(STATE_KEY);
      return;
    }
    const positions = Object.fromEntries(Object.entries(found?.positions ?? {}).filter(([consumer]) => consumers.includes(consumer)));
    // Rows of a time with consumers that are still there count on, or a number would have two meanings.
    const next = found?.next ?? this.lastRow() + 1;
    this.state = { generation: found?.generation ?? generation, first: found?.first ?? next, next, positions };
    this.isChanged = true;
  }

  add(changes: readonly BillingChange[]): void {
    if (this.state === null) return;
    for (const change of changes) this.table.put(sortableNumber(this.state.next++), change);
    if (changes.length > 0) this.isChanged = true;
  }

  flush(): void {
    if (this.state === null || !this.isChanged) return;
    this.table.put(STATE_KEY, { ...this.state, positions: { ...this.state.positions } });
    this.isChanged = false;
  }

  /** The piece that begins at `position`, of `max` events at most. null: at what is remembered of the consumer, else at the beginning of all; so for BEGINNING and what means nothing here. */
  read(consumer: string, position: string | null, max: number): BillingPiece {
    const place = this.placeOf(position ?? this.state?.positions[consumer] ?? BEGINNING);
    if (this.state === null) return { events: [], position: BEGINNING, isLast: true };
    return place.part === 'changes' ? this.readChanges(place.sequence, max) : this.readHistory(place, max);
  }

  /** Everything before the position is written. One that means nothing here is left alone. */
  acknowledge(consumer: string, position: string): void {
    if (this.state === null || !this.options.consumers.includes(consumer)) return;
    if (this.parse(position) === null || this.state.positions[consumer] === position) return;
    this.state.positions[consumer] = position;
    this.isChanged = true;
  }

  /** Forgets some rows that all have, and the oldest of too many; true when there are more. */
  forget(): boolean {
    const to = this.state === null ? Infinity : Math.max(this.neededFrom(), this.state.next - this.rowsMax);
    const keys: string[] = [];
    for (const { key } of this.table.range({ from: '', to: to === Infinity ? STATE_KEY : sortableNumber(to) })) {
      keys.push(key);
      if (keys.length === FORGET_STEP) break;
    }
    for (const key of keys) this.table.remove(key);
    if (this.state !== null && keys.length > 0) {
      this.state.first = sequenceOf(keys[keys.length - 1]) + 1;
      this.isChanged = true;
    }
    return keys.length === FORGET_STEP;
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

  private neededFrom(): number {
    const { positions, next } = this.state!;
    let needed = next;
    for (const consumer of this.options.consumers) needed = Math.min(needed, this.parse(positions[consumer] ?? BEGINNING)?.sequence ?? 0);
    return needed;
  }

  private readChanges(sequence: number, max: number): BillingPiece {
    const changes = new Map<string, BillingChange>();
    let rows = 0;
    let next = sequence;
    for (const { key, record } of this.table.range({ from: sortableNumber(sequence), to: STATE_KEY })) {
      if (rows === max) break;
      const change = record as BillingChange;
      changes.set(change.topic === 'tariff_updates' ? key : `${change.topic}/${change.key}`, change);
      next = sequenceOf(key) + 1;
      rows++;
    }
    return { events: Array.from(changes.values(), (change) => this.eventOf(change)), position: this.text({ part: 'changes', sequence: next }), isLast: rows < max };
  }

  private readHistory({ part, sequence, after }: Exclude<Place, { part: 'changes' }>, max: number): BillingPiece {
    const keys = [...this.keysOf(part, after === '' ? null : after, max)];
    const events = keys.map((key) => this.eventOf(this.historyChange(part, key)));
    const following = HISTORY_PARTS[HISTORY_PARTS.indexOf(part) + 1];
    const isOver = keys.length < max;
    const place: Place = !isOver ? { part, sequence, after: keys[keys.length - 1] } : following === undefined ? { part: 'changes', sequence } : { part: following, sequence, after: '' };
    return { events: events.filter((event) => !isDraft(event)), position: this.text(place), isLast: false };
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

  private placeOf(position: string): Place {
    const place = this.parse(position);
    const isKept = place !== null && this.state !== null && place.sequence >= this.state.first;
    return isKept ? place : { part: 'invoices', sequence: this.state?.next ?? 0, after: '' };
  }

  private text(place: Place): string {
    const { generation } = this.state!;
    return place.part === 'changes' ? `${generation}.changes.${place.sequence}` : `${generation}.${place.part}.${place.sequence}.${place.after}`;
  }

  private parse(position: string): Place | null {
    const [generation, part, sequence, after = ''] = position.split('.');
    if (generation !== this.state?.generation || !/^\d{1,16}$/.test(sequence ?? '') || Number(sequence) > this.state.next) return null;
    if (part === 'changes') return { part, sequence: Number(sequence) };
    const known = HISTORY_PARTS.find((name) => name === part);
    return known === undefined ? null : { part: known, sequence: Number(sequence), after };
  }

  private lastRow(): number {
    for (const { key } of this.table.range({ from: '', to: STATE_KEY, reverse: true })) return sequenceOf(key);
    return 0;
  }
}

function isDraft(event: BillingEvent): boolean {
  return event.topic === 'billing_updates' && event.invoice.number === null;
}

function sequenceOf(key: string): number {
  return Number.parseInt(key, 36);
}

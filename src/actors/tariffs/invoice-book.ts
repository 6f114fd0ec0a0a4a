import type { Customer, Invoice, InvoiceLine, InvoiceState } from '../../model/billing.ts';
import { AMOUNT_DIGITS, divideRounded, type Amount } from '../../model/decimal.ts';
import type { Page } from '../../model/queries.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { sortableNumber } from '../../runtime/record-table.ts';
import { dayNumber, localTime } from '../people/local-time.ts';
import { NOTHING_CARRIED, type CarriedOver, type RatedBill } from './bill-rating.ts';
import { dateOf, dayStart } from './calendar.ts';
import { InvoiceNumbers } from './invoice-numbers.ts';
import { amountOf, amountText, negated, placesOf } from './money.ts';
import type { InvoiceQuery } from './protocol.ts';
import type { Sequences } from './sequences.ts';
import { afterPrefix, type StagedStore, type StagedTable } from '../../runtime/staged-store.ts';

/**
 * Invoices and credit notes. An agreement has one invoice for a month that stands: a draft, then the one that is issued in its place, then the one that a correction puts in the place of that. Whatever has a number
 * stays as it is, apart from its state and what was paid of it.
 */

/** Rows that one page looks at, at most: a filter that matches little gives a short page and a cursor instead of a long wait. */
const SCAN_MAX = 5_000;
/** Before the id of a draft that stands. */
const DRAFT = 'draft/';

/** What the books know of invoices; where their meters are now the shards know. */
export type BillFilter = Omit<InvoiceQuery, 'region'>;

export interface StoredInvoice {
  invoice: Invoice;
  /** For the bill of the next month. */
  carried: CarriedOver;
}

export interface NewInvoice {
  rated: RatedBill;
  customer: Customer;
  /** Days after the date of issue by which it is to be paid. */
  dueDays: number;
  run: string | null;
}

/** What a correction takes the place of, and why. */
export interface Correction {
  corrects: Invoice;
  differences: Invoice['differences'];
}

export class InvoiceBook {
  private readonly table: StagedTable<Invoice>;
  /** By invoice, where there is something: a run asks for it of every agreement, and an invoice is large. */
  private readonly carriedOver: StagedTable<CarriedOver>;
  /** `m/meter!id`, `s/state!id`, `r/run!id`, `n/number`, `b/agreement!month` of the one that stands (of a draft after DRAFT), `d/time!id` of when it is overdue. */
  private readonly keys: StagedTable<string>;
  private readonly sequences: Sequences;
  private readonly numbers: InvoiceNumbers;
  /** Of the turn, to be told. */
  private changed = new Set<string>();

  constructor(staged: StagedStore, sequences: Sequences) {
    this.table = staged.table('invoices');
    this.carriedOver = staged.table('carried-over');
    this.keys = staged.table('invoice-keys');
    this.sequences = sequences;
    this.numbers = new InvoiceNumbers(sequences);
  }

  /** By id or number. Throws `unknown_invoice`. */
  get(idOrNumber: string): Invoice {
    const found = this.table.get(idOrNumber) ?? this.table.get(this.keys.get(`n/${idOrNumber}`) ?? idOrNumber);
    if (found === null) throw new OperationalError('unknown_invoice', `there is no invoice ${idOrNumber}`);
    return found;
  }

  /** The same with what its bill carries on. */
  stored(id: string): StoredInvoice {
    return { invoice: this.get(id), carried: this.carriedBy(id) };
  }

  /** The one that stands; null: there is none. */
  standing(agreementId: string, month: string): Invoice | null {
    const id = this.keys.get(standingKey(agreementId, month));
    return id === null ? null : this.get(withoutMark(id));
  }

  /** Whether one stands that is no draft. */
  isBilled(agreementId: string, month: string): boolean {
    const id = this.keys.get(standingKey(agreementId, month));
    return id !== null && !id.startsWith(DRAFT);
  }

  /** What the bill of a month carries on; nothing where it is not billed. */
  carriedFrom(agreementId: string, month: string): CarriedOver {
    const id = this.keys.get(standingKey(agreementId, month));
    return id === null || id.startsWith(DRAFT) ? NOTHING_CARRIED : this.carriedBy(id);
  }

  /** Those of the agreement that stand and are of months after, in order. */
  standingAfter(agreementId: string, month: string): Invoice[] {
    const rows = this.keys.range({ from: `${standingKey(agreementId, month)}\0`, to: afterPrefix(standingKey(agreementId, '')) });
    return Array.from(rows, ({ record: id }) => this.get(withoutMark(id)));
  }

  /** Newest first; `scanMax` rows are looked at, at most. Throws `bad_cursor`. */
  page({ agreementId, meterId, state, run, limit, cursor }: BillFilter, meterOf: (agreementId: string) => string | null, scanMax = SCAN_MAX): Page<Invoice> {
    if (cursor !== null && !/^I[0-9a-z]{11}$/.test(cursor)) throw new OperationalError('bad_cursor', 'the cursor is of no page');
    const meter = meterId ?? (agreementId === null ? null : meterOf(agreementId));
    if (agreementId !== null && meter === null) return { data: [], nextCursor: null };
    const data: Invoice[] = [];
    let scanned = 0;
    let last = '';
    for (const id of this.idsBefore({ meter, run, state }, cursor)) {
      if (data.length === limit || scanned === scanMax) return { data, nextCursor: last };
      const invoice = this.table.get(id)!;
      const isWanted =
        (agreementId === null || invoice.agreementId === agreementId) && (meter === null || invoice.meterId === meter) && (state === null || invoice.state === state) && (run === null || invoice.run === run);
      if (isWanted) data.push(invoice);
      scanned++;
      last = id;
    }
    return { data, nextCursor: null };
  }

  /** Ids of all, in order of their making. */
  *idsAfter(after: string | null, limit: number): Generator<string> {
    for (const { key } of this.table.range({ from: after === null ? '' : `${after}\0`, to: afterPrefix('') })) {
      if (limit-- === 0) return;
      yield key;
    }
  }

  /** Takes the place of an earlier draft. Throws `already_billed`. */
  draft(made: NewInvoice): Invoice {
    const before = this.standing(made.rated.bill.agreementId, monthOf(made.rated.bill));
    if (before !== null && before.state !== 'draft') throw alreadyBilled(before);
    return this.add(made, before, { kind: 'invoice', state: 'draft', number: null, issuedAt: null, dueDate: null, corrects: null, differences: [] });
  }

  /** Throws `already_billed`. */
  issue(made: NewInvoice, nowMs: number): Invoice {
    const before = this.standing(made.rated.bill.agreementId, monthOf(made.rated.bill));
    if (before !== null && before.state !== 'draft') throw alreadyBilled(before);
    return this.issueInPlaceOf(before, made, nowMs, { corrects: null, differences: [] });
  }

  /** A new bill in the place of one that a credit note has taken back. */
  reissue(made: NewInvoice, nowMs: number, { corrects, differences }: Correction): Invoice {
    const invoice = this.issueInPlaceOf(null, made, nowMs, { corrects: corrects.id, differences });
    const before = this.get(corrects.id);
    this.update(before, { correctedBy: [...before.correctedBy, invoice.id] });
    return invoice;
  }

  /** Takes all of an invoice back. Its month has none that stands until another is issued. */
  creditAll(invoiceId: string, nowMs: number, differences: Invoice['differences']): Invoice {
    const invoice = this.get(invoiceId);
    const lines = invoice.lines.map((line) => ({ ...line, quantity: negated(line.quantity), amount: negated(line.amount) }));
    const note = this.credit({ ...invoice, state: 'credited' }, { lines, net: negated(invoice.net), tax: negated(invoice.tax), total: negated(invoice.total) }, nowMs, differences);
    this.keys.remove(standingKey(invoice.agreementId, monthOf(invoice)));
    return note;
  }

  /** Takes an amount off, of which the same part is tax as of the invoice. Throws `bad_amount`. */
  creditPart(invoiceId: string, amount: string, text: string, nowMs: number): Invoice {
    const invoice = this.get(invoiceId);
    const credit = amountOf(amount);
    const left = amountOf(invoice.paid) + amountOf(invoice.outstanding);
    if (credit <= 0n || credit > left) throw new OperationalError('bad_amount', `a credit for ${invoice.number} has to be above 0 and ${amountText(left, invoice.total)} at most`);
    return this.credit(invoice, partOf(invoice, credit, text), nowMs, []);
  }

  /** What was paid changed by `amount`; gives the invoice as it is then. */
  paid(invoiceId: string, amount: string, nowMs: number): Invoice {
    const invoice = this.get(invoiceId);
    const by = amountOf(amount);
    const outstanding = amountOf(invoice.outstanding) - by;
    return this.settle({ ...invoice, paid: amountText(amountOf(invoice.paid) + by, invoice.total), outstanding: amountText(outstanding, invoice.total) }, nowMs);
  }

  /** Whether it is in dispute, beside what is paid of it. */
  disputed(invoiceId: string, isDisputed: boolean, nowMs: number): Invoice {
    const invoice = this.get(invoiceId);
    return isDisputed ? this.update(invoice, { state: 'disputed' }) : this.settle({ ...invoice, state: 'issued' }, nowMs);
  }

  /** When the next invoice is overdue; Infinity: none waits. */
  nextDueMs(): number {
    for (const { key } of this.keys.range({ from: 'd/', to: afterPrefix('d/') })) return Number.parseInt(key.slice(2, key.indexOf('!')), 36);
    return Infinity;
  }

  /** Makes so many of those that are due by now overdue. */
  makeOverdue(nowMs: number, max: number): void {
    const due = Array.from(takeFirst(this.keys.range({ from: 'd/', to: `d/${sortableNumber(nowMs + 1)}` }), max));
    for (const { record: id } of due) this.update(this.get(id), { state: 'overdue' });
  }

  /** Those that changed since the last time, as they are now. */
  takeChanged(): Invoice[] {
    const changed = Array.from(this.changed, (id) => this.get(id));
    this.changed = new Set();
    return changed;
  }

  private issueInPlaceOf(draft: Invoice | null, made: NewInvoice, nowMs: number, of: Pick<Invoice, 'corrects' | 'differences'>): Invoice {
    const { zone, total } = made.rated.bill;
    const today = localDate(zone, nowMs);
    const state = amountOf(total) > 0n ? 'issued' : 'paid';
    return this.add(made, draft, { ...of, kind: 'invoice', state, number: this.numbers.next('INV', today), issuedAt: nowMs, dueDate: dateOf(dayNumber(today) + made.dueDays) });
  }

  private add({ rated, customer, run }: NewInvoice, before: Invoice | null, as: Pick<Invoice, 'kind' | 'state' | 'number' | 'issuedAt' | 'dueDate' | 'corrects' | 'differences'>): Invoice {
    const { bill, carried } = rated;
    const invoice: Invoice = { ...bill, ...as, id: before?.id ?? this.newId(), version: (before?.version ?? 0) + 1, customer, paid: amountText(0n, bill.total), outstanding: bill.total, correctedBy: [], run };
    this.write(invoice, before);
    if (JSON.stringify(carried) !== JSON.stringify(NOTHING_CARRIED)) this.carriedOver.put(invoice.id, carried);
    else if (before !== null) this.carriedOver.remove(invoice.id);
    this.keys.put(standingKey(bill.agreementId, monthOf(bill)), as.state === 'draft' ? DRAFT + invoice.id : invoice.id);
    return invoice;
  }

  private credit(invoice: Invoice, bill: Pick<Invoice, 'lines' | 'net' | 'tax' | 'total'>, nowMs: number, differences: Invoice['differences']): Invoice {
    const note: Invoice = {
      ...invoice,
      ...bill,
      ...{ id: this.newId(), version: 1, kind: 'creditNote', state: 'issued', number: this.numbers.next('CN', localDate(invoice.zone, nowMs)), issuedAt: nowMs, dueDate: null },
      ...{ paid: amountText(0n, invoice.total), outstanding: amountText(0n, invoice.total), corrects: invoice.id, correctedBy: [], differences, run: null },
    };
    this.write(note, null);
    const outstanding = amountOf(invoice.outstanding) + amountOf(bill.total);
    this.settle({ ...invoice, outstanding: amountText(outstanding, invoice.total), correctedBy: [...invoice.correctedBy, note.id] }, nowMs);
    return note;
  }

  /** By what is left to pay, what state it has. One that is in dispute, or taken back, stays so. */
  private settle(invoice: Invoice, nowMs: number): Invoice {
    const outstanding = amountOf(invoice.outstanding);
    const isTakenBack = invoice.correctedBy.length > 0 && amountOf(invoice.paid) + outstanding === 0n;
    let { state } = invoice;
    if (state !== 'disputed' && state !== 'credited') state = isTakenBack ? 'credited' : outstanding <= 0n ? 'paid' : overdueMs(invoice) <= nowMs ? 'overdue' : 'issued';
    return this.update(this.get(invoice.id), { ...invoice, state });
  }

  private update(before: Invoice, change: Partial<Invoice>): Invoice {
    const invoice = { ...before, ...change, version: before.version + 1 };
    this.write(invoice, before);
    return invoice;
  }

  private write(invoice: Invoice, before: Invoice | null): void {
    const { id } = invoice;
    this.table.put(id, invoice);
    if (invoice.number !== null) this.changed.add(id);
    const keys = keysOf(invoice);
    for (const key of before === null ? [] : keysOf(before)) if (!keys.includes(key)) this.keys.remove(key);
    const known = before === null ? [] : keysOf(before);
    for (const key of keys) if (!known.includes(key)) this.keys.put(key, id);
  }

  private carriedBy(id: string): CarriedOver {
    return this.carriedOver.get(id) ?? NOTHING_CARRIED;
  }

  private newId(): string {
    return `I${sortableNumber(this.sequences.next('invoice'))}`;
  }

  private *idsBefore({ meter, run, state }: { meter: string | null; run: string | null; state: InvoiceState | null }, cursor: string | null): Generator<string> {
    const prefix = meter !== null ? `m/${meter}!` : run !== null ? `r/${run}!` : state !== null ? `s/${state}!` : null;
    if (prefix === null) for (const { key } of this.table.range({ from: '', to: cursor ?? afterPrefix(''), reverse: true })) yield key;
    else for (const { record } of this.keys.range({ from: prefix, to: cursor === null ? afterPrefix(prefix) : prefix + cursor, reverse: true })) yield record;
  }
}

/** `2026-07` */
export function monthOf({ from }: Pick<Invoice, 'from'>): string {
  return from.slice(0, 7);
}

/** The day that it is in a zone. */
export function localDate(zone: string, atMs: number): string {
  return dateOf(localTime(zone, atMs).day);
}

/** Keys by which an invoice is found. */
function keysOf(invoice: Invoice): string[] {
  const { id, meterId, state, run, number } = invoice;
  const keys = [`m/${meterId}!${id}`, `s/${state}!${id}`];
  if (run !== null) keys.push(`r/${run}!${id}`);
  if (number !== null) keys.push(`n/${number}`);
  if (state === 'issued' && invoice.dueDate !== null) keys.push(`d/${sortableNumber(overdueMs(invoice))}!${id}`);
  return keys;
}

function withoutMark(id: string): string {
  return id.startsWith(DRAFT) ? id.slice(DRAFT.length) : id;
}

function standingKey(agreementId: string, month: string): string {
  return `b/${agreementId}!${month}`;
}

/** From the day after the one by which it is to be paid. */
function overdueMs({ zone, dueDate }: Invoice): number {
  return dueDate === null ? Infinity : dayStart(zone, dateOf(dayNumber(dueDate) + 1));
}

function alreadyBilled({ number, agreementId, from }: Invoice): OperationalError {
  return new OperationalError('already_billed', `${from.slice(0, 7)} of agreement ${agreementId} has invoice ${number}`);
}

/** The lines that take `credit` off: of what is no tax and of tax. */
function partOf(invoice: Invoice, credit: Amount, text: string): Pick<Invoice, 'lines' | 'net' | 'tax' | 'total'> {
  const total = amountOf(invoice.total);
  const step = 10n ** BigInt(AMOUNT_DIGITS - placesOf(invoice.total));
  const tax = total === 0n ? 0n : divideRounded(credit * amountOf(invoice.tax), total * step, 'halfUp') * step;
  const { tariffId, tariffVersion } = invoice.parts[invoice.parts.length - 1];
  const line = (number: number, kind: 'rebate' | 'tax', charge: string, amount: Amount): InvoiceLine => ({
    ...{ number, kind, charge, text, tariffId, tariffVersion, from: invoice.from, to: invoice.to, period: null, tier: null },
    ...{ quantity: '1', unit: 'once', unitPrice: amountText(-amount, invoice.total), amount: amountText(-amount, invoice.total) },
  });
  const lines = [line(1, 'rebate', 'Credit', credit - tax), ...(tax === 0n ? [] : [line(2, 'tax', 'Tax of the credit', tax)])];
  return { lines, net: amountText(tax - credit, invoice.total), tax: amountText(-tax, invoice.total), total: amountText(-credit, invoice.total) };
}

function* takeFirst<T>(rows: Iterable<T>, max: number): Generator<T> {
  if (max <= 0) return;
  for (const row of rows) {
    yield row;
    if (--max === 0) return;
  }
}

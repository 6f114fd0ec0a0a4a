import { createHash } from 'node:crypto';
import type { Invoice, Payment } from '../../model/billing.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { InvoiceBook } from './invoice-book.ts';
import { amountOf, amountText, negated, placesOf } from './money.ts';
import { afterPrefix, type StagedStore, type StagedTable } from '../../runtime/staged-store.ts';

/** Characters of a reference's hash in a key: no two references of an invoice share 128 bits. */
const REFERENCE_HEX = 32;
/** Payments of one invoice. */
export const PAYMENTS_MAX = 1_000;
/** Method of what a correction moves from one invoice to the one in its place. */
export const TRANSFER = 'transfer';

export type NewPayment = Omit<Payment, 'id'>;

/** What was paid. The same reference of an invoice counts once. */
export class Payments {
  /** `invoice!hash of the reference`. */
  private readonly table: StagedTable<Payment>;
  private readonly invoices: InvoiceBook;
  private made: string[] = [];

  constructor(staged: StagedStore, invoices: InvoiceBook) {
    this.table = staged.table('payments');
    this.invoices = invoices;
  }

  /** The oldest first. Throws `unknown_invoice`. */
  of(idOrNumber: string): Payment[] {
    return this.all(this.invoices.get(idOrNumber).id);
  }

  /** By key. */
  find(key: string): Payment | null {
    return this.table.get(key);
  }

  /** Keys in order, from after one. */
  *keysAfter(after: string | null, limit: number): Generator<string> {
    for (const { key } of this.table.range({ from: after === null ? '' : `${after}\0`, to: afterPrefix('') })) {
      if (limit-- === 0) return;
      yield key;
    }
  }

  /** Throws `unknown_invoice`, `wrong_state`, `overpaid`, `bad_amount`, `reference_used`, `too_many`. */
  pay(payment: NewPayment, nowMs: number): { payment: Payment; invoice: Invoice } {
    const invoice = this.invoices.get(payment.invoiceId);
    const known = this.table.get(keyOf(invoice.id, payment.reference));
    const amount = amountOf(payment.amount);
    if (known !== null) {
      if (amountOf(known.amount) !== amount) throw new OperationalError('reference_used', `reference ${payment.reference} of ${invoice.number} is that of a payment of ${known.amount}`);
      return { payment: known, invoice };
    }
    if (invoice.kind !== 'invoice' || invoice.state === 'draft' || invoice.state === 'credited') {
      throw new OperationalError('wrong_state', invoice.kind === 'creditNote' ? `${invoice.number} is a credit note` : `invoice ${invoice.number ?? invoice.id} is ${invoice.state === 'draft' ? 'a draft' : invoice.state}`);
    }
    if (amount <= 0n || placesOf(amountText(amount, '0')) > placesOf(invoice.total)) {
      throw new OperationalError('bad_amount', `a payment has to be above 0, with ${placesOf(invoice.total)} decimal places at most`);
    }
    if (amount > amountOf(invoice.outstanding)) throw new OperationalError('overpaid', `${invoice.outstanding} ${invoice.currency} of ${invoice.number} are to be paid`);
    if (this.all(invoice.id).length >= PAYMENTS_MAX) throw new OperationalError('too_many', `${invoice.number} has ${PAYMENTS_MAX} payments`);
    return this.add({ ...payment, invoiceId: invoice.id }, nowMs);
  }

  /** Moves what is too much on one invoice to another: the books of both are right then, and the second may be paid more than it asks for. Nothing: there is nothing to move. */
  transfer(fromId: string, toId: string, nowMs: number): void {
    const from = this.invoices.get(fromId);
    const to = this.invoices.get(toId);
    if (amountOf(from.outstanding) >= 0n) return;
    const shared = { method: TRANSFER, receivedAt: nowMs };
    this.add({ ...shared, invoiceId: from.id, amount: from.outstanding, reference: `to ${to.number}` }, nowMs);
    this.add({ ...shared, invoiceId: to.id, amount: negated(from.outstanding), reference: `from ${from.number}` }, nowMs);
  }

  /** Keys of those that were made since the last time. */
  takeMade(): string[] {
    const { made } = this;
    this.made = [];
    return made;
  }

  private all(invoiceId: string): Payment[] {
    const prefix = `${invoiceId}!`;
    return Array.from(this.table.range({ from: prefix, to: afterPrefix(prefix) }), ({ record }) => record).sort((a, b) => Number(idNumber(a)) - Number(idNumber(b)));
  }

  private add(payment: NewPayment, nowMs: number): { payment: Payment; invoice: Invoice } {
    const { invoiceId, amount, receivedAt, method, reference } = payment;
    const number = this.all(invoiceId).length + 1;
    const invoice = this.invoices.paid(invoiceId, amount, nowMs);
    const made: Payment = { id: `${invoiceId}-${number}`, invoiceId, amount: amountText(amountOf(amount), invoice.total), receivedAt, method, reference };
    const key = keyOf(invoiceId, reference);
    this.table.put(key, made);
    this.made.push(key);
    return { payment: made, invoice };
  }
}

function keyOf(invoiceId: string, reference: string): string {
  return `${invoiceId}!${createHash('sha256').update(reference).digest('hex').slice(0, REFERENCE_HEX)}`;
}

function idNumber({ id }: Payment): string {
  return id.slice(id.lastIndexOf('-') + 1);
}

import type { Dispute } from '../../model/billing.ts';
import type { Page } from '../../model/queries.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { InvoiceBook } from './invoice-book.ts';
import { checkCursor, pageOf } from '../../runtime/record-page.ts';
import type { Sequences } from './sequences.ts';
import { afterPrefix, type StagedStore, type StagedTable } from '../../runtime/staged-store.ts';

const ID_DIGITS = 8;

export interface Resolution {
  outcome: NonNullable<Dispute['outcome']>;
  resolution: string;
  /** Of an upheld one what is taken off the invoice; null: nothing. */
  creditAmount: string | null;
  by: string;
}

/** Invoices that somebody does not agree with. While one is open its invoice is not overdue, and nothing corrects it. */
export class Disputes {
  private readonly table: StagedTable<Dispute>;
  /** `i/invoice!id`, `o/id` of those that are open. */
  private readonly keys: StagedTable<true>;
  private readonly sequences: Sequences;
  private readonly invoices: InvoiceBook;
  private changed = new Set<string>();

  constructor(staged: StagedStore, sequences: Sequences, invoices: InvoiceBook) {
    this.table = staged.table('disputes');
    this.keys = staged.table('dispute-keys');
    this.sequences = sequences;
    this.invoices = invoices;
  }

  find(id: string): Dispute | null {
    return this.table.get(id);
  }

  /** Ids in order, from after one. */
  *idsAfter(after: string | null, limit: number): Generator<string> {
    for (const { key } of this.table.range({ from: after === null ? '' : `${after}\0`, to: afterPrefix('') })) {
      if (limit-- === 0) return;
      yield key;
    }
  }

  /** In order of opening, from after `cursor`. Throws `unknown_invoice`, `bad_cursor`. */
  page({ invoiceId, openOnly, limit, cursor }: { invoiceId: string | null; openOnly: boolean; limit: number; cursor: string | null }): Page<Dispute> {
    checkCursor(cursor, /^D-\d{8,}$/);
    const after = cursor === null ? '' : `${cursor}\0`;
    const isWanted = (dispute: Dispute | null): Dispute | null => (dispute !== null && (!openOnly || dispute.resolvedAt === null) ? dispute : null);
    const prefix = invoiceId !== null ? `i/${this.invoices.get(invoiceId).id}!` : openOnly ? 'o/' : null;
    if (prefix === null) return pageOf(this.table.range({ from: after, to: afterPrefix('') }), limit, ({ record }) => isWanted(record), ({ id }) => id);
    return pageOf(this.keys.range({ from: prefix + after, to: afterPrefix(prefix) }), limit, ({ key }) => isWanted(this.table.get(key.slice(prefix.length))), ({ id }) => id);
  }

  /** Throws `unknown_invoice`, `wrong_state`, `unknown_line`. */
  open(invoiceId: string, reason: string, lines: number[], by: string, nowMs: number): Dispute {
    const invoice = this.invoices.get(invoiceId);
    if (invoice.kind !== 'invoice' || !['issued', 'overdue', 'paid'].includes(invoice.state)) {
      const state = invoice.kind === 'creditNote' ? 'a credit note' : invoice.state === 'draft' ? 'a draft' : invoice.state;
      throw new OperationalError('wrong_state', `${invoice.number ?? invoice.id} is ${state}: what can be disputed is an invoice that was issued and is not credited or in dispute`);
    }
    const unknown = lines.find((number) => !invoice.lines.some((line) => line.number === number));
    if (unknown !== undefined) throw new OperationalError('unknown_line', `${invoice.number} has no line ${unknown}`);
    const dispute: Dispute = {
      ...{ id: `D-${String(this.sequences.next('dispute')).padStart(ID_DIGITS, '0')}`, invoiceId: invoice.id, openedAt: nowMs, openedBy: by, reason, lines: [...new Set(lines)].sort((a, b) => a - b) },
      ...{ resolvedAt: null, resolvedBy: null, outcome: null, resolution: null },
    };
    this.write(dispute);
    this.keys.put(`i/${invoice.id}!${dispute.id}`, true);
    this.keys.put(`o/${dispute.id}`, true);
    this.invoices.disputed(invoice.id, true, nowMs);
    return dispute;
  }

  /** Throws `unknown_dispute`, `wrong_state`, `bad_amount`. */
  resolve(id: string, { outcome, resolution, creditAmount, by }: Resolution, nowMs: number): Dispute {
    const dispute = this.table.get(id);
    if (dispute === null) throw new OperationalError('unknown_dispute', `there is no dispute ${id}`);
    if (dispute.resolvedAt !== null) throw new OperationalError('wrong_state', `dispute ${id} was ${dispute.outcome}`);
    if (creditAmount !== null && outcome !== 'upheld') throw new OperationalError('bad_amount', 'only a dispute that is upheld gives a credit');
    if (creditAmount !== null) this.invoices.creditPart(dispute.invoiceId, creditAmount, `Dispute ${id}`, nowMs);
    this.invoices.disputed(dispute.invoiceId, false, nowMs);
    const resolved = { ...dispute, resolvedAt: nowMs, resolvedBy: by, outcome, resolution };
    this.write(resolved);
    this.keys.remove(`o/${id}`);
    return resolved;
  }

  /** Those that changed since the last time. */
  takeChanged(): Dispute[] {
    const changed = Array.from(this.changed, (id) => this.table.get(id)!);
    this.changed = new Set();
    return changed;
  }

  private write(dispute: Dispute): void {
    this.table.put(dispute.id, dispute);
    this.changed.add(dispute.id);
  }
}

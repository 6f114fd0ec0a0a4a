import { ChangeLog } from '../../src/actors/sinks/change-log.ts';
import { TariffsActor } from '../../src/actors/tariffs/actor.ts';
import { BillingRuns } from '../../src/actors/tariffs/billing-run.ts';
import { Corrections } from '../../src/actors/tariffs/corrections.ts';
import { InvoiceBook } from '../../src/actors/tariffs/invoice-book.ts';
import { InvoiceNumbers } from '../../src/actors/tariffs/invoice-numbers.ts';
import { Payments } from '../../src/actors/tariffs/payments.ts';
import { RunBook } from '../../src/actors/tariffs/run-book.ts';
import { StagedTable } from '../../src/runtime/staged-store.ts';
import { TurnTaker } from '../../src/runtime/turn-taker.ts';
import { replaced, type Inside, type PlantedBug } from './planted-bug.ts';

/** Mistakes that a tariff supervisor invites; see planted-bug.ts. */

export const BILLING_BUGS: readonly PlantedBug[] = [
  {
    name: 'takes numbers in memory and writes them down later',
    plant: () => {
      const given = new WeakMap<object, Map<string, number>>();
      return replaced(InvoiceNumbers, 'next', () => function (prefix, date) {
        const name = `${prefix}-${date.slice(0, 4)}`;
        const mine = given.get(this) ?? new Map<string, number>();
        given.set(this, mine);
        const number = (mine.get(name) ?? this.sequences.last(name)) + 1;
        mine.set(name, number);
        if (number % 4 === 0) this.sequences.table.put(name, number);
        return `${name}-${String(number).padStart(6, '0')}`;
      });
    },
  },
  {
    name: 'gives a number when the bill is worked out, whether or not it is issued',
    plant: () => replaced(InvoiceBook, 'draft', (draft) => function (made) {
      this.numbers.next('INV', made.rated.bill.to);
      return draft.call(this, made);
    }),
  },
  {
    name: 'remembers how far a run is before its invoices are on disk',
    plant: () => replaced(BillingRuns, 'issue', (issue) => async function (runId, piece, bills) {
      await this.desk.turn((state: Inside) => state.runs.put({ ...state.runs.get(runId), after: piece.next === null ? 'agreements/' : `meters/${piece.next}` }));
      return issue.call(this, runId, piece, bills);
    }),
  },
  {
    name: 'bills an agreement again when its month has an invoice',
    plant: () => {
      const takeBack = replaced(InvoiceBook, 'isBilled', (isBilled) => function (agreementId, month) {
        return isBilled.call(this, agreementId, month) && this.standing(agreementId, month) !== null;
      });
      const takeBackToo = replaced(InvoiceBook, 'standing', (standing) => function (agreementId, month) {
        const found = standing.call(this, agreementId, month);
        return found?.state === 'paid' || found?.state === 'overdue' ? null : found;
      });
      return () => {
        takeBackToo();
        takeBack();
      };
    },
  },
  {
    name: 'begins a run anew after a restart and counts what is done twice',
    plant: () => replaced(RunBook, 'load', (load) => function () {
      load.call(this);
      for (const run of this.underWay()) this.put({ ...run, after: 'meters/' });
    }),
  },
  {
    name: 'does not look again at invoices of an agreement that ends earlier',
    plant: () => replaced(Corrections, 'look', (look) => function (state, after, nowMs) {
      const found = look.call(this, state, after, nowMs);
      return { ...found, looks: found.looks.filter(({ invoice, ordered }: Inside) => ordered !== null && ordered.order.stretches.at(-1).to === invoice.to) };
    }),
  },
  {
    name: 'puts a new bill in place without moving what was paid',
    plant: () => replaced(Payments, 'transfer', () => () => {}),
  },
  {
    name: 'counts a payment by the same reference again after a restart',
    plant: () => replaced(StagedTable, 'get', (get) => function (key) {
      const found = get.call(this, key);
      return found?.reference !== undefined && !this.staged.has(key) && found.method === 'bank' ? null : found;
    }),
  },
  {
    name: 'lets events out before they are on disk',
    plant: () => replaced(TariffsActor, 'flush', () => function (nowMs) {
      this.modules.onEvents(this.state.flush(nowMs));
      return () => this.state.settle();
    }),
  },
  {
    name: 'answers before the commit',
    plant: () => replaced(TurnTaker, 'apply', (apply) => function (work, nowMs) {
      const release = apply.call(this, work, nowMs);
      release();
      return () => {};
    }),
  },
  {
    name: 'forgets to watch what a correction issued',
    plant: () => replaced(Corrections, 'correct', (correct) => function (state, finding, nowMs) {
      correct.call(this, state, finding, nowMs);
      const standing = state.invoices.standing(finding.invoice.agreementId, finding.invoice.from.slice(0, 7));
      if (standing !== null) state.watch.remove(standing.id);
    }),
  },
  {
    name: 'goes by the lines alone, and not by what a bill leaves over',
    plant: () => replaced(Corrections, 'settle', (settle) => function (findings) {
      const isSame = ({ invoice, rated }: Inside): boolean => rated !== null && rated.bill.total === invoice.total;
      return settle.call(this, findings.map((finding: Inside) => (isSame(finding) ? { ...finding, rated: null } : finding)));
    }),
  },
  {
    name: 'skips changes of a turn that is larger than a piece of the outbox',
    plant: () => replaced(ChangeLog, 'changes', (changes) => function (sequence, max) {
      const piece = changes.call(this, sequence, max);
      return piece.rows.length < max ? piece : { ...piece, next: { ...piece.next, sequence: this.state.next } };
    }),
  },
  {
    name: 'makes an invoice overdue by a clock that went ahead, and leaves it so when it is paid',
    plant: () => replaced(InvoiceBook, 'settle', (settle) => function (invoice, nowMs) {
      return invoice.state === 'overdue' ? this.update(this.get(invoice.id), invoice) : settle.call(this, invoice, nowMs);
    }),
  },
];

import type { Agreement, Invoice } from '../../model/billing.ts';
import type { Page } from '../../model/queries.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { Store } from '../../runtime/store.ts';
import type { ChangeLogOptions } from '../sinks/change-log.ts';
import { AgreementBook } from './agreements.ts';
import { BillingOutbox, type BillingChange } from './billing-outbox.ts';
import { ComparisonBook, shownComparison } from './comparison-book.ts';
import { Disputes } from './disputes.ts';
import { InvoiceBook, localDate, type BillFilter } from './invoice-book.ts';
import { Payments } from './payments.ts';
import type { PriceBook } from './price-book.ts';
import type { BillingEvent, MeterPlace, TariffAnswers, TariffQuestion, TariffVersion } from './protocol.ts';
import { RunBook } from './run-book.ts';
import { Sequences } from './sequences.ts';
import { StagedStore } from '../../runtime/staged-store.ts';
import { TariffBook, type TariffSubject } from './tariff-book.ts';
import { WatchList } from './watch-list.ts';

/** Questions that need a meter's energy or place: costs.ts answers them. */
export type CostQuestion = Extract<TariffQuestion, { kind: 'tariffOf' | 'estimate' | 'cycle' | 'compare' | 'draft' | 'explainInvoice' }>;
export type PriceQuestion = Extract<TariffQuestion, { kind: 'prices' | 'priceHistory' | 'overrides' | 'makeOverride' | 'endOverride' }>;
/** Questions that the books alone answer, in one turn. `invoices` of a region are no such: region-bills.ts answers them. */
export type BookQuestion = Exclude<TariffQuestion, CostQuestion | { kind: 'startRun' | 'startComparison' | 'endComparison' }>;

/** Invoices that become overdue in one turn. */
const OVERDUE_STEP = 500;

export interface TariffsStateOptions {
  outbox: ChangeLogOptions;
}

/** All that the supervisor keeps, as turns change it. What a turn changed is queued by `flush`; whoever fails to commit that must start over from the store. */
export class TariffsState {
  readonly tariffs: TariffBook;
  readonly agreements: AgreementBook;
  readonly invoices: InvoiceBook;
  readonly payments: Payments;
  readonly disputes: Disputes;
  readonly runs: RunBook;
  readonly comparisons: ComparisonBook;
  readonly watch: WatchList;
  readonly prices: PriceBook;
  readonly outbox: BillingOutbox;
  private readonly staged: StagedStore;
  private mayForget = true;

  constructor({ outbox }: TariffsStateOptions, store: Store, prices: PriceBook) {
    this.staged = new StagedStore(store);
    const sequences = new Sequences(this.staged);
    this.tariffs = new TariffBook(this.staged);
    this.agreements = new AgreementBook(this.staged, sequences);
    this.invoices = new InvoiceBook(this.staged, sequences);
    this.payments = new Payments(this.staged, this.invoices);
    this.disputes = new Disputes(this.staged, sequences, this.invoices);
    this.runs = new RunBook(this.staged);
    this.comparisons = new ComparisonBook(this.staged, sequences);
    this.watch = new WatchList(this.staged);
    this.outbox = new BillingOutbox(this.staged, this, outbox);
    this.prices = prices;
  }

  load(nowMs: number): void {
    this.tariffs.load();
    this.agreements.load();
    this.runs.load();
    this.comparisons.load();
    this.outbox.load();
    this.prices.load(nowMs);
  }

  /** Throws OperationalError as protocol.ts says, having changed nothing. */
  answer<Question extends BookQuestion>(question: Question, nowMs: number): TariffAnswers[Question['kind']];
  answer(question: BookQuestion, nowMs: number): unknown {
    switch (question.kind) {
      case 'tariffs':
        return this.tariffs.page(question.limit, question.cursor);
      case 'tariff':
        return this.tariffs.find(question.id, question.version);
      case 'tariffVersions':
        return this.tariffs.versions(question.id);
      case 'putTariff':
        return this.tariffs.put(question.document, question.expectedVersion, question.by, nowMs);
      case 'tariffsOfRegion':
        return this.tariffs.ofRegion(question.region, localDate('UTC', question.at));
      case 'agreements':
        return this.agreements.page(question.meterId, question.limit, question.cursor);
      case 'agreement':
        return this.agreements.get(question.id);
      case 'makeAgreement':
        this.checkTariff(question.agreement.tariffId);
        return this.agreements.make(question.agreement);
      case 'changeAgreement':
        this.checkTariff(question.tariffId ?? null);
        return this.changeAgreement(question, nowMs);
      case 'invoices':
        return this.invoicesOf(question.query);
      case 'invoice':
        return this.invoices.get(question.id);
      case 'pay':
        return this.payments.pay(question, nowMs);
      case 'payments':
        return this.payments.of(question.invoiceId);
      case 'dispute':
        return this.disputes.open(question.invoiceId, question.reason, question.lines, question.by, nowMs);
      case 'resolveDispute':
        return this.disputes.resolve(question.id, question, nowMs);
      case 'disputes':
        return this.disputes.page(question);
      case 'run':
        return this.runs.get(question.id);
      case 'runs':
        return this.runs.page(question.limit, question.cursor);
      case 'comparison':
        return shownComparison(this.comparisons.get(question.id));
      case 'comparisons':
        return this.comparisons.page(question.limit, question.cursor);
      case 'comparedCustomers':
        return this.comparisons.customers(question.id, question.limit, question.cursor);
      default:
        return this.answerPrices(question, nowMs);
    }
  }

  /** Newest first; `scanMax` of them are looked at, at most; absent: as many as a turn may. Throws `bad_cursor`. */
  invoicesOf(filter: BillFilter, scanMax?: number): Page<Invoice> {
    return this.invoices.page(filter, (agreementId) => this.agreements.find(agreementId)?.meterId ?? null, scanMax);
  }

  private answerPrices(question: PriceQuestion, nowMs: number): unknown {
    switch (question.kind) {
      case 'prices':
        return this.prices.prices();
      case 'priceHistory':
        return this.prices.history(question);
      case 'overrides':
        return this.prices.overrides.page(question);
      case 'makeOverride':
        return this.prices.makeOverride(question, nowMs);
      case 'endOverride':
        return this.prices.endOverride(question.id, question.by, question.reason, nowMs);
    }
  }

  /** Who has a meter on a day, as far as tariffs look at it. */
  subjectOf({ meterId, region }: MeterPlace, agreement: Pick<Agreement, 'customerClass' | 'tariffId'> | null): TariffSubject {
    return { meterId, region, customerClass: agreement?.customerClass ?? null, tariffId: agreement?.tariffId ?? null };
  }

  /** The version that counts for a meter at a time, by the day that it is in the tariff's zone then. Throws `no_tariff`. */
  tariffAt(place: MeterPlace, atMs: number): TariffVersion & { agreementId: string | null } {
    // A tariff says which zone's day it is, and the day says which tariff: the one of the day in UTC is asked for its zone first.
    let date = localDate('UTC', atMs);
    for (let isAgain = false; ; isAgain = true) {
      const agreement = this.agreements.ofMeterOn(place.meterId, date);
      const tariff = this.tariffs.on(this.subjectOf(place, agreement), date);
      const local = localDate(tariff.document.zone, atMs);
      if (local === date || isAgain) return { ...tariff, agreementId: agreement?.id ?? null };
      date = local;
    }
  }

  /** When `tick` has something to do. */
  nextDueMs(): number {
    return Math.min(this.invoices.nextDueMs(), this.prices.nextDueMs());
  }

  tick(nowMs: number): void {
    if (this.invoices.nextDueMs() <= nowMs) this.invoices.makeOverdue(nowMs, OVERDUE_STEP);
    if (this.prices.nextDueMs() <= nowMs) this.prices.tick(nowMs);
  }

  /** Queues what changed since the last time; gives what is to be told when it is committed. */
  flush(nowMs: number): BillingEvent[] {
    const at = nowMs;
    const changes: BillingChange[] = [
      ...this.prices.flush(),
      ...this.invoices.takeChanged().map(({ id: key }): BillingChange => ({ topic: 'billing_updates', at, key })),
      ...this.payments.takeMade().map((key): BillingChange => ({ topic: 'payment_updates', at, key })),
      ...this.disputes.takeChanged().map(({ id: key }): BillingChange => ({ topic: 'dispute_updates', at, key })),
    ];
    this.outbox.add(changes);
    if (this.mayForget) this.mayForget = this.outbox.forget();
    this.outbox.flush();
    this.staged.flush();
    return changes.map((change) => this.outbox.eventOf(change));
  }

  /** What was flushed is committed. */
  settle(): void {
    this.staged.settle();
  }

  acknowledgeOutbox(consumer: string, position: string): void {
    this.outbox.acknowledge(consumer, position);
    this.mayForget = true;
  }

  /** Its invoices may be of other days now: they are looked at again. */
  private changeAgreement(question: Extract<TariffQuestion, { kind: 'changeAgreement' }>, nowMs: number): Agreement {
    const before = this.agreements.get(question.id);
    const changed = this.agreements.change(question.id, question.version, question);
    if (changed.movedOut !== before.movedOut) {
      const month = [changed.movedOut, before.movedOut].filter((date) => date !== null).sort()[0].slice(0, 7);
      for (const { id } of [this.invoices.standing(before.id, month), ...this.invoices.standingAfter(before.id, month)].filter((invoice) => invoice !== null)) this.watch.again(id, nowMs);
    }
    return changed;
  }

  private checkTariff(id: string | null): void {
    if (id !== null && !this.tariffs.has(id)) throw new OperationalError('unknown_tariff', `there is no tariff ${id}`);
  }
}

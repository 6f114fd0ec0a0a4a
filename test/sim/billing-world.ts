import { TariffsActor } from '../../src/actors/tariffs/actor.ts';
import type { EnergySource } from '../../src/actors/tariffs/energy-source.ts';
import { PriceBook } from '../../src/actors/tariffs/price-book.ts';
import { DEFAULT_PRICE_RULES } from '../../src/actors/tariffs/price-rules.ts';
import type { BillingEvent, TariffAnswers, TariffQuestion } from '../../src/actors/tariffs/protocol.ts';
import type { Dispute, Invoice, Payment } from '../../src/model/billing.ts';
import { QUARTER_MS } from '../../src/model/energy.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { MemoryStore, type CommitFailure } from '../../src/runtime/memory-store.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { MemoryFleet } from '../support/memory-fleet.ts';
import { agreementOf, flatTariff } from '../support/tariffs-world.ts';
import { BillingOracle, cents, type FinalBooks } from './billing-oracle.ts';
import { EFFECTIVE_DAYS, METERS, MONTHS, type BillingPlan, type BillingStep } from './billing-plan.ts';
import { Random } from './random.ts';
import { SimThread, SimTime } from './sim-thread.ts';

/** One run of the real tariff supervisor between a fleet in memory, people who pay and dispute, and a system that is told of all. */

export interface BillingRunResult {
  seed: number;
  /** The first thing that was wrong; null when all went well. */
  problem: string | null;
  /** How often each step was taken. */
  counts: Record<string, number>;
  invoices: number;
  creditNotes: number;
  trace: string[];
}

const START_MS = Date.parse('2026-08-01T13:00:00Z');
const DAY_MS = 86_400_000;
const HORIZON_MS = 200 * DAY_MS;
const CORRECTION_EVERY_MS = 600_000;
/** A thread that failed is started again after this. */
const RESTART_MS = 500;
/** The meter whose credits go on from month to month. */
const NETTED = 0;
const CONSUMER = 'pg';
/** From the end of all faults until a question is answered: a retry of a paused run, and commits. */
const ANSWER_MS_MAX = 120_000;

export async function runBillingPlan(plan: BillingPlan, isTraced = false): Promise<BillingRunResult> {
  const world = new BillingWorld(plan, isTraced);
  const onRejection = (error: unknown): void => world.fail(`a rejection nobody handled: ${error instanceof Error ? error.stack : String(error)}`);
  process.on('unhandledRejection', onRejection);
  await world.run();
  process.off('unhandledRejection', onRejection);
  const { problem, counts, trace } = world;
  return { seed: plan.seed, problem, counts, trace, ...world.papers() };
}

const meterName = (meter: number): string => `m${meter}`;

class BillingWorld {
  readonly counts: Record<string, number> = {};
  readonly trace: string[] = [];
  problem: string | null = null;
  private readonly plan: BillingPlan;
  private readonly isTraced: boolean;
  private readonly time: SimTime;
  private readonly fleet = new MemoryFleet();
  private readonly net = new Map<string, number>();
  private readonly oracle: BillingOracle;
  private readonly failures: CommitFailure[] = [];
  private readonly slowCommits: number[] = [];
  /** What the system beside the engine has, and where it is. */
  private readonly copied = { invoices: new Map<string, Invoice>(), payments: new Map<string, Payment>(), disputes: new Map<string, Dispute>() };
  private position: string | null = null;
  private store: MemoryStore;
  private thread: SimThread | null = null;
  private actor: TariffsActor | null = null;
  private epoch = 0;
  private tariffs = 0;

  constructor(plan: BillingPlan, isTraced: boolean) {
    this.plan = plan;
    this.isTraced = isTraced;
    this.time = new SimTime(new VirtualTime(START_MS), new Random(plan.seed * 2 + 1));
    this.oracle = new BillingOracle({ fail: (problem) => this.fail(problem), netOf: (meterId, quarter) => this.net.get(`${meterId} ${quarter}`) ?? 0 });
    this.store = new MemoryStore(this.storeOptions());
    this.fleet.wait = () => this.after(this.time.random.int(0, plan.options.answerMsMax));
  }

  async run(): Promise<void> {
    this.start();
    await this.settleIn();
    for (const step of this.plan.steps) {
      if (this.problem !== null) break;
      this.counts[step.kind] = (this.counts[step.kind] ?? 0) + 1;
      this.say(() => JSON.stringify(step));
      await this.take(step);
      await this.time.advance(0);
    }
    if (this.problem === null) await this.converge();
    this.thread?.kill({ kind: 'terminated' }, true);
  }

  fail(problem: string): void {
    this.problem ??= `at ${this.time.clock.monotonic()} ms: ${problem}`;
    this.say(() => `PROBLEM ${problem}`);
  }

  papers(): { invoices: number; creditNotes: number } {
    const papers = [...this.oracle.invoices.values()];
    const creditNotes = papers.filter(({ kind }) => kind === 'creditNote').length;
    return { invoices: papers.length - creditNotes, creditNotes };
  }

  private say(line: () => string): void {
    if (this.isTraced) this.trace.push(`${this.time.clock.monotonic()} ${line()}`);
  }

  // Steps ------------------------------------------------------------------------------------------------------------------

  private async take(step: BillingStep): Promise<void> {
    switch (step.kind) {
      case 'wait':
        return this.time.advance(step.ms);
      case 'startRun':
        return this.tell({ kind: 'startRun', month: MONTHS[step.month], by: 'Ada' });
      case 'lateEnergy':
        return this.lateEnergy(step);
      case 'pay':
        return this.pay(step);
      case 'dispute': {
        const invoice = this.pick(this.oracle.invoices, step.invoice);
        return invoice === null ? undefined : this.tell({ kind: 'dispute', invoiceId: invoice.id, reason: 'too much', lines: [], by: 'Ada' });
      }
      case 'resolve':
        return this.resolve(step);
      case 'move': {
        const movedOut = step.day === null ? null : `2026-07-${String(step.day).padStart(2, '0')}`;
        return this.tell({ kind: 'changeAgreement', id: agreementId(step.agreement), version: null, tariffId: undefined, customer: undefined, movedOut, by: 'Ada' });
      }
      case 'moveIn':
        return this.tell({ kind: 'makeAgreement', agreement: agreementOf(meterName(step.meter), { movedIn: `2026-07-${String(step.day).padStart(2, '0')}` }), by: 'Ada' });
      case 'draft':
        return this.tell({ kind: 'draft', agreementId: agreementId(step.agreement), month: MONTHS[step.month] });
      case 'putTariff':
        return this.putTariff(EFFECTIVE_DAYS[step.effective], step.cents);
      default:
        return this.break(step);
    }
  }

  private async break(step: Extract<BillingStep, { kind: 'kill' | 'stop' | 'diskFull' | 'diskSlow' | 'away' | 'clock' }>): Promise<void> {
    switch (step.kind) {
      case 'kill':
        return this.time.setFuse(step.afterEvents, () => this.die(step.fate, step.downMs));
      case 'stop': {
        const { actor, thread } = this;
        if (actor === null || thread === null) return;
        void actor.stop().then(() => this.thread === thread && this.die('lost', step.downMs));
        return;
      }
      case 'diskFull':
        for (let i = 0; i < step.commits; i++) this.failures.push('storage_full');
        return;
      case 'diskSlow':
        for (let i = 0; i < step.commits; i++) this.slowCommits.push(step.ms);
        return;
      case 'away':
        this.fleet.away = step.questions;
        return;
      case 'clock':
        return this.time.jump(step.byMs);
    }
  }

  private lateEnergy({ meter, month, quarter, quarters, microKwh }: Extract<BillingStep, { kind: 'lateEnergy' }>): void {
    const first = Date.parse(`${MONTHS[month]}-01`) / QUARTER_MS + quarter;
    for (let i = 0; i < quarters; i++) this.countEnergy(meter, first + i, microKwh);
  }

  private async pay({ invoice, share, reference }: Extract<BillingStep, { kind: 'pay' }>): Promise<void> {
    const found = this.pick(this.oracle.invoices, invoice);
    if (found === null) return;
    const amount = (cents(found.outstanding) * BigInt(share)) / 100n;
    if (amount <= 0n) return;
    await this.tell({ kind: 'pay', invoiceId: found.id, amount: textOf(amount), method: 'bank', reference: `r${reference}`, receivedAt: 1, by: 'Ada' }, ({ payment }) => this.oracle.answeredPayment(payment));
  }

  private async resolve({ dispute, outcome, share }: Extract<BillingStep, { kind: 'resolve' }>): Promise<void> {
    const found = this.pick(this.oracle.disputes, dispute);
    if (found === null) return;
    const credit = (cents(this.oracle.invoices.get(found.invoiceId)?.total ?? '0.00') * BigInt(share)) / 100n;
    await this.tell({ kind: 'resolveDispute', id: found.id, outcome, resolution: 'so be it', creditAmount: outcome === 'upheld' && credit > 0n ? textOf(credit) : null, by: 'Bob' });
  }

  private async putTariff(effectiveFrom: string, price: number): Promise<void> {
    const version = this.tariffs + 1;
    // One that nobody heard of again is said again, so that each version is known.
    await this.sure({ kind: 'putTariff', document: flatTariff({ zone: 'UTC', effectiveFrom }, `0.${price}`), expectedVersion: null, by: 'Ada' }, (stored) => {
      this.tariffs = version;
      for (let at = this.oracle.pricesCents.length; at < stored.version; at++) this.oracle.pricesCents.push(BigInt(price));
    });
  }

  /** Says it once, and does not wait for the answer. */
  private tell<Kind extends TariffQuestion['kind']>(question: TariffQuestion & { kind: Kind }, onAnswer: (answer: TariffAnswers[Kind]) => void = () => {}): void {
    const { actor, thread } = this;
    if (actor === null) return;
    actor.ask<Kind>(question).then(
      (answer) => {
        if (thread!.alive) onAnswer(answer);
      },
      (error: unknown) => {
        this.say(() => `${question.kind}: ${error instanceof OperationalError ? error.code : String(error)}`);
        if (!(error instanceof OperationalError) && thread!.alive) this.fail(`${question.kind}: ${error instanceof Error ? error.stack : String(error)}`);
      },
    );
  }

  /** Says it until there is an answer. */
  private async sure<Kind extends TariffQuestion['kind']>(question: TariffQuestion & { kind: Kind }, onAnswer: (answer: TariffAnswers[Kind]) => void): Promise<void> {
    const startedMs = this.time.clock.monotonic();
    let isAnswered = false;
    while (!isAnswered && this.problem === null) {
      const { thread } = this;
      let isOver = thread === null;
      if (thread !== null) {
        const end = (answer: TariffAnswers[Kind] | null): void => {
          isOver = true;
          if (isAnswered || answer === null) return;
          isAnswered = true;
          onAnswer(answer);
        };
        this.actor!.ask<Kind>(question).then(
          (answer) => thread.alive && end(answer),
          (error: unknown) => {
            if (error instanceof OperationalError && !error.retryable) this.fail(`${question.kind}: ${error.message}`);
            end(null);
          },
        );
        thread.exited.then(() => end(null));
      }
      do await this.time.advance(isOver ? 100 : 10);
      while (!isOver && this.time.clock.monotonic() - startedMs < ANSWER_MS_MAX);
      if (this.time.clock.monotonic() - startedMs >= ANSWER_MS_MAX && !isAnswered) this.fail(`${question.kind} has no answer`);
    }
  }

  private pick<T extends { id: string }>(from: ReadonlyMap<string, T>, which: number): T | null {
    const all = [...from.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    return all.length === 0 ? null : all[which % all.length];
  }

  // The thread -------------------------------------------------------------------------------------------------------------

  private start(): void {
    const thread = new SimThread('billing', ++this.epoch, this.time);
    const { clock, timers } = thread;
    const { store } = this;
    const whileAlive = <T>(tell: (what: T) => void) => (what: T) => {
      if (thread.alive) tell(what);
    };
    const actor = new TariffsActor(
      { outbox: { consumers: [CONSUMER], generation: `g${this.epoch}` }, corrections: { correctionHorizonMs: HORIZON_MS, correctionEveryMs: CORRECTION_EVERY_MS, pieceMeters: this.plan.options.pieceMeters, pieceInvoices: 3 } },
      {
        ...{ store, clock, timers, nextTurn: (run: () => void) => void timers.after(0, run), log: nullLog, energy: this.energyFor(thread), prices: new PriceBook(DEFAULT_PRICE_RULES, store) },
        onEvents: whileAlive((events: BillingEvent[]) => {
          for (const event of events) this.oracle.told(event);
        }),
        onFailure: whileAlive(() => this.die('lost', RESTART_MS)),
      },
    );
    this.thread = thread;
    this.actor = actor;
    this.say(() => `life ${this.epoch}`);
    actor.start().then(
      () => (thread.alive ? this.copy(thread, actor) : undefined),
      () => {},
    );
  }

  private die(fate: 'lost' | 'kept', downMs: number): void {
    if (this.thread === null) return;
    this.say(() => `dies, ${fate}`);
    this.thread.kill({ kind: 'terminated' }, true);
    this.thread = null;
    this.actor = null;
    this.store = this.store.crash(fate, this.storeOptions());
    this.time.after(downMs, () => this.start());
  }

  private storeOptions(): { takeCommit: () => Promise<void>; failures: CommitFailure[] } {
    return { takeCommit: () => this.after(this.slowCommits.shift() ?? this.time.random.int(0, this.plan.options.commitMsMax)), failures: this.failures };
  }

  /** Who is dead hears nothing. */
  private energyFor(thread: SimThread): EnergySource {
    const heard = <T>(answer: Promise<T>): Promise<T> => new Promise((resolve, reject) => answer.then((found) => thread.alive && resolve(found), (error: unknown) => thread.alive && reject(error)));
    const { fleet } = this;
    return {
      meters: (after, limit) => heard(fleet.meters(after, limit)),
      place: (meterId) => heard(fleet.place(meterId)),
      determinants: (meterIds, planOf, plans) => heard(fleet.determinants(meterIds, planOf, plans)),
      quarters: (meterId, from, to) => heard(fleet.quarters(meterId, from, to)),
      regionPeak: (region, from, to) => heard(fleet.regionPeak(region, from, to)),
    };
  }

  /** The system beside the engine reads what changed, as long as the thread lives. */
  private async copy(thread: SimThread, actor: TariffsActor): Promise<void> {
    try {
      for (;;) {
        const piece = await actor.readOutbox(CONSUMER, this.position, 3);
        if (!thread.alive) return;
        for (const event of piece.events) {
          if (event.topic === 'billing_updates') this.copied.invoices.set(event.id, event.invoice);
          if (event.topic === 'payment_updates') this.copied.payments.set(event.id, event.payment);
          if (event.topic === 'dispute_updates') this.copied.disputes.set(event.id, event.dispute);
        }
        this.position = piece.position;
        await actor.acknowledgeOutbox(CONSUMER, piece.position);
        await new Promise<void>((resolve) => thread.timers.after(piece.isLast ? 700 : 3, resolve));
      }
    } catch {
      // It has ended; the next is read from the position.
    }
  }

  private after(ms: number): Promise<void> {
    return new Promise((resolve) => this.time.after(ms, resolve));
  }

  // Beginning and end ------------------------------------------------------------------------------------------------------

  private async settleIn(): Promise<void> {
    await this.putTariff('2026-01-01', 25);
    const netting = flatTariff({ id: 'netted', appliesTo: null, zone: 'UTC', metering: { method: 'netMetering' } });
    await this.sure({ kind: 'putTariff', document: netting, expectedVersion: null, by: 'Ada' }, () => {});
    for (let meter = 0; meter < METERS; meter++) {
      this.fleet.add(meterName(meter), 'north');
      for (const [i, month] of MONTHS.entries()) {
        const first = Date.parse(`${month}-01`) / QUARTER_MS;
        for (let quarter = 0; quarter < (i === 0 ? 30 : 31) * 96; quarter += 8) this.countEnergy(meter, first + quarter, meter === NETTED && i === 0 ? -90_000 : 80_000 + meter * 1_000);
      }
      const tariffId = meter === NETTED ? 'netted' : null;
      await this.sure({ kind: 'makeAgreement', agreement: agreementOf(meterName(meter), { tariffId, movedIn: '2026-05-01' }), by: 'Ada' }, () => {});
    }
  }

  private countEnergy(meter: number, quarter: number, microKwh: number): void {
    this.fleet.count(meterName(meter), quarter, microKwh);
    this.net.set(`${meterName(meter)} ${quarter}`, microKwh);
  }

  /** All trouble ends; what was begun is done, and everything has to be as it should. */
  private async converge(): Promise<void> {
    this.time.blowFuse();
    this.failures.length = 0;
    this.slowCommits.length = 0;
    this.fleet.away = 0;
    this.time.jump(Math.max(0, START_MS - this.time.clock.now()));
    await this.time.advance(200_000);
    await this.resolveAll();
    await this.endRuns();
    for (const month of MONTHS) await this.finishRun(month);
    // A credit that goes on needs a look for each month.
    await this.time.advance((MONTHS.length + 1) * (CORRECTION_EVERY_MS + 30_000));
    const books = await this.finalBooks();
    if (this.problem !== null) return;
    this.oracle.check(books, this.time.clock.now());
    this.checkCopy(books);
  }

  private async resolveAll(): Promise<void> {
    let open: Dispute[] = [];
    await this.sure({ kind: 'disputes', invoiceId: null, openOnly: true, limit: 1_000, cursor: null }, ({ data }) => (open = data));
    for (const { id } of open) await this.sure({ kind: 'resolveDispute', id, outcome: 'rejected', resolution: 'no', creditAmount: null, by: 'Bob' }, () => {});
  }

  /** Runs that are under way end without being started again. */
  private async endRuns(): Promise<void> {
    const { runs } = await this.books();
    for (const { id, month } of runs) await this.awaitRun(id, month);
    const books = await this.books();
    for (const run of books.runs) this.oracle.checkEnded(run, books);
  }

  private async finishRun(month: string): Promise<void> {
    let id = '';
    await this.sure({ kind: 'startRun', month, by: 'Ada' }, (run) => (id = run.id));
    await this.awaitRun(id, month);
  }

  private async awaitRun(id: string, month: string): Promise<void> {
    for (let waits = 0; waits < 100 && this.problem === null; waits++) {
      let state = '';
      await this.sure({ kind: 'run', id }, (run) => (state = run.state));
      if (state === 'done') return;
      if (state === 'failed') this.fail(`the run of ${month} failed`);
      await this.time.advance(2_000);
    }
    this.fail(`the run of ${month} does not end`);
  }

  private async books(): Promise<FinalBooks> {
    const books: FinalBooks = { invoices: [], payments: new Map(), disputes: [], agreements: [], runs: [], disagreeing: [] };
    await this.sure({ kind: 'invoices', query: { agreementId: null, meterId: null, state: null, run: null, region: null, limit: 10_000, cursor: null } }, ({ data }) => (books.invoices = data));
    await this.sure({ kind: 'disputes', invoiceId: null, openOnly: false, limit: 10_000, cursor: null }, ({ data }) => (books.disputes = data));
    await this.sure({ kind: 'agreements', meterId: null, limit: 10_000, cursor: null }, ({ data }) => (books.agreements = data));
    await this.sure({ kind: 'runs', limit: 100, cursor: null }, ({ data }) => (books.runs = data));
    return books;
  }

  /** With what is of each invoice. */
  private async finalBooks(): Promise<FinalBooks> {
    const books = await this.books();
    for (const invoice of books.invoices) {
      if (invoice.state === 'draft') continue;
      await this.sure({ kind: 'payments', invoiceId: invoice.id }, (payments) => books.payments.set(invoice.id, payments));
      if (invoice.kind === 'invoice' && invoice.state !== 'credited') await this.sure({ kind: 'explainInvoice', id: invoice.id }, ({ agrees }) => agrees || books.disagreeing.push(invoice.number!));
    }
    return books;
  }

  private checkCopy({ invoices, payments, disputes }: FinalBooks): void {
    const pairs: [string, Map<string, object>, { id: string }[]][] = [
      ['invoices', this.copied.invoices, invoices.filter(({ number }) => number !== null)],
      ['payments', this.copied.payments, [...payments.values()].flat()],
      ['disputes', this.copied.disputes, disputes],
    ];
    for (const [what, copy, records] of pairs) {
      if (copy.size !== records.length) this.fail(`of ${records.length} ${what} the copy has ${copy.size}`);
      for (const record of records) if (JSON.stringify(copy.get(record.id)) !== JSON.stringify(record)) this.fail(`the copy of ${record.id} is ${JSON.stringify(copy.get(record.id))}, not ${JSON.stringify(record)}`);
    }
  }
}

function agreementId(agreement: number): string {
  return `AG-${String(agreement + 1).padStart(8, '0')}`;
}

function textOf(amountCents: bigint): string {
  const digits = amountCents.toString().padStart(3, '0');
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

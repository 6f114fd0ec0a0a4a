import type { BillingRun, Invoice } from '../../model/billing.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { BillMaker, billOf, RegionPeaks, unknownMeter, type ReadyOrder } from './bill-maker.ts';
import { monthOrder, type MonthOrder } from './bill-orders.ts';
import type { RatedBill } from './bill-rating.ts';
import { daysOfMonth, isMonth, monthAfter } from './billed-days.ts';
import type { BillingDesk } from './billing-desk.ts';
import { overlaps } from './agreements.ts';
import { withIncomplete } from './incomplete-bills.ts';
import { checkMonthOver, isCurrent, newInvoice, watchInvoice, type MonthBill, type WatchTimes } from './month-issue.ts';
import type { MeterPlace } from './protocol.ts';
import { RUN_FAULTS_MAX } from './run-book.ts';
import type { TariffsState } from './tariffs-state.ts';

/**
 * Monthly runs, one at a time. A run goes over all meters in the order in which their energy lies on disk, a piece at a time, and then over the agreements of meters that there are none of. The invoices of a piece,
 * their numbers and how far the run is are one commit, so it goes on after a crash where that was; and an agreement that has an invoice for the month is passed over, so nothing is billed twice.
 */

/** Meters of a piece: their bills are some 50 ms of work, and their invoices half a megabyte of a commit. */
const PIECE_METERS = 256;
/** Agreements that one turn looks through. */
const AGREEMENTS_PER_TURN = 1_000;
/** Bills that are worked out before others have the thread. */
const BILLS_PER_TURN = 16;
/** A month is over everywhere when it is over in the last zone, UTC−12. */
const LAST_ZONE_MS = 12 * 3_600_000;
/** Wait after trouble of shards; doubled each time up to the second. */
const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 60_000;

/** Where a run is, as its `after` says: among meters, then among agreements; null: agreements are not counted yet. */
const METERS = 'meters/';
const AGREEMENTS = 'agreements/';

interface Fault {
  agreementId: string;
  code: string;
  message: string;
}

/** A piece of meters, and what the shards said of it. */
interface Piece {
  /** Where the next one begins; null: it is the last. */
  next: string | null;
  /** Agreements that have an invoice for the month. */
  billed: number;
  orders: MonthOrder[];
  ready: (ReadyOrder | null)[];
  faults: Fault[];
}

export interface RunOptions extends WatchTimes {
  /** Meters of a piece; absent: PIECE_METERS. */
  pieceMeters?: number;
}

export class BillingRuns {
  private readonly desk: BillingDesk;
  private readonly options: RunOptions;
  private readonly maker: BillMaker;
  private isWorking = false;
  private retryMs = RETRY_MS_MIN;
  private readonly counts = { billed: 0, billingFaults: 0 };

  constructor(desk: BillingDesk, options: RunOptions) {
    this.desk = desk;
    this.options = options;
    this.maker = new BillMaker(desk.energy);
  }

  /** Goes on with what is under way. */
  start(): void {
    void this.work();
  }

  /** Rejects with `bad_month`, `month_not_over`, `run_under_way`. */
  async begin(month: string, by: string): Promise<BillingRun> {
    if (!isMonth(month)) throw new OperationalError('bad_month', `expected a month from 1970-01 on, such as 2026-07, got ${month}`);
    const run = await this.desk.turn((state, nowMs) => {
      if (nowMs < Date.parse(`${monthAfter(month, 1)}-01T00:00:00Z`) + LAST_ZONE_MS) throw new OperationalError('month_not_over', `${month} is not over everywhere`);
      return state.runs.start(month, by, nowMs);
    });
    void this.work();
    return run;
  }

  figures(): { billed: number; billingFaults: number } {
    return { ...this.counts };
  }

  private async work(): Promise<void> {
    if (this.isWorking) return;
    this.isWorking = true;
    try {
      for (;;) {
        const run = await this.desk.turn((state) => state.runs.underWay()[0] ?? null);
        if (run === null) break;
        await this.carryOn(run);
      }
    } catch (error) {
      // Whoever comes after this supervisor goes on with it.
      if (!this.desk.isEnded) throw error;
    } finally {
      this.isWorking = false;
    }
  }

  /** To its end, or to trouble, after which it waits. */
  private async carryOn(run: BillingRun): Promise<void> {
    try {
      if (run.state === 'paused') await this.change(run.id, { state: 'running' });
      if (run.after === null) await this.countAgreements(run);
      await this.billMeters(run);
      await this.lookForLeftOut(run);
      this.retryMs = RETRY_MS_MIN;
    } catch (error) {
      if (this.desk.isEnded || !(error instanceof OperationalError)) throw error;
      if (!error.retryable) {
        this.desk.log.error({ error, run: run.id }, 'A monthly run could not go on.');
        await this.change(run.id, { state: 'failed' }, [{ agreementId: '', code: error.code, message: error.message }]);
        return;
      }
      this.desk.log.warn({ error, run: run.id }, 'A monthly run is paused; it goes on by itself.');
      await this.change(run.id, { state: 'paused' });
      await this.desk.pause(this.retryMs);
      this.retryMs = Math.min(RETRY_MS_MAX, this.retryMs * 2);
    }
  }

  private async countAgreements({ id, month }: BillingRun): Promise<void> {
    const { from, to } = daysOfMonth(month);
    let agreements = 0;
    for (let cursor: string | null = null; ; ) {
      const page = await this.desk.turn((state) => state.agreements.page(null, AGREEMENTS_PER_TURN, cursor));
      for (const agreement of page.data) if (agreement.movedIn < to && overlaps(agreement, from, to)) agreements++;
      if (page.nextCursor === null) break;
      cursor = page.nextCursor;
    }
    await this.change(id, { agreements, after: METERS });
  }

  /** While one piece is worked out and issued, the shards are at the next. */
  private async billMeters({ id, month }: BillingRun): Promise<void> {
    const { after } = await this.desk.turn((state) => state.runs.get(id));
    if (!after!.startsWith(METERS)) return;
    const peaks = new RegionPeaks(this.desk.energy);
    let cursor: string | null = after === METERS ? null : after!.slice(METERS.length);
    let coming = this.piece(month, cursor, peaks);
    for (;;) {
      const piece: Piece = await coming;
      if (piece.next !== null) {
        coming = this.piece(month, piece.next, peaks);
        // It is awaited later, and may fail before.
        coming.catch(() => {});
      }
      const bills = await this.rate(piece);
      if (!(await this.issue(id, piece, bills))) {
        // Somebody changed an agreement meanwhile.
        coming = this.piece(month, cursor, peaks);
        continue;
      }
      if (piece.next === null) return;
      cursor = piece.next;
    }
  }

  private async piece(month: string, after: string | null, peaks: RegionPeaks): Promise<Piece> {
    const { meters, next } = await this.desk.energy.meters(after, this.options.pieceMeters ?? PIECE_METERS);
    const prepared = await this.desk.turn((state, nowMs) => prepare(state, meters, month, nowMs));
    const ready = await this.maker.gather(prepared.orders.map(({ order }) => order), peaks);
    return { ...prepared, ready, next };
  }

  private async rate({ orders, ready, faults }: Piece): Promise<MonthBill[]> {
    const bills: MonthBill[] = [];
    for (const [i, ordered] of orders.entries()) {
      const one = ready[i];
      if (one === null) faults.push(faultOf(ordered.agreement.id, unknownMeter(ordered.agreement.meterId)));
      else {
        const rated = this.rateOne(ordered, one);
        if (rated !== null) bills.push({ ordered, ready: one, rated });
        else faults.push({ agreementId: ordered.agreement.id, code: 'not_rated', message: `the bill of ${ordered.agreement.meterId} could not be worked out` });
      }
      if (i % BILLS_PER_TURN === BILLS_PER_TURN - 1) await this.desk.giveWay();
    }
    return bills;
  }

  /** null: it cannot be rated, which must not keep all others from their bills. */
  private rateOne({ agreement }: MonthOrder, ready: ReadyOrder): RatedBill | null {
    try {
      return billOf(ready);
    } catch (error) {
      this.desk.log.error({ error, agreement: agreement.id }, 'A bill could not be worked out.');
      return null;
    }
  }

  /** False: what the bills were made of has changed, and nothing was done. */
  private async issue(runId: string, { next, billed, faults }: Piece, bills: readonly MonthBill[]): Promise<boolean> {
    const isDone = await this.desk.turn((state, nowMs) => {
      if (!bills.every(({ ordered }) => isCurrent(state, ordered))) return false;
      const issued: Invoice[] = [];
      let passed = billed;
      for (const bill of bills) {
        // Somebody may have come before.
        if (isBilled(state, bill.ordered)) passed++;
        else {
          const invoice = state.invoices.issue(newInvoice(bill, runId), nowMs);
          watchInvoice(state, invoice, bill.ready.fingerprint, this.options);
          issued.push(invoice);
        }
      }
      const run = state.runs.get(runId);
      const done = run.done + issued.length + passed + faults.length;
      const incomplete = run.incomplete === null ? null : withIncomplete(run.incomplete, issued.map(({ quality }) => quality));
      state.runs.put(withFaults({ ...run, done, issued: run.issued + issued.length, incomplete, after: next === null ? AGREEMENTS : METERS + next }, faults));
      return true;
    });
    if (isDone) {
      this.counts.billed += bills.length;
      this.counts.billingFaults += faults.length;
    }
    return isDone;
  }

  /** Agreements about meters that never sent anything. */
  private async lookForLeftOut({ id, month }: BillingRun): Promise<void> {
    for (;;) {
      const { after } = await this.desk.turn((state) => state.runs.get(id));
      const cursor = after === AGREEMENTS ? null : after!.slice(AGREEMENTS.length);
      const { left, next } = await this.desk.turn((state) => unbilled(state, month, cursor));
      const faults: Fault[] = [];
      for (const { id: agreementId, meterId } of left) if ((await this.desk.energy.place(meterId)) === null) faults.push(faultOf(agreementId, unknownMeter(meterId)));
      const isOver = await this.desk.turn((state, nowMs) => {
        const run = state.runs.get(id);
        const changed = withFaults({ ...run, done: run.done + faults.length, after: AGREEMENTS + (next ?? '') }, faults);
        // Agreements that were made while it went are in it, or are for the next time.
        state.runs.put(next === null ? { ...changed, state: 'done', endedAt: nowMs, agreements: changed.done } : changed);
        return next === null;
      });
      this.counts.billingFaults += faults.length;
      if (isOver) return;
    }
  }

  private change(id: string, change: Partial<BillingRun>, faults: readonly Fault[] = []): Promise<void> {
    return this.desk.turn((state, nowMs) => {
      const endedAt = change.state === 'failed' ? nowMs : null;
      state.runs.put(withFaults({ ...state.runs.get(id), ...change, endedAt }, faults));
    });
  }
}

/** The bills of some meters' month, and why there are none. */
function prepare(state: TariffsState, meters: readonly MeterPlace[], month: string, nowMs: number): Pick<Piece, 'billed' | 'orders' | 'faults'> {
  const orders: MonthOrder[] = [];
  const faults: Fault[] = [];
  let billed = 0;
  for (const { meterId, region } of meters) {
    for (const agreement of state.agreements.ofMeter(meterId)) {
      try {
        if (isBilled(state, { agreement, month })) {
          billed++;
          continue;
        }
        const ordered = monthOrder(state, agreement, region, month);
        if (ordered === null) continue;
        checkMonthOver(ordered, nowMs);
        orders.push(ordered);
      } catch (error) {
        if (!(error instanceof OperationalError)) throw error;
        faults.push(faultOf(agreement.id, error));
      }
    }
  }
  return { orders, faults, billed };
}

function unbilled(state: TariffsState, month: string, cursor: string | null): { left: { id: string; meterId: string }[]; next: string | null } {
  const { from, to } = daysOfMonth(month);
  const page = state.agreements.page(null, AGREEMENTS_PER_TURN, cursor);
  const left = page.data.filter((agreement) => agreement.movedIn < to && overlaps(agreement, from, to) && !isBilled(state, { agreement, month }));
  return { left, next: page.nextCursor };
}

function isBilled(state: TariffsState, { agreement, month }: Pick<MonthOrder, 'agreement' | 'month'>): boolean {
  return state.invoices.isBilled(agreement.id, month);
}

function faultOf(agreementId: string, { code, message }: OperationalError): Fault {
  return { agreementId, code, message };
}

function withFaults(run: BillingRun, faults: readonly Fault[]): BillingRun {
  if (faults.length === 0) return run;
  return { ...run, failed: run.failed + faults.length, faults: [...run.faults, ...faults].slice(0, RUN_FAULTS_MAX) };
}

import { OperationalError } from '../../runtime/errors.ts';
import { billDifferences } from './bill-differences.ts';
import { BillMaker, billOf, RegionPeaks, type ReadyOrder } from './bill-maker.ts';
import { orderAgain, type MonthOrder } from './bill-orders.ts';
import type { RatedBill } from './bill-rating.ts';
import type { StoredInvoice } from './invoice-book.ts';
import type { BillingDesk } from './billing-desk.ts';
import { isCurrent, newInvoice, watchInvoice, type WatchTimes } from './month-issue.ts';
import type { TariffsState } from './tariffs-state.ts';
import type { Watched } from './watch-list.ts';

/**
 * Keeps issued invoices true. From time to time all that are watched are compared with what they are made of, as it is now; where another bill comes of it, a credit note takes the invoice back and a new one takes its
 * place, with what is different. What was paid goes on to the new one. An invoice in dispute waits until that is resolved.
 */

export interface CorrectionOptions extends WatchTimes {
  /** From the end of one look at all to the next, ms. */
  correctionEveryMs: number;
  /** Invoices of a piece; absent: PIECE. */
  pieceInvoices?: number;
}

/** Invoices whose energy is asked for together: pages of a shard. */
const PIECE = 256;
/** Those that one turn reads, with all that their bills are made of beside energy: some 5 ms. */
const READ_PER_TURN = 64;
/** Wait while a run is under way, or after trouble of shards, ms. */
const WAIT_MS = 5_000;

interface Look extends StoredInvoice {
  watched: Watched;
  /** null: the agreement has no day in the month any more. */
  ordered: MonthOrder | null;
}

/** What became of a look. */
interface Finding extends Look {
  ready: ReadyOrder | null;
  /** The bill as it would be now; null: as the invoice is. */
  rated: RatedBill | null;
}

export class Corrections {
  private readonly desk: BillingDesk;
  private readonly options: CorrectionOptions;
  private readonly maker: BillMaker;
  private readonly counts = { compared: 0, corrected: 0 };

  constructor(desk: BillingDesk, options: CorrectionOptions) {
    this.desk = desk;
    this.options = options;
    this.maker = new BillMaker(desk.energy);
  }

  start(): void {
    this.work().catch((error: unknown) => {
      // Whoever comes after this supervisor looks from the beginning.
      if (!this.desk.isEnded) this.desk.log.error({ error }, 'Issued invoices are not compared with their energy any more until the next start.');
    });
  }

  figures(): { compared: number; corrected: number } {
    return { ...this.counts };
  }

  private async work(): Promise<void> {
    for (;;) {
      await this.desk.pause(this.options.correctionEveryMs);
      const peaks = new RegionPeaks(this.desk.energy);
      for (let after: string | null = null; ; ) {
        const last: string | null = await this.piece(after, peaks);
        if (last === null) break;
        after = last;
        await this.desk.giveWay();
      }
    }
  }

  /** Gives the last that was looked at, or tried to be; null: that was all. */
  private async piece(after: string | null, peaks: RegionPeaks): Promise<string | null> {
    for (;;) {
      try {
        const piece = this.options.pieceInvoices ?? PIECE;
        const looks: Look[] = [];
        let last = after;
        for (let read = 0; read < piece && (read === 0 || last !== null); read += READ_PER_TURN) {
          const from: string | null = last;
          const found = await this.desk.turn((state, nowMs) => this.look(state, from, Math.min(READ_PER_TURN, piece - read), nowMs));
          looks.push(...found.looks);
          last = found.last;
          // A turn that changes nothing waits for no disk: without this they would be one.
          await this.desk.giveWay();
        }
        if (looks.length > 0) await this.compare(looks, peaks);
        return last;
      } catch (error) {
        if (this.desk.isEnded || !(error instanceof OperationalError)) throw error;
        if (error.code !== RUN_FIRST) this.desk.log.warn({ error }, 'Issued invoices cannot be compared with their energy now; that goes on by itself.');
        await this.desk.pause(WAIT_MS);
      }
    }
  }

  /** What there is to compare; those whose time is over are not watched any more. */
  private look(state: TariffsState, after: string | null, limit: number, nowMs: number): { looks: Look[]; last: string | null } {
    if (state.runs.underWay().length > 0) throw new OperationalError(RUN_FIRST, 'a monthly run is under way', { retryable: true });
    const page = state.watch.page(after, limit);
    const looks: Look[] = [];
    for (const { id, watched } of page) {
      const stored = state.invoices.stored(id);
      const { invoice } = stored;
      if (invoice.state === 'disputed') continue;
      if (invoice.state === 'credited' || (watched.seen !== null && watched.until <= nowMs)) state.watch.remove(id);
      else looks.push({ ...stored, watched, ordered: orderAgain(state, invoice) });
    }
    return { looks, last: page.length < limit ? null : page[page.length - 1].id };
  }

  private async compare(looks: readonly Look[], peaks: RegionPeaks): Promise<void> {
    const ordered = looks.filter(({ ordered }) => ordered !== null);
    const ready = await this.maker.gather(ordered.map((look) => look.ordered!.order), peaks);
    const readyOf = new Map(ordered.map((look, i) => [look, ready[i]]));
    const findings: Finding[] = [];
    for (const look of looks) {
      const one = readyOf.get(look) ?? null;
      // Its energy is not here for now, as that of a meter that was removed.
      if (look.ordered !== null && (one === null || one.fingerprint === look.watched.seen)) continue;
      const rated = one === null ? null : billOf(one);
      findings.push({ ...look, ready: one, rated: rated === null || isSame(look, rated) ? null : rated });
      if (rated !== null) await this.desk.giveWay();
    }
    this.counts.compared += looks.length;
    if (findings.length > 0) await this.settle(findings);
  }

  private async settle(findings: readonly Finding[]): Promise<void> {
    this.counts.corrected += await this.desk.turn((state, nowMs) => {
      let corrected = 0;
      for (const finding of findings) {
        if (!this.isStill(state, finding)) continue;
        // The same bill of other energy, as when it came within one period.
        if (finding.ordered !== null && finding.rated === null) watchInvoice(state, finding.invoice, finding.ready!.fingerprint, this.options);
        else {
          this.correct(state, finding, nowMs);
          corrected++;
        }
      }
      return corrected;
    });
  }

  /** Whether nothing happened since it was looked at; else it is for the next time. */
  private isStill(state: TariffsState, { invoice, ordered }: Finding): boolean {
    const now = state.invoices.get(invoice.id);
    if (now.state === 'disputed' || now.state === 'credited') return false;
    return ordered === null ? orderAgain(state, now) === null : isCurrent(state, ordered);
  }

  private correct(state: TariffsState, { invoice, ordered, ready, rated }: Finding, nowMs: number): void {
    const differences = billDifferences(invoice, rated?.bill ?? null);
    const note = state.invoices.creditAll(invoice.id, nowMs, differences);
    state.watch.remove(invoice.id);
    if (ordered === null || ready === null || rated === null) return;
    const made = newInvoice({ ordered, ready, rated }, null);
    const issued = state.invoices.reissue(made, nowMs, { corrects: invoice, differences });
    state.payments.transfer(invoice.id, issued.id, nowMs);
    watchInvoice(state, issued, ready.fingerprint, this.options);
    this.desk.log.info({ invoice: invoice.number, creditNote: note.number, newInvoice: issued.number, before: invoice.total, after: issued.total }, 'An invoice was corrected.');
  }
}

const RUN_FIRST = 'run_first';

/** Whether the bill asks the same of the customer for the same, and leaves the same over for the next. */
function isSame({ invoice, carried }: StoredInvoice, rated: RatedBill): boolean {
  return invoice.total === rated.bill.total && JSON.stringify([invoice.lines, carried]) === JSON.stringify([rated.bill.lines, rated.carried]);
}

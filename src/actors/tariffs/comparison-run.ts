import type { Amount } from '../../model/decimal.ts';
import type { Determinants } from '../../model/energy.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { agreementNumber } from './agreements.ts';
import { cutAtMonths, daysWithin, type Days } from './billed-days.ts';
import type { BillingDesk } from './billing-desk.ts';
import { BillMaker, checkOneBill, RegionPeaks, unknownMeter } from './bill-maker.ts';
import type { NewComparison, TariffComparison } from './comparison.ts';
import { isUnderWay, shownComparison, wholeDays, type StoredComparison } from './comparison-book.ts';
import { EnergyQuestions, type GatheredEnergy } from './comparison-energy.ts';
import { comparisonPages, type MeterPage } from './comparison-pages.ts';
import { comparedCustomer, withCustomers, type ComparisonFailure, type CustomerCosts } from './comparison-sums.ts';
import { checkNew, newComparison } from './new-comparison.ts';
import type { MeterPlace } from './protocol.ts';
import { RatingSchemes, type RatingScheme, type TariffDays } from './rating-scheme.ts';
import type { TariffsState } from './tariffs-state.ts';
import type { TariffStretch } from './tariff-book.ts';

/**
 * Comparisons of tariffs over many customers, one at a time. One goes over the meters in the order in which their energy lies on disk, a piece at a time; the rows of a piece, the sums and how far it is are one commit,
 * so it goes on after a crash where that was. While a piece is rated, which others have the thread in between of, the shards are at the next ones, and the disk has the one before.
 */

/** Pieces that are gathered while one is rated. */
const PIECES_AHEAD = 2;
/** Meters whose agreements one turn looks up: some milliseconds. */
const METERS_PER_TURN = 256;
/** Bills that are worked out before others have the thread: some milliseconds. */
const BILLS_PER_TURN = 256;
/** Days of customers that tariffs are held cut to: one for each day on which somebody moved. */
const DAYS_HELD_MAX = 4_096;
/** Wait after trouble of shards; doubled each time up to the second. */
const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 10_000;

export interface ComparisonOptions {
  /** Meters of a piece; absent: by the months. */
  pieceMeters?: number;
}

/** Somebody who is to be rated. */
interface Subject extends MeterPlace {
  agreementId: string | null;
  days: Days;
  /** Day before which demand is not looked back at. */
  since: string | null;
  /** What counts for them; null: nothing does, or in another currency. */
  present: TariffDays | null;
}

interface RatedUnder {
  tariffs: readonly TariffDays[];
  /** Index of what counts for the customer; null: nothing does. */
  present: number | null;
}

/** Customers, and all that their bills are made of. */
interface Piece {
  next: string | null;
  /** Meters or agreements that were looked at. */
  looked: number;
  customers: { subject: Subject; under: RatedUnder; scheme: RatingScheme }[];
  energy: GatheredEnergy;
  failures: ComparisonFailure[];
}

/** A comparison while it is worked on. */
interface Job {
  comparison: StoredComparison;
  whole: Days;
  /** Under each tariff, of all days. */
  tariffs: readonly TariffDays[];
  /** Decimal places that its amounts have at least. */
  places: number;
  peaks: RegionPeaks;
  schemes: RatingSchemes;
  questions: EnergyQuestions;
  /** `tariffs` cut to days. */
  cut: Map<string, readonly TariffDays[]>;
  /** By the tariffs that are compared, and what counts. */
  under: WeakMap<readonly TariffDays[], WeakMap<object, RatedUnder>>;
  page(after: string | null): Promise<MeterPage>;
}

export class ComparisonRuns {
  private readonly desk: BillingDesk;
  private readonly options: ComparisonOptions;
  private readonly cuts = new WeakMap<readonly TariffStretch[], TariffDays>();
  private isWorking = false;
  private retryMs = RETRY_MS_MIN;
  /** The one that was cancelled last. */
  private cancelled: string | null = null;

  constructor(desk: BillingDesk, options: ComparisonOptions) {
    this.desk = desk;
    this.options = options;
  }

  /** Goes on with what is under way. */
  start(): void {
    void this.work();
  }

  /** Rejects as protocol.ts says. */
  async begin(comparison: NewComparison, by: string): Promise<TariffComparison> {
    checkNew(comparison);
    const begun = await this.desk.turn((state, nowMs) => state.comparisons.start(newComparison(state, comparison, by, nowMs)));
    void this.work();
    return shownComparison(begun);
  }

  /** Cancels one that is under way; one that is over goes for good, with its rows. */
  async end(id: string): Promise<TariffComparison> {
    const ended = await this.desk.turn((state, nowMs) => {
      const found = state.comparisons.get(id);
      const changed: StoredComparison = isUnderWay(found) ? { ...found, state: 'cancelled', endedAt: nowMs } : { ...found, isRemoved: true };
      state.comparisons.put(changed);
      return changed;
    });
    this.cancelled = id;
    void this.work();
    return shownComparison(ended);
  }

  private async work(): Promise<void> {
    if (this.isWorking) return;
    this.isWorking = true;
    try {
      for (;;) {
        while (await this.removeSome());
        const comparison = await this.desk.turn((state) => state.comparisons.underWay());
        if (comparison === null) break;
        await this.carryOn(comparison);
      }
    } catch (error) {
      // Whoever comes after this supervisor goes on with it.
      if (!this.desk.isEnded) throw error;
    } finally {
      this.isWorking = false;
    }
  }

  /** False: there is nothing left of those that are gone. */
  private removeSome(): Promise<boolean> {
    return this.desk.turn((state) => {
      const removed = state.comparisons.removed();
      if (removed !== null) state.comparisons.removeSome(removed.id);
      return removed !== null;
    });
  }

  /** To its end, or to trouble, after which it waits. */
  private async carryOn(comparison: StoredComparison): Promise<void> {
    try {
      await this.change(comparison.id, 'running');
      const job = await this.desk.turn((state) => this.jobOf(state, state.comparisons.get(comparison.id)));
      if (job.comparison.all === null) await this.countMeters(job);
      await this.rateAll(job);
      this.retryMs = RETRY_MS_MIN;
    } catch (error) {
      if (this.desk.isEnded || !(error instanceof OperationalError)) throw error;
      if (!error.retryable) {
        this.desk.log.error({ error, comparison: comparison.id }, 'A comparison of tariffs could not go on.');
        await this.change(comparison.id, 'failed', { code: error.code, count: 0, meterId: null, message: error.message });
        return;
      }
      this.desk.log.warn({ error, comparison: comparison.id }, 'A comparison of tariffs is paused; it goes on by itself.');
      await this.change(comparison.id, 'paused');
      await this.desk.pause(this.retryMs);
      this.retryMs = Math.min(RETRY_MS_MAX, this.retryMs * 2);
    }
  }

  private jobOf(state: TariffsState, comparison: StoredComparison): Job {
    const tariffs = comparison.versions.map((versions, i) => versions.map(({ version, from, to }) => ({ from, to, tariff: state.tariffs.find(comparison.tariffs[i].tariffId, version) })));
    const energy = this.desk.energy;
    return {
      comparison,
      tariffs,
      whole: wholeDays(comparison),
      places: Math.max(...tariffs.flat().map(({ tariff }) => tariff.document.rounding.digits)),
      peaks: new RegionPeaks(energy),
      schemes: new RatingSchemes(new BillMaker(energy)),
      questions: new EnergyQuestions(energy),
      cut: new Map(),
      under: new WeakMap(),
      page: comparisonPages(energy, comparison, this.options.pieceMeters),
    };
  }

  /** Meters of a region are not counted anywhere. */
  private async countMeters({ comparison: { id }, page }: Job): Promise<void> {
    let all = 0;
    for (let after: string | null = null; ; ) {
      const { meters, next } = await page(after);
      all += meters.length;
      if (next === null || this.cancelled === id) break;
      after = next;
    }
    await this.desk.turn((state) => {
      const found = state.comparisons.get(id);
      if (isUnderWay(found)) state.comparisons.put({ ...found, all });
    });
  }

  /** Pages are asked for one after the other, what their customers need while others are rated. */
  private async rateAll(job: Job): Promise<void> {
    let pages: Promise<MeterPage | null> = job.page(job.comparison.after);
    const begin = (): Promise<Piece | null> => {
      const own = pages;
      pages = own.then((page) => (page === null || page.next === null ? null : job.page(page.next)));
      const piece = own.then((page) => (page === null ? null : this.gather(job, page)));
      // They are awaited later, or never, and may fail before.
      pages.catch(() => {});
      piece.catch(() => {});
      return piece;
    };
    const ahead = Array.from({ length: PIECES_AHEAD }, begin);
    // After the last one, and where a piece goes wrong, this is left alone: what is done then comes in a later turn.
    let added = Promise.resolve(true);
    for (let piece = await ahead.shift()!; piece !== null; piece = await ahead.shift()!) {
      ahead.push(begin());
      const rated = await this.rate(job, piece);
      // One commit at a time: pieces that wait for the disk are memory, and after the last one or a cancelling none is added.
      if (!(await added) || rated === null) return;
      added = this.add(job, piece, rated);
      added.catch(() => {});
    }
  }

  private async gather(job: Job, { meters, unknown, next }: MeterPage): Promise<Piece> {
    const subjects: Subject[] = [];
    let looked = unknown.length;
    for (let from = 0; from < meters.length; from += METERS_PER_TURN) {
      const part = await this.desk.turn((state) => this.subjectsOf(state, job, meters.slice(from, from + METERS_PER_TURN)));
      looked += part.looked;
      subjects.push(...part.subjects);
    }
    const under = subjects.map((subject) => ratedUnder(job, subject));
    const schemes: RatingScheme[] = [];
    for (const [i, subject] of subjects.entries()) schemes.push(await job.schemes.of(under[i].tariffs, subject, job.peaks));
    const energy = await job.questions.of(subjects.map(({ meterId }, i) => ({ meterId, plans: schemes[i].plans })));
    return {
      ...{ next, looked, energy },
      customers: subjects.map((subject, i) => ({ subject, under: under[i], scheme: schemes[i] })),
      failures: unknown.map(failureOfUnknown),
    };
  }

  /** Those of some meters, and what counts for each. Within a turn. */
  private subjectsOf(state: TariffsState, { comparison, whole }: Job, meters: readonly MeterPlace[]): { subjects: Subject[]; looked: number } {
    const ofAgreements = comparison.of.kind === 'agreements';
    const subjects: Subject[] = [];
    let looked = ofAgreements ? 0 : meters.length;
    for (const place of meters) {
      let hasAgreement = false;
      for (const agreement of state.agreements.termsOf(place.meterId)) {
        if (agreementNumber(agreement) > comparison.agreements) continue;
        if (ofAgreements) looked++;
        const days = daysWithin(agreement, whole);
        if (days === null) continue;
        hasAgreement = true;
        subjects.push({ ...place, agreementId: agreement.id, days, since: agreement.movedIn, present: this.presentOf(comparison, () => state.tariffs.stretches(state.subjectOf(place, agreement), days.from, days.to)) });
      }
      if (hasAgreement || ofAgreements) continue;
      subjects.push({ ...place, agreementId: null, days: whole, since: null, present: this.presentOf(comparison, () => state.tariffs.stretches(state.subjectOf(place, null), whole.from, whole.to)) });
    }
    return { subjects, looked };
  }

  private presentOf({ currency }: StoredComparison, find: () => TariffStretch[]): TariffDays | null {
    try {
      const stretches = find();
      let cut = this.cuts.get(stretches);
      if (cut === undefined) {
        checkOneBill(stretches);
        this.cuts.set(stretches, (cut = cutAtMonths(stretches)));
      }
      return cut[0].tariff.document.currency === currency ? cut : null;
    } catch (error) {
      if (error instanceof OperationalError) return null;
      throw error;
    }
  }

  /** null: it was cancelled meanwhile. */
  private async rate(job: Job, { customers, energy, failures }: Piece): Promise<CustomerCosts[] | null> {
    const rated: CustomerCosts[] = [];
    let bills = 0;
    for (const [i, { subject, under, scheme }] of customers.entries()) {
      const found = energy.of(i);
      const totals = found === null ? null : this.totals(scheme, found, subject);
      if (totals !== null) rated.push(costsOf(job, subject, under, totals));
      else failures.push(found === null ? failureOfUnknown(subject.meterId) : { code: 'not_rated', count: 1, meterId: subject.meterId, message: 'its bill could not be worked out' });
      bills += scheme.bills;
      if (bills < BILLS_PER_TURN) continue;
      bills = 0;
      await this.desk.giveWay();
      if (this.cancelled === job.comparison.id) return null;
    }
    return rated;
  }

  /** null: it cannot be rated, which must not keep all others from being. */
  private totals(scheme: RatingScheme, found: readonly Determinants[], { meterId }: Subject): Amount[] | null {
    try {
      return scheme.totals(found);
    } catch (error) {
      this.desk.log.error({ error, meterId }, 'A bill could not be worked out.');
      return null;
    }
  }

  /** False: it is over, or was cancelled. */
  private add({ comparison: { id }, places }: Job, { next, looked, failures }: Piece, rated: readonly CustomerCosts[]): Promise<boolean> {
    const customers = rated.map((costs) => comparedCustomer(costs, places));
    return this.desk.turn((state, nowMs) => {
      const before = state.comparisons.get(id);
      if (!isUnderWay(before)) return false;
      const done = before.done + looked;
      // Pieces are all agreements but those about meters that there are none of.
      const left = next === null && before.of.kind === 'agreements' ? before.agreements - done : 0;
      const leftOut = left > 0 ? [{ code: 'unknown_meter', count: left, meterId: null, message: 'the meters of these agreements have not sent anything' }] : [];
      const changed = { ...withCustomers(before, rated, [...failures, ...leftOut], places), done: done + left, after: next };
      state.comparisons.add(next === null ? { ...changed, state: 'done', endedAt: nowMs, all: done + left } : changed, customers);
      return next !== null;
    });
  }

  private change(id: string, to: TariffComparison['state'], failure: ComparisonFailure | null = null): Promise<void> {
    return this.desk.turn((state, nowMs) => {
      const found = state.comparisons.get(id);
      if (!isUnderWay(found) || found.state === to) return;
      const changed = failure === null ? found : { ...found, failures: [...found.failures, failure] };
      state.comparisons.put({ ...changed, state: to, endedAt: to === 'failed' ? nowMs : null });
    });
  }
}

/** What a customer is rated under: the tariffs that are compared, in their order, and what counts for it where that is none of them. The same for many, so it is kept. */
function ratedUnder(job: Job, { days, present }: Subject): RatedUnder {
  const compared = comparedOf(job, days);
  const key = present ?? compared;
  let ofCompared = job.under.get(compared);
  if (ofCompared === undefined) job.under.set(compared, (ofCompared = new WeakMap()));
  let under = ofCompared.get(key);
  if (under === undefined) {
    const found = present === null ? -1 : compared.findIndex((tariff) => job.schemes.nameOf(tariff) === job.schemes.nameOf(present));
    under = present === null ? { tariffs: compared, present: null } : found >= 0 ? { tariffs: compared, present: found } : { tariffs: [...compared, present], present: compared.length };
    ofCompared.set(key, under);
  }
  return under;
}

function comparedOf({ tariffs, whole, cut }: Job, { from, to }: Days): readonly TariffDays[] {
  if (from === whole.from && to === whole.to) return tariffs;
  const key = `${from} ${to}`;
  let found = cut.get(key);
  if (found === undefined) {
    found = tariffs.map((stretches) => stretches.filter((stretch) => stretch.from < to && stretch.to > from).map((stretch) => ({ ...stretch, from: stretch.from > from ? stretch.from : from, to: stretch.to < to ? stretch.to : to })));
    if (cut.size >= DAYS_HELD_MAX) cut.clear();
    cut.set(key, found);
  }
  return found;
}

function costsOf(job: Job, { meterId, agreementId, days: { from, to } }: Subject, { present }: RatedUnder, totals: readonly Amount[]): CustomerCosts {
  return { meterId, agreementId, from, to, costs: totals.slice(0, job.tariffs.length), present: present === null ? null : totals[present] };
}

function failureOfUnknown(meterId: string): ComparisonFailure {
  const { code, message } = unknownMeter(meterId);
  return { code, count: 1, meterId, message };
}

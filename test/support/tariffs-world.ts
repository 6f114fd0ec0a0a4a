import { TariffsActor } from '../../src/actors/tariffs/actor.ts';
import type { NewComparison } from '../../src/actors/tariffs/comparison.ts';
import type { TariffAnswers, TariffQuestion, BillingEvent } from '../../src/actors/tariffs/protocol.ts';
import { PriceBook } from '../../src/actors/tariffs/price-book.ts';
import { DEFAULT_PRICE_RULES } from '../../src/actors/tariffs/price-rules.ts';
import { tariffSchema, type TariffDocument } from '../../src/actors/tariffs/tariff-document.ts';
import type { Agreement, NewAgreement } from '../../src/model/billing.ts';
import { QUARTER_MS } from '../../src/model/energy.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { MemoryStore, type MemoryStoreOptions } from '../../src/runtime/memory-store.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { MemoryFleet } from './memory-fleet.ts';

export const DAY_MS = 86_400_000;
export const CORRECTION_EVERY_MS = 3_600_000;
export const HORIZON_MS = 40 * DAY_MS;

/** A price for all hours and a fixed charge for days, with a tax. */
export function flatTariff(of: Partial<Record<keyof TariffDocument, unknown>> = {}, price = '0.25'): TariffDocument {
  return tariffSchema.parse({
    ...{ format: 'seg-tariff/1', id: 'flat', name: 'Flat', currency: 'EUR', zone: 'Europe/Zurich', effectiveFrom: '2026-01-01', appliesTo: {} },
    schedules: [{ name: 'all', periods: [{ name: 'any' }], rules: [{ days: ['weekday', 'weekend', 'holiday'], spans: [{ from: '00:00', to: '24:00', period: 'any' }] }] }],
    charges: [
      { kind: 'energy', name: 'Energy', schedule: 'all', rates: [{ period: 'any', tiers: [{ price }] }] },
      { kind: 'fixed', name: 'Base', price: '0.30', per: 'day' },
      { kind: 'tax', name: 'VAT', percent: '20' },
    ],
    ...of,
  });
}

export function agreementOf(meterId: string, of: Partial<NewAgreement> = {}): NewAgreement {
  return { meterId, customer: { name: 'Ada Lovelace', address: ['1 Main Street'], email: null, taxId: null }, customerClass: 'home', tariffId: null, movedIn: '2026-01-01', movedOut: null, ...of };
}

/** A tariff supervisor with a clock of its own and a fleet in memory, over a store that outlives it. */
export class TariffsWorld {
  readonly time: VirtualTime;
  readonly fleet = new MemoryFleet();
  store: MemoryStore;
  actor!: TariffsActor;
  readonly events: BillingEvent[] = [];
  readonly failures: unknown[] = [];
  consumers: string[] = [];
  /** Of comparisons; undefined: as many as there are. */
  pieceMeters: number | undefined = undefined;
  /** Resolves when the disk has taken a commit. */
  takeCommit: () => Promise<void> = async () => {};
  /** The wall clock has jumped by so much. */
  private jumpedMs = 0;

  private constructor(startMs: number, options: MemoryStoreOptions) {
    this.time = new VirtualTime(startMs);
    this.store = new MemoryStore({ takeCommit: () => this.takeCommit(), ...options });
  }

  static async start(startMs = Date.parse('2026-08-02T00:00:00Z'), options: MemoryStoreOptions = {}): Promise<TariffsWorld> {
    const world = new TariffsWorld(startMs, options);
    await world.open();
    return world;
  }

  async open(): Promise<void> {
    this.actor = this.make();
    await this.actor.start();
  }

  ask<Kind extends TariffQuestion['kind']>(question: TariffQuestion & { kind: Kind }): Promise<TariffAnswers[Kind]> {
    return this.actor.ask<Kind>(question);
  }

  putTariff(document: TariffDocument): Promise<TariffAnswers['putTariff']> {
    return this.ask({ kind: 'putTariff', document, expectedVersion: null, by: 'Ada' });
  }

  makeAgreement(agreement: NewAgreement): Promise<Agreement> {
    return this.ask({ kind: 'makeAgreement', agreement, by: 'Ada' });
  }

  /** A meter that took so much in each quarter-hour of these days of UTC. */
  addMeter(meterId: string, microKwh: number, from: string, to: string, region = 'north'): void {
    this.fleet.add(meterId, region);
    for (let quarter = Date.parse(from) / QUARTER_MS; quarter < Date.parse(to) / QUARTER_MS; quarter++) this.fleet.count(meterId, quarter, microKwh);
  }

  now(): number {
    return this.time.now() + this.jumpedMs;
  }

  /** The wall clock jumps, and what is due of it happens. */
  async jumpTo(time: string): Promise<void> {
    this.jumpedMs += Date.parse(time) - this.now();
    await this.pass(6_000);
  }

  async pass(ms: number): Promise<void> {
    await this.time.advanceSettled(ms);
    await this.time.advanceSettled(0);
  }

  /** To the end of the run of a month. */
  async bill(month: string): Promise<TariffAnswers['run']> {
    const { id } = await this.settled(this.ask({ kind: 'startRun', month, by: 'Ada' }));
    await this.pass(1_000);
    return this.ask({ kind: 'run', id });
  }

  /** To the end of a comparison. */
  async compare(comparison: NewComparison): Promise<TariffAnswers['comparison']> {
    const { id } = await this.settled(this.ask({ kind: 'startComparison', comparison, by: 'Ada' }));
    return this.compared(id);
  }

  /** Until it is over. */
  async compared(id: string): Promise<TariffAnswers['comparison']> {
    for (;;) {
      const comparison = await this.settled(this.ask({ kind: 'comparison', id }));
      if (comparison.state !== 'running' && comparison.state !== 'paused') return comparison;
      await this.pass(1_000);
    }
  }

  async comparedCustomers(id: string, limit = 1_000): Promise<TariffAnswers['comparedCustomers']['data']> {
    const all: TariffAnswers['comparedCustomers']['data'] = [];
    for (let cursor: string | null = null; ; ) {
      const page: TariffAnswers['comparedCustomers'] = await this.settled(this.ask({ kind: 'comparedCustomers', id, limit, cursor }));
      all.push(...page.data);
      if (page.nextCursor === null) return all;
      cursor = page.nextCursor;
    }
  }

  /** What needs time to pass. */
  async settled<T>(work: Promise<T>): Promise<T> {
    let isOver = false;
    const over = work.finally(() => (isOver = true));
    over.catch(() => {});
    while (!isOver) await this.pass(0);
    return over;
  }

  async invoices(of: Partial<Extract<TariffQuestion, { kind: 'invoices' }>['query']> = {}): Promise<TariffAnswers['invoices']['data']> {
    return (await this.ask({ kind: 'invoices', query: { agreementId: null, meterId: null, state: null, run: null, region: null, limit: 1_000, cursor: null, ...of } })).data;
  }

  async restart(underWay: 'lost' | 'kept' = 'lost'): Promise<void> {
    this.store = this.store.crash(underWay);
    await this.open();
  }

  private make(): TariffsActor {
    const { store, time, fleet } = this;
    return new TariffsActor(
      { outbox: { consumers: this.consumers, generation: 'g' }, corrections: { correctionHorizonMs: HORIZON_MS, correctionEveryMs: CORRECTION_EVERY_MS }, comparisons: { pieceMeters: this.pieceMeters } },
      { store, clock: { now: () => this.now(), monotonic: () => time.monotonic() }, timers: time, nextTurn: (run) => void time.after(0, run), log: nullLog, energy: fleet, prices: new PriceBook(DEFAULT_PRICE_RULES, store), onEvents: (events) => this.events.push(...events), onFailure: (error) => this.failures.push(error) },
    );
  }
}

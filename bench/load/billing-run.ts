import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TariffsActor } from '../../src/actors/tariffs/actor.ts';
import type { EnergySource } from '../../src/actors/tariffs/energy-source.ts';
import { PriceBook } from '../../src/actors/tariffs/price-book.ts';
import { DEFAULT_PRICE_RULES } from '../../src/actors/tariffs/price-rules.ts';
import { tariffSchema } from '../../src/actors/tariffs/tariff-document.ts';
import type { Determinants, MeteringPlan } from '../../src/model/energy.ts';
import { systemTimers } from '../../src/runtime/clock.ts';
import { invariant } from '../../src/runtime/errors.ts';
import { openLmdbStore } from '../../src/runtime/lmdb-store.ts';
import { nullLog } from '../../src/runtime/log.ts';
import type { NewAgreement } from '../../src/model/billing.ts';
import { hashOf, rowOf, type BenchReport } from '../bench-report.ts';

/** A monthly run of the tariff supervisor on LMDB: what it costs to make, number, store and index invoices, and to look at all of them again, beside the adding up of energy, which `rerate` measures. */

export interface BillingRunOptions {
  agreements: number;
  rounds: number;
}

export const BILLING_RUN_FULL: BillingRunOptions = { agreements: 50_000, rounds: 3 };

const NOW_MS = Date.parse('2026-08-02T00:00:00Z');
const MONTH = '2026-07';
const ASKED_TOGETHER = 1_000;
const LOOK_MS = 20;
const PAGE_BYTES = 4_096;
/** From one look at all issued invoices to the next. They wait for a run. */
const CORRECTION_EVERY_MS = 10;
const MB = 2 ** 20;

/** Three periods, a tier, a demand charge and two taxes: some ten lines a bill. */
export const TARIFF = tariffSchema.parse({
  ...{ format: 'seg-tariff/1', id: 'tou', name: 'Time of use', currency: 'EUR', zone: 'Europe/Zurich', effectiveFrom: '2026-01-01', appliesTo: {} },
  schedules: [
    {
      name: 'day',
      periods: [{ name: 'off' }, { name: 'shoulder' }, { name: 'peak' }],
      rules: [
        { days: ['weekday'], spans: [{ from: '00:00', to: '07:00', period: 'off' }, { from: '07:00', to: '17:00', period: 'shoulder' }, { from: '17:00', to: '21:00', period: 'peak' }, { from: '21:00', to: '24:00', period: 'off' }] },
        { days: ['weekend', 'holiday'], spans: [{ from: '00:00', to: '24:00', period: 'off' }] },
      ],
    },
  ],
  charges: [
    {
      ...{ kind: 'energy', name: 'Energy', schedule: 'day' },
      rates: [
        { period: 'off', tiers: [{ price: '0.1634', upTo: { value: '100', unit: 'kWh' } }, { price: '0.1712' }] },
        { period: 'shoulder', tiers: [{ price: '0.2310' }] },
        { period: 'peak', tiers: [{ price: '0.3129' }] },
      ],
    },
    { kind: 'fixed', name: 'Base', price: '0.42', per: 'day' },
    { kind: 'demand', name: 'Demand', measure: 'max', rates: [{ period: '*', tiers: [{ price: '1.10' }] }] },
    { kind: 'adder', name: 'Levy', price: '0.023' },
    { kind: 'tax', name: 'VAT', percent: '8.1' },
  ],
});

export async function run(options: BillingRunOptions = BILLING_RUN_FULL): Promise<BenchReport> {
  const rates: number[] = [];
  const again: number[] = [];
  const looked: number[] = [];
  let note = '';
  let longest = { turnMsMax: 0, turnCpuMs: 0 };
  let looksCpuUs = 0;
  let hash = '';
  for (let round = 0; round < options.rounds; round++) {
    const found = await oneRun(options.agreements);
    rates.push((options.agreements * 1_000) / found.runMs);
    again.push((options.agreements * 1_000) / found.againMs);
    looked.push((options.agreements * 1_000) / found.looks.tookMs);
    if (found.looks.turnMsMax > longest.turnMsMax) longest = found.looks;
    looksCpuUs = (found.looks.cpuMs * 1_000) / options.agreements;
    note = `${((options.agreements / found.cpuMs) * 1_000).toFixed(0)} a second of processor time; ${(found.storeBytes / options.agreements / 1_024).toFixed(1)} KiB of disk each; resident memory up to ${(found.residentBytesMax / MB).toFixed(0)} MB; slowest commit ${found.commitMsMax.toFixed(0)} ms; counts verified: ${options.agreements} invoices`;
    hash = found.hash;
  }
  return {
    name: 'load: billing-run',
    leavesOut: 'Adding up energy (rerate), the way to the shards, PDFs, sinks, HTTP.',
    rows: [
      rowOf('invoices issued by a run', 'invoices/s', rates, note, hash),
      rowOf('the same run started again: everything is billed', 'agreements/s', again, '', hash),
      rowOf('issued invoices held against their energy again', 'invoices/s', looked, `${looksCpuUs.toFixed(0)} µs of processor time each; longest turn of the thread meanwhile ${longest.turnMsMax.toFixed(1)} ms, of which ${longest.turnCpuMs.toFixed(1)} on a processor`, ''),
    ],
  };
}

/** All issued invoices held against their energy once. */
interface Looks {
  tookMs: number;
  cpuMs: number;
  turnMsMax: number;
  /** Processor time of the thread in that turn. */
  turnCpuMs: number;
}

interface OneRun {
  looks: Looks;
  runMs: number;
  againMs: number;
  cpuMs: number;
  storeBytes: number;
  residentBytesMax: number;
  commitMsMax: number;
  hash: string;
}

async function oneRun(agreements: number): Promise<OneRun> {
  const directory = mkdtempSync(join(tmpdir(), 'seg-billing-run-'));
  const store = openLmdbStore({ directory, pageBytes: PAGE_BYTES });
  let failure: unknown = null;
  const clock = { now: () => NOW_MS, monotonic: () => performance.now() };
  const actor = new TariffsActor(
    { outbox: { consumers: [], generation: 'bench' }, corrections: { correctionHorizonMs: 40 * 86_400_000, correctionEveryMs: CORRECTION_EVERY_MS } },
    { store, clock, timers: systemTimers, nextTurn: setImmediate, log: nullLog, energy: new EvenEnergy(agreements), prices: new PriceBook(DEFAULT_PRICE_RULES, store), onEvents: () => {}, onFailure: (error) => (failure = error) },
  );
  try {
    await actor.start();
    await actor.ask({ kind: 'putTariff', document: TARIFF, expectedVersion: null, by: 'bench' });
    for (let first = 0; first < agreements; first += ASKED_TOGETHER) {
      await Promise.all(Array.from({ length: Math.min(ASKED_TOGETHER, agreements - first) }, (_, i) => actor.ask({ kind: 'makeAgreement', agreement: agreementOf(first + i), by: 'bench' })));
    }
    const cpuBefore = process.cpuUsage();
    let residentBytesMax = 0;
    const timed = async (): Promise<number> => {
      const startedMs = performance.now();
      const { id } = await actor.ask({ kind: 'startRun', month: MONTH, by: 'bench' });
      for (;;) {
        const { state, done, issued } = await actor.ask({ kind: 'run', id });
        residentBytesMax = Math.max(residentBytesMax, process.memoryUsage.rss());
        invariant(failure === null && state !== 'failed', `the run ${state} with ${String(failure)}`);
        if (state === 'done') {
          invariant(done === agreements && issued === agreements, `${done} of ${agreements} agreements are done, ${issued} have an invoice`);
          return performance.now() - startedMs;
        }
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      }
    };
    const runMs = await timed();
    const { user, system } = process.cpuUsage(cpuBefore);
    const againMs = await timed();
    const looks = await looksAtAll(actor, agreements);
    const { data } = await actor.ask({ kind: 'invoices', query: { agreementId: null, meterId: null, state: null, run: null, region: null, limit: 100, cursor: null } });
    const hash = hashOf(JSON.stringify(data.map(({ number, total, lines }) => [number, total, lines.length])));
    return { runMs, againMs, looks, cpuMs: (user + system) / 1_000, storeBytes: store.sizeBytes(), residentBytesMax, commitMsMax: actor.metrics().commitMsMax, hash };
  } finally {
    await actor.stop();
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** From the first that was looked at to as many as there are; what waits for its turn of the thread sees how long others have it. */
async function looksAtAll(actor: TariffsActor, invoices: number): Promise<Looks> {
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const before = actor.metrics().compared;
  while (actor.metrics().compared === before) await turn();
  const from = actor.metrics().compared;
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  let [turnMsMax, turnCpuMs] = [0, 0];
  for (let lastMs = startedMs; actor.metrics().compared - from < invoices; ) {
    const cpuOfTurn = process.threadCpuUsage();
    await turn();
    const tookMs = performance.now() - lastMs;
    if (tookMs > turnMsMax) {
      const { user, system } = process.threadCpuUsage(cpuOfTurn);
      [turnMsMax, turnCpuMs] = [tookMs, (user + system) / 1_000];
    }
    lastMs = performance.now();
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  invariant(actor.metrics().corrected === 0, 'energy is as it was');
  return { tookMs: performance.now() - startedMs, cpuMs: (user + system) / 1_000, turnMsMax, turnCpuMs };
}

function agreementOf(number: number): NewAgreement {
  const customer = { name: `Customer ${number}`, address: [`${number} Main Street`, '8000 Zurich'], email: null, taxId: null };
  return { meterId: meterName(number), customer, customerClass: 'home', tariffId: null, movedIn: '2026-01-01', movedOut: null };
}

function meterName(number: number): string {
  return `meter-${String(number).padStart(7, '0')}`;
}

/** Meters that take their energy evenly; what a plan makes of it costs nothing here. */
class EvenEnergy implements EnergySource {
  private readonly count: number;

  constructor(count: number) {
    this.count = count;
  }

  async meters(after: string | null, limit: number): ReturnType<EnergySource['meters']> {
    const first = Number(after ?? 0);
    const end = Math.min(this.count, first + limit);
    return { meters: Array.from({ length: end - first }, (_, i) => ({ meterId: meterName(first + i), region: 'north' })), next: end < this.count ? String(end) : null };
  }

  async place(meterId: string): ReturnType<EnergySource['place']> {
    return { meterId, region: 'north' };
  }

  async determinants(meterIds: readonly string[], planOf: Uint8Array, plans: readonly MeteringPlan[]): Promise<Determinants[]> {
    return meterIds.map((meterId, i) => evenly(plans[planOf[i]], 50_000 + (Number(meterId.slice(6)) % 1_000) * 150));
  }

  quarters(): Promise<never> {
    return Promise.reject(new Error('no bill of a run asks for quarter-hours'));
  }

  async regionPeak(): Promise<null> {
    return null;
  }
}

function evenly({ firstQuarter, energyBuckets, energyBucketCount, demandBucketCount, dayStarts }: MeteringPlan, microKwh: number): Determinants {
  const share = Math.floor(energyBuckets.length / energyBucketCount);
  return {
    importMicroKwh: new Array<number>(energyBucketCount).fill(share * microKwh),
    exportMicroKwh: new Array<number>(energyBucketCount).fill(0),
    peakMicroKw: new Array<number>(demandBucketCount).fill(microKwh * 4),
    peakQuarter: new Array<number>(demandBucketCount).fill(firstQuarter),
    momentMicroKw: [],
    dayImportMicroKwh: dayStarts.map((_, day) => 96 * microKwh + day),
    dayExportMicroKwh: dayStarts.map(() => 0),
    quality: { measured: energyBuckets.length, estimated: 0, missing: 0 },
    digest: microKwh,
  };
}

import { expect } from 'vitest';
import { OUTCOME } from '../../src/model/reading.ts';
import type { RegionPart, ShardAnswers } from '../../src/actors/shard/protocol.ts';
import { unpackDeterminants } from '../../src/model/determinants-row.ts';
import { PLAN_QUARTERS_MAX, QUARTER_MS, type EnergyQuarter, type MeteringPlan } from '../../src/model/energy.ts';
import { GRANULARITIES, type MeterWindow } from '../../src/model/window.ts';
import { AcceptedReadings } from '../oracle/accepted-readings.ts';
import { regionWindowsOf } from '../oracle/region-oracle.ts';
import { energyProblem } from '../oracle/energy-oracle.ts';
import { windowsOf, type OracleWindow } from '../oracle/window-oracle.ts';
import type { SentBatch, ShardHarness } from './shard-harness.ts';

/** What a shard must say when it is held against the set of readings it accepted. */

/** One billionth: the oracle rounds an estimated energy once, the engine rounds the mean before it multiplies. */
const ROUNDING_UNITS = 1;
/** Sums past 2^53 billionths and their quotients are doubles: a few units in the last place. */
const DOUBLE_SHARE = 4e-15;

/** True when two doubles stand for the same number of billionths, as far as doubles of that size can tell. */
export function agree(actual: number, expected: number, units = 0): boolean {
  return actual === expected || Math.abs(actual - expected) <= units * 1.000001e-9 + DOUBLE_SHARE * Math.abs(expected);
}

/** Holds a shard against the oracle: what it answers to each batch, and what it knows in the end. */
export class ShardExpectations {
  readonly accepted: AcceptedReadings;
  /** seq of every reading that had to be rejected. */
  private readonly rejectedSeqs: number[] = [];
  private readonly harness: ShardHarness;
  private readonly keepMs: number;

  /** `keepMs`: windows that end longer than this before their meter's newest reading may be gone. */
  constructor(harness: ShardHarness, horizonMs: number, keepMs = Infinity) {
    this.harness = harness;
    this.keepMs = keepMs;
    this.accepted = new AcceptedReadings(horizonMs);
    harness.onApplied = (batch) => this.applied(batch);
  }

  private applied({ readings, reply }: SentBatch): void {
    const forgettable = readings.map(() => false);
    const outcomes = readings.map((reading, i) => {
      forgettable[i] = reading.timestamp < this.accepted.newestOf(reading.meterId) - this.keepMs;
      return this.accepted.judge(reading);
    });
    readings.forEach(({ seq }, i) => {
      if (outcomes[i] !== OUTCOME.accepted && outcomes[i] !== OUTCOME.duplicate) this.rejectedSeqs.push(seq!);
    });
    // Found in the log after a crash: nobody was told anything.
    if (reply === null) return;
    const told = reply.outcomes === null ? readings.map(() => OUTCOME.accepted) : [...reply.outcomes];
    told.forEach((outcome, i) => {
      // Known, and its window taken or not: that is the checkpoints' business.
      if (outcome === OUTCOME.tooLate && forgettable[i] && (outcomes[i] === OUTCOME.duplicate || outcomes[i] === OUTCOME.conflict)) outcomes[i] = outcome;
    });
    expect(told).toEqual(outcomes);
    expect([reply.accepted, reply.duplicates]).toEqual([OUTCOME.accepted, OUTCOME.duplicate].map((code) => outcomes.filter((outcome) => outcome === code).length));
  }

  /** Windows of every meter. */
  checkWindows(pageLimit: number, areFinal: boolean): void {
    const readings = this.accepted.all();
    for (const granularity of GRANULARITIES) {
      const expected = windowsOf(readings, granularity);
      const actual = this.accepted.meters().flatMap((meterId) => this.harness.windowsOf(meterId, granularity, pageLimit));
      expectWindows(actual, expected);
      if (areFinal) expect(actual.filter(({ final }) => !final)).toEqual([]);
    }
  }

  /** Energy of quarter-hours that are over, which is what their windows say, and what the two ways of asking for it agree on. */
  checkEnergy(): void {
    for (const meterId of this.accepted.meters()) {
      const open = new Set(this.harness.windowsOf(meterId, '15m', 10_000).filter((window) => !window.final).map(({ windowStart }) => windowStart));
      const windows = windowsOf(this.accepted.all().filter((reading) => reading.meterId === meterId), '15m').filter(({ windowStart }) => !open.has(windowStart));
      expect(energyProblem(windows, (from, to) => this.harness.ask<'energyQuarters'>({ kind: 'energyQuarters', meterId, from, to })!)).toBeNull();
      const quarters = windows.map(({ windowStart }) => windowStart / QUARTER_MS);
      if (quarters.length > 0) this.checkDeterminants(meterId, Math.max(quarters[0], quarters.at(-1)! - PLAN_QUARTERS_MAX + 1), quarters.at(-1)! + 1);
    }
  }

  private checkDeterminants(meterId: string, from: number, to: number): void {
    const energyBuckets = new Uint8Array(to - from);
    const plan: MeteringPlan = { firstQuarter: from, energyBuckets, energyBucketCount: 1, demandBuckets: energyBuckets, demandBucketCount: 1, demandQuarters: 1, splits: [], moments: [], dayStarts: [] };
    const [found, none] = unpackDeterminants(this.harness.ask<'determinants'>({ kind: 'determinants', meterIds: [meterId, 'nobody'], planOf: Uint8Array.of(0, 0), plans: [plan] }), Uint8Array.of(0, 0), [plan]);
    const quarters = this.harness.ask<'energyQuarters'>({ kind: 'energyQuarters', meterId, from, to })!;
    const sum = quarters.reduce((total, { microKwh }) => total + BigInt(microKwh), 0n);
    const count = (quality: EnergyQuarter['quality']): number => quarters.filter((quarter) => quarter.quality === quality).length;
    expect(found!.quality).toEqual({ measured: count('measured'), estimated: count('estimated'), missing: count('missing') });
    if (Number.isSafeInteger(found!.importMicroKwh[0] + found!.exportMicroKwh[0])) expect(BigInt(found!.importMicroKwh[0]) - BigInt(found!.exportMicroKwh[0])).toBe(sum);
    expect(none).toBeNull();
    // Without a digest most days are added up as they are decoded.
    for (const [first, last] of [[from, to], [from + 1, to - 1]]) {
      if (first >= last) continue;
      const buckets = new Uint8Array(last - first);
      const part = { ...plan, firstQuarter: first, energyBuckets: buckets, demandBuckets: buckets };
      const plans: MeteringPlan[] = [part, { ...part, withoutDigest: true }];
      const [one, sums] = unpackDeterminants(this.harness.ask<'determinants'>({ kind: 'determinants', meterIds: [meterId, meterId], planOf: Uint8Array.of(0, 1), plans }), Uint8Array.of(0, 1), plans);
      expect(sums).toEqual({ ...one, digest: 0 });
    }
  }

  /** Regional parts, as asked for and as reported; right only once all windows are closed. */
  checkRegions(): void {
    const readings = this.accepted.all();
    for (const granularity of GRANULARITIES) {
      const expected = regionWindowsOf(windowsOf(readings, granularity));
      const regions = new Set(readings.map(({ region }) => region));
      const actual = [...regions].flatMap((region) => this.harness.ask<'regionParts'>({ kind: 'regionParts', region, granularity, from: 0, to: 1e13, limit: 1e6, withOpen: false }));
      expectParts(actual, expected);
      expectParts([...this.harness.reported.values()].filter((part) => part.granularity === granularity), expected);
    }
  }

  /** Meters, their counts and last values, and the load of the reporting ones. */
  checkMeters(): void {
    const { accepted, harness } = this;
    const loads = new Map<string, { meters: number; reporting: number; silent: number; loadUnits: number }>();
    for (const meterId of accepted.meters()) {
      const meter = harness.ask<'meter'>({ kind: 'meter', meterId })!;
      const region = accepted.region.get(meterId)!;
      expect([meterId, meter.readings, meter.newestTimestamp, meter.region, meter.lastPowerKw]).toEqual([
        meterId,
        accepted.countOf(meterId),
        accepted.newestOf(meterId),
        region,
        accepted.powerKw.get(meterId) ?? 0,
      ]);
      const load = loads.get(region) ?? { meters: 0, reporting: 0, silent: 0, loadUnits: 0 };
      loads.set(region, load);
      load.meters++;
      if (meter.health === 'reporting') {
        load.reporting++;
        load.loadUnits += Math.round(meter.lastPowerKw * 1e9);
      } else if (meter.health === 'silent') load.silent++;
    }
    const live = harness.actor.state.ledger.liveParts().filter(({ meters, reporting, silent }) => meters + reporting + silent > 0);
    expect(Object.fromEntries(live.map(({ region, meters, reporting, silent, loadHigh, loadLow }) => [region, { meters, reporting, silent, loadUnits: loadHigh * 2 ** 24 + loadLow }]))).toEqual(
      Object.fromEntries(loads),
    );
  }

  /** Every rejected reading is in the dead letters, once; they reach the store with a checkpoint. */
  checkDeadLetters(pageLimit: number): void {
    const seqs: number[] = [];
    const ids = new Set<string>();
    let cursor: string | null = null;
    do {
      const page: ShardAnswers['deadLetters'] = this.harness.ask<'deadLetters'>({ kind: 'deadLetters', query: { code: null, meterId: null, from: 0, to: 1e13, limit: pageLimit, cursor } });
      for (const letter of page.data) {
        ids.add(letter.id);
        seqs.push((JSON.parse(letter.raw) as { seq: number }).seq);
      }
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(ids.size).toBe(seqs.length);
    expect(seqs.sort((a, b) => a - b)).toEqual([...this.rejectedSeqs].sort((a, b) => a - b));
  }
}

/** Windows in the oracle's order: by meter, then start. */
export function expectWindows(actual: readonly MeterWindow[], expected: readonly OracleWindow[]): void {
  const name = ({ meterId, windowStart }: { meterId: string; windowStart: number }) => `${meterId} ${new Date(windowStart).toISOString()}`;
  expect(actual.map(name)).toEqual(expected.map(name));
  actual.forEach((window, i) => {
    const want = expected[i];
    const { avgPowerKw, energyKwhSum, voltageAvg, revision: _revision, final: _final, ...rest } = window;
    const { avgPowerKw: wantAvg, energyKwhSum: wantEnergy, voltageAvg: wantVoltage, ...wantRest } = want;
    expect(rest).toEqual(wantRest);
    const energyUnits = want.energySource === 'estimated' ? ROUNDING_UNITS : 0;
    const voltagesAgree = voltageAvg === wantVoltage || (voltageAvg !== null && wantVoltage !== null && agree(voltageAvg, wantVoltage));
    if (!agree(avgPowerKw, wantAvg) || !agree(energyKwhSum, wantEnergy, energyUnits) || !voltagesAgree) expect(window).toMatchObject({ ...want });
  });
}

export function expectParts(actual: readonly RegionPart[], expected: ReturnType<typeof regionWindowsOf>): void {
  // A region that every meter has left since keeps an empty part.
  const parts = actual.filter(({ meters }) => meters > 0);
  const summary = (part: { region: string; windowStart: number; meters: number; minPowerKw: number; maxPowerKw: number }) => [
    `${part.region}/${part.windowStart}`,
    part.meters,
    part.minPowerKw,
    part.maxPowerKw,
  ];
  const byKey = (a: unknown[], b: unknown[]) => (String(a[0]) < String(b[0]) ? -1 : 1);
  expect(parts.map(summary).sort(byKey)).toEqual([...expected.values()].map(summary).sort(byKey));
  for (const part of parts) {
    const want = expected.get(`${part.region}/${part.windowStart}`)!;
    const kw = (part.powerHigh * 2 ** 24 + part.powerLow) / 1e9;
    const kwh = (part.energyHigh * 2 ** 24 + part.energyLow) / 1e9;
    const isRight = agree(kw, Number(want.powerUnits) / 1e9) && agree(kwh, Number(want.energyUnits) / 1e9, want.meters * ROUNDING_UNITS);
    // Cancelling millions leave the error of the millions behind.
    if (!isRight && Math.abs(want.maxPowerKw) < 1e5 && Math.abs(want.minPowerKw) < 1e5) expect({ ...part, kw, kwh }).toEqual(want);
  }
}

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../runtime/clock.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { Availability } from './availability.ts';
import { freePort } from './engine-under-test.ts';
import { faultOrder, moveToSmallDisk, strike, type FaultKind, type FaultScene } from './faults.ts';
import { Findings, ProofOracle } from './oracle.ts';
import { ProofLoad } from './proof-load.ts';
import { ProofReadings } from './proof-readings.ts';
import { ProvenEngine } from './proven-engine.ts';
import { SeededChance } from './seeded-chance.ts';
import { SmallDisk } from './small-disk.ts';
import { checkWindows } from './window-check.ts';

export interface ProveOptions {
  rounds: number;
  seed: number;
  meters: number;
  /** A directory of this run's own. */
  directory: string;
  faults: readonly FaultKind[];
  signal: AbortSignal;
}

export interface RoundReport {
  round: number;
  fault: FaultKind;
  detail: string;
  /** Readings acknowledged in this round. */
  acknowledged: number;
  findings: Findings;
  unavailableMs: number;
  /** Ends nobody wanted, and words that were not clear. */
  troubles: string[];
}

export interface ProveReport {
  rounds: number;
  acknowledged: number;
  retries: number;
  abandoned: number;
  conflicts: number;
  findings: Findings;
  troubles: string[];
  longestUnavailableMs: number;
  longestUnavailableFault: FaultKind | null;
}

const MINUTE_MS = 60_000;
/** Readings of the past begin this long ago: room for a week of rounds before they reach the present. */
const PAST_MS = 200 * 24 * 60 * MINUTE_MS;
/** All windows of all rounds are held against the oracle again after so many rounds, and at the end. */
const FULL_CHECK_ROUNDS = 25;
/** Load before the fault, and after the engine is back. */
const LOAD_BEFORE_MS = { min: 50, max: 700 };
const LOAD_AFTER_MS = { min: 50, max: 400 };

/** Whether this process may have a small disk of its own. */
export function canFillDisks(directory: string): boolean {
  const disk = SmallDisk.mount(join(directory, 'trial-mount'), 1024 * 1024);
  disk?.unmount();
  return disk !== null;
}

/** Runs the rounds; ends early when the signal fires. Rejects with OperationalError when the engine is gone for good. */
export async function prove(options: ProveOptions, onRound: (report: RoundReport) => void): Promise<ProveReport> {
  const run = new ProveRun(options, await freePort());
  try {
    return await run.all(onRound);
  } finally {
    await run.close();
  }
}

class ProveRun {
  private readonly options: ProveOptions;
  private readonly chance: SeededChance;
  private readonly engine: ProvenEngine;
  private readonly oracle: ProofOracle;
  private readonly availability = new Availability(() => systemClock.monotonic());
  /** Of answers to senders; windows have findings of their own. */
  private readonly answers = new Findings();
  private readonly load: ProofLoad;
  private readonly totals = new Findings();
  private readonly troubles: string[] = [];
  private longestUnavailableMs = 0;
  private longestUnavailableFault: FaultKind | null = null;
  private acknowledgedBefore = 0;
  private answersBefore = { lost: 0, duplicated: 0, wrong: 0 };

  constructor(options: ProveOptions, ingestPort: number) {
    this.options = options;
    this.chance = new SeededChance(options.seed, 0);
    const dataDir = join(options.directory, 'data');
    mkdirSync(dataDir, { recursive: true });
    this.engine = new ProvenEngine({ dataDir, ingestPort, shards: 2, ingestThreads: 1 });
    this.oracle = new ProofOracle(new ProofReadings(options.seed));
    const firstMinute = Math.floor((Date.now() - PAST_MS) / (15 * MINUTE_MS)) * 15;
    const ingestUrl = new URL(`http://127.0.0.1:${ingestPort}/ingest`);
    this.load = new ProofLoad(
      { ingestUrls: () => [ingestUrl], answersTellOutcomes: true, seed: options.seed, meters: options.meters, firstMinute },
      { oracle: this.oracle, findings: this.answers, availability: this.availability },
    );
  }

  async all(onRound: (report: RoundReport) => void): Promise<ProveReport> {
    const { rounds, faults, signal } = this.options;
    await this.engine.start();
    const order = faultOrder(faults, this.chance);
    let round = 0;
    while (round < rounds && !signal.aborted) {
      round++;
      onRound(await this.round(round, order.next().value));
    }
    await this.engine.kill9();
    await this.engine.start();
    this.totals.add(await this.checked(this.oracle.everything()));
    const { acknowledged, retries, abandoned, conflicts } = this.load.totals;
    return {
      rounds: round,
      acknowledged,
      retries,
      abandoned,
      conflicts,
      findings: this.totals,
      troubles: this.troubles,
      longestUnavailableMs: this.longestUnavailableMs,
      longestUnavailableFault: this.longestUnavailableFault,
    };
  }

  async close(): Promise<void> {
    this.load.close();
    await this.engine.close();
  }

  private async round(round: number, fault: FaultKind): Promise<RoundReport> {
    const small = fault === 'disk-full' ? await moveToSmallDisk(this.engine, join(this.options.directory, 'small-disk')) : null;
    if (fault === 'disk-full' && small === null) throw new OperationalError('no_small_disk', 'a small disk could not be mounted any more; leave out the fault disk-full');
    this.load.start();
    await sleep(this.chance.whole(LOAD_BEFORE_MS.min, LOAD_BEFORE_MS.max));
    const struck = await strike(fault, this.scene());
    await this.load.everySenderServed();
    await sleep(this.chance.whole(LOAD_AFTER_MS.min, LOAD_AFTER_MS.max));
    await this.load.pause();
    const findings = await this.checked(round % FULL_CHECK_ROUNDS === 0 ? this.oracle.everything() : this.oracle.takeTouched());
    findings.add(this.freshAnswers());
    await small?.back();
    return this.report(round, fault, struck, findings);
  }

  private report(round: number, fault: FaultKind, { detail, unclear }: { detail: string; unclear?: string }, findings: Findings): RoundReport {
    const unavailableMs = this.availability.take();
    if (unavailableMs > this.longestUnavailableMs) {
      this.longestUnavailableMs = unavailableMs;
      this.longestUnavailableFault = fault;
    }
    const acknowledged = this.load.totals.acknowledged - this.acknowledgedBefore;
    this.acknowledgedBefore += acknowledged;
    const troubles = this.engine.unwantedEnds.splice(0);
    if (unclear !== undefined) troubles.push(unclear);
    this.troubles.push(...troubles.map((text) => `round ${round}, ${fault}: ${text}`));
    this.totals.add(findings);
    return { round, fault, detail, acknowledged, findings, unavailableMs, troubles };
  }

  private scene(): FaultScene {
    return {
      engine: this.engine,
      chance: this.chance,
      refusals: () => this.load.totals.retries + this.load.totals.abandoned,
      offTheClock: async (work) => {
        this.availability.suspend();
        try {
          return await work();
        } finally {
          this.availability.resume();
        }
      },
      proveRight: async (apiUrl) => {
        try {
          const findings = await checkWindows(this.oracle, this.oracle.everything(), apiUrl);
          return findings.isClean ? null : `answers wrongly: ${findings.examples[0]}`;
        } catch (error) {
          if (error instanceof OperationalError) return `fails at queries: ${error.message}`;
          throw error;
        }
      },
    };
  }

  private checked(meters: ReadonlyMap<number, number>): Promise<Findings> {
    return checkWindows(this.oracle, meters, this.engine.apiUrl);
  }

  private freshAnswers(): Findings {
    const fresh = new Findings();
    for (const kind of ['lost', 'duplicated', 'wrong'] as const) {
      fresh[kind] = this.answers[kind] - this.answersBefore[kind];
      this.answersBefore[kind] = this.answers[kind];
    }
    if (!fresh.isClean) fresh.examples.push(...this.answers.examples.splice(0));
    return fresh;
  }
}

/** Removes what a run left. */
export function removeRun(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

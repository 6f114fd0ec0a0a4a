import type { Clock, TimerHandle, Timers } from '../../runtime/clock.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { Store } from '../../runtime/store.ts';
import type { Tracing } from '../../runtime/tracing.ts';
import type { ShardReport } from '../shard/protocol.ts';
import { ShardStore } from '../shard/shard-store.ts';
import { ChangelogStore, restoreState, statePlace } from './changelog.ts';
import { followedLog } from './followed-log.ts';
import type { LogLink, Taken } from './log-channel.ts';
import type { DecodedLogMessage } from './message-decoding.ts';
import { PartitionActor, type PartitionOptions } from './partition-actor.ts';
import type { LogMessage } from './protocol.ts';

/** The partitions that this thread is to have, each taken, served, given up, and taken anew when something went wrong with it. */

/** How a partition is doing here. */
export type PartitionState =
  | { state: 'taking' }
  | { state: 'ready'; restoredChanges: number; tookMs: number }
  /** Tried again all the same, in case somebody mends it. */
  | { state: 'refused'; code: string; reason: string }
  | { state: 'released' };

export interface PartitionHostOptions extends Omit<PartitionOptions, 'partition'> {
  /** How long the changelog remembers removals, ms. */
  removalsKeptMs: number;
  /** For the last checkpoint of a partition that is given up, ms. */
  lastStepMs: number;
}

export interface PartitionHostModules {
  log: Log;
  clock: Clock;
  timers: Timers;
  /** Null while there is none. */
  link(): LogLink | null;
  /** The partition's local store, made when it is not there. Throws OperationalError. */
  openLocal(partition: number): Store;
  /** Removes it; it is closed. */
  discardLocal(partition: number): void;
  decode(message: LogMessage): DecodedLogMessage;
  /** Absent or null: messages are not traced. */
  tracing?: Tracing | null;
  /** Another name at each call, among all processes: small letters and digits. */
  newLife(): string;
  onState(partition: number, state: PartitionState): void;
  onReport(report: ShardReport): void;
}

/** Counts of partitions, of those that are here no more as well: what a thread counts never falls. */
export interface PartitionTotals {
  readings: number;
  records: number;
  deadLetters: number;
  late: number;
  duplicates: number;
  windowsClosed: number[];
  windowsCorrected: number;
}

/** Between attempts to take a partition. */
const RETRY_MIN_MS = 200;
const RETRY_MAX_MS = 15_000;
/** What somebody else or time mends: no reason to say that the partition is refused. */
const PASSING: ReadonlySet<string> = new Set(['fenced', 'released', 'stopping', 'peer_gone', 'unavailable']);
/** People look at their tools every few seconds at most. */
const NOTE_MS = 5_000;

export class PartitionHost {
  private readonly options: PartitionHostOptions;
  private readonly modules: PartitionHostModules;
  private readonly tenancies = new Map<number, Tenancy>();
  /** Of partitions that are being given up: their stores are open. */
  private readonly leaving = new Map<number, Promise<void>>();
  private readonly noteTimer: TimerHandle;
  private readonly retired = zeroTotals();

  constructor(options: PartitionHostOptions, modules: PartitionHostModules) {
    this.options = options;
    this.modules = modules;
    this.noteTimer = modules.timers.every(NOTE_MS, () => this.note());
  }

  /** These and no others are to be served here from now on. */
  own(partitions: readonly number[]): void {
    for (const [partition, tenancy] of this.tenancies) if (!partitions.includes(partition)) this.giveUp(partition, tenancy);
    for (const partition of partitions) {
      if (this.tenancies.has(partition)) continue;
      const tenancy = new Tenancy(partition, this.options, this.modules, (actor) => addTotals(this.retired, actor));
      this.tenancies.set(partition, tenancy);
      tenancy.start(this.leaving.get(partition) ?? Promise.resolve());
    }
  }

  /** Null unless it is ready here. */
  actorOf(partition: number): PartitionActor | null {
    return this.tenancies.get(partition)?.ready ?? null;
  }

  /** All that are ready. */
  *ready(): Generator<[number, PartitionActor]> {
    for (const [partition, { ready }] of this.tenancies) if (ready !== null) yield [partition, ready];
  }

  /** Those that cannot be served, and why, by code. */
  *refused(): Generator<[number, string]> {
    for (const [partition, { refusal }] of this.tenancies) if (refusal !== null) yield [partition, refusal];
  }

  totals(): PartitionTotals {
    const totals = { ...this.retired, windowsClosed: [...this.retired.windowsClosed] };
    for (const [, actor] of this.ready()) addTotals(totals, actor);
    return totals;
  }

  /** Gives all up, each with a last checkpoint. */
  async stop(): Promise<void> {
    this.noteTimer.cancel();
    this.own([]);
    await Promise.all(this.leaving.values());
  }

  private giveUp(partition: number, tenancy: Tenancy): void {
    this.tenancies.delete(partition);
    const left: Promise<void> = tenancy.end().then(() => {
      if (this.leaving.get(partition) === left) this.leaving.delete(partition);
    });
    this.leaving.set(partition, left);
  }

  private note(): void {
    for (const [partition, actor] of this.ready()) this.modules.link()?.note(partition, actor.position);
  }
}

/** One partition, from when it is this node's until it is not. */
class Tenancy {
  /** While questions about it can be answered. */
  ready: PartitionActor | null = null;
  /** Code of why it cannot be served, until it is. */
  refusal: string | null = null;
  private readonly partition: number;
  private readonly options: PartitionHostOptions;
  private readonly modules: PartitionHostModules;
  private isOver = false;
  private onOver!: () => void;
  private readonly over = new Promise<void>((resolve) => (this.onOver = resolve));
  private running: Promise<void> = Promise.resolve();
  private readonly onRetired: (actor: PartitionActor) => void;

  constructor(partition: number, options: PartitionHostOptions, modules: PartitionHostModules, onRetired: (actor: PartitionActor) => void) {
    this.onRetired = onRetired;
    this.partition = partition;
    this.options = options;
    this.modules = modules;
  }

  /** Begins once `before` is done. */
  start(before: Promise<void>): void {
    this.running = before.then(() => this.run());
  }

  /** Resolves when nothing of it is left open. */
  async end(): Promise<void> {
    this.isOver = true;
    this.retire();
    this.onOver();
    await this.running;
  }

  private async run(): Promise<void> {
    const { modules, partition } = this;
    let waitMs = RETRY_MIN_MS;
    modules.onState(partition, { state: 'taking' });
    while (!this.isOver) {
      const startedMs = modules.clock.monotonic();
      const error = await this.serve();
      this.retire();
      modules.link()?.release(partition);
      if (this.isOver) break;
      // One that was well for a while begins with short waits again.
      if (modules.clock.monotonic() - startedMs > RETRY_MAX_MS * 2) waitMs = RETRY_MIN_MS;
      this.report(error);
      await Promise.race([this.over, new Promise<void>((resolve) => modules.timers.after(waitMs, resolve))]);
      waitMs = Math.min(RETRY_MAX_MS, waitMs * 2);
    }
    modules.onState(partition, { state: 'released' });
  }

  private retire(): void {
    if (this.ready !== null) this.onRetired(this.ready);
    this.ready = null;
  }

  private report(error: unknown): void {
    const { log, onState } = this.modules;
    const { partition } = this;
    const code = refusalCode(error);
    if (PASSING.has(code)) {
      log.warn({ partition, code }, `partition ${partition} is taken anew: ${(error as Error).message}`);
      onState(partition, { state: 'taking' });
      return;
    }
    this.refusal = code;
    log.error({ err: error, partition }, `partition ${partition} is not served: ${(error as Error).message}`);
    onState(partition, { state: 'refused', code, reason: (error as Error).message });
  }

  /** Takes and serves the partition until it is over or something goes wrong; gives what did. */
  private async serve(): Promise<unknown> {
    let actor: PartitionActor | null = null;
    let local: Store | null = null;
    try {
      const { modules, partition } = this;
      const startedMs = modules.clock.monotonic();
      const link = modules.link();
      if (link === null) throw new OperationalError('unavailable', 'the thread that talks to Kafka is restarting', { retryable: true });
      const taken = await link.take(partition);
      this.throwIfOver();
      const opened = (local = await this.openLocal(taken));
      const stateLog = link.stateOf(partition);
      const restoredChanges = await restoreState(opened, stateLog, statePlace(opened)?.offset ?? 0, () => modules.clock.now());
      this.throwIfOver();
      const store = new ShardStore(new ChangelogStore(opened, stateLog, () => modules.clock.now()), followedLog());
      refuseLostState(store, taken, partition);
      throwIfOvertaken(store, statePlace(opened)?.offset ?? 0, taken);
      return await new Promise<unknown>((resolve) => {
        const started = (actor = this.actorOn(store, link, resolve, { restoredChanges, startedMs }));
        void started.start(taken.log).catch(resolve);
        void this.over.then(() => resolve(null));
      });
    } catch (error) {
      return error;
    } finally {
      const writeMs = this.isOver ? this.options.lastStepMs : 0;
      // The store of a half-made actor is closed with it; one that fails to close has written what it could.
      if (actor !== null) await (actor as PartitionActor).stop(writeMs).catch(() => {});
      else await (local as Store | null)?.close().catch(() => {});
    }
  }

  private actorOn(store: ShardStore, link: LogLink, onFailure: (error: unknown) => void, from: { restoredChanges: number; startedMs: number }): PartitionActor {
    const { modules, partition, options } = this;
    const { log, clock, timers, decode, tracing, onReport, onState } = modules;
    const actor: PartitionActor = new PartitionActor({ ...options, partition }, {
      store,
      log,
      clock,
      timers,
      life: modules.newLife(),
      partitionLog: link.logOf(partition),
      decode,
      tracing,
      onReport,
      onFailure,
      onReady: () => {
        if (this.isOver) return;
        this.ready = actor;
        this.refusal = null;
        const tookMs = Math.round(clock.monotonic() - from.startedMs);
        const { records, readings } = actor.counts;
        log.info({ partition, tookMs, restoredChanges: from.restoredChanges, records, readings, meters: actor.state.directory.meterCount }, `partition ${partition} is ready`);
        onState(partition, { state: 'ready', restoredChanges: from.restoredChanges, tookMs });
      },
    });
    return actor;
  }

  /** The local store, if it is a beginning of the changelog as that is now; else an empty one. */
  private async openLocal({ stateEnd }: Taken): Promise<Store> {
    const { modules, partition, options } = this;
    const found = modules.openLocal(partition);
    const place = statePlace(found);
    // Half of the time that removals are kept: clocks differ, and it takes a while to read on.
    const isFresh = place !== null && modules.clock.now() - place.atMs < options.removalsKeptMs / 2;
    if (place === null || (place.offset <= stateEnd && isFresh)) return found;
    modules.log.info({ partition, place, stateEnd }, `what the data directory holds of partition ${partition} is too old or of another topic; its state is read from the beginning`);
    await found.close();
    modules.discardLocal(partition);
    return modules.openLocal(partition);
  }

  private throwIfOver(): void {
    if (this.isOver) throw new OperationalError('released', 'the partition was given up meanwhile', { retryable: true });
  }
}

/** A full disk by its own name, wherever it was met: room on it is all that is missing. */
function refusalCode(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof OperationalError && at.code === 'storage_full') return 'storage_full';
  return error instanceof OperationalError ? error.code : 'internal';
}

/** An empty state where something was folded before would count the rest of the log as if nothing had been before it. */
function refuseLostState(store: ShardStore, { noted, log }: Taken, partition: number): void {
  if (noted === null || noted === 0 || store.identity() !== null || log.begin === 0) return;
  throw new OperationalError('state_lost', `the state of partition ${partition} is gone from the topic, but it had been folded up to offset ${noted}, and the log begins with ${log.begin}: bring the topic back, or delete the group's offsets to begin with what the log still has`);
}

/** Whoever takes it after this node and writes on leaves a state that is ahead of the log as it was looked at; without such writing the log is another one, which the actor says. */
function throwIfOvertaken(store: ShardStore, stateEnd: number, taken: Taken): void {
  if (stateEnd <= taken.stateEnd || store.appliedPosition().sequence <= taken.log.end) return;
  throw new OperationalError('fenced', 'another node has taken the partition meanwhile', { retryable: true });
}

function zeroTotals(): PartitionTotals {
  return { readings: 0, records: 0, deadLetters: 0, late: 0, duplicates: 0, windowsClosed: [0, 0], windowsCorrected: 0 };
}

function addTotals(totals: PartitionTotals, { counts, state: { counters } }: PartitionActor): void {
  totals.readings += counts.readings;
  totals.records += counts.records;
  totals.deadLetters += counts.deadLetters;
  totals.late += counters.late;
  totals.duplicates += counters.duplicates;
  counters.windowsClosed.forEach((count, granularity) => (totals.windowsClosed[granularity] += count));
  totals.windowsCorrected += counters.windowsCorrected[0] + counters.windowsCorrected[1];
}

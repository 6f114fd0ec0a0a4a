import type { Clock, TimerHandle, Timers } from '../../runtime/clock.ts';
import { invariant } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { Span, Tracing } from '../../runtime/tracing.ts';
import { Backoff, isRetryable } from './backoff.ts';
import { describeError, LANE_TOTALS, worstOf, type LaneTotals, type SinkFigures, type SinkState } from './figures.ts';
import { SinkLane, type HeldBatch } from './lane.ts';
import type { EffectBatch, EffectSource, SentRegionWindow, SinkWriter, WriteReport } from './protocol.ts';
import { PumpNews } from './pump-news.ts';
import { RegionTurns } from './region-turns.ts';
import { WriteSlots } from './write-slots.ts';

/**
 * Moves effects from the shards, and from the supervisors, to one writer. Each has its own lane: one batch is written while the next is read. After a writer's error nothing new is
 * written until the writes under way have ended and the writer has been opened again: its cursor says what became of the batch that failed.
 *
 * Shards may come and go (partitions of a log that several engines share): one that comes has the writer opened again, since its cursor is where another engine left it. What that engine still
 * writes meanwhile moves the cursor, which is a failed write here, and so the writer is opened once more.
 */

const WINDOWS_PER_BATCH = 5_000;
const IDLE_MS = 200;
const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 30_000;

export interface SinkPumpOptions {
  /** Those that are there from the start, numbered from 0. */
  shards: number;
  /** Lanes of supervisors (ALERTS_LANE, BILLING_LANE); default none. */
  supervisors?: readonly number[];
  /** Writes that may go side by side; default one for each shard and supervisor. */
  slots?: number;
  /** Regional windows carry a revision, so those of several shards may be asked for and written in any order; default false. */
  hasRegionRevisions?: boolean;
  /** Windows of meters in a batch, about; two batches a shard are in memory at most. Default 5,000: 50 ms of work for a database. */
  windowsPerBatch?: number;
  /** How often a shard without anything new is asked; default 200 ms. */
  idleMs?: number;
  /** Waits after retryable failures in a row are by chance between 0 and a time that doubles from the first (default 250 ms) to the second (default 30 s). */
  backoffMinMs?: number;
  backoffMaxMs?: number;
}

export interface SinkPumpModules {
  source: EffectSource;
  writer: SinkWriter;
  clock: Clock;
  timers: Timers;
  /** From 0 to below 1; for back-off. */
  random(): number;
  log: Log;
  /** Absent or null: writes are not traced. */
  tracing?: Tracing | null;
  /** The pump has come to something that cannot be and does no more; called once at most. Failures of the shards and of the writer never end here. */
  onFailure(error: unknown): void;
}

/** `closed`: nothing new is written, and it is opened when the writes under way have ended and the back-off is over. */
type Connection = 'closed' | 'opening' | 'open';

export class SinkPump {
  private readonly options: Required<Omit<SinkPumpOptions, 'shards' | 'supervisors' | 'slots'>>;
  private readonly modules: SinkPumpModules;
  private readonly lanes = new Map<number, SinkLane>();
  private readonly laneTimers = new Map<number, TimerHandle>();
  /** Of shards that have gone, while their write is under way. */
  private readonly goneWriting = new Set<SinkLane>();
  /** What the lanes of shards that have gone had counted. */
  private readonly gone: LaneTotals = { batches: 0, rows: 0, setAside: 0, failures: 0 };
  private readonly slots: WriteSlots;
  private readonly turns = new RegionTurns();
  private readonly openBackoff: Backoff;
  private readonly news: PumpNews;
  private phase: 'new' | 'running' | 'stopping' | 'stopped' | 'broken' = 'new';
  private connection: Connection = 'closed';
  private connectionTimer: TimerHandle | null = null;
  private openFailures = 0;
  private stopped: Promise<void> | null = null;
  /** Called when nothing is under way any more at the writer. */
  private onQuiet: (() => void) | null = null;

  constructor(options: SinkPumpOptions, modules: SinkPumpModules) {
    const { shards, supervisors = [], slots = null, hasRegionRevisions = false, windowsPerBatch = WINDOWS_PER_BATCH, idleMs = IDLE_MS, backoffMinMs = BACKOFF_MIN_MS, backoffMaxMs = BACKOFF_MAX_MS } = options;
    invariant(shards >= 0 && windowsPerBatch > 0 && idleMs > 0 && backoffMinMs > 0 && backoffMaxMs >= backoffMinMs, 'a sink needs batches and times above 0');
    this.options = { hasRegionRevisions, windowsPerBatch, idleMs, backoffMinMs, backoffMaxMs };
    this.modules = modules;
    this.news = new PumpNews(modules);
    this.openBackoff = new Backoff(this.options, modules.random);
    this.slots = new WriteSlots(slots, shards, supervisors);
    for (let shard = 0; shard < shards; shard++) this.lanes.set(shard, this.newLane(shard));
    for (const lane of supervisors) this.lanes.set(lane, this.newLane(lane));
  }

  private newLane(shard: number): SinkLane {
    const { random, clock } = this.modules;
    return new SinkLane(shard, this.options, random, clock.monotonic());
  }

  /** Begins to connect; returns at once. */
  start(): void {
    invariant(this.phase === 'new', `the pump to ${this.modules.writer.name} is started and was ${this.phase}`);
    this.phase = 'running';
    this.begin(this.open());
  }

  /** A shard is there whose effects are to be written here from now on. */
  shardUp(shard: number): void {
    if (this.lanes.has(shard)) return;
    this.carryOn(() => {
      this.lanes.set(shard, this.newLane(shard));
      if (this.connection === 'open') this.connection = 'closed';
      this.reopen();
    });
  }

  /** It is not any more. A write that is under way ends. */
  shardDown(shard: number): void {
    const lane = this.lanes.get(shard);
    if (lane === undefined) return;
    this.carryOn(() => {
      this.lanes.delete(shard);
      this.laneTimers.get(shard)?.cancel();
      this.laneTimers.delete(shard);
      if (lane.isWriting) this.goneWriting.add(lane);
      else this.retire(lane);
    });
  }

  private retire(lane: SinkLane): void {
    this.goneWriting.delete(lane);
    const figures = lane.figures(null, this.modules.clock.monotonic());
    for (const total of LANE_TOTALS) this.gone[total] += figures[total];
    this.leaveSlot(lane);
    this.leaveTurn(lane);
  }

  /** False when its shard has gone, or has come anew. */
  private isHere(lane: SinkLane): boolean {
    return this.lanes.get(lane.shard) === lane;
  }

  /**
   * Begins nothing new, lets the writes under way end, tells the shards what is written and closes the writer. Resolves when that is done or `timeoutMs` are over;
   * never rejects. What was read and not written is read again by the next pump.
   */
  stop(timeoutMs: number): Promise<void> {
    this.stopped ??= this.endWithin(timeoutMs);
    return this.stopped;
  }

  figures(): SinkFigures {
    const nowMs = this.modules.clock.monotonic();
    const connection = this.connectionState();
    const shards = [...this.lanes.values()].map((lane) => lane.figures(connection, nowMs));
    return {
      sink: this.modules.writer.name,
      state: shards.length === 0 ? (connection ?? 'running') : worstOf(shards.map(({ state }) => state)),
      lagMs: Math.max(0, ...shards.map(({ lagMs }) => lagMs)),
      openFailures: this.openFailures,
      lastError: this.news.lastError,
      shards,
      gone: this.gone,
    };
  }

  /** null while it is open. */
  private connectionState(): SinkState | null {
    if (this.phase === 'broken') return 'failed';
    return this.connection === 'open' ? null : (this.openBackoff.state ?? 'connecting');
  }

  private async open(): Promise<void> {
    this.connection = 'opening';
    let cursorOf: (shard: number) => string | null;
    try {
      cursorOf = await this.modules.writer.open();
    } catch (error) {
      this.carryOn(() => this.openFailed(error));
      return;
    }
    this.carryOn(() => this.opened(cursorOf));
  }

  private opened(cursorOf: (shard: number) => string | null): void {
    const nowMs = this.modules.clock.monotonic();
    this.connection = 'open';
    this.openBackoff.succeeded();
    for (const lane of this.lanes.values()) {
      lane.placed(cursorOf(lane.shard), nowMs);
      // What became of a failed batch is known now, so others may write its regions; one that asks writes or gives up its turn itself.
      if (!lane.isAsking) this.turns.leave(lane.shard);
    }
    if (this.phase === 'stopping') this.noteQuiet();
    for (const lane of this.lanes.values()) this.run(lane);
  }

  private openFailed(error: unknown): void {
    this.connection = 'closed';
    this.openFailures++;
    this.openBackoff.failed(isRetryable(error), this.modules.clock.monotonic());
    this.news.writerFailed(error, null, this.rows());
    if (this.phase === 'stopping') this.noteQuiet();
    else this.reopen();
  }

  /** Opens the writer again once no write is under way and the back-off is over. */
  private reopen(): void {
    if (this.phase !== 'running' || this.connection !== 'closed' || this.connectionTimer !== null || this.isWriting()) return;
    const waitMs = Math.max(0, this.openBackoff.retryAtMs - this.modules.clock.monotonic());
    this.connectionTimer = this.modules.timers.after(waitMs, () => {
      this.connectionTimer = null;
      this.carryOn(() => this.begin(this.open()));
    });
  }

  /** Begins whatever is to be done for a shard now, and sets its timer for what is to be done later. */
  private run(lane: SinkLane): void {
    if (this.phase !== 'running' || !this.isHere(lane)) return;
    const nowMs = this.modules.clock.monotonic();
    const next = lane.nextRead(nowMs);
    if (next !== undefined) this.begin(this.read(lane, next.position));
    const held = lane.nextWrite(nowMs);
    if (held !== null && this.connection === 'open') this.take(lane, held);
    this.acknowledge(lane, false);
    this.noteRecovery(nowMs);
    this.laneTimers.get(lane.shard)?.cancel();
    const wakeAtMs = lane.wakeAtMs(nowMs);
    if (wakeAtMs === Infinity) this.laneTimers.delete(lane.shard);
    else this.laneTimers.set(lane.shard, this.modules.timers.after(wakeAtMs - nowMs, () => this.carryOn(() => this.run(lane))));
  }

  private async read(lane: SinkLane, position: string | null): Promise<void> {
    const { source, writer, clock } = this.modules;
    lane.readBegins(position, clock.monotonic());
    let batch: EffectBatch;
    try {
      batch = await source.read(lane.shard, writer.name, position, this.options.windowsPerBatch);
    } catch (error) {
      this.carryOn(() => {
        if (!this.isHere(lane)) return;
        lane.readFails(error, clock.monotonic());
        this.news.sourceFailed(lane.readTrouble, error, `${lane.name} does not say what changed`);
        this.run(lane);
      });
      return;
    }
    this.carryOn(() => {
      if (!this.isHere(lane)) return;
      lane.readEnds(batch, clock.monotonic());
      this.news.sourceIsBack(lane.readTrouble, `${lane.name} says again what changed`);
      this.run(lane);
    });
  }

  /** Writes the batch, if need be when the turn for its regional windows has come. */
  private take(lane: SinkLane, held: HeldBatch): void {
    const { regionWindows: keys } = held.batch;
    if (this.slots.take(lane.shard) === null) return;
    if (keys.length === 0) this.begin(this.write(lane, held, []));
    else if (this.options.hasRegionRevisions || this.turns.take(lane.shard, keys)) this.begin(this.askAndWrite(lane, held));
    else this.leaveSlot(lane);
  }

  private async askAndWrite(lane: SinkLane, held: HeldBatch): Promise<void> {
    lane.askBegins();
    let regionWindows: SentRegionWindow[];
    try {
      regionWindows = await this.modules.source.regionWindows(held.batch.regionWindows);
    } catch (error) {
      this.carryOn(() => {
        if (!this.isHere(lane)) return;
        lane.askFails(error, this.modules.clock.monotonic());
        this.news.sourceFailed(this.news.regionTrouble, error, 'the shards do not give their regional windows');
        this.leaveSlot(lane);
        this.leaveTurn(lane);
        this.run(lane);
      });
      return;
    }
    this.carryOn(() => {
      if (!this.isHere(lane)) return;
      this.news.sourceIsBack(this.news.regionTrouble, 'the shards give their regional windows again');
      if (lane.askEnds(held) && this.connection === 'open' && this.phase === 'running') {
        this.begin(this.write(lane, held, regionWindows));
        return;
      }
      this.leaveSlot(lane);
      this.leaveTurn(lane);
      this.run(lane);
    });
  }

  private async write(lane: SinkLane, held: HeldBatch, regionWindows: SentRegionWindow[]): Promise<void> {
    const { shard, position, windows, windowCount, anomalies, deadLetters, alerts, billing } = held.batch;
    lane.writeBegins(held);
    const span = this.beginSpan(held);
    let report: WriteReport;
    try {
      report = await this.modules.writer.write({ shard, position, windows, windowCount, regionWindows, anomalies, deadLetters, alerts, billing, traceparent: span?.traceparent }, this.slots.take(shard)!);
    } catch (error) {
      span?.end({ error: describeError(error).code });
      this.carryOn(() => this.writeFailed(lane, error, span));
      return;
    }
    span?.end({ attributes: { 'seg.rows': report.written } });
    this.carryOn(() => {
      lane.writeEnds(report);
      this.news.written(shard, report, span);
      this.leaveTurn(lane);
      this.writeEnded(lane);
    });
  }

  /** Under the first request whose reading is in it, with links to the others; null: none of them is traced. Each attempt has one. */
  private beginSpan({ batch: { shard, traces = [], windowCount } }: HeldBatch): Span | null {
    const { tracing = null, writer } = this.modules;
    if (tracing === null || traces.length === 0) return null;
    const kind = writer.name === 'kafka' ? 'producer' : 'client';
    return tracing.continue(`write ${writer.name}`, traces[0], { kind, links: traces.slice(1), attributes: { 'seg.shard': shard, 'seg.windows': windowCount } });
  }

  /** The shard keeps its turn until the writer is open again: the batch may have been committed, or may still be. */
  private writeFailed(lane: SinkLane, error: unknown, span: Span | null): void {
    const nowMs = this.modules.clock.monotonic();
    lane.writeFails(error, nowMs);
    if (this.connection === 'open') {
      this.connection = 'closed';
      this.openBackoff.failed(true, nowMs);
    }
    this.news.writerFailed(error, lane.shard, this.rows(), span);
    this.writeEnded(lane);
  }

  private writeEnded(lane: SinkLane): void {
    if (this.goneWriting.has(lane)) {
      this.acknowledge(lane, true);
      this.retire(lane);
    } else this.leaveSlot(lane);
    if (this.phase === 'stopping') this.noteQuiet();
    this.reopen();
    this.run(lane);
  }

  private leaveTurn(lane: SinkLane): void {
    for (const shard of this.turns.leave(lane.shard)) this.runShard(shard);
  }

  private leaveSlot(lane: SinkLane): void {
    this.slots.leave(lane.shard);
    for (let next = this.slots.next(); next !== null; next = this.slots.next()) this.runShard(next);
  }

  private runShard(shard: number): void {
    const lane = this.lanes.get(shard);
    if (lane !== undefined) this.run(lane);
  }

  private acknowledge(lane: SinkLane, isEnding: boolean): void {
    const nowMs = this.modules.clock.monotonic();
    const position = lane.nextAcknowledgement(nowMs, isEnding);
    if (position === null) return;
    lane.acknowledged(nowMs);
    this.modules.source.acknowledge(lane.shard, this.modules.writer.name, position);
  }

  private isWriting(): boolean {
    return this.goneWriting.size > 0 || [...this.lanes.values()].some((lane) => lane.isWriting);
  }

  private rows(): number {
    return [...this.lanes.values()].reduce((sum, { rows }) => sum + rows, this.gone.rows);
  }

  private noteRecovery(nowMs: number): void {
    if (!this.news.isWriterAway || this.connection !== 'open') return;
    const lanes = [...this.lanes.values()];
    if (lanes.some(({ isWriterFailing }) => isWriterFailing)) return;
    this.news.writerTakes({ isCaughtUp: lanes.every((lane) => lane.isCaughtUp), rows: this.rows() }, nowMs);
  }

  private async endWithin(timeoutMs: number): Promise<void> {
    const { clock, timers, writer, log } = this.modules;
    if (this.phase === 'new') {
      this.phase = 'stopped';
      return;
    }
    const endMs = clock.monotonic() + timeoutMs;
    if (this.phase === 'running') this.phase = 'stopping';
    this.cancelTimers();
    const quiet = new Promise<void>((resolve) => (this.onQuiet = resolve));
    this.noteQuiet();
    const isQuiet = await endsWithin(timers, timeoutMs, quiet);
    if (!isQuiet) log.warn({ sink: writer.name, timeoutMs }, `what ${writer.name} is doing is left behind`);
    this.carryOn(() => {
      for (const lane of this.lanes.values()) this.acknowledge(lane, true);
      this.news.endSetAsideSpan();
    });
    this.phase = 'stopped';
    try {
      const isClosed = await endsWithin(timers, endMs - clock.monotonic(), writer.close());
      if (!isClosed) log.warn({ sink: writer.name, timeoutMs }, `${writer.name} does not close in time and is left behind`);
    } catch (error) {
      log.warn({ sink: writer.name, error }, `${writer.name} failed while closing`);
    }
  }

  private noteQuiet(): void {
    if (this.phase === 'broken' || (this.connection !== 'opening' && !this.isWriting())) this.onQuiet?.();
  }

  private cancelTimers(): void {
    for (const timer of [...this.laneTimers.values(), this.connectionTimer]) timer?.cancel();
  }

  /** Lets work go on that fails by itself only through a bug. */
  private begin(work: Promise<void>): void {
    work.catch((error: unknown) => this.fail(error));
  }

  /** What comes back from outside, or from a timer, while the pump still cares. */
  private carryOn(fn: () => void): void {
    if (this.phase === 'stopped' || this.phase === 'broken') return;
    try {
      fn();
    } catch (error) {
      this.fail(error);
    }
  }

  private fail(error: unknown): void {
    if (this.phase === 'stopped' || this.phase === 'broken') return;
    this.phase = 'broken';
    this.news.broken(error);
    this.cancelTimers();
    this.noteQuiet();
    this.modules.onFailure(error);
  }
}

/** True when `work` is done in time, false when it goes on; rejects as it does. */
async function endsWithin(timers: Timers, timeLimitMs: number, work: Promise<void>): Promise<boolean> {
  let timer: TimerHandle | null = null;
  const tooLate = new Promise<boolean>((resolve) => (timer = timers.after(Math.max(0, timeLimitMs), () => resolve(false))));
  try {
    return await Promise.race([work.then(() => true), tooLate]);
  } finally {
    timer!.cancel();
  }
}

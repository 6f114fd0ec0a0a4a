import { invariant, OperationalError } from '../../runtime/errors.ts';
import { toWireError } from '../../runtime/wire-error.ts';
import type { EffectBatch, RegionWindowKey, SinkWriter, WriteReport } from './protocol.ts';

/** What the pump knows and decides, without clock, timers or I/O. Times are milliseconds of a clock that never jumps. */

/** A failure that nobody can wait out is tried again this often: an operator may have mended it. */
export const FAILED_RETRY_MS = 60_000;
/** A busy shard hears this often at most up to where it may forget: each time costs it a write. */
export const ACKNOWLEDGE_INTERVAL_MS = 500;
/** Lines about rows set aside within SET_ASIDE_SPAN_MS; the rest of them are counted in one more. */
export const SET_ASIDE_LINES_MAX = 10;
export const SET_ASIDE_SPAN_MS = 60_000;
/** As the protocol says of a position. */
const POSITION_LENGTH_MAX = 200;
/** Doublings after which every back-off stands at its longest. */
const DOUBLINGS_MAX = 30;

/** `waiting`: for a back-off to pass. `failed`: the error will not pass by itself; tried again every FAILED_RETRY_MS all the same. */
export type SinkState = 'connecting' | 'running' | 'waiting' | 'failed';

export interface SinkError {
  code: string;
  message: string;
}

/** Counts are since the pump was made. */
export interface LaneFigures {
  shard: number;
  state: SinkState;
  /** Since everything that the shard had was last known to be written. */
  positionAgeMs: number;
  /** The same, but 0 while nothing is known to be unwritten: the oldest unwritten thing is at most this old, or older than the pump. */
  lagMs: number;
  /** Batches in memory, one that is being read included: two at most. */
  batchesHeld: number;
  batches: number;
  /** Rows or messages written. */
  rows: number;
  setAside: number;
  /** Reads, questions for regional windows and writes that failed. */
  failures: number;
}

export interface SinkFigures {
  sink: SinkWriter['name'];
  /** The worst of the shards' states, or the connection's while there is none. */
  state: SinkState;
  /** The longest of the shards'. */
  lagMs: number;
  openFailures: number;
  /** null before the first; stays after it is over. */
  lastError: SinkError | null;
  shards: LaneFigures[];
}

export interface BackoffOptions {
  backoffMinMs: number;
  backoffMaxMs: number;
}

/** True when the same call may pass later without anybody doing anything. An error that is not operational is a bug, and will not. */
export function isRetryable(error: unknown): boolean {
  return error instanceof OperationalError && error.retryable;
}

export function describeError(error: unknown): SinkError {
  const { code, message } = toWireError(error);
  return { code, message };
}

/** When to try again: between now and a time that doubles with each failure in a row, by chance over all of it; FAILED_RETRY_MS after an error that will not pass. */
export class Backoff {
  private readonly options: BackoffOptions;
  private readonly random: () => number;
  private failuresInARow = 0;
  private retryAt = -Infinity;
  private final = false;

  /** `random` gives from 0 to below 1. */
  constructor(options: BackoffOptions, random: () => number) {
    this.options = options;
    this.random = random;
  }

  failed(retryable: boolean, nowMs: number): void {
    const { backoffMinMs, backoffMaxMs } = this.options;
    const ceilingMs = Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(this.failuresInARow, DOUBLINGS_MAX));
    this.failuresInARow++;
    this.final = !retryable;
    this.retryAt = nowMs + (retryable ? this.random() * ceilingMs : FAILED_RETRY_MS);
  }

  succeeded(): void {
    this.failuresInARow = 0;
    this.retryAt = -Infinity;
    this.final = false;
  }

  /** The first try may be made from then on; in the past when nothing failed. */
  get retryAtMs(): number {
    return this.retryAt;
  }

  /** null when the newest try did not fail. */
  get state(): 'waiting' | 'failed' | null {
    if (this.failuresInARow === 0) return null;
    return this.final ? 'failed' : 'waiting';
  }
}

/** A time of failures, and what of it is worth a line: its beginning, and an error that will not pass whenever it is another one. */
export class Trouble {
  private since: number | null = null;
  private said: string | null = null;

  met(error: unknown, nowMs: number): 'warn' | 'error' | null {
    const isFirst = this.since === null;
    this.since ??= nowMs;
    if (isRetryable(error)) return isFirst ? 'warn' : null;
    const { code, message } = describeError(error);
    const text = `${code} ${message}`;
    if (text === this.said) return null;
    this.said = text;
    return 'error';
  }

  /** Ends it; null when there was none. */
  end(): { sinceMs: number } | null {
    if (this.since === null) return null;
    const sinceMs = this.since;
    this.since = null;
    this.said = null;
    return { sinceMs };
  }

  get isOn(): boolean {
    return this.since !== null;
  }
}

/** Lets SET_ASIDE_LINES_MAX lines through in a span and counts the others. */
export class LineQuota {
  private lines = 0;
  private held = 0;

  /** True when the line may be written. */
  admits(): boolean {
    if (this.lines === SET_ASIDE_LINES_MAX) {
      this.held++;
      return false;
    }
    this.lines++;
    return true;
  }

  /** Begins another span; gives how many lines were held back in the one before. */
  renew(): number {
    const { held } = this;
    this.lines = 0;
    this.held = 0;
    return held;
  }
}

/**
 * Who may write which regional windows. Each is the sum over all shards and carries no revision, so what was asked for first must not be written last: a shard asks
 * and writes in its turn alone. Turns are taken for all keys of a batch at once and in order of asking, so nobody waits in a circle or for ever.
 */
export class RegionTurns {
  /** Shards by key, the one whose turn it is first. */
  private readonly queues = new Map<string, number[]>();
  private readonly asked = new Map<number, { keys: ReadonlySet<string>; queuesBehind: number }>();

  /** True when it is the shard's turn; else it stands in line. To ask again changes nothing: the keys stay those it first asked with until it leaves. */
  take(shard: number, keys: readonly RegionWindowKey[]): boolean {
    let turn = this.asked.get(shard);
    if (turn === undefined) {
      turn = { keys: new Set(keys.map(({ region, granularity, windowStart }) => `${region}/${granularity}/${windowStart}`)), queuesBehind: 0 };
      for (const key of turn.keys) {
        const queue = this.queues.get(key);
        if (queue === undefined) this.queues.set(key, [shard]);
        else {
          queue.push(shard);
          turn.queuesBehind++;
        }
      }
      this.asked.set(shard, turn);
    }
    return turn.queuesBehind === 0;
  }

  /** Gives up its turn or its place in line, if it has one. Returns the shards whose turn has come by it. */
  leave(shard: number): number[] {
    const turn = this.asked.get(shard);
    if (turn === undefined) return [];
    this.asked.delete(shard);
    const next: number[] = [];
    for (const key of turn.keys) {
      const queue = this.queues.get(key)!;
      const at = queue.indexOf(shard);
      queue.splice(at, 1);
      if (queue.length === 0) this.queues.delete(key);
      else if (at === 0 && --this.asked.get(queue[0])!.queuesBehind === 0) next.push(queue[0]);
    }
    return next;
  }
}

/** A batch in memory. */
export interface HeldBatch {
  /** What it was read from. */
  from: string | null;
  batch: EffectBatch;
  /** When it was asked for: everything older is in it or before it. */
  askedAtMs: number;
}

interface Reading {
  from: string | null;
  askedAtMs: number;
  /** The writer's cursor has turned out to be elsewhere meanwhile: what comes is not looked at. */
  isObsolete: boolean;
}

/**
 * What is done about the oldest batch. `asking`: for its regional windows. `unsure`: its write failed, and whether it was committed all the same shows when
 * the writer is open again.
 */
type WritePhase = 'none' | 'asking' | 'writing' | 'unsure';

/** One shard's way to the writer: the batch that is written, the one read ahead of it, and up to where the shard may forget. */
export class SinkLane {
  readonly shard: number;
  readonly readBackoff: Backoff;
  /** For questions for regional windows too. */
  readonly writeBackoff: Backoff;
  readonly readTrouble = new Trouble();
  rows = 0;
  /** The newest write failed: the writer is not well as far as this shard is concerned. */
  isWriterFailing = false;
  private readonly idleMs: number;
  /** False until the writer has said where to begin. */
  private isPlaced = false;
  /** Everything before it is written; null: ask the shard for its own note. */
  private position: string | null = null;
  private current: HeldBatch | null = null;
  private ahead: HeldBatch | null = null;
  private reading: Reading | null = null;
  private nextReadAtMs = -Infinity;
  private phase: WritePhase = 'none';
  /** The newest read found nothing behind what it gave. */
  private sawLast = false;
  private caughtUpAtMs: number;
  /** Written by this pump; null: nothing that the shard has to hear of. */
  private toAcknowledge: string | null = null;
  private isAcknowledged = true;
  private acknowledgedAtMs = -Infinity;
  private batches = 0;
  private setAside = 0;
  private failures = 0;

  constructor(shard: number, options: BackoffOptions & { idleMs: number }, random: () => number, nowMs: number) {
    this.shard = shard;
    this.idleMs = options.idleMs;
    this.readBackoff = new Backoff(options, random);
    this.writeBackoff = new Backoff(options, random);
    this.caughtUpAtMs = nowMs;
  }

  /**
   * The writer is open, now or again, and says where this shard's next piece begins. Null, or what was written last: the batch that failed is written again. The
   * end of the batch that failed: it was committed although the answer was lost. Anything else decides, and what is in memory is dropped.
   */
  placed(cursor: string | null, nowMs: number): void {
    invariant(this.phase !== 'writing', `the writer was opened during a write of shard ${this.shard}`);
    const wasUnsure = this.phase === 'unsure';
    if (wasUnsure) this.phase = 'none';
    if (!this.isPlaced) {
      this.isPlaced = true;
      this.position = cursor;
      return;
    }
    if (cursor === null || cursor === this.position) return;
    if (wasUnsure && cursor === this.current!.batch.position) this.advance(rowsOf(this.current!.batch));
    else this.moveTo(cursor, nowMs);
  }

  /** Where to read next, or undefined when there is nothing to read now. */
  nextRead(nowMs: number): { position: string | null } | undefined {
    if (!this.mayRead() || nowMs < this.readableAtMs()) return undefined;
    return { position: this.current === null ? this.position : this.current.batch.position };
  }

  readBegins(from: string | null, nowMs: number): void {
    invariant(this.mayRead(), `shard ${this.shard} is read twice at a time`);
    this.reading = { from, askedAtMs: nowMs, isObsolete: false };
  }

  /** Takes what was read. Throws when the source breaks its promises. */
  readEnds(batch: EffectBatch, nowMs: number): void {
    const { from, askedAtMs, isObsolete } = this.endReading();
    invariant(batch.shard === this.shard, `shard ${this.shard} was asked and ${batch.shard} answered`);
    invariant(batch.position.length <= POSITION_LENGTH_MAX, `a position of shard ${this.shard} has ${batch.position.length} characters`);
    const wasAway = this.readBackoff.state !== null;
    this.readBackoff.succeeded();
    // A shard that was away may not have heard the newest acknowledgement.
    if (wasAway && this.toAcknowledge !== null) this.isAcknowledged = false;
    if (isObsolete) return;
    this.sawLast = batch.isLast;
    const moved = batch.position !== from;
    invariant(moved || rowsOf(batch) === 0, `shard ${this.shard} gives effects and stays at the same position`);
    this.nextReadAtMs = batch.isLast || !moved ? nowMs + this.idleMs : nowMs;
    if (!moved) {
      if (batch.isLast && this.current === null) this.caughtUpAtMs = askedAtMs;
      return;
    }
    // A batch without rows is written too: it moves the cursor, and the shard may forget what lies before it.
    const held = { from, batch, askedAtMs };
    if (this.current === null) this.current = held;
    else this.ahead = held;
  }

  readFails(error: unknown, nowMs: number): void {
    this.endReading();
    this.failures++;
    this.readBackoff.failed(isRetryable(error), nowMs);
  }

  /** The batch to write, or null when there is none or it is not time. */
  nextWrite(nowMs: number): HeldBatch | null {
    return this.phase === 'none' && nowMs >= this.writeBackoff.retryAtMs ? this.current : null;
  }

  askBegins(): void {
    invariant(this.phase === 'none', `shard ${this.shard} asks for regional windows while it is ${this.phase}`);
    this.phase = 'asking';
  }

  /** False when the writer's cursor has turned out to be elsewhere meanwhile. */
  askEnds(held: HeldBatch): boolean {
    this.phase = 'none';
    return this.current === held;
  }

  askFails(error: unknown, nowMs: number): void {
    this.phase = 'none';
    this.failures++;
    this.writeBackoff.failed(isRetryable(error), nowMs);
  }

  writeBegins(held: HeldBatch): void {
    invariant(this.phase === 'none' && this.current === held, `shard ${this.shard} writes twice at a time`);
    invariant(held.from === this.position, `shard ${this.shard} leaves something out`);
    this.phase = 'writing';
  }

  writeEnds(report: WriteReport): void {
    this.phase = 'none';
    this.setAside += report.setAside.length;
    this.advance(report.written);
  }

  writeFails(error: unknown, nowMs: number): void {
    this.phase = 'unsure';
    this.failures++;
    this.isWriterFailing = true;
    this.writeBackoff.failed(isRetryable(error), nowMs);
  }

  get isWriting(): boolean {
    return this.phase === 'writing';
  }

  get isAsking(): boolean {
    return this.phase === 'asking';
  }

  /** Up to where the shard should hear that it may forget, or null when it need not now. `isEnding`: there is no later. */
  nextAcknowledgement(nowMs: number, isEnding = false): string | null {
    if (this.isAcknowledged) return null;
    return isEnding || this.isCaughtUp || nowMs >= this.acknowledgedAtMs + ACKNOWLEDGE_INTERVAL_MS ? this.toAcknowledge : null;
  }

  acknowledged(nowMs: number): void {
    this.isAcknowledged = true;
    this.acknowledgedAtMs = nowMs;
  }

  /** Nothing is known to be unwritten. */
  get isCaughtUp(): boolean {
    return this.isPlaced && this.current === null && this.sawLast;
  }

  /** When there may be something to do that only waits for time; Infinity when there is nothing of the kind. */
  wakeAtMs(nowMs: number): number {
    const times = [
      this.mayRead() ? this.readableAtMs() : Infinity,
      this.current !== null ? this.writeBackoff.retryAtMs : Infinity,
      this.isAcknowledged ? Infinity : this.acknowledgedAtMs + ACKNOWLEDGE_INTERVAL_MS,
    ];
    return Math.min(...times.filter((timeMs) => timeMs > nowMs));
  }

  /** `connection`: the state of the writer while it is not open, else null. */
  figures(connection: SinkState | null, nowMs: number): LaneFigures {
    const positionAgeMs = nowMs - this.caughtUpAtMs;
    return {
      shard: this.shard,
      state: connection ?? worstOf([this.readBackoff.state ?? 'running', this.writeBackoff.state ?? 'running']),
      positionAgeMs,
      lagMs: this.isCaughtUp ? 0 : positionAgeMs,
      batchesHeld: [this.current, this.ahead, this.reading].filter((held) => held !== null).length,
      batches: this.batches,
      rows: this.rows,
      setAside: this.setAside,
      failures: this.failures,
    };
  }

  private mayRead(): boolean {
    return this.isPlaced && this.reading === null && this.ahead === null;
  }

  private readableAtMs(): number {
    return Math.max(this.nextReadAtMs, this.readBackoff.retryAtMs);
  }

  private endReading(): Reading {
    const { reading } = this;
    invariant(reading !== null, `shard ${this.shard} answers without being asked`);
    this.reading = null;
    return reading;
  }

  /** The oldest batch is written, or was all along. */
  private advance(rows: number): void {
    const { batch, askedAtMs } = this.current!;
    this.writeBackoff.succeeded();
    this.isWriterFailing = false;
    this.batches++;
    this.rows += rows;
    this.position = batch.position;
    this.toAcknowledge = batch.position;
    this.isAcknowledged = false;
    if (batch.isLast) this.caughtUpAtMs = askedAtMs;
    this.current = this.ahead;
    this.ahead = null;
  }

  private moveTo(cursor: string, nowMs: number): void {
    this.position = cursor;
    this.current = null;
    this.ahead = null;
    this.sawLast = false;
    if (this.reading !== null) this.reading.isObsolete = true;
    this.nextReadAtMs = nowMs;
    this.writeBackoff.succeeded();
    this.isWriterFailing = false;
    this.toAcknowledge = null;
    this.isAcknowledged = true;
  }
}

/** Things in a batch; what a writer makes of them may be more or fewer rows. */
export function rowsOf({ windowCount, regionWindows, anomalies, deadLetters }: EffectBatch): number {
  return windowCount + regionWindows.length + anomalies.length + deadLetters.length;
}

const FROM_BAD_TO_GOOD: readonly SinkState[] = ['failed', 'waiting', 'connecting', 'running'];

export function worstOf(states: readonly SinkState[]): SinkState {
  return FROM_BAD_TO_GOOD.find((state) => states.includes(state)) ?? 'running';
}

import { invariant } from '../../runtime/errors.ts';
import { Backoff, isRetryable, type BackoffOptions } from './backoff.ts';
import { worstOf, type LaneFigures, type SinkState } from './figures.ts';
import { laneName, type EffectBatch, type WriteReport } from './protocol.ts';
import { Trouble } from './trouble.ts';

/** What the pump knows of one shard, or of a supervisor, and decides about it, without clock, timers or I/O. Times are milliseconds of a clock that never jumps. */

/** A busy shard hears this often at most up to where it may forget: each time costs it a write. */
export const ACKNOWLEDGE_INTERVAL_MS = 500;
/** As the protocol says of a position. */
const POSITION_LENGTH_MAX = 200;

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
  readonly name: string;
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
    this.name = laneName(shard);
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
    invariant(this.phase !== 'writing', `the writer was opened during a write of ${this.name}`);
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
    invariant(this.mayRead(), `${this.name} is read twice at a time`);
    this.reading = { from, askedAtMs: nowMs, isObsolete: false };
  }

  /** Takes what was read. Throws when the source breaks its promises. */
  readEnds(batch: EffectBatch, nowMs: number): void {
    const { from, askedAtMs, isObsolete } = this.endReading();
    invariant(batch.shard === this.shard, `${this.name} was asked and ${batch.shard} answered`);
    invariant(batch.position.length <= POSITION_LENGTH_MAX, `a position of ${this.name} has ${batch.position.length} characters`);
    const wasAway = this.readBackoff.state !== null;
    this.readBackoff.succeeded();
    // A shard that was away may not have heard the newest acknowledgement.
    if (wasAway && this.toAcknowledge !== null) this.isAcknowledged = false;
    if (isObsolete) return;
    this.sawLast = batch.isLast;
    const moved = batch.position !== from;
    invariant(moved || rowsOf(batch) === 0, `${this.name} gives effects and stays at the same position`);
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
    invariant(this.phase === 'none', `${this.name} asks for regional windows while it is ${this.phase}`);
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
    invariant(this.phase === 'none' && this.current === held, `${this.name} writes twice at a time`);
    invariant(held.from === this.position, `${this.name} leaves something out`);
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
    invariant(reading !== null, `${this.name} answers without being asked`);
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
export function rowsOf({ windowCount, regionWindows, anomalies, deadLetters, alerts, billing }: EffectBatch): number {
  return windowCount + regionWindows.length + anomalies.length + deadLetters.length + alerts.length + billing.length;
}

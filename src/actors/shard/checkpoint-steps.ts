import type { Clock } from '../../runtime/clock.ts';
import { JOURNAL_MARKS, STEP_MS_MAX, STEP_PAUSE_MS, STEP_ROWS_MAX } from './actor-bounds.ts';
import { Checkpoint, type CheckpointOptions, type TableBounds } from './checkpoint.ts';
import { CheckpointPace, fillOf, type PaceOptions } from './checkpoint-pace.ts';
import { JournalRetention, type LogSpan } from './journal-retention.ts';
import { READING_ID_TTL_MS } from './reading-ids.ts';
import type { ShardStore } from './shard-store.ts';
import type { ShardState } from './state.ts';
import { UnreportedAnomalies } from './unreported-anomalies.ts';
import { WindowRetention, type RetentionOptions } from './window-retention.ts';

/**
 * The steps in which a shard's state gets to its tables: when one is due, how much it writes, what it takes away, and how much of the log may go once it is on disk. The same for a shard that writes its log (actor.ts) and for
 * one that follows it (kafka-log/partition-actor.ts), which commit.
 */

export interface CheckpointStepsOptions extends TableBounds {
  checkpoint: CheckpointOptions & {
    /** Time between steps, ms. */
    stepMs: number;
    /** Every dirty page is written about once in this time, ms: bounds how much log a restart replays. */
    intervalMs: number;
  };
  /** Log that is not covered by snapshots, bytes; past it the shard is full. */
  journalBytesMax: number;
  /** Log bytes kept for readingIds after everything in them is written. */
  journalKeepBytesMax: number;
}

export interface CheckpointStepsModules {
  state: ShardState;
  store: ShardStore;
  clock: Clock;
}

/** Where the log is: the last record in the state, and the time by which records grow old. */
export interface LogPlace {
  appliedSequence: number;
  nowMs: number;
}

export interface StepExtent {
  pages: number | 'all';
  isFull?: boolean;
  /** Takes no further page after STEP_MS_MAX; default true. */
  isTimed?: boolean;
  /** The tables do not say yet where the log begins. */
  isLogNew?: boolean;
}

export class CheckpointSteps {
  readonly checkpoint: Checkpoint;
  /** What there is of the log; from `open` on. */
  log!: JournalRetention;
  private readonly options: CheckpointStepsOptions;
  private readonly state: ShardState;
  private readonly store: ShardStore;
  private readonly clock: Clock;
  private readonly paceOptions: PaceOptions;
  private readonly pace: CheckpointPace;
  /** On the monotonic clock. */
  private nextAtMs = 0;
  private lastMs = 0;
  /** First log record that counts once the step under way is on disk. */
  private nextLogFrom = 0;
  /** What is older of the log is not kept for its readingIds. */
  private idsKeptMs = 0;
  /** `log.appendedBytes` when the last step that is on disk began, and when the one under way did. */
  private appendedBytesAtStep = 0;
  private appendedBytesInStep = 0;
  /** When the last step was on disk, on the monotonic clock. */
  private steppedAtMs = 0;
  private readonly unreported = new UnreportedAnomalies();

  constructor(options: CheckpointStepsOptions, { state, store, clock }: CheckpointStepsModules) {
    this.options = options;
    this.state = state;
    this.store = store;
    this.clock = clock;
    this.checkpoint = new Checkpoint(state, store, options.checkpoint, options);
    this.paceOptions = { intervalMs: options.checkpoint.intervalMs, journalBytesMax: options.journalBytesMax };
    this.pace = new CheckpointPace(this.paceOptions, clock.monotonic());
  }

  /** The state is restored; `first` is the oldest record of the log that counts, of `sinceMs` by the log's time. */
  open(first: number, sinceMs: number): void {
    const { checkpoint, journalBytesMax, journalKeepBytesMax } = this.options;
    // A record that repeats a readingId is replayed until its page is written, twice an interval later at most: the id must be there.
    this.idsKeptMs = READING_ID_TTL_MS + 2 * checkpoint.intervalMs;
    this.log = new JournalRetention({ keepMs: this.idsKeptMs, keepBytesMax: journalKeepBytesMax, markBytes: journalBytesMax / JOURNAL_MARKS }, this.restoredLog(first), sinceMs);
    this.nextLogFrom = first;
    this.state.idHorizon.begin(first);
    this.steppedAtMs = this.clock.monotonic();
    this.lastMs = this.clock.now();
  }

  /** Segment by segment, as they go. */
  private restoredLog(first: number): LogSpan[] {
    const spans = this.store.journal.spans();
    const [oldest, ...others] = spans.slice(Math.max(0, spans.findLastIndex(({ sequence }) => sequence <= first)));
    return oldest === undefined ? [{ sequence: first, bytes: 0 }] : [{ sequence: first, bytes: oldest.bytes }, ...others];
  }

  /** Has the steps take away windows that have had their time; absent, or for ever: none. Their pages are restored. */
  openRetention(retention: RetentionOptions | undefined): void {
    if (retention === undefined || retention.keepMs.every((keepMs) => keepMs === Infinity)) return;
    this.checkpoint.retention = new WindowRetention(retention, this.store, this.checkpoint.outbox);
    this.checkpoint.retention.recovered(this.state.directory);
  }

  /** A record is in the log. */
  appended(sequence: number, bytes: number, nowMs: number): void {
    this.log.appended(sequence, bytes, nowMs);
    this.pace.took(bytes);
  }

  get isDue(): boolean {
    return !this.checkpoint.isUnderWay && (this.isPressing || this.clock.monotonic() >= this.nextAtMs) && (this.checkpoint.isDue || this.hasLogToTrim);
  }

  /** Duplicates alone make a log long and leave nothing to write. And what is known of the log grows with time. */
  private get hasLogToTrim(): boolean {
    const { journalBytesMax, journalKeepBytesMax } = this.options;
    const appended = this.log.appendedBytes - this.appendedBytesAtStep;
    return appended > journalKeepBytesMax + journalBytesMax / JOURNAL_MARKS || (appended > 0 && this.clock.monotonic() - this.steppedAtMs > this.idsKeptMs);
  }

  /** So much has to go into the next step that nothing is to be counted before it. */
  get isPressing(): boolean {
    return this.checkpoint.rowsWaiting >= STEP_ROWS_MAX;
  }

  /** How much of its bound is used by what was counted and is not written. */
  fill(appliedSequence: number): number {
    const { turn, book, directory } = this.state;
    const logBytes = this.log.bytesFrom(this.checkpoint.neededFrom(appliedSequence));
    return fillOf({ logBytes, memoryBytes: turn.pendingBytes + book.samples.bytes, meters: directory.meterCount }, this.paceOptions);
  }

  /** Since something was written last while there is more to write, ms; else 0. */
  get ageMs(): number {
    return this.state.turn.dirtyPages.size === 0 ? 0 : this.clock.now() - this.lastMs;
  }

  /** Queues in the store what is to be written by now. */
  beginDue(place: LogPlace, extent: Pick<StepExtent, 'isLogNew'> = {}): void {
    const fill = this.fill(place.appliedSequence);
    this.begin(place, { ...extent, pages: this.pace.pagesDue(this.state.turn.dirtyPages.size, fill, this.clock.monotonic()), isFull: fill >= 1 });
  }

  /** Queues a step in the store; then its commit, and `done` or `undo` of the checkpoint. */
  begin({ appliedSequence, nowMs }: LogPlace, { pages, isFull = false, isTimed = true, isLogNew = false }: StepExtent): void {
    const { clock, store, log } = this;
    const endsMs = clock.monotonic() + STEP_MS_MAX;
    this.checkpoint.begin(appliedSequence, pages, isFull, () => isTimed && clock.monotonic() > endsMs);
    this.nextAtMs = clock.monotonic() + (this.checkpoint.isBehind || isFull ? STEP_PAUSE_MS : this.options.checkpoint.stepMs);
    this.appendedBytesInStep = log.appendedBytes;
    const neededFrom = this.checkpoint.neededFrom(appliedSequence);
    const removable = Math.min(log.removableBefore(neededFrom, nowMs), this.state.idHorizon.neededFrom(neededFrom, nowMs - this.idsKeptMs));
    this.nextLogFrom = Math.max(log.first, store.journal.keptFrom(removable) ?? 0);
    if (this.nextLogFrom > log.first || isLogNew) {
      store.putLogFrom(this.nextLogFrom);
      const picture = this.state.pictures.inForceAt(this.nextLogFrom);
      if (picture !== null) store.putPicture(picture);
    }
  }

  /** The step is on disk. */
  done(): void {
    this.unreported.add(this.checkpoint.done(), this.clock.monotonic());
    this.log.first = this.nextLogFrom;
    this.appendedBytesAtStep = this.appendedBytesInStep;
    this.steppedAtMs = this.clock.monotonic();
    this.state.pictures.trimmed(this.nextLogFrom);
    this.store.journal.release(this.nextLogFrom);
    this.lastMs = this.clock.now();
  }

  /** Episodes that were written and nobody was told of, as many as a report holds. */
  takeAnomalies(): ReturnType<UnreportedAnomalies['take']> {
    return this.unreported.take(this.clock.monotonic());
  }
}

import type { Clock, TimerHandle, Timers } from './clock.ts';
import { OperationalError } from './errors.ts';
import type { Log } from './log.ts';
import type { Store } from './store.ts';

/**
 * Turns of an actor with state in memory and on disk. A turn applies all that waits to memory, queues what changed, and commits it; only then do answers and effects get out. Where that fails memory is ahead of
 * the disk: the actor says so and does no more, and the next one starts from the disk.
 */

/** Pieces of work of one turn: what waits behind them must not be kept from an answer for long. */
const TURN_WORK_MAX = 256;
/** Pieces of a kind that may wait, some seconds' worth, after which who has more is told to try again. */
const WAITING_MAX = 1_000;
/** The wall clock is looked at so often whatever is due, as it may jump. */
const CLOCK_LOOK_MS = 5_000;

export interface TurnOptions<Kind extends string> {
  /** As in "the alerts supervisor is not running". */
  name: string;
  kinds: readonly Kind[];
  /** Kinds whose OperationalErrors are answers, given before anything was changed. What else is thrown ends the actor. */
  refusable: readonly Kind[];
}

export interface TurnModules {
  store: Store;
  clock: Clock;
  timers: Timers;
  log: Log;
  /** When something falls due without being asked for, epoch ms; Infinity: never. */
  nextDueMs(): number;
  /** Does what is due. */
  tick(nowMs: number): void;
  /** Queues in the store what the turn changed. What it gives is called when that is on disk, after the answers. */
  flush(nowMs: number): () => void;
  /** No further turn comes. */
  onEnd(): void;
  /** A turn failed; called once at most, after `onEnd`. */
  onFailure(error: unknown): void;
}

/** What was done since the start; `commitMs…` are durations. */
export interface TurnFigures<Kind extends string> {
  turns: number;
  commitMsTotal: number;
  commitMsMax: number;
  /** Waiting now. */
  waiting: number;
  taken: Readonly<Record<Kind, number>>;
}

interface Work<Kind> {
  kind: Kind;
  apply(nowMs: number): unknown;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

export class TurnTaker<Kind extends string> {
  private readonly options: TurnOptions<Kind>;
  private readonly modules: TurnModules;
  private phase: 'new' | 'running' | 'stopping' | 'ended' = 'new';
  private waiting: Work<Kind>[] = [];
  private readonly waitingOf: Record<Kind, number>;
  /** Of the turn that is not committed. */
  private underWay: Work<Kind>[] = [];
  private isTurning = false;
  private timer: TimerHandle | null = null;
  /** When the last turn was. */
  private turnMs = -Infinity;
  private onIdle: (() => void) | null = null;
  private readonly counts = { turns: 0, commitMsTotal: 0, commitMsMax: 0 };
  private readonly taken: Record<Kind, number>;

  constructor(options: TurnOptions<Kind>, modules: TurnModules) {
    this.options = options;
    this.modules = modules;
    const none = (): Record<Kind, number> => Object.fromEntries(options.kinds.map((kind) => [kind, 0])) as Record<Kind, number>;
    this.waitingOf = none();
    this.taken = none();
  }

  /** The state is loaded: work may come. */
  start(): void {
    this.phase = 'running';
  }

  /** False before `start`, and from `stop` or a failure on. */
  get isRunning(): boolean {
    return this.phase === 'running';
  }

  /** Resolves with what `apply` gives when all that it changed is durable. Rejects with its refusal, `unavailable` or `mailbox_full` (both retryable). */
  take<T>(kind: Kind, apply: (nowMs: number) => T): Promise<T> {
    const { name } = this.options;
    if (this.phase !== 'running') return Promise.reject(unavailable(`the ${name} is not running`));
    if (this.waitingOf[kind] >= WAITING_MAX) {
      return Promise.reject(new OperationalError('mailbox_full', `${WAITING_MAX} ${kind} are waiting for the ${name}; try again shortly`, { retryable: true }));
    }
    return new Promise<T>((resolve, reject) => {
      this.waiting.push({ kind, apply, resolve: resolve as (result: unknown) => void, reject });
      this.waitingOf[kind]++;
      this.wake();
    });
  }

  figures(): TurnFigures<Kind> {
    return { ...this.counts, waiting: this.waiting.length, taken: { ...this.taken } };
  }

  /** Works off what waits, and ends. */
  async stop(): Promise<void> {
    if (this.phase !== 'running') return;
    this.phase = 'stopping';
    if (this.isTurning || this.waiting.length > 0) await new Promise<void>((resolve) => (this.onIdle = resolve));
    if (!this.isEnded) this.end();
  }

  private get isEnded(): boolean {
    return this.phase === 'ended';
  }

  /** A turn begins in the next microtask: what comes until then goes with it. */
  private wake(): void {
    if (this.isTurning || this.phase === 'new' || this.isEnded) return;
    this.isTurning = true;
    this.timer?.cancel();
    queueMicrotask(() => void this.work());
  }

  private async work(): Promise<void> {
    try {
      do await this.turn();
      while (this.waiting.length > 0 && !this.isEnded);
    } catch (error) {
      this.fail(error);
    }
    this.isTurning = false;
    this.onIdle?.();
    if (this.phase === 'running') this.armTimer();
  }

  private async turn(): Promise<void> {
    const { clock, store } = this.modules;
    const nowMs = clock.now();
    this.underWay = this.waiting.splice(0, TURN_WORK_MAX);
    const releases = this.underWay.map((work) => this.apply(work, nowMs));
    // A clock that went back makes what waits for it wait anew: whatever is due.
    if (this.modules.nextDueMs() <= nowMs || nowMs < this.turnMs) this.modules.tick(nowMs);
    this.turnMs = nowMs;
    const letOut = this.modules.flush(nowMs);
    const startedMs = clock.monotonic();
    await store.commit();
    if (this.isEnded) return;
    this.underWay = [];
    this.count(clock.monotonic() - startedMs);
    for (const release of releases) release();
    letOut();
  }

  /** Gives what lets the result out. Throws what is not an answer. */
  private apply(work: Work<Kind>, nowMs: number): () => void {
    this.waitingOf[work.kind]--;
    this.taken[work.kind]++;
    try {
      const result = work.apply(nowMs);
      return () => work.resolve(result);
    } catch (error) {
      if (!this.options.refusable.includes(work.kind) || !(error instanceof OperationalError)) throw error;
      return () => work.reject(error);
    }
  }

  private count(commitMs: number): void {
    const { counts } = this;
    counts.turns++;
    counts.commitMsTotal += commitMs;
    counts.commitMsMax = Math.max(counts.commitMsMax, commitMs);
  }

  private armTimer(): void {
    const { clock, timers } = this.modules;
    const waitMs = Math.min(CLOCK_LOOK_MS, Math.max(0, this.modules.nextDueMs() - clock.now()));
    this.timer?.cancel();
    this.timer = timers.after(waitMs, () => this.wake());
  }

  private fail(error: unknown): void {
    if (this.isEnded) return;
    this.end(error);
    this.modules.log.error({ error }, `The ${this.options.name} could not finish a turn; the next starts from disk.`);
    this.modules.onFailure(error);
  }

  private end(cause?: unknown): void {
    this.phase = 'ended';
    this.timer?.cancel();
    this.modules.onEnd();
    const left = [...this.underWay, ...this.waiting];
    this.underWay = [];
    this.waiting = [];
    for (const { reject } of left) reject(unavailable(`the ${this.options.name} has ended`, cause));
  }
}

/** What an actor that cannot be asked rejects with. */
export function unavailable(message: string, cause?: unknown): OperationalError {
  return new OperationalError('unavailable', message, { retryable: true, cause });
}

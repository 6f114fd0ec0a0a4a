import type { SharedClock, TimerHandle, Timers } from '../../src/runtime/clock.ts';
import type { Child } from '../../src/runtime/supervisor.ts';
import type { ExitReason } from '../../src/runtime/exit-reason.ts';
import type { VirtualTime } from '../../src/runtime/virtual-time.ts';
import type { Random } from './random.ts';

/** Time of a run: timers of all threads on one virtual clock, a wall clock that can jump, and a place for a crash between any two events. */
export class SimTime {
  readonly random: Random;
  private readonly virtual: VirtualTime;
  private offsetMs = 0;
  private fuse: { events: number; blow: () => void } | null = null;
  /** Timers, deliveries and ends of commits that have run. */
  events = 0;

  constructor(virtual: VirtualTime, random: Random) {
    this.virtual = virtual;
    this.random = random;
  }

  readonly clock: SharedClock = {
    now: () => this.virtual.now() + this.offsetMs,
    monotonic: () => this.virtual.monotonic(),
    sharedMonotonic: () => this.virtual.sharedMonotonic(),
  };

  jump(byMs: number): void {
    this.offsetMs += byMs;
  }

  /** Calls `blow` before the event that comes after so many more. An earlier fuse blows now. */
  setFuse(events: number, blow: () => void): void {
    const before = this.fuse;
    this.fuse = { events, blow };
    before?.blow();
  }

  blowFuse(): void {
    const { fuse } = this;
    this.fuse = null;
    fuse?.blow();
  }

  after(delayMs: number, fn: () => void): TimerHandle {
    return this.virtual.after(delayMs, () => this.event(fn));
  }

  every(intervalMs: number, fn: () => void): TimerHandle {
    return this.virtual.every(intervalMs, () => this.event(fn));
  }

  /** Runs everything that falls due, and lets promises settle after each. */
  advance(ms: number): Promise<void> {
    return this.virtual.advanceSettled(ms);
  }

  private event(fn: () => void): void {
    this.events++;
    if (this.fuse !== null && this.fuse.events-- <= 0) this.blowFuse();
    fn();
  }
}

/** A thread as its supervisor sees it, and what runs on it gets: its timers stand still once it is dead. */
export class SimThread implements Child {
  readonly name: string;
  readonly epoch: number;
  readonly exited: Promise<ExitReason>;
  readonly timers: Timers;
  readonly clock: SharedClock;
  alive = true;
  /** What has to happen outside when it dies: links close, its disk is left. */
  onDeath: ((isAbrupt: boolean) => void) | null = null;
  /** Ends the work in order. */
  onStop: (() => Promise<void>) | null = null;
  private settleExited!: (reason: ExitReason) => void;

  constructor(name: string, epoch: number, time: SimTime) {
    this.name = name;
    this.epoch = epoch;
    this.clock = time.clock;
    this.exited = new Promise((resolve) => (this.settleExited = resolve));
    const guarded = (fn: () => void) => () => {
      if (this.alive) fn();
    };
    this.timers = { after: (delayMs, fn) => time.after(delayMs, guarded(fn)), every: (intervalMs, fn) => time.every(intervalMs, guarded(fn)) };
  }

  /** Dies at once, in the middle of whatever it does. */
  kill(reason: ExitReason, isAbrupt: boolean): void {
    if (!this.alive) return;
    this.alive = false;
    this.onDeath?.(isAbrupt);
    this.settleExited(reason);
  }

  async stop(): Promise<void> {
    if (this.alive) await Promise.race([this.onStop?.() ?? Promise.resolve(), this.exited]);
    if (this.alive) this.kill({ kind: 'stopped' }, false);
  }

  /** Rejects when the thread dies before `work` is done. */
  async orDeath<T>(work: Promise<T>): Promise<T> {
    const died = this.exited.then((): never => {
      throw new Error(`${this.name} died while it started`);
    });
    return Promise.race([work, died]);
  }
}

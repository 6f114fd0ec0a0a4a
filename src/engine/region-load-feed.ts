import type { RegionState } from '../actors/region/state.ts';
import type { RegionLoad } from '../actors/tariffs/protocol.ts';
import type { SharedClock, TimerHandle, Timers } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { RegionWindowFeed } from './region-window-feed.ts';

/** Hands the loads of regions, minute by minute as windows become final, to the thread of the bills: one message under way, again until it is confirmed. To a thread that has started goes what is in memory. */

/** Windows are final once a minute. */
const STEP_MS = 1_000;
/** Of one message: ten thousand regions. */
const LOADS_MAX = 10_000;

export interface RegionLoadFeedModules {
  clock: SharedClock;
  timers: Timers;
  log: Log;
  regions(): RegionState;
  /** Whether every part of the fleet is in `regions`: the load of a part is no load. */
  areRegionsWhole(): boolean;
  latenessMs: number;
  /** Resolves when they count and what follows of them is on disk. */
  observe(loads: RegionLoad[]): Promise<void>;
}

export class RegionLoadFeed {
  private readonly modules: RegionLoadFeedModules;
  private readonly windows: RegionWindowFeed;
  private timer: TimerHandle | null = null;
  /** Handed over and not confirmed. */
  private unconfirmed: RegionLoad[] = [];
  private isTelling = false;
  /** Of the thread's incarnation: what an earlier one confirms is of no interest. */
  private life = 0;

  constructor(modules: RegionLoadFeedModules) {
    this.modules = modules;
    this.windows = new RegionWindowFeed(modules);
  }

  /** The thread is there. */
  up(): void {
    this.down();
    this.windows.restart(this.modules.clock.now());
    this.timer = this.modules.timers.every(STEP_MS, () => void this.step());
    // Who asks for prices first starts the thread: what is known goes to it before the question.
    void this.step();
  }

  down(): void {
    this.life++;
    this.timer?.cancel();
    this.timer = null;
    this.unconfirmed = [];
    this.isTelling = false;
  }

  windowsChanged(windows: readonly { region: string; windowStart: number }[]): void {
    if (this.timer !== null) this.windows.changed(windows, this.time());
  }

  private async step(): Promise<void> {
    if (this.isTelling || !this.modules.areRegionsWhole()) return;
    if (this.unconfirmed.length === 0) this.unconfirmed = this.windows.take(LOADS_MAX, this.time()).map(({ region, windowStart, loadPercent }) => ({ region, windowStart, loadPercent }));
    if (this.unconfirmed.length === 0) return;
    const { life } = this;
    this.isTelling = true;
    let isTaken = true;
    try {
      await this.modules.observe(this.unconfirmed);
    } catch (error) {
      // Away, or slow: they stay until they are confirmed.
      isTaken = false;
      this.modules.log.debug({ err: error }, 'the loads of regions were not taken in; another try follows');
    }
    if (this.life !== life) return;
    this.isTelling = false;
    if (isTaken) this.unconfirmed = [];
  }

  private time(): { nowMs: number; monotonicMs: number } {
    const { clock } = this.modules;
    return { nowMs: clock.now(), monotonicMs: clock.monotonic() };
  }
}

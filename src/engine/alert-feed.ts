import type { ComponentHealth, Observation } from '../actors/alerts/protocol.ts';
import type { RegionState } from '../actors/region/state.ts';
import type { Anomaly } from '../model/anomaly.ts';
import type { AnomalyQuery, Page } from '../model/queries.ts';
import type { SharedClock, TimerHandle, Timers } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { EpisodeFeed } from './episode-feed.ts';
import { RegionWindowFeed } from './region-window-feed.ts';

/**
 * Gathers on the main thread what alerts are made of, and hands it to their thread: one message under way, the next when that is on disk. What was handed over and not confirmed is handed
 * over again; to a thread that has started everything is, as if it had never heard of it. Both are harmless (Observation).
 */

/** From a shard's report to the rules, ms; reports come twice a second. */
const STEP_MS = 250;
/** Of one message: some 2 MB, and some 50 ms of the thread that takes them in. */
const EPISODES_MAX = 5_000;
const WINDOWS_MAX = 5_000;
/** Meters of a region change slowly, and ten thousand regions take 10 ms to gather. */
const REGIONS_MS = 5_000;
const COMPONENTS_MS = 1_000;

export interface AlertFeedModules {
  clock: SharedClock;
  timers: Timers;
  log: Log;
  /** Resolves when what was observed counts and is on disk. */
  observe(observation: Observation): Promise<void>;
  regions(): RegionState;
  /** Whether every part of the fleet is in `regions`: shares of a part are no shares. */
  areRegionsWhole(): boolean;
  components(): ComponentHealth[];
  episodes(query: AnomalyQuery): Promise<Page<Anomaly>>;
  latenessMs: number;
}

export class AlertFeed {
  private readonly modules: AlertFeedModules;
  private readonly episodes: EpisodeFeed;
  private readonly windows: RegionWindowFeed;
  private timer: TimerHandle | null = null;
  /** Handed over and not confirmed. */
  private unconfirmed: Observation | null = null;
  private isAsking = false;
  /** Of the thread's incarnation: what an earlier one confirms is of no interest. */
  private life = 0;
  private regionsAt = -Infinity;
  private componentsAt = -Infinity;

  constructor(modules: AlertFeedModules) {
    this.modules = modules;
    this.episodes = new EpisodeFeed(modules);
    this.windows = new RegionWindowFeed(modules);
  }

  /** The thread is there, and knows nothing of what goes on. */
  up(): void {
    this.down();
    this.windows.restart(this.modules.clock.now());
    this.episodes.reconcile();
    this.timer = this.modules.timers.every(STEP_MS, () => this.step());
  }

  /** It is away: what comes meanwhile is in the stores. */
  down(): void {
    this.life++;
    this.timer?.cancel();
    this.timer = null;
    this.episodes.stop();
    this.unconfirmed = null;
    this.isAsking = false;
    this.regionsAt = this.componentsAt = -Infinity;
  }

  /** An episode as a shard reports it. */
  episodeChanged(anomaly: Anomaly): void {
    if (this.timer !== null) this.episodes.note(anomaly);
  }

  windowsChanged(windows: readonly { region: string; windowStart: number }[]): void {
    if (this.timer !== null) this.windows.changed(windows, this.time());
  }

  /** Some were not reported: a shard is another, or one of another node, or more changed than reports carry. They are in the store. */
  episodesMissed(): void {
    if (this.timer !== null) this.episodes.reconcile();
  }

  private step(): void {
    if (this.isAsking) return;
    this.unconfirmed ??= this.gather();
    if (this.unconfirmed === null) return;
    const { life } = this;
    this.isAsking = true;
    this.modules.observe(this.unconfirmed).then(
      () => {
        if (this.life !== life) return;
        this.isAsking = false;
        this.unconfirmed = null;
        // There may be more than one message holds.
        if (!this.episodes.isIdle) this.step();
      },
      (error: unknown) => {
        if (this.life !== life) return;
        // Away, or slow: it stays until it is confirmed.
        this.isAsking = false;
        this.modules.log.debug({ err: error }, 'alerts did not take in what was observed; another try follows');
      },
    );
  }

  /** What is new; null: nothing. */
  private gather(): Observation | null {
    const time = this.time();
    const { monotonicMs } = time;
    const anomalies = this.episodes.take(EPISODES_MAX);
    const regionWindows = this.windows.take(WINDOWS_MAX, time);
    let regions: Observation['regions'] = null;
    let components: Observation['components'] = null;
    if (monotonicMs >= this.regionsAt + REGIONS_MS && this.modules.areRegionsWhole()) {
      this.regionsAt = monotonicMs;
      regions = this.modules.regions().regionsNow();
    }
    if (monotonicMs >= this.componentsAt + COMPONENTS_MS) {
      this.componentsAt = monotonicMs;
      components = this.modules.components();
    }
    const isEmpty = anomalies.length + regionWindows.length === 0 && regions === null && components === null;
    return isEmpty ? null : { anomalies, regionWindows, regions, components };
  }

  private time(): { nowMs: number; monotonicMs: number } {
    const { clock } = this.modules;
    return { nowMs: clock.now(), monotonicMs: clock.monotonic() };
  }
}

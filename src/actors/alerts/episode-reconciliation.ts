import type { Anomaly } from '../../model/anomaly.ts';
import type { Timers, TimerHandle } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { EpisodeId } from './conditions/episodes.ts';

/** After a restart: episodes that alerts came from may have ended unseen. Those that nobody names again are asked for, one by one. */

/** Until then the shards say by themselves what goes on, and between two rounds. */
export const RECONCILE_EVERY_MS = 10_000;
/** Questions under way at once. */
const ASKED_AT_ONCE = 50;

export interface EpisodeReconciliationModules {
  timers: Timers;
  log: Log;
  askEpisode(episode: EpisodeId): Promise<Anomaly | null>;
  unconfirmed(): EpisodeId[];
  found(anomaly: Anomaly): Promise<void>;
  gone(episode: EpisodeId): Promise<void>;
}

export class EpisodeReconciliation {
  private readonly modules: EpisodeReconciliationModules;
  private timer: TimerHandle | null = null;
  private isAsking = false;
  private isStopped = false;

  constructor(modules: EpisodeReconciliationModules) {
    this.modules = modules;
  }

  /** Goes on until nothing is unconfirmed; again while it does changes nothing. */
  start(): void {
    if (this.timer !== null || this.isAsking || this.isStopped) return;
    this.timer = this.modules.timers.after(RECONCILE_EVERY_MS, () => void this.round());
  }

  stop(): void {
    this.isStopped = true;
    this.timer?.cancel();
  }

  private async round(): Promise<void> {
    this.timer = null;
    const { unconfirmed, log } = this.modules;
    const episodes = unconfirmed();
    if (episodes.length === 0) return;
    this.isAsking = true;
    let failed = 0;
    for (let first = 0; first < episodes.length && !this.isStopped; first += ASKED_AT_ONCE) {
      const outcomes = await Promise.allSettled(episodes.slice(first, first + ASKED_AT_ONCE).map((episode) => this.reconcile(episode)));
      failed += outcomes.filter(({ status }) => status === 'rejected').length;
    }
    this.isAsking = false;
    if (this.isStopped) return;
    log.info({ episodes: episodes.length, unanswered: failed }, 'Asked for episodes that alerts came from.');
    this.start();
  }

  /** Rejects while nobody can say: the next round asks again. */
  private async reconcile(episode: EpisodeId): Promise<void> {
    const anomaly = await this.modules.askEpisode(episode);
    if (this.isStopped) return;
    await (anomaly === null ? this.modules.gone(episode) : this.modules.found(anomaly));
  }
}

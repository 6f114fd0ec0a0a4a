import { RegionActor } from '../actors/region/actor.ts';
import type { RegionChange } from '../actors/region/protocol.ts';
import type { RegionCapacities, RegionState } from '../actors/region/state.ts';
import type { ShardReport } from '../actors/shard/protocol.ts';
import { systemTimers, type SharedClock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { MailboxSnapshot } from '../runtime/mailbox-metrics.ts';
import { CONTROL_DEADLINE_MS, type EngineChild } from './engine-threads.ts';
import { RegionSeeding, type RegionSeedingModules } from './region-seeding.ts';

/** The regions on the main thread: the actor that merges what shards report, and whoever wants to hear of it. */

/** Hears of reports before the regions have them, and of what they came to. */
export interface RegionsListener {
  reported?(report: ShardReport): void;
  regionsChanged?(change: RegionChange): void;
  /** A shard's, or a partition's, meters are not known of until it reports again. */
  partDown?(part: number): void;
}

export interface EngineRegionsModules {
  clock: SharedClock;
  log: Log;
  /** Puts a question to a shard, or partition. */
  ask: RegionSeedingModules['ask'];
}

export class EngineRegions {
  private readonly capacities: RegionCapacities;
  private readonly modules: EngineRegionsModules;
  private readonly seeding: RegionSeeding;
  private readonly listeners: RegionsListener[] = [];
  private actor: RegionActor;
  /** Shards that have reported since the start. */
  private readonly reportedOnce = new Set<number>();
  private onFirstReport: (() => void) | null = null;

  constructor(capacities: RegionCapacities, modules: EngineRegionsModules) {
    this.capacities = capacities;
    this.modules = modules;
    this.actor = this.makeActor();
    this.seeding = new RegionSeeding({ clock: modules.clock, ask: modules.ask, tell: (message) => this.actor.tell(message) });
  }

  /** Another object after the actor's restart. */
  get state(): RegionState {
    return this.actor.state;
  }

  mailbox(): MailboxSnapshot {
    return this.actor.metrics.snapshot();
  }

  /** They hear in the order in which they came. */
  listen(listener: RegionsListener): void {
    this.listeners.push(listener);
  }

  child(): EngineChild {
    return { name: 'region', stopTimeoutMs: CONTROL_DEADLINE_MS, start: async ({ epoch }) => this.startActor(epoch) };
  }

  /** Of a shard, or partition, wherever it is. */
  take(report: ShardReport): void {
    for (const listener of this.listeners) listener.reported?.(report);
    // A full mailbox costs the live picture a change; what is stored is asked of the shards.
    if (!this.actor.tell(report)) this.modules.log.warn({ shard: report.shard }, 'the region actor is behind; a report is left out');
    this.reportedOnce.add(report.shard);
    this.onFirstReport?.();
    this.seeding.onReport(report);
  }

  partDown(part: number): void {
    this.seeding.shardDown(part);
    this.actor.tell({ kind: 'shardDown', shard: part });
    for (const listener of this.listeners) listener.partDown?.(part);
  }

  /** Until every shard has reported the regions would look empty. A shard that dies meanwhile must not hold up the start. */
  firstReports(shardCount: number): Promise<void> {
    return new Promise((resolve) => {
      const limit = systemTimers.after(CONTROL_DEADLINE_MS, resolve);
      this.onFirstReport = () => {
        if (this.reportedOnce.size < shardCount) return;
        limit.cancel();
        resolve();
      };
      this.onFirstReport();
    });
  }

  private makeActor(): RegionActor {
    return new RegionActor(this.capacities, { clock: this.modules.clock, timers: systemTimers }, (change) => {
      for (const listener of this.listeners) listener.regionsChanged?.(change);
    });
  }

  private startActor(epoch: number): RegionActor {
    if (epoch > 1) {
      this.actor = this.makeActor();
      this.seeding.regionActorRestarted();
    }
    return this.actor;
  }
}

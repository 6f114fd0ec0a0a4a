import type { Alert, Decision } from '../../../model/alert.ts';
import type { Anomaly } from '../../../model/anomaly.ts';
import type { Observation } from '../protocol.ts';
import type { AlertRules } from '../rules.ts';
import type { Signal } from '../signal.ts';
import { Episodes, type EpisodeId } from './episodes.ts';
import { DarkRegions } from './region-dark.ts';
import { RegionalLoads } from './regional-load.ts';
import { Components } from './system.ts';

/** A clock that is behind by more than this, ms, was set back; less is how clocks are kept right. */
const CLOCK_STEP_MS = 1_000;
/** Names of the components that hold meters. */
const SHARD_PREFIX = 'shard-';

/**
 * What the rules find in what the engine sees. After a restart `resume` takes over what the alert book holds, and everything that goes on is to be observed once more: all
 * episodes that are open, all regions, all components. What has been said already is said again under the same startedAt, which is harmless.
 */
export class Conditions {
  private readonly dark = new DarkRegions();
  private readonly episodes = new Episodes(this.dark);
  private readonly loads = new RegionalLoads();
  private readonly components = new Components();
  /** Found by `resume`; they go with the next signals. */
  private held: Signal[] = [];
  /** Of the last turn, epoch ms. */
  private turnMs = -Infinity;

  constructor(rules: AlertRules) {
    this.episodes.setRules(rules);
    this.dark.setRules(rules, 0, this.held);
    this.loads.setRules(rules, this.held);
    this.components.setRules(rules, 0, this.held);
  }

  /** What was not taken in because there was too much of it. */
  get dropped(): number {
    return this.episodes.dropped + this.dark.dropped;
  }

  /** Episodes that go on and are known. */
  get openEpisodes(): number {
    return this.episodes.size;
  }

  /**
   * What is active in the book is taken over, so that it can be cleared; likewise what a person has resolved and has not cleared, or it would be raised as something new where its beginning
   * is not known any more. Call once before anything else; again is harmless. Alerts of rules that are gone are cleared with the next signals.
   */
  resume(active: Iterable<Alert>, nowMs: number): void {
    for (const alert of active) this.resumeOne(alert, nowMs);
  }

  /** Takes in what the engine saw. Returns what follows of it, in order. */
  observe({ anomalies, regionWindows, regions, components }: Observation, nowMs: number): Signal[] {
    const signals = this.startTurn(nowMs);
    if (components !== null) {
      this.components.observe(components, nowMs, signals);
      this.dark.observeShards(!components.some(({ component, isWell }) => component.startsWith(SHARD_PREFIX) && !isWell), nowMs);
    }
    if (regions !== null) this.dark.observeRegions(regions);
    for (const anomaly of anomalies) this.take(anomaly, nowMs);
    this.loads.observe(regionWindows, nowMs, signals);
    this.judge(nowMs, signals);
    return signals;
  }

  /** What follows of the time. */
  tick(nowMs: number): Signal[] {
    const signals = this.startTurn(nowMs);
    this.components.tick(nowMs, signals);
    this.judge(nowMs, signals);
    this.episodes.tick(nowMs, signals);
    return signals;
  }

  /** When `tick` is to be called if nothing is observed before, epoch ms; Infinity: nothing waits for time; -Infinity: at once. */
  nextDueMs(): number {
    if (this.held.length > 0) return -Infinity;
    return Math.min(this.episodes.nextDueMs, this.dark.nextDueMs(), this.components.nextDueMs());
  }

  /** Alerts of rules that are gone or no longer match are cleared with that reason; others stay, and what meets the new rules is raised. */
  setRules(rules: AlertRules, nowMs: number): Signal[] {
    const signals = this.startTurn(nowMs);
    this.components.setRules(rules, nowMs, signals);
    this.loads.setRules(rules, signals);
    this.episodes.setRules(rules);
    this.dark.setRules(rules, nowMs, signals);
    this.episodes.judgeAll(nowMs, signals);
    return signals;
  }

  /** Episodes that active alerts came from and that no observation since `resume` has named. */
  unconfirmed(): EpisodeId[] {
    return this.episodes.unconfirmed();
  }

  /** The engine has no such episode any more: what it raised is cleared. */
  forget(episode: EpisodeId, nowMs: number): Signal[] {
    const signals = this.startTurn(nowMs);
    this.episodes.forget(episode);
    this.judge(nowMs, signals);
    return signals;
  }

  /** Rule by rule why this episode raised an alert or did not, as far as it is known now. */
  explain(anomaly: Anomaly, nowMs: number): Decision[] {
    const ofRegion = anomaly.kind === 'outage' ? this.dark.explain(anomaly.region, nowMs) : [];
    return [...this.episodes.explain(anomaly, nowMs), ...ofRegion];
  }

  /** Meters of a dark region that are out; 0 of one that is not dark. */
  membersOf(region: string): number {
    return this.dark.membersOf(region);
  }

  /** The same by name, `limit` at most, in the order in which they were noticed. */
  memberMeters(region: string, limit: number): string[] {
    return this.dark.memberMeters(region, limit);
  }

  private take(anomaly: Anomaly, nowMs: number): void {
    // Before the region hears of it: an outage that ends is still part of the incident that ends with it.
    this.episodes.take(anomaly, nowMs);
    if (anomaly.kind === 'outage') {
      if (anomaly.endedAt === null) this.dark.out(anomaly.meterId, anomaly.region, anomaly.startedAt, nowMs);
      else this.dark.back(anomaly.meterId, anomaly.region, anomaly.startedAt, anomaly.endedAt);
    }
  }

  private judge(nowMs: number, signals: Signal[]): void {
    const calm = this.dark.judge(nowMs, signals);
    for (const region of calm) {
      for (const meterId of this.dark.metersOut(region)) this.episodes.takeOutage(meterId, nowMs);
    }
    this.episodes.judge(nowMs, signals);
  }

  private resumeOne(alert: Alert, nowMs: number): void {
    switch (alert.kind) {
      case 'regional_load':
        return this.loads.resume(alert, this.held);
      case 'region_dark':
        return this.dark.resume(alert, nowMs, this.held);
      case 'system':
        return this.components.resume(alert, this.held);
      default:
        return this.episodes.resume(alert, nowMs, this.held);
    }
  }

  private startTurn(nowMs: number): Signal[] {
    if (nowMs < this.turnMs - CLOCK_STEP_MS) this.episodes.clockSetBack(nowMs);
    this.turnMs = nowMs;
    const held = this.held;
    this.held = [];
    return held;
  }
}

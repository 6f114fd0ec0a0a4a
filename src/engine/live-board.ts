import type { RegionState } from '../actors/region/state.ts';
import type { RegionChange } from '../actors/region/protocol.ts';
import type { ShardReport } from '../actors/shard/protocol.ts';
import type { EnginePort } from '../http/engine-port.ts';
import type { EngineSnapshot, LiveSource, MeterNow, RecentBills, RegionsPicture, Unsubscribe } from '../http/live-source.ts';
import { meterWithin, windowsWithin } from '../http/own-time.ts';
import type { Subject } from '../model/access.ts';
import type { Alert } from '../model/alert.ts';
import type { Anomaly } from '../model/anomaly.ts';
import type { DynamicPrice } from '../model/billing.ts';
import { asMeterId } from '../model/ids.ts';
import type { RegionNow } from '../model/queries.ts';
import { GRANULARITIES, GRANULARITY_MS, type RegionWindow } from '../model/window.ts';
import type { Clock } from '../runtime/clock.ts';
import { AlertBoard } from './alert-board.ts';
import { BillingBoard } from './billing-board.ts';
import { ClosedWindows } from './closed-windows.ts';
import type { RegionsListener } from './engine-regions.ts';

/** What the live stream shows, kept on the main thread from the shards' reports. */

/** Episodes kept for a page that opens: more than fit on a screen, and a night's worth of a quiet fleet. */
const RECENT_ANOMALIES_MAX = 200;
/** Of those that the stores give at the start. */
const SEEDED_ANOMALIES = 100;
/** Meters may run ahead of the clock. */
const AHEAD_MS = 86_400_000;
/** The curves of a page that opens. */
const SHOWN_MS = 3_600_000;

export interface LiveBoardModules {
  /** The region actor's state; another object after its restart. */
  regions: () => RegionState;
  queries: EnginePort;
  clock: Clock;
  latenessMs: number;
  engine: () => EngineSnapshot;
}

export class LiveBoard implements LiveSource, RegionsListener {
  /** Stays empty in an engine without alerts. */
  readonly alerts = new AlertBoard();
  /** The same without tariffs. */
  readonly billing = new BillingBoard();
  private readonly modules: LiveBoardModules;
  /** By id, oldest change first. */
  private readonly recent = new Map<string, Anomaly>();
  private readonly closed: ClosedWindows;
  /** As the listeners were last told of them. */
  private readonly told = new Map<string, RegionNow>();
  private readonly regionListeners = new Set<(change: RegionsPicture) => void>();
  private readonly closedListeners = new Set<(closed: readonly RegionWindow[]) => void>();
  private readonly anomalyListeners = new Set<(anomaly: Anomaly) => void>();
  private readonly engineListeners = new Set<(snapshot: EngineSnapshot) => void>();

  constructor(modules: LiveBoardModules) {
    this.modules = modules;
    this.closed = new ClosedWindows(modules);
  }

  reported({ anomalies, anomaliesMissed }: ShardReport): void {
    for (const anomaly of anomalies) this.note(anomaly);
    // A shard that does not answer is heard of again.
    if (anomaliesMissed) this.seed().catch(() => {});
  }

  /** A page that opens right after a restart shows the newest episodes too. */
  async seed(): Promise<void> {
    const { queries, clock } = this.modules;
    const { data } = await queries.anomalies({ meterId: null, region: null, kind: null, severity: null, open: false, from: 0, to: clock.now() + AHEAD_MS, limit: SEEDED_ANOMALIES, cursor: null });
    for (const anomaly of data.reverse()) this.note(anomaly);
  }

  /** Tells whoever listens what changed in the regions. */
  regionsChanged({ windows }: RegionChange): void {
    const { regions, clock, latenessMs } = this.modules;
    const nowMs = clock.now();
    this.closed.changed(windows, nowMs);
    if (this.regionListeners.size === 0) return;
    const changed = windows.map(({ region, windowStart }) => regions().recentWindow(region, windowStart, nowMs, latenessMs)).filter((window) => window !== null);
    const picture = { regions: this.changedRegions(), windows: changed };
    if (picture.regions.length + picture.windows.length > 0) for (const fn of this.regionListeners) fn(picture);
  }

  /** Tells whoever listens which windows have closed; call it once a second. */
  tellClosed(): void {
    const closed = this.closed.take(this.modules.clock.now());
    if (closed.length > 0) for (const fn of this.closedListeners) fn(closed);
  }

  /** Those that are otherwise than they were told: each report of a shard comes with all of them. */
  private changedRegions(): RegionNow[] {
    const changed = this.modules.regions().regionsNow().filter((now) => !isSame(now, this.told.get(now.region)));
    for (const now of changed) this.told.set(now.region, now);
    return changed;
  }

  /** Remembers an episode, as reported or as found in the stores at the start. */
  note(anomaly: Anomaly): void {
    this.recent.delete(anomaly.id);
    this.recent.set(anomaly.id, anomaly);
    if (this.recent.size > RECENT_ANOMALIES_MAX) this.dropOldest();
    for (const fn of this.anomalyListeners) fn(anomaly);
  }

  /** An episode that goes on stays longer than one that is over. */
  private dropOldest(): void {
    for (const { id, endedAt } of this.recent.values()) {
      if (endedAt === null) continue;
      this.recent.delete(id);
      return;
    }
    this.recent.delete(this.recent.keys().next().value!);
  }

  /** Tells the listeners how the engine is. */
  tellEngine(): void {
    if (this.engineListeners.size === 0) return;
    const snapshot = this.modules.engine();
    for (const fn of this.engineListeners) fn(snapshot);
  }

  regions(): RegionsPicture {
    const regions = this.modules.regions().regionsNow();
    const sinceMs = this.modules.clock.now() - SHOWN_MS;
    const windows = regions.flatMap(({ region }) => this.recentWindows(region)).filter(({ windowStart }) => windowStart >= sinceMs);
    return { regions, windows };
  }

  onRegions(fn: (change: RegionsPicture) => void): Unsubscribe {
    return subscribe(this.regionListeners, fn);
  }

  closedWindows(): RegionWindow[] {
    return this.regions().windows.filter(({ final }) => final);
  }

  onClosedWindows(fn: (closed: readonly RegionWindow[]) => void): Unsubscribe {
    return subscribe(this.closedListeners, fn);
  }

  anomaliesRecent(): Anomaly[] {
    return [...this.recent.values()].reverse();
  }

  onAnomaly(fn: (anomaly: Anomaly) => void): Unsubscribe {
    return subscribe(this.anomalyListeners, fn);
  }

  alertsActive(): Alert[] {
    return this.alerts.newest();
  }

  onAlerts(fn: (changed: readonly Alert[]) => void): Unsubscribe {
    return this.alerts.onAlerts(fn);
  }

  prices(): DynamicPrice[] {
    return this.billing.currentPrices();
  }

  onPrices(fn: (changed: readonly DynamicPrice[]) => void): Unsubscribe {
    return this.billing.onPrices(fn);
  }

  bills(): RecentBills {
    return this.billing.recentBills();
  }

  placeOfInvoice(invoiceId: string): Subject | null {
    return this.billing.placeOf(invoiceId);
  }

  onBills(fn: (changed: RecentBills) => void): Unsubscribe {
    return this.billing.onBills(fn);
  }

  engine(): EngineSnapshot {
    return this.modules.engine();
  }

  onEngine(fn: (snapshot: EngineSnapshot) => void): Unsubscribe {
    return subscribe(this.engineListeners, fn);
  }

  async watchMeter(meterId: string, since: number | null = null): Promise<MeterNow | null> {
    const id = asMeterId(meterId);
    if (id === null) return null;
    const { queries, clock } = this.modules;
    const span = { from: since, until: null };
    const found = await queries.meter(id);
    const meter = found === null ? null : await meterWithin(queries, found, span, clock.now());
    if (meter === null) return null;
    const to = meter.newestTimestamp + 1;
    const pages = await Promise.all(
      GRANULARITIES.map((granularity) =>
        queries.meterWindows(id, { granularity, from: to - 2 * GRANULARITY_MS[granularity], to, limit: 3, cursor: null }),
      ),
    );
    const windows = pages.flatMap((page) => windowsWithin(page?.data ?? [], [span]));
    return { meter, openWindows: windows.filter(({ final }) => !final), closedWindows: windows.filter(({ final }) => final) };
  }

  private recentWindows(region: string): RegionWindow[] {
    const { regions, clock, latenessMs } = this.modules;
    return regions().recentWindows(region, clock.now(), latenessMs);
  }
}

function isSame(now: RegionNow, before: RegionNow | undefined): boolean {
  return before !== undefined && (Object.keys(now) as (keyof RegionNow)[]).every((key) => now[key] === before[key]);
}

function subscribe<T>(listeners: Set<T>, fn: T): Unsubscribe {
  listeners.add(fn);
  return () => listeners.delete(fn);
}

import { meanValue, sumValue } from '../../model/exact-sum.ts';
import type { RegionNow } from '../../model/queries.ts';
import { GRANULARITY_MS, type RegionWindow } from '../../model/window.ts';
import type { RegionLivePart, RegionPart, RegionPicture, ShardReport } from '../shard/protocol.ts';

/**
 * Regions over all shards: each shard reports its part, whole, so the newest report of a shard replaces its older one and
 * nothing depends on the order in which shards report.
 */

/** Capacity of a region's grid connection, kW, by region. */
export type RegionCapacities = Readonly<Record<string, number>>;

/** One-minute windows kept in memory for each region: the dashboard's last hours. Older ones are asked of the shards. */
export const RECENT_WINDOWS_MAX = 180;

export class RegionState {
  private readonly capacities: RegionCapacities;
  private readonly live = new Map<number, readonly RegionLivePart[]>();
  /** From when on each shard's parts are all known; reports alone tell of older windows only what changed since the start. */
  private readonly knownFrom = new Map<number, number>();
  /** By region, then window start, then shard. */
  private readonly recent = new Map<string, Map<number, Map<number, RegionPart>>>();

  constructor(capacities: RegionCapacities) {
    this.capacities = capacities;
  }

  /** Takes in a shard's report. Returns the one-minute windows that changed, as region and start. */
  report(report: ShardReport): { region: string; windowStart: number }[] {
    this.live.set(report.shard, report.live);
    return this.take(report.shard, report.parts);
  }

  /** Takes in all that a shard has of a region's windows from `from` on. Returns the windows. */
  seed(shard: number, from: number, parts: readonly RegionPart[]): { region: string; windowStart: number }[] {
    this.knownFrom.set(shard, from);
    return this.take(shard, parts);
  }

  /** Takes in parts of a shard, each whole. Returns the one-minute windows that changed. */
  take(shard: number, taken: readonly RegionPart[]): { region: string; windowStart: number }[] {
    const changed: { region: string; windowStart: number }[] = [];
    for (const part of taken) {
      if (part.granularity !== '1m') continue;
      let windows = this.recent.get(part.region);
      if (windows === undefined) this.recent.set(part.region, (windows = new Map()));
      let parts = windows.get(part.windowStart);
      if (parts === undefined) {
        windows.set(part.windowStart, (parts = new Map()));
        dropOldest(windows);
      }
      parts.set(shard, part);
      if (windows.has(part.windowStart)) changed.push({ region: part.region, windowStart: part.windowStart });
    }
    return changed;
  }

  /** A shard is down: its meters are not known of until it reports again. Its windows stay. */
  forget(shard: number): void {
    this.live.delete(shard);
  }

  /** Every region that has a capacity or a meter, in order of name. */
  regionsNow(): RegionNow[] {
    const sums = new Map<string, RegionLivePart>();
    for (const region of Object.keys(this.capacities)) sums.set(region, emptyLive(region));
    for (const parts of this.live.values()) {
      for (const part of parts) {
        let sum = sums.get(part.region);
        if (sum === undefined) sums.set(part.region, (sum = emptyLive(part.region)));
        addLive(sum, part);
      }
    }
    return [...sums.values()].sort((a, b) => (a.region < b.region ? -1 : 1)).map((sum) => this.toNow(sum));
  }

  /** What the shards' detection needs to know of the regions. */
  picture(): RegionPicture['regions'] {
    const sums = new Map<string, { reporting: number; powered: number }>();
    for (const parts of this.live.values()) {
      for (const { region, reporting, powered } of parts) {
        const sum = sums.get(region) ?? { reporting: 0, powered: 0 };
        sums.set(region, { reporting: sum.reporting + reporting, powered: sum.powered + powered });
      }
    }
    return [...sums].map(([region, { reporting, powered }]) => ({ region, reporting, poweredShare: reporting === 0 ? 0 : powered / reporting }));
  }

  /** The region's newest one-minute windows, oldest first; none that some shard's part may be missing from because it is older than what was asked for. */
  recentWindows(region: string, nowMs: number, latenessMs: number): RegionWindow[] {
    const windows = this.recent.get(region);
    if (windows === undefined) return [];
    const from = Math.max(...this.knownFrom.values());
    const starts = [...windows.keys()].filter((start) => start >= from).sort((a, b) => a - b);
    return starts.flatMap((start) => {
      const merged = mergeParts([...windows.get(start)!.values()], this.capacities, nowMs, latenessMs);
      return merged === null ? [] : [merged];
    });
  }

  /** Starts of the region's windows in memory, in no order. */
  recentStarts(region: string): number[] {
    return [...(this.recent.get(region)?.keys() ?? [])];
  }

  /** One of recentWindows; null when it is not among them. */
  recentWindow(region: string, start: number, nowMs: number, latenessMs: number): RegionWindow | null {
    const parts = this.recent.get(region)?.get(start);
    if (parts === undefined || start < Math.max(...this.knownFrom.values())) return null;
    return mergeParts([...parts.values()], this.capacities, nowMs, latenessMs);
  }

  /** Regions with windows in memory. */
  recentRegions(): string[] {
    return [...this.recent.keys()];
  }

  /** Shards, or partitions, whose meters are in `regionsNow`. */
  get reporting(): number {
    return this.live.size;
  }

  isKnown(region: string): boolean {
    return region in this.capacities || this.regionsNow().some((now) => now.region === region);
  }

  private toNow(sum: RegionLivePart): RegionNow {
    const loadKw = sumValue(sum.loadHigh, sum.loadLow);
    const capacityKw = this.capacities[sum.region] ?? null;
    return {
      region: sum.region,
      meters: sum.meters,
      metersReporting: sum.reporting,
      metersSilent: sum.silent,
      loadKw,
      capacityKw,
      loadPercent: shownPercent(loadPercent(loadKw, capacityKw)),
      openAnomalies: sum.openAnomalies,
    };
  }
}

/**
 * A regional window from the parts of all shards that have one; null when no meter is left in it. Parts are of the same region,
 * granularity and start.
 */
export function mergeParts(parts: readonly RegionPart[], capacities: RegionCapacities, nowMs: number, latenessMs: number): RegionWindow | null {
  const [first] = parts;
  if (first === undefined) return null;
  let meters = 0;
  let powerHigh = 0;
  let powerLow = 0;
  let energyHigh = 0;
  let energyLow = 0;
  let min = Infinity;
  let max = -Infinity;
  for (const part of parts) {
    meters += part.meters;
    powerHigh += part.powerHigh;
    powerLow += part.powerLow;
    energyHigh += part.energyHigh;
    energyLow += part.energyLow;
    if (part.meters === 0) continue;
    min = Math.min(min, part.minPowerKw);
    max = Math.max(max, part.maxPowerKw);
  }
  if (meters === 0) return null;
  const sumPowerKw = sumValue(powerHigh, powerLow);
  const capacityKw = capacities[first.region] ?? null;
  const windowEnd = first.windowStart + GRANULARITY_MS[first.granularity];
  return {
    region: first.region,
    granularity: first.granularity,
    windowStart: first.windowStart,
    windowEnd,
    metersReporting: meters,
    sumPowerKw,
    avgPowerKw: meanValue(powerHigh, powerLow, meters),
    minPowerKw: min,
    maxPowerKw: max,
    energyKwhSum: sumValue(energyHigh, energyLow),
    capacityKw,
    loadPercent: loadPercent(sumPowerKw, capacityKw),
    final: nowMs >= finalFrom(windowEnd, latenessMs),
  };
}

/** Epoch ms from when on no meter's window that ends then is open: one that fell silent in its last moment closes it one lateness after the lateness; and a tick is 250 ms. */
export function finalFrom(windowEnd: number, latenessMs: number): number {
  return windowEnd + 2 * latenessMs + 1_000;
}

function loadPercent(loadKw: number, capacityKw: number | null): number | null {
  return capacityKw === null || capacityKw === 0 ? null : (loadKw / capacityKw) * 100;
}

/** To two decimals. Windows keep theirs as it is: prices and alerts ask whether it is above a limit. */
function shownPercent(percent: number | null): number | null {
  return percent === null ? null : Math.round(percent * 100) / 100;
}

function emptyLive(region: string): RegionLivePart {
  return { region, meters: 0, reporting: 0, silent: 0, loadHigh: 0, loadLow: 0, powered: 0, openAnomalies: 0 };
}

function addLive(sum: RegionLivePart, part: RegionLivePart): void {
  sum.meters += part.meters;
  sum.reporting += part.reporting;
  sum.silent += part.silent;
  sum.loadHigh += part.loadHigh;
  sum.loadLow += part.loadLow;
  sum.powered += part.powered;
  sum.openAnomalies += part.openAnomalies;
}

/** Keeps the newest windows: an import of last year must not push out the last hour. */
function dropOldest(windows: Map<number, unknown>): void {
  if (windows.size <= RECENT_WINDOWS_MAX) return;
  let oldest = Infinity;
  for (const start of windows.keys()) oldest = Math.min(oldest, start);
  windows.delete(oldest);
}

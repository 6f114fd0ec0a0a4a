import { highOf, lowOf, toUnits } from '../../model/exact-sum.ts';
import { GRANULARITIES, GRANULARITY_MS } from '../../model/window.ts';
import type { RegionLivePart, RegionPart } from './protocol.ts';

/**
 * This shard's part of each regional window, and of each region's load now. All sums are whole numbers, so what a correction
 * takes away is exactly what was added.
 */

/** A part in memory; `granularity` 0 = 1m, 1 = 15m. */
export interface LedgerPart {
  region: number;
  granularity: number;
  windowStartMs: number;
  meters: number;
  powerHigh: number;
  powerLow: number;
  energyHigh: number;
  energyLow: number;
  minPowerKw: number;
  maxPowerKw: number;
  /** How often it changed: a number that only grows, the same for whoever folds the same log. */
  changes: number;
  /** Changed since it was written to the store. */
  unsaved: boolean;
  /** Changed since it was reported to the region actor. */
  unreported: boolean;
}

/** What one meter's window adds to its region: whole billionths of kW and kWh, extremes in kW. */
export interface Contribution {
  region: number;
  powerUnits: number;
  energyUnits: number;
  minPowerKw: number;
  maxPowerKw: number;
}

interface RegionLive {
  meters: number;
  reporting: number;
  silent: number;
  loadHigh: number;
  loadLow: number;
  powered: number;
  openAnomalies: number;
}

/** Clean parts kept in memory: three hours of both granularities for 20 regions; older ones are read back when a correction comes. */
const PARTS_KEPT_MAX = 4_096;

/** Finds a part that was written earlier; undefined when there is none. */
export type PartLoader = (region: number, granularity: number, windowStartMs: number) => LedgerPart | undefined;

export class RegionLedger {
  private readonly names: string[] = [];
  private readonly indexOf = new Map<string, number>();
  private readonly live: RegionLive[] = [];
  private readonly parts = new Map<number, LedgerPart>();
  private readonly unsaved = new Set<LedgerPart>();
  private readonly unreported = new Set<LedgerPart>();
  private readonly regionsMax: number;
  private readonly load: PartLoader;
  /** Region names that the store does not know yet. */
  unsavedNames: number[] = [];

  constructor(regionsMax: number, load: PartLoader) {
    this.regionsMax = regionsMax;
    this.load = load;
  }

  get regionCount(): number {
    return this.names.length;
  }

  nameOf(region: number): string {
    return this.names[region];
  }

  /** Index of a known region, or −1. */
  find(name: string): number {
    return this.indexOf.get(name) ?? -1;
  }

  /** Index of the region, made when it is new; −1 when there are as many as allowed. */
  intern(name: string): number {
    let region = this.indexOf.get(name);
    if (region === undefined) {
      if (this.names.length >= this.regionsMax) return -1;
      region = this.restore(name);
      this.unsavedNames.push(region);
    }
    return region;
  }

  /** Adds a region that the store knows, in the order of its index. */
  restore(name: string): number {
    const region = this.names.length;
    this.names.push(name);
    this.indexOf.set(name, region);
    this.live.push({ meters: 0, reporting: 0, silent: 0, loadHigh: 0, loadLow: 0, powered: 0, openAnomalies: 0 });
    return region;
  }

  /** Adds a meter's window to its region's. */
  add(granularity: number, windowStartMs: number, contribution: Contribution): void {
    const part = this.partOf(contribution.region, granularity, windowStartMs);
    addContribution(part, contribution);
    this.note(part);
  }

  /** Adds what several meters' windows gave. */
  merge(part: LedgerPart): void {
    const into = this.partOf(part.region, part.granularity, part.windowStartMs);
    addPart(into, part);
    this.note(into);
  }

  /** Takes back what `add` added. The extremes stay: they are right while the same meter's corrected window is added again. */
  remove(granularity: number, windowStartMs: number, contribution: Contribution): void {
    const part = this.partOf(contribution.region, granularity, windowStartMs);
    part.meters--;
    part.changes++;
    shiftSums(part, contribution, -1);
    this.note(part);
  }

  /** Puts extremes in place that were computed anew, after a window moved to another region. */
  replaceExtremes(region: number, granularity: number, windowStartMs: number, minPowerKw: number, maxPowerKw: number): void {
    const part = this.partOf(region, granularity, windowStartMs);
    part.minPowerKw = minPowerKw;
    part.maxPowerKw = maxPowerKw;
    part.changes++;
  }

  // Live picture ---------------------------------------------------------------------------------------------------------

  meterJoined(region: number): void {
    this.live[region].meters++;
  }

  meterLeft(region: number): void {
    this.live[region].meters--;
  }

  /** A reporting meter's newest power starts (`sign` 1) or stops (−1) counting. */
  shiftLoad(region: number, powerKw: number, powered: number, sign: 1 | -1): void {
    const live = this.live[region];
    const units = toUnits(powerKw);
    const high = highOf(units);
    live.reporting += sign;
    live.loadHigh += sign * high;
    live.loadLow += sign * lowOf(units, high);
    live.powered += sign * powered;
  }

  shiftSilent(region: number, sign: 1 | -1): void {
    this.live[region].silent += sign;
  }

  shiftOpenAnomalies(region: number, by: number): void {
    this.live[region].openAnomalies += by;
  }

  /** Every region's live part. */
  liveParts(): RegionLivePart[] {
    return this.live.map((live, region) => ({ region: this.names[region], ...live }));
  }

  // Saving and reporting -------------------------------------------------------------------------------------------------

  get hasUnsaved(): boolean {
    return this.unsaved.size > 0;
  }

  /** Parts changed since the last call; the caller writes them. */
  takeUnsaved(): LedgerPart[] {
    const taken = [...this.unsaved];
    for (const part of taken) part.unsaved = false;
    this.unsaved.clear();
    return taken;
  }

  /** Gives parts back after a failed commit. */
  markUnsaved(parts: readonly LedgerPart[]): void {
    for (const part of parts) {
      part.unsaved = true;
      this.unsaved.add(part);
      this.parts.set(partKey(part.region, part.granularity, part.windowStartMs), part);
    }
  }

  /** At most `limit` parts changed since the last call, as the region actor wants them. */
  takeUnreported(limit: number): RegionPart[] {
    const taken: RegionPart[] = [];
    for (const part of this.unreported) {
      if (taken.length === limit) break;
      this.unreported.delete(part);
      part.unreported = false;
      taken.push(this.toReport(part));
    }
    return taken;
  }

  /** Parts in memory, newer than what the store says of the same window. */
  partsInMemory(): Iterable<LedgerPart> {
    return this.parts.values();
  }

  /** The part as it is now, from memory or the store; null when there is none (borrowed). */
  partNow(region: number, granularity: number, windowStartMs: number): LedgerPart | null {
    return this.parts.get(partKey(region, granularity, windowStartMs)) ?? this.load(region, granularity, windowStartMs) ?? null;
  }

  toReport(part: LedgerPart): RegionPart {
    return {
      region: this.names[part.region],
      granularity: GRANULARITIES[part.granularity],
      windowStart: part.windowStartMs,
      meters: part.meters,
      powerHigh: part.powerHigh,
      powerLow: part.powerLow,
      energyHigh: part.energyHigh,
      energyLow: part.energyLow,
      minPowerKw: part.minPowerKw,
      maxPowerKw: part.maxPowerKw,
      changes: part.changes,
    };
  }

  /** The part has to be saved and reported. */
  private note(part: LedgerPart): void {
    if (!part.unsaved) {
      part.unsaved = true;
      this.unsaved.add(part);
    }
    if (!part.unreported) {
      part.unreported = true;
      this.unreported.add(part);
    }
  }

  private partOf(region: number, granularity: number, windowStartMs: number): LedgerPart {
    const key = partKey(region, granularity, windowStartMs);
    let part = this.parts.get(key);
    if (part === undefined) {
      part = this.load(region, granularity, windowStartMs) ?? emptyPart(region, granularity, windowStartMs);
      this.parts.set(key, part);
    }
    return part;
  }

  /** Forgets old parts that are safe on disk; call when no commit is under way. */
  evict(): void {
    if (this.parts.size <= PARTS_KEPT_MAX) return;
    // Map order is insertion order: the oldest windows go first, unless somebody still has to write or report them.
    for (const [key, part] of this.parts) {
      if (this.parts.size <= PARTS_KEPT_MAX) return;
      if (!part.unsaved && !part.unreported) this.parts.delete(key);
    }
  }
}

/** Adds one meter's window to a part. Extremes only ever widen: a window gains readings and loses none. */
export function addContribution(part: LedgerPart, contribution: Contribution): void {
  part.meters++;
  part.changes++;
  shiftSums(part, contribution, 1);
  if (contribution.minPowerKw < part.minPowerKw) part.minPowerKw = contribution.minPowerKw;
  if (contribution.maxPowerKw > part.maxPowerKw) part.maxPowerKw = contribution.maxPowerKw;
}

/** Adds a part of the same regional window. */
export function addPart(into: LedgerPart, part: LedgerPart): void {
  into.meters += part.meters;
  into.changes += part.changes;
  into.powerHigh += part.powerHigh;
  into.powerLow += part.powerLow;
  into.energyHigh += part.energyHigh;
  into.energyLow += part.energyLow;
  into.minPowerKw = Math.min(into.minPowerKw, part.minPowerKw);
  into.maxPowerKw = Math.max(into.maxPowerKw, part.maxPowerKw);
}

function shiftSums(part: LedgerPart, contribution: Contribution, sign: 1 | -1): void {
  const powerHigh = highOf(contribution.powerUnits);
  part.powerHigh += sign * powerHigh;
  part.powerLow += sign * lowOf(contribution.powerUnits, powerHigh);
  const energyHigh = highOf(contribution.energyUnits);
  part.energyHigh += sign * energyHigh;
  part.energyLow += sign * lowOf(contribution.energyUnits, energyHigh);
}

export function emptyPart(region: number, granularity: number, windowStartMs: number): LedgerPart {
  return {
    region,
    granularity,
    windowStartMs,
    meters: 0,
    powerHigh: 0,
    powerLow: 0,
    energyHigh: 0,
    energyLow: 0,
    minPowerKw: Infinity,
    maxPowerKw: -Infinity,
    changes: 0,
    unsaved: false,
    unreported: false,
  };
}

/** Window number below 2^27, granularity 1 bit, region 16 bits: together well below 2^53. */
function partKey(region: number, granularity: number, windowStartMs: number): number {
  return ((windowStartMs / GRANULARITY_MS[GRANULARITIES[granularity]]) * 2 + granularity) * 65_536 + region;
}

import { finalFrom, RECENT_WINDOWS_MAX, type RegionState } from '../actors/region/state.ts';
import { GRANULARITY_MS, type RegionWindow } from '../model/window.ts';

/**
 * Which regional windows are to be handed on: final one-minute windows, each once, in order within a region. One that becomes known after a later one of its region was handed on is
 * left out.
 */

/**
 * From when a window is first heard of, at least, monotonic ms: the parts of other shards come with their next report (500 ms). Of live data windows are final a minute later; this is for
 * what comes late and is final at once.
 */
const PARTS_WAIT_MS = 1_500;
const WINDOW_MS = GRANULARITY_MS['1m'];

export interface RegionWindowFeedModules {
  /** The region actor's state; another object after its restart. */
  regions: () => RegionState;
  latenessMs: number;
}

interface Row {
  /** Start of the newest window that was handed on. */
  handedUpTo: number;
  /** By start: since when it is known, monotonic ms. RECENT_WINDOWS_MAX and those that meters ahead of the clock have begun. */
  pending: Map<number, number>;
}

export class RegionWindowFeed {
  private readonly modules: RegionWindowFeedModules;
  private readonly rows = new Map<string, Row>();

  constructor(modules: RegionWindowFeedModules) {
    this.modules = modules;
  }

  /** Windows changed. */
  changed(windows: readonly { region: string; windowStart: number }[], time: { nowMs: number; monotonicMs: number }): void {
    const from = time.nowMs - RECENT_WINDOWS_MAX * WINDOW_MS;
    for (const { region, windowStart } of windows) if (windowStart >= from) this.add(region, windowStart, time.monotonicMs);
  }

  /** Everything that is in memory is to be handed on once more. */
  restart(nowMs: number): void {
    this.rows.clear();
    const from = nowMs - RECENT_WINDOWS_MAX * WINDOW_MS;
    const regions = this.modules.regions();
    for (const region of regions.recentRegions()) {
      for (const start of regions.recentStarts(region)) if (start >= from) this.add(region, start, -Infinity);
    }
  }

  /** What is due now, `max` windows at most. They count as handed on. */
  take(max: number, { nowMs, monotonicMs }: { nowMs: number; monotonicMs: number }): RegionWindow[] {
    const taken: RegionWindow[] = [];
    for (const [region, row] of this.rows) {
      if (row.pending.size > 0) this.takeOf(region, row, max - taken.length, nowMs, monotonicMs, taken);
      if (taken.length === max) break;
    }
    return taken;
  }

  private add(region: string, start: number, sinceMs: number): void {
    let row = this.rows.get(region);
    if (row === undefined) this.rows.set(region, (row = { handedUpTo: -Infinity, pending: new Map() }));
    if (start > row.handedUpTo && !row.pending.has(start)) row.pending.set(start, sinceMs);
  }

  private takeOf(region: string, row: Row, max: number, nowMs: number, monotonicMs: number, taken: RegionWindow[]): void {
    const { regions, latenessMs } = this.modules;
    const starts = [...row.pending.keys()].sort((a, b) => a - b);
    const first = starts.findIndex((start) => nowMs < finalFrom(start + WINDOW_MS, latenessMs) || monotonicMs < row.pending.get(start)! + PARTS_WAIT_MS);
    for (const start of starts.slice(0, Math.min(max, first === -1 ? starts.length : first))) {
      row.pending.delete(start);
      row.handedUpTo = start;
      const window = regions().recentWindow(region, start, nowMs, latenessMs);
      if (window !== null) taken.push(window);
    }
  }
}

import { RECENT_WINDOWS_MAX, type RegionState } from '../actors/region/state.ts';
import { GRANULARITY_MS, type RegionWindow } from '../model/window.ts';

/** Which regional minutes have closed, or were corrected after that: the clock closes them, and nothing reports it. */

const WINDOW_MS = GRANULARITY_MS['1m'];

export interface ClosedWindowsModules {
  /** The region actor's state; another object after its restart. */
  regions: () => RegionState;
  latenessMs: number;
}

export class ClosedWindows {
  private readonly modules: ClosedWindowsModules;
  /** Starts of windows that changed and are open, by region. Of each region RECENT_WINDOWS_MAX, and those that meters ahead of the clock have begun. */
  private readonly open = new Map<string, Set<number>>();

  constructor(modules: ClosedWindowsModules) {
    this.modules = modules;
  }

  /** Windows changed. */
  changed(windows: readonly { region: string; windowStart: number }[], nowMs: number): void {
    const from = nowMs - RECENT_WINDOWS_MAX * WINDOW_MS;
    for (const { region, windowStart } of windows) {
      if (windowStart < from) continue;
      let starts = this.open.get(region);
      if (starts === undefined) this.open.set(region, (starts = new Set()));
      starts.add(windowStart);
    }
  }

  /** Those that are closed now, each once after its change, in order within a region. */
  take(nowMs: number): RegionWindow[] {
    const { regions, latenessMs } = this.modules;
    const closed: RegionWindow[] = [];
    for (const [region, starts] of this.open) {
      for (const start of [...starts].sort((a, b) => a - b)) {
        const window = regions().recentWindow(region, start, nowMs, latenessMs);
        if (window !== null && !window.final) continue;
        starts.delete(start);
        if (window !== null) closed.push(window);
      }
      if (starts.size === 0) this.open.delete(region);
    }
    return closed;
  }
}

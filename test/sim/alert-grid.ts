import type { ComponentHealth } from '../../src/actors/alerts/protocol.ts';
import type { RegionState } from '../../src/actors/region/state.ts';
import type { Anomaly, AnomalyKind, Severity } from '../../src/model/anomaly.ts';
import type { AnomalyQuery, Page, RegionNow } from '../../src/model/queries.ts';
import type { RegionWindow } from '../../src/model/window.ts';
import { COMPONENTS, METERS_PER_REGION, REGIONS } from './alert-plan.ts';

/** What goes on in the simulated grid, which alerts are to be about; shards never lose it. Times are those of the meters, which do not jump. */

const MINUTE_MS = 60_000;

export const regionName = (region: number): string => `r${region}`;
export const meterName = (meter: number): string => `m${meter}`;
export const componentName = (component: number): string => (component === 0 ? 'timescale' : 'kafka');
export const regionOf = (meter: number): string => regionName(Math.floor(meter / METERS_PER_REGION));

export class SimGrid {
  /** All that there ever were, newest state, in order of beginning. */
  readonly episodes: Anomaly[] = [];
  readonly components: ComponentHealth[];
  /** Percent, and windows by region and start. */
  readonly loads = Array.from({ length: REGIONS }, () => 50);
  readonly windows = new Map<string, Map<number, number>>();
  /** Most meters that were out at once, by region; and every time at which a part of the engine went. */
  readonly mostOut = new Map<string, number>();
  readonly componentSpans: { component: string; from: number; to: number | null }[] = [];
  private readonly openOnes = new Map<string, number>();
  private newestStart = 0;

  constructor(nowMs: number) {
    this.components = Array.from({ length: COMPONENTS }, (_, i) => ({ component: componentName(i), isWell: true, since: nowMs, problem: '' }));
    for (let i = 0; i < REGIONS; i++) this.windows.set(regionName(i), new Map());
  }

  /** The episode as it is now; null: the meter has one already that is the same. */
  begin(meter: number, kind: AnomalyKind, severity: Severity, nowMs: number): Anomaly | null {
    const place = this.openOnes.get(`${meter}/${kind}`);
    if (place !== undefined) {
      const known = this.episodes[place];
      if (kind === 'outage' || known.severity === severity) return null;
      return (this.episodes[place] = { ...known, severity, score: known.score + 1 });
    }
    this.newestStart = Math.max(nowMs, this.newestStart + 1);
    const startedAt = this.newestStart;
    const meterId = meterName(meter);
    const anomaly: Anomaly = {
      ...{ id: `${meterId}/${kind}/${startedAt}`, meterId, region: regionOf(meter), kind, severity, startedAt, endedAt: null, endReason: null },
      ...{ value: kind === 'outage' ? 0 : 9, expected: 1, score: 10, message: `${kind} of ${meterId}` },
    };
    this.openOnes.set(`${meter}/${kind}`, this.episodes.push(anomaly) - 1);
    if (kind === 'outage') this.mostOut.set(anomaly.region, Math.max(this.mostOut.get(anomaly.region) ?? 0, this.out(anomaly.region)));
    return anomaly;
  }

  end(meter: number, kind: AnomalyKind, nowMs: number): Anomaly | null {
    const place = this.openOnes.get(`${meter}/${kind}`);
    if (place === undefined) return null;
    this.openOnes.delete(`${meter}/${kind}`);
    const known = this.episodes[place];
    return (this.episodes[place] = { ...known, endedAt: Math.max(nowMs, known.startedAt + 1), endReason: 'recovered' });
  }

  out(region: string): number {
    return this.open().filter((episode) => episode.kind === 'outage' && episode.region === region).length;
  }

  open(): Anomaly[] {
    return [...this.openOnes.values()].map((place) => this.episodes[place]);
  }

  find(meterId: string, kind: AnomalyKind, startedAt: number): Anomaly | null {
    return this.episodes.find((episode) => episode.meterId === meterId && episode.kind === kind && episode.startedAt === startedAt) ?? null;
  }

  setComponent(index: number, isWell: boolean, nowMs: number): void {
    const known = this.components[index];
    if (known.isWell === isWell) return;
    this.components[index] = { ...known, isWell, since: nowMs, problem: isWell ? '' : `${known.component} does not answer.` };
    if (!isWell) this.componentSpans.push({ component: known.component, from: nowMs, to: null });
    else this.componentSpans.findLast(({ component }) => component === known.component)!.to = nowMs;
  }

  /** A minute is over: which windows there are since. */
  minute(nowMs: number): { region: string; windowStart: number }[] {
    const windowStart = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS - MINUTE_MS;
    return this.loads.map((percent, i) => {
      this.windows.get(regionName(i))!.set(windowStart, percent);
      return { region: regionName(i), windowStart };
    });
  }

  page({ open, from }: AnomalyQuery): Page<Anomaly> {
    return { data: this.episodes.filter(({ startedAt, endedAt }) => startedAt >= from && (open !== true || endedAt === null)).reverse(), nextCursor: null };
  }

  /** What the feed asks the region actor's state. */
  regionState(): RegionState {
    const state: Pick<RegionState, 'regionsNow' | 'recentRegions' | 'recentStarts' | 'recentWindow'> = {
      regionsNow: () => Array.from({ length: REGIONS }, (_, i) => this.regionNow(regionName(i))),
      recentRegions: () => [...this.windows.keys()],
      recentStarts: (region) => [...this.windows.get(region)!.keys()].slice(-180),
      recentWindow: (region, start) => this.window(region, start),
    };
    return state as RegionState;
  }

  private regionNow(region: string): RegionNow {
    return { region, meters: METERS_PER_REGION, metersReporting: METERS_PER_REGION, metersSilent: 0, loadKw: 0, capacityKw: 20, loadPercent: 50, openAnomalies: 0 };
  }

  private window(region: string, windowStart: number): RegionWindow | null {
    const loadPercent = this.windows.get(region)!.get(windowStart);
    if (loadPercent === undefined) return null;
    return {
      ...{ region, granularity: '1m', windowStart, windowEnd: windowStart + MINUTE_MS, metersReporting: METERS_PER_REGION, sumPowerKw: loadPercent / 5, avgPowerKw: 1 },
      ...{ minPowerKw: 0, maxPowerKw: 3, energyKwhSum: 1, capacityKw: 20, loadPercent, final: true },
    };
  }
}

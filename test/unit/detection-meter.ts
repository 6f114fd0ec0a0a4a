import type { AnomalyKind, Severity } from '../../src/model/anomaly.ts';
import type { DetectionConfig } from '../../src/actors/shard/detection/detection-config.ts';
import { DEFAULT_DETECTION } from '../../src/actors/shard/detection/detection-config.ts';
import { DETECTOR_BYTES, detectorCells } from '../../src/actors/shard/detection/detector-cells.ts';
import { observeWindow } from '../../src/actors/shard/detection/detection.ts';
import type { AnomalyBasis, AnomalySink } from '../../src/actors/shard/detection/episodes.ts';
import { PROFILE_BYTES, profileCells, type ProfileCells, type ProfileSource } from '../../src/actors/shard/detection/seasonal-profile.ts';
import type { WindowFacts } from '../../src/actors/shard/detection/window-facts.ts';

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;
/** A Monday, 00:00 UTC. */
export const MONDAY_MS = Date.UTC(2024, 0, 1);

export interface Event {
  what: 'opened' | 'changed' | 'ended';
  kind: AnomalyKind;
  startedAt: number;
  basis?: AnomalyBasis;
  severity?: Severity;
  value?: number;
  expected?: number;
  score?: number;
  endedAt?: number;
  reason?: 'recovered' | 'adapted' | null;
  /** Start of the window that was being observed. */
  at: number;
}

const HOURS = 24;

/** A whole profile in memory; one that `forgets` knows nothing, whatever it is taught. */
export class WeekProfile implements ProfileSource {
  private cells: ProfileCells = profileCells(new ArrayBuffer(HOURS * PROFILE_BYTES));
  /** Where it lies in the cells. */
  private base = 0;
  private readonly forgets: boolean;

  constructor({ forgets = false } = {}) {
    this.forgets = forgets;
  }

  hour(hourOfDay: number): ProfileCells {
    if (this.forgets) this.cells.u8.fill(0);
    this.cells.at = this.base + hourOfDay * PROFILE_BYTES;
    return this.cells;
  }

  bytes(): Uint8Array {
    return this.cells.u8.slice(this.base, this.base + HOURS * PROFILE_BYTES);
  }

  /** To an odd place of a larger buffer, surrounded by noise. */
  move(): void {
    const bytes = this.bytes();
    this.cells = profileCells(new ArrayBuffer((HOURS + 3) * PROFILE_BYTES));
    this.cells.u8.fill(0xa5);
    this.base = 2 * PROFILE_BYTES;
    this.cells.u8.set(bytes, this.base);
  }
}

/** One meter with its own bytes, a recording sink, and a window a minute (or a spacing) from `nextMs` on. */
export class DetectionMeter implements AnomalySink {
  readonly cells = detectorCells(new ArrayBuffer(DETECTOR_BYTES));
  readonly profile: WeekProfile;
  readonly events: Event[] = [];
  readonly config: DetectionConfig;
  nextMs: number;
  spacingMs: number;
  private now = 0;

  constructor(options: { config?: Partial<DetectionConfig>; startMs?: number; spacingMs?: number; withProfile?: boolean } = {}) {
    this.config = { ...DEFAULT_DETECTION, ...options.config };
    this.nextMs = options.startMs ?? MONDAY_MS;
    this.spacingMs = options.spacingMs ?? MINUTE_MS;
    this.profile = new WeekProfile({ forgets: options.withProfile === false });
  }

  /** One window; the rest of the facts are those of a meter on a healthy grid that sends no voltage. */
  feed(powerKw: number, facts: Partial<WindowFacts> = {}): void {
    const window = {
      startMs: this.nextMs,
      avgPowerKw: powerKw,
      minPowerKw: powerKw,
      maxPowerKw: powerKw,
      voltageAvg: NaN,
      regionPoweredShare: 1,
      regionReporting: 100,
      ...facts,
    };
    this.now = window.startMs;
    this.nextMs = window.startMs + this.spacingMs;
    observeWindow(this.cells, this.profile, window, this.config, this);
  }

  /** `count` windows of a level that wobbles by ± 5 % (never twice the same). */
  feedAround(powerKw: number, count: number, facts: Partial<WindowFacts> = {}): void {
    for (let i = 0; i < count; i++) this.feed(powerKw * (1 + 0.05 * Math.sin(this.nextMs / MINUTE_MS)), facts);
  }

  feedTimes(powerKw: number, count: number, facts: Partial<WindowFacts> = {}): void {
    for (let i = 0; i < count; i++) this.feed(powerKw, facts);
  }

  of(kind: AnomalyKind): Event[] {
    return this.events.filter((event) => event.kind === kind);
  }

  opened(kind: AnomalyKind, basis: AnomalyBasis, severity: Severity, startedAt: number, value: number, expected: number, score: number): void {
    this.events.push({ what: 'opened', kind, basis, severity, startedAt, value, expected, score, at: this.now });
  }

  changed(kind: AnomalyKind, basis: AnomalyBasis, severity: Severity, startedAt: number, value: number, expected: number, score: number): void {
    this.events.push({ what: 'changed', kind, basis, severity, startedAt, value, expected, score, at: this.now });
  }

  ended(kind: AnomalyKind, startedAt: number, endedAt: number, reason: 'recovered' | 'adapted'): void {
    this.events.push({ what: 'ended', kind, startedAt, endedAt, reason, at: this.now });
  }
}

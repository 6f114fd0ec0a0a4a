import { ANOMALY_KINDS, type Anomaly, type AnomalyKind, type Severity } from '../../model/anomaly.ts';
import { GRANULARITY_MS } from '../../model/window.ts';
import { messageOf } from './detection/anomaly-message.ts';
import type { DetectionConfig } from './detection/detection-config.ts';
import { observeWindow } from './detection/detection.ts';
import type { DetectorCells } from './detection/detector-cells.ts';
import { openKinds, type AnomalyBasis, type AnomalySink } from './detection/episodes.ts';
import type { MeterPage } from './meter-pages.ts';
import { observeReturn, observeSilence } from './detection/outage.ts';
import { MeterProfile, type ProfileStore } from './meter-profile.ts';
import type { RegionPicture } from './protocol.ts';
import type { RegionLedger } from './region-ledger.ts';
import type { WindowFacts } from './detection/window-facts.ts';

/** What became of an episode. `ended` names it alone: its figures are where it was kept. */
export type AnomalyChange =
  | { change: 'opened' | 'changed'; anomaly: Anomaly }
  | { change: 'ended'; id: string; meterId: string; kind: AnomalyKind; startedAt: number; endedAt: number; endReason: NonNullable<Anomaly['endReason']> };

/** Runs the detector on rows and turns what it says into changes of named anomalies. */
export class AnomalyEpisodes {
  private readonly config: DetectionConfig;
  private readonly ledger: RegionLedger;
  private readonly idOf: (row: number) => string;
  private readonly sink: AnomalySink;
  private readonly profile: MeterProfile;
  /** Episodes that go on, by kind. */
  readonly open = Object.fromEntries(ANOMALY_KINDS.map((kind) => [kind, 0])) as Record<AnomalyKind, number>;
  private changes: AnomalyChange[] = [];
  private picture: RegionPicture['regions'] = [];
  /** When the picture was true, epoch ms; NaN before the first. */
  private pictureMs = NaN;
  /** Share of reporting meters that have power, and reporting meters, by region index. */
  private poweredShare = new Float64Array(0);
  private regionReporting = new Float64Array(0);
  /** The meter whose detector runs. */
  private row = 0;
  private region = 0;

  constructor(config: DetectionConfig, ledger: RegionLedger, idOf: (row: number) => string, profiles: ProfileStore) {
    this.config = config;
    this.ledger = ledger;
    this.idOf = idOf;
    this.profile = new MeterProfile(profiles, { keeps: true });
    this.sink = {
      opened: (kind, basis, severity, startedAt, value, expected, score) => this.put('opened', kind, basis, severity, startedAt, value, expected, score),
      changed: (kind, basis, severity, startedAt, value, expected, score) => this.put('changed', kind, basis, severity, startedAt, value, expected, score),
      ended: (kind, startedAt, endedAt, endReason) => this.end(kind, startedAt, endedAt, endReason),
    };
  }

  /** Changes that were not taken. */
  get changeCount(): number {
    return this.changes.length;
  }

  /** Changes since the last call, in order. */
  take(): AnomalyChange[] {
    const taken = this.changes;
    this.changes = [];
    return taken;
  }

  /** How the regions are at `nowMs`, a time of the clock. */
  setPicture(regions: RegionPicture['regions'], nowMs: number): void {
    this.picture = regions;
    this.pictureMs = nowMs;
    this.spreadPicture();
  }

  /** By index. A region that comes later is looked up then: a replay knows it from the start, and must judge alike. */
  private spreadPicture(): void {
    const count = this.ledger.regionCount;
    this.poweredShare = new Float64Array(count).fill(NaN);
    this.regionReporting = new Float64Array(count);
    for (const { region, poweredShare, reporting } of this.picture) {
      const index = this.ledger.find(region);
      if (index < 0) continue;
      this.poweredShare[index] = poweredShare;
      this.regionReporting[index] = reporting;
    }
  }

  /** A one-minute window of the row closed. `cells` stand at its detector state. */
  window(page: MeterPage, row: number, cells: DetectorCells, region: number, window: Omit<WindowFacts, 'regionPoweredShare' | 'regionReporting'>): void {
    this.row = row;
    this.region = region;
    if (region >= this.poweredShare.length) this.spreadPicture();
    observeWindow(
      cells,
      this.profile.of(page, row),
      { ...window, regionPoweredShare: this.shareAt(region, window.startMs), regionReporting: this.regionReporting[region] },
      this.config,
      this.sink,
    );
  }

  /** Share of a region's meters that have power when the minute from `startMs` on ends; NaN where the picture is of another time. */
  private shareAt(region: number, startMs: number): number {
    const endMs = startMs + GRANULARITY_MS['1m'];
    return Math.abs(this.pictureMs - endMs) <= this.config.darkPictureReachMs ? this.poweredShare[region] : NaN;
  }

  /** The row has been silent for too long, or for longer still. */
  silent(cells: DetectorCells, row: number, region: number, nowMs: number, lastArrivalMs: number, newestMs: number): void {
    this.row = row;
    this.region = region;
    observeSilence(cells, nowMs, lastArrivalMs, newestMs, this.config, this.sink);
  }

  /** The silent row sent a reading again. */
  returned(cells: DetectorCells, row: number, region: number, timestampMs: number): void {
    this.row = row;
    this.region = region;
    observeReturn(cells, timestampMs, this.sink);
  }

  openCount(cells: DetectorCells): number {
    return openKinds(cells).length;
  }

  /** Counts the open episodes of a row that was restored. Gives how many. */
  restored(cells: DetectorCells): number {
    const kinds = openKinds(cells);
    for (const kind of kinds) this.open[kind]++;
    return kinds.length;
  }

  private put(change: 'opened' | 'changed', kind: AnomalyKind, basis: AnomalyBasis, severity: Severity, startedAt: number, value: number, expected: number, score: number): void {
    if (change === 'opened') {
      this.open[kind]++;
      this.ledger.shiftOpenAnomalies(this.region, 1);
    }
    const meterId = this.idOf(this.row);
    this.changes.push({
      change,
      anomaly: {
        id: anomalyId(meterId, kind, startedAt),
        meterId,
        region: this.ledger.nameOf(this.region),
        kind,
        severity,
        startedAt,
        endedAt: null,
        endReason: null,
        value,
        expected,
        score,
        message: messageOf(kind, basis, value, expected),
      },
    });
  }

  private end(kind: AnomalyKind, startedAt: number, endedAt: number, endReason: NonNullable<Anomaly['endReason']>): void {
    this.open[kind]--;
    this.ledger.shiftOpenAnomalies(this.region, -1);
    const meterId = this.idOf(this.row);
    this.changes.push({ change: 'ended', id: anomalyId(meterId, kind, startedAt), meterId, kind, startedAt, endedAt, endReason });
  }
}

/** The same episode has the same id after every replay. */
export function anomalyId(meterId: string, kind: AnomalyKind, startedAt: number): string {
  return `${meterId}/${kind}/${startedAt}`;
}

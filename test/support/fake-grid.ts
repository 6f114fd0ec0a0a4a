import type { Subject } from '../../src/model/access.ts';
import type { Alert } from '../../src/model/alert.ts';
import type { Anomaly } from '../../src/model/anomaly.ts';
import type { DynamicPrice } from '../../src/model/billing.ts';
import type { MeterState, MeterSummary, RegionNow } from '../../src/model/queries.ts';
import type { MeterWindow, RegionWindow } from '../../src/model/window.ts';
import type { EngineSnapshot, LiveSource, MeterNow, RecentBills, RegionsPicture, Unsubscribe } from '../../src/http/live-source.ts';

/**
 * A grid without an engine: what the live stream and the gateway would be told, made from a day curve and set by hand.
 * Deterministic for a given `nowMs`.
 */

const MINUTE_MS = 60_000;
const QUARTER_MS = 15 * MINUTE_MS;
const HOUR_MS = 60 * MINUTE_MS;
const METERS_PER_REGION = 10;
const CAPACITIES_KW = [18, 24, 15, 30, 21, 12, 27, 16, 20, 14];

class Listeners<T> {
  readonly #fns = new Set<(value: T) => void>();
  add(fn: (value: T) => void): Unsubscribe {
    this.#fns.add(fn);
    return () => this.#fns.delete(fn);
  }
  tell(value: T): void {
    for (const fn of this.#fns) fn(value);
  }
  get size(): number {
    return this.#fns.size;
  }
}

/** A wave that looks like load, the same for the same arguments: slow and quick swings, and a bit of noise. */
function wave(seed: number, timestampMs: number): number {
  const minutes = timestampMs / MINUTE_MS;
  const noise = Math.sin(Math.floor(minutes) * 12.9898 + seed * 78.233) * 43_758.5453;
  return Math.sin(minutes / 23 + 0.4 * seed) * 0.08 + Math.sin(minutes / 6.1 + seed * 2.7) * 0.03 + (noise - Math.floor(noise) - 0.5) * 0.05;
}

/** Share of its capacity that a region draws; the eighth is nearly full and the fourth nearly idle; none draws more than it has, at whatever minute a test runs. */
function share(regionIndex: number, timestampMs: number): number {
  const level = [0.62, 0.55, 0.79, 0.31, 0.58, 0.66, 0.49, 0.9, 0.6, 0.52][regionIndex];
  return Math.min(0.99, Math.max(0.02, level + wave(regionIndex + 1, timestampMs)));
}

export class FakeGrid implements LiveSource {
  readonly nowMs: number;
  readonly regionListeners = new Listeners<RegionsPicture>();
  readonly closedListeners = new Listeners<readonly RegionWindow[]>();
  readonly anomalyListeners = new Listeners<Anomaly>();
  readonly alertListeners = new Listeners<readonly Alert[]>();
  readonly priceListeners = new Listeners<readonly DynamicPrice[]>();
  readonly billListeners = new Listeners<RecentBills>();
  readonly engineListeners = new Listeners<EngineSnapshot>();
  readonly meterQuestions: string[] = [];
  /** How far back quarter-hours of regions go. */
  historyMs = 0;
  /** How far back the energy of meters goes. */
  energyMs = 0;
  regionsNow: RegionNow[] = [];
  windows: RegionWindow[] = [];
  anomalyList: Anomaly[] = [];
  /** Active ones, newest first. */
  alertList: Alert[] = [];
  /** In order of region. */
  priceList: DynamicPrice[] = [];
  /** What changed last first. */
  recentBills: RecentBills = { invoices: [], payments: [], disputes: [] };
  /** By invoice. */
  billPlaces = new Map<string, Subject>();
  snapshot: EngineSnapshot;
  /** What watchMeter answers, when a test wants it otherwise. */
  answerMeter: (meterId: string) => Promise<MeterNow | null> = async (meterId) => this.meterNow(meterId);

  constructor(nowMs: number, options: { empty?: boolean; ingestUrl?: string } = {}) {
    this.nowMs = nowMs;
    this.snapshot = {
      state: 'ready',
      version: '0.1.0',
      startedAt: nowMs - 5 * HOUR_MS,
      now: nowMs,
      shards: [{ shard: 0, state: 'up' }],
      alerts: null,
      sinks: [],
      meters: options.empty ? 0 : CAPACITIES_KW.length * METERS_PER_REGION,
      readingsAccepted: options.empty ? 0 : 184_213,
      acceptedPerSecond: options.empty ? 0 : 100.4,
      rejectedPerSecond: 0,
      ackLatencyP99Ms: options.empty ? null : 4.2,
      ingestUrl: options.ingestUrl ?? 'http://127.0.0.1:3001/ingest',
    };
    CAPACITIES_KW.forEach((capacityKw, index) => {
      this.regionsNow.push(this.#region(index, capacityKw, options.empty ?? false));
      if (options.empty) return;
      const first = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS - 59 * MINUTE_MS;
      for (let start = first; start <= nowMs; start += MINUTE_MS) this.windows.push(this.#regionWindow(index, capacityKw, start));
    });
    if (!options.empty) this.anomalyList = exampleAnomalies(nowMs);
  }

  regions(): RegionsPicture {
    return { regions: this.regionsNow, windows: this.windows };
  }
  onRegions(fn: (change: RegionsPicture) => void): Unsubscribe {
    return this.regionListeners.add(fn);
  }
  closedWindows(): RegionWindow[] {
    return this.windows.filter(({ final }) => final);
  }
  onClosedWindows(fn: (closed: readonly RegionWindow[]) => void): Unsubscribe {
    return this.closedListeners.add(fn);
  }
  anomaliesRecent(): Anomaly[] {
    return this.anomalyList;
  }
  onAnomaly(fn: (anomaly: Anomaly) => void): Unsubscribe {
    return this.anomalyListeners.add(fn);
  }
  alertsActive(): Alert[] {
    return this.alertList;
  }
  onAlerts(fn: (changed: readonly Alert[]) => void): Unsubscribe {
    return this.alertListeners.add(fn);
  }
  prices(): DynamicPrice[] {
    return this.priceList;
  }
  onPrices(fn: (changed: readonly DynamicPrice[]) => void): Unsubscribe {
    return this.priceListeners.add(fn);
  }
  bills(): RecentBills {
    return this.recentBills;
  }
  placeOfInvoice(invoiceId: string): Subject | null {
    return this.billPlaces.get(invoiceId) ?? null;
  }
  onBills(fn: (changed: RecentBills) => void): Unsubscribe {
    return this.billListeners.add(fn);
  }
  engine(): EngineSnapshot {
    return this.snapshot;
  }
  onEngine(fn: (snapshot: EngineSnapshot) => void): Unsubscribe {
    return this.engineListeners.add(fn);
  }
  watchMeter(meterId: string): Promise<MeterNow | null> {
    this.meterQuestions.push(meterId);
    return this.answerMeter(meterId);
  }

  /** Sets a region's load and tells the listeners. */
  setLoad(region: string, loadKw: number): void {
    const found = this.regionsNow.find((candidate) => candidate.region === region)!;
    const changed = { ...found, loadKw, loadPercent: found.capacityKw === null ? null : (loadKw / found.capacityKw) * 100 };
    this.regionsNow = this.regionsNow.map((candidate) => (candidate === found ? changed : candidate));
    this.regionListeners.tell({ regions: [changed], windows: [] });
  }

  tellAnomaly(anomaly: Anomaly): void {
    this.anomalyList = [anomaly, ...this.anomalyList.filter((other) => other.id !== anomaly.id)];
    this.anomalyListeners.tell(anomaly);
  }

  /** Alerts as they have become; a resolved one leaves the list. */
  tellAlerts(...changed: Alert[]): void {
    const ids = new Set(changed.map(({ id }) => id));
    this.alertList = [...changed.filter(({ state }) => state !== 'resolved'), ...this.alertList.filter(({ id }) => !ids.has(id))];
    this.alertListeners.tell(changed);
  }

  tellEngine(changes: Partial<EngineSnapshot>): void {
    this.snapshot = { ...this.snapshot, ...changes };
    this.engineListeners.tell(this.snapshot);
  }

  meterSummaries(region: string | null): MeterSummary[] {
    return this.regionsNow
      .filter((candidate) => candidate.meters > 0 && (region === null || candidate.region === region))
      .flatMap(({ region: name }) => Array.from({ length: METERS_PER_REGION }, (_, index) => this.#meterSummary(name, index)));
  }

  meterState(meterId: string): MeterState | null {
    const summary = this.meterSummaries(null).find((candidate) => candidate.meterId === meterId);
    if (!summary) return null;
    return {
      ...summary,
      lastReading: {
        timestamp: summary.newestTimestamp,
        receivedAt: summary.newestTimestamp + 180,
        powerKw: summary.lastPowerKw,
        energyKwh: 0.00034,
        voltage: 231.4,
        current: 5.31,
        frequency: 50.01,
        powerFactor: 0.97,
        seq: 8_412,
        status: 'OK',
      },
      readings: 18_412,
      cadenceMs: 1_000,
      baseline: { meanKw: 1.21, deviationKw: 0.16, windows: 301, warm: true, hourOfWeek: [] },
    };
  }

  meterNow(meterId: string): MeterNow | null {
    const meter = this.meterState(meterId);
    if (!meter) return null;
    return { meter, openWindows: this.meterWindows(meterId, this.nowMs - MINUTE_MS, this.nowMs + 1), closedWindows: [] };
  }

  /** Quarter-hours of a region whose start lies in [fromMs, toMs), as far back as `historyMs`. */
  quarterWindows(region: string, fromMs: number, toMs: number): RegionWindow[] {
    const index = this.regionsNow.findIndex((candidate) => candidate.region === region);
    const begin = Math.max(fromMs, this.nowMs - this.historyMs);
    const windows: RegionWindow[] = [];
    for (let start = Math.ceil(begin / QUARTER_MS) * QUARTER_MS; start < Math.min(toMs, this.nowMs); start += QUARTER_MS) {
      // An evening's peak over a day's mean.
      const hour = (start / HOUR_MS) % 24;
      const window = this.#regionWindow(index, CAPACITIES_KW[index], start);
      const sumPowerKw = window.sumPowerKw * (0.86 + 0.3 * Math.exp(-((((hour - 18.5 + 36) % 24) - 12) ** 2) / 8));
      windows.push({ ...window, granularity: '15m', windowEnd: start + QUARTER_MS, sumPowerKw, energyKwhSum: sumPowerKw / 4 });
    }
    return windows;
  }

  /** One-minute windows whose start lies in [fromMs, toMs). */
  meterWindows(meterId: string, fromMs: number, toMs: number): MeterWindow[] {
    const seed = [...meterId].reduce((sum, char) => sum + char.charCodeAt(0), 0);
    const windows: MeterWindow[] = [];
    const last = Math.min(toMs, this.nowMs);
    for (let start = Math.ceil(fromMs / MINUTE_MS) * MINUTE_MS; start < last; start += MINUTE_MS) {
      const spiking = meterId === 'meter-0807' && start > this.nowMs - 14 * MINUTE_MS;
      const avgPowerKw = Math.max(0.05, 1.2 + wave(seed, start) * 2 + (spiking ? 2.4 : 0));
      windows.push({
        meterId,
        region: `region-${meterId.slice(6, 8)}`,
        granularity: '1m',
        windowStart: start,
        windowEnd: start + MINUTE_MS,
        avgPowerKw,
        minPowerKw: avgPowerKw * 0.92,
        maxPowerKw: avgPowerKw * 1.09,
        energyKwhSum: avgPowerKw / 60,
        energySource: 'estimated',
        voltageAvg: 230.8,
        voltageMin: 229.9,
        voltageMax: 231.6,
        count: 60,
        revision: 0,
        final: start < this.nowMs - 90_000,
      });
    }
    return windows;
  }

  #region(index: number, capacityKw: number, empty: boolean): RegionNow {
    const region = `region-${String(index + 1).padStart(2, '0')}`;
    if (empty) {
      return { region, meters: 0, metersReporting: 0, metersSilent: 0, loadKw: 0, capacityKw, loadPercent: 0, openAnomalies: 0 };
    }
    const silent = index === 4 ? 2 : 0;
    const loadKw = share(index, this.nowMs) * capacityKw;
    return {
      region,
      meters: METERS_PER_REGION,
      metersReporting: METERS_PER_REGION - silent,
      metersSilent: silent,
      loadKw,
      capacityKw,
      loadPercent: (loadKw / capacityKw) * 100,
      openAnomalies: [0, 0, 1, 0, 2, 0, 0, 1, 0, 0][index],
    };
  }

  #regionWindow(index: number, capacityKw: number, start: number): RegionWindow {
    const sumPowerKw = share(index, start) * capacityKw;
    return {
      region: `region-${String(index + 1).padStart(2, '0')}`,
      granularity: '1m',
      windowStart: start,
      windowEnd: start + MINUTE_MS,
      metersReporting: METERS_PER_REGION,
      sumPowerKw,
      avgPowerKw: sumPowerKw / METERS_PER_REGION,
      minPowerKw: 0.2,
      maxPowerKw: 4.1,
      energyKwhSum: sumPowerKw / 60,
      capacityKw,
      loadPercent: (sumPowerKw / capacityKw) * 100,
      final: start < this.nowMs - 90_000,
    };
  }

  #meterSummary(region: string, index: number): MeterSummary {
    const regionNumber = region.slice('region-'.length);
    const meterId = `meter-${regionNumber}${String(index + 1).padStart(2, '0')}`;
    const silent = region === 'region-05' && index < 2;
    const open = this.anomalyList.filter((anomaly) => anomaly.meterId === meterId && anomaly.endedAt === null);
    return {
      meterId,
      region,
      partition: (Number(regionNumber) * 7 + index) % 64,
      health: silent ? 'silent' : 'reporting',
      newestTimestamp: silent ? this.nowMs - 26 * MINUTE_MS : this.nowMs - 400 - index * 60,
      lastPowerKw: silent ? 0.4 : (this.meterWindows(meterId, this.nowMs - MINUTE_MS, this.nowMs + 1).at(-1)?.avgPowerKw ?? 0),
      openAnomalies: open.map((anomaly) => anomaly.kind),
    };
  }
}

/** An open or ended episode with plausible figures; `over` overrides. */
export function exampleAnomaly(over: Partial<Anomaly> & Pick<Anomaly, 'meterId' | 'startedAt'>): Anomaly {
  const kind = over.kind ?? 'spike';
  return {
    id: `${over.meterId}/${kind}/${over.startedAt}`,
    region: `region-${over.meterId.slice(6, 8)}`,
    kind,
    severity: 'WARN',
    endedAt: null,
    endReason: null,
    value: 3.6,
    expected: 1.2,
    score: 7.5,
    message: 'Power is 3.6 kW, where 1.2 kW is usual.',
    ...over,
  };
}

function exampleAnomalies(nowMs: number): Anomaly[] {
  const minute = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS;
  return [
    exampleAnomaly({ meterId: 'meter-0807', startedAt: minute - 13 * MINUTE_MS, severity: 'CRITICAL', message: 'Power is 3.62 kW, three times the usual 1.21 kW.' }),
    exampleAnomaly({
      meterId: 'meter-0502', startedAt: minute - 26 * MINUTE_MS, kind: 'outage', severity: 'CRITICAL', value: 0, expected: 1.1, score: 6.9,
      message: 'No reading for 26 min; the meter usually reports every second.',
    }),
    exampleAnomaly({
      meterId: 'meter-0501', startedAt: minute - 26 * MINUTE_MS, kind: 'outage', severity: 'WARN', value: 0, expected: 1.3, score: 8,
      message: 'No reading for 26 min; the meter usually reports every second.',
    }),
    exampleAnomaly({
      meterId: 'meter-0304', startedAt: minute - 41 * MINUTE_MS, kind: 'voltage_band', severity: 'WARN', value: 206.2, expected: 230, score: 10.3,
      message: 'Voltage is 206.2 V, 10.3 % below the nominal 230 V.',
    }),
    exampleAnomaly({
      meterId: 'meter-0109', startedAt: minute - 52 * MINUTE_MS, endedAt: minute - 44 * MINUTE_MS, endReason: 'recovered', kind: 'drop', severity: 'INFO', value: 0.2, expected: 1.4, score: 4.4,
      message: 'Power fell to 0.20 kW, where 1.40 kW is usual.',
    }),
    exampleAnomaly({
      meterId: 'meter-0610', startedAt: minute - 118 * MINUTE_MS, endedAt: minute - 66 * MINUTE_MS, endReason: 'adapted', kind: 'flat_line', severity: 'INFO', value: 0.85, expected: 0.9, score: 0.3,
      message: 'Power has been exactly 0.85 kW for 30 min.',
    }),
  ];
}

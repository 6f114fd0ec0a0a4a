import { Conditions } from '../../src/actors/alerts/conditions/conditions.ts';
import type { Observation } from '../../src/actors/alerts/protocol.ts';
import { DEFAULT_RULES } from '../../src/actors/alerts/rules.ts';
import type { Anomaly, AnomalyKind } from '../../src/model/anomaly.ts';
import type { RegionNow } from '../../src/model/queries.ts';
import { invariant } from '../../src/runtime/errors.ts';
import { hashOf, rowOf, type BenchReport, type BenchRow } from '../bench-report.ts';

/** What the alerts' rules make of an observation, while many episodes go on. */

export interface AlertConditionsOptions {
  /** Episodes that go on meanwhile. */
  open: number;
  /** Episodes of one observation. */
  observed: number;
  rounds: number;
}

export const ALERT_CONDITIONS_FULL: AlertConditionsOptions = { open: 100_000, observed: 4_000, rounds: 15 };

const START_MS = Date.parse('2026-03-02T00:00:00Z');
const REGIONS = 10;
const METERS_OF_REGION = 10_000;
/** Of an observation, as shards report twice a second. */
const STEP_MS = 500;

export async function run(options: AlertConditionsOptions = ALERT_CONDITIONS_FULL): Promise<BenchReport> {
  const conditions = new Conditions(DEFAULT_RULES);
  conditions.observe(observationOf([], Array.from({ length: REGIONS }, (_, i) => regionOf(i))), START_MS);
  conditions.observe(observationOf(episodes('spike', 'open', options.open)), START_MS);
  const rows = [measure(conditions, 'spike', options), measure(conditions, 'outage', options)];
  return { name: 'micro: alert-conditions', leavesOut: 'The way between threads, the alert book, the store.', rows };
}

/** New episodes, each by a rule of its own or all as one region without power; then they end. */
function measure(conditions: Conditions, kind: AnomalyKind, { open, observed, rounds }: AlertConditionsOptions): BenchRow {
  const rates: number[] = [];
  const said: string[] = [];
  const spent: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const nowMs = START_MS + (round + 2) * 2 * STEP_MS;
    // As it comes from another thread: nothing in it is known yet.
    const begun = structuredClone(observationOf(episodes(kind, 'observed', observed, nowMs)));
    const startedMs = performance.now();
    const signals = conditions.observe(begun, nowMs);
    const ms = performance.now() - startedMs;
    invariant(signals.length === (kind === 'outage' ? 1 : observed), 'each is raised, or the region as one');
    conditions.observe(observationOf(begun.anomalies.map((anomaly) => ({ ...anomaly, endedAt: nowMs + 1, endReason: 'recovered' }))), nowMs + STEP_MS);
    invariant(conditions.openEpisodes === open, 'only what was open before goes on');
    if (round === 0) said.push(JSON.stringify(signals));
    if (round < 0) continue;
    rates.push((observed * 1_000) / ms);
    spent.push(ms);
  }
  const what = kind === 'outage' ? 'outages of one region' : 'new episodes';
  return rowOf(`${what} in one observation`, 'episodes/s', rates, `${observed} at a time, ${open} open beside, ${Math.min(...spent).toFixed(1)}–${Math.max(...spent).toFixed(1)} ms each`, hashOf(...said));
}

function observationOf(anomalies: Anomaly[], regions: RegionNow[] | null = null): Observation {
  return { anomalies, regionWindows: [], regions, components: null };
}

function episodes(kind: AnomalyKind, meters: string, count: number, startedAt = START_MS): Anomaly[] {
  return Array.from({ length: count }, (_, i) => {
    const meterId = `${meters}-${String(i).padStart(6, '0')}`;
    const region = kind === 'outage' ? 0 : i % REGIONS;
    const message = `${i % 9}.5 kW where 1.1 kW is usual at this hour of the week`;
    return { id: `${meterId}/${kind}/${startedAt}`, meterId, region: `region-${region}`, kind, severity: 'WARN', startedAt, endedAt: null, endReason: null, value: (i % 9) + 0.5, expected: 1.1, score: 12.5, message };
  });
}

function regionOf(index: number): RegionNow {
  return { region: `region-${index}`, meters: METERS_OF_REGION, metersReporting: METERS_OF_REGION, metersSilent: 0, loadKw: 0, capacityKw: null, loadPercent: null, openAnomalies: 0 };
}

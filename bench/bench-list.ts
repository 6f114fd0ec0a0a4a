import { kafkaAvailable, KAFKA_HOW_TO } from '../test/services/kafka.ts';
import { postgresAvailable, POSTGRES_HOW_TO } from '../test/services/postgres.ts';
import { chromiumAvailable, CHROMIUM_HOW_TO } from '../test/support/chromium-browser.ts';
import type { BenchReport } from './bench-report.ts';
import type { RestingTimes } from './load/memory-and-restart.ts';
import { API_FULL, run as runApi } from './load/api.ts';
import { BILLING_RUN_FULL, run as runBillingRun } from './load/billing-run.ts';
import { COMPARE_FULL, run as runCompare } from './load/compare.ts';
import { DASHBOARD_FLEET_FULL, run as runDashboardFleet } from './load/dashboard-fleet.ts';
import { LOAD_NAMES, RUN_LOAD_FULL, runLoad, type RunLoadOptions } from './load/run-load.ts';
import { LIVE_FULL, run as runLive } from './load/live.ts';
import { KAFKA_LOG_FULL, run as runKafkaLog } from './load/kafka-log.ts';
import { RERATE_FULL, run as runRerate } from './load/rerate.ts';
import { run as runSinkKafka, SINK_KAFKA_FULL } from './load/sink-kafka.ts';
import { run as runSinkTimescale, SINK_TIMESCALE_FULL } from './load/sink-timescale.ts';
import { ALERT_CONDITIONS_FULL, run as runAlertConditions } from './micro/alert-conditions.ts';
import { ALERT_LIST_FULL, run as runAlertList } from './micro/alert-list.ts';
import { DECODE_FULL, run as runDecode, type DecodeEffort } from './micro/decode.ts';
import { INVOICES_FULL, run as runInvoices } from './micro/invoices.ts';
import { JOURNAL_FULL, run as runJournal } from './micro/journal.ts';
import { QUERY_FULL, run as runQuery } from './micro/query.ts';
import { run as runShardTurn, SHARD_TURN_FULL } from './micro/shard-turn.ts';

/** `quick` shows that a benchmark still runs and checks; its figures mean nothing. */
export type Effort = 'full' | 'quick';

/** What a run may have otherwise than its effort says. */
export interface LoadChanges {
  /** Of every load benchmark. */
  meters?: number;
  resting?: Partial<RestingTimes>;
}

export interface Bench {
  group: 'micro' | 'load';
  name: string;
  /** A program that is not everywhere. */
  needs?: { name: string; isAvailable(): boolean; howTo: string };
  /** Micro benchmarks have nothing to change. */
  run(effort: Effort, changes?: LoadChanges): Promise<BenchReport>;
}

const RUN_LOAD_QUICK: RunLoadOptions = {
  meters: 2_000,
  durationMs: 300,
  warmupMs: 50,
  engineWarmupMs: 50,
  rounds: 1,
  singleConnections: [8],
  yardstickRoundMs: 5,
  resting: { historyMs: 180_000, liveMs: 300, liveCadenceMs: 1_000, settleMs: 0, restarts: 1, checkpointInterval: '1s' },
};

/** All benchmarks, in the order of a full run. */
export const BENCHES: readonly Bench[] = [
  { group: 'micro', name: 'decode', run: async (effort) => decodeReport(effort === 'full' ? DECODE_FULL : { rounds: 1, roundMs: 1 }) },
  { group: 'micro', name: 'shard-turn', run: async (effort) => runShardTurn(effort === 'full' ? SHARD_TURN_FULL : { meters: 1_000, rounds: 1 }) },
  { group: 'micro', name: 'journal', run: (effort) => runJournal(effort === 'full' ? JOURNAL_FULL : { recordsPerRound: 20, rounds: 1 }) },
  { group: 'micro', name: 'query', run: (effort) => runQuery(effort === 'full' ? QUERY_FULL : { meters: 10, queriesPerRound: 3, rounds: 1 }) },
  { group: 'micro', name: 'alert-conditions', run: (effort) => runAlertConditions(effort === 'full' ? ALERT_CONDITIONS_FULL : { open: 1_000, observed: 1_000, rounds: 1 }) },
  { group: 'micro', name: 'alert-list', run: (effort) => runAlertList(effort === 'full' ? ALERT_LIST_FULL : { alerts: 500, queriesPerRound: 2, rounds: 1 }) },
  { group: 'load', name: 'rerate', run: (effort, { meters } = {}) => runRerate(effort === 'full' ? { ...RERATE_FULL, meters: meters ?? RERATE_FULL.meters } : { meters: 300, rounds: 1 }) },
  { group: 'load', name: 'compare', run: (effort, { meters } = {}) => runCompare(effort === 'full' ? { ...COMPARE_FULL, meters: meters ?? COMPARE_FULL.meters } : { meters: 300, rounds: 1 }) },
  { group: 'micro', name: 'invoices', run: (effort) => runInvoices(effort === 'full' ? INVOICES_FULL : { invoicesPerRound: 4, rounds: 1 }) },
  {
    group: 'load',
    name: 'dashboard-fleet',
    needs: { name: 'Chromium', isAvailable: chromiumAvailable, howTo: CHROMIUM_HOW_TO },
    run: (effort, { meters } = {}) => runDashboardFleet(effort === 'full' ? { ...DASHBOARD_FLEET_FULL, meters: meters ?? DASHBOARD_FLEET_FULL.meters } : { meters: 1_000, regions: 5, rounds: 1, turns: 5 }),
  },
  ...LOAD_NAMES.map((name): Bench => ({ group: 'load', name, run: (effort, changes) => runLoad(name, changed(effort === 'full' ? RUN_LOAD_FULL : RUN_LOAD_QUICK, changes)) })),
  { group: 'load', name: 'live', run: (effort) => runLive(effort === 'full' ? LIVE_FULL : { readers: 40, processes: 2, stuck: 1, meters: 100, sendingMs: 11_000, aloneMs: 500, settleMs: 500, durationMs: 4_500 }) },
  { group: 'load', name: 'api', run: (effort, { meters } = {}) => runApi(effort === 'full' ? { ...API_FULL, meters: meters ?? API_FULL.meters } : { meters: 200, requestsPerSecond: 50, warmupMs: 300, durationMs: 300, rounds: 1, stepMs: 900_000 }) },
  { group: 'load', name: 'billing-run', run: (effort, { meters } = {}) => runBillingRun(effort === 'full' ? { ...BILLING_RUN_FULL, agreements: meters ?? BILLING_RUN_FULL.agreements } : { agreements: 600, rounds: 1 }) },
  {
    group: 'load',
    name: 'sink-kafka',
    needs: { name: 'Kafka', isAvailable: kafkaAvailable, howTo: KAFKA_HOW_TO },
    run: (effort) => runSinkKafka(effort === 'full' ? SINK_KAFKA_FULL : { windowsPerBatch: 200, batches: 2, readings: 2_000, partitions: 4, rounds: 1 }),
  },
  {
    group: 'load',
    name: 'kafka-log',
    needs: { name: 'Kafka', isAvailable: kafkaAvailable, howTo: KAFKA_HOW_TO },
    run: (effort) => runKafkaLog(effort === 'full' ? KAFKA_LOG_FULL : { single: 2_000, batched: 2_000, meters: 500, partitions: 2, rounds: 1 }),
  },
  {
    group: 'load',
    name: 'sink-timescale',
    needs: { name: 'PostgreSQL', isAvailable: postgresAvailable, howTo: POSTGRES_HOW_TO },
    run: (effort) => runSinkTimescale(effort === 'full' ? SINK_TIMESCALE_FULL : { windowsPerBatch: 200, batches: 2, rounds: 1 }),
  },
];

function changed(options: RunLoadOptions, { meters = options.meters, resting = {} }: LoadChanges = {}): RunLoadOptions {
  return { ...options, meters, resting: { ...options.resting, ...resting } };
}

function decodeReport(effort: DecodeEffort): BenchReport {
  const rows = runDecode(effort).map(({ name, readingsPerSecond, low, high, bytesPerReading, resultHash }) => ({
    name,
    unit: 'readings/s',
    median: readingsPerSecond,
    low,
    high,
    rounds: effort.rounds,
    note: `${bytesPerReading.toFixed(0)} bytes each`,
    resultHash,
  }));
  return { name: 'micro: decode', leavesOut: 'sockets, gzip and routing.', rows };
}

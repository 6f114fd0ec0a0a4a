import { rowOf, type BenchReport, type BenchRow } from '../bench-report.ts';
import { EngineProcess, makeDataDirectory, removeDataDirectory } from './engine-process.ts';
import { loadOptions, type LoadOptions, type LoadResult } from './fixed-rate.ts';
import { checkCounts } from './grid-check.ts';
import { runLoadProcess, sendLoad } from './load-process.ts';
import { RESTING_FULL, restingReport, type RestingTimes } from './memory-and-restart.ts';
import { DESIGN_PARSED_PER_SECOND, parsedPerSecond, YARDSTICK_ROUND_MS } from '../yardstick.ts';
import { SampleCounts } from './sample-counts.ts';
import type { SingleReadingsOptions, SingleReadingsResult } from './single-readings.ts';

/** Whole engine under load: client and engine on the same machine, every acknowledged reading on disk, counts checked at the end. */

export interface RunLoadOptions {
  meters: number;
  /** Measured time of one run. */
  durationMs: number;
  warmupMs: number;
  /** Load before the first run: all meters are made, code is compiled, checkpoints are under way. */
  engineWarmupMs: number;
  /** Runs of each load. */
  rounds: number;
  /** Of single readings: each number is a load of its own. */
  singleConnections: readonly number[];
  /** Of each of the rounds that tell how fast the machine is. */
  yardstickRoundMs: number;
  resting: RestingTimes;
}

/** Five rounds of 10 s: the spread of a shared two-core machine is about a tenth, and the median of five holds still. */
export const RUN_LOAD_FULL: RunLoadOptions = { meters: 100_000, durationMs: 10_000, warmupMs: 2_000, engineWarmupMs: 20_000, rounds: 5, singleConnections: [64, 256], yardstickRoundMs: YARDSTICK_ROUND_MS, resting: RESTING_FULL };

export const LOAD_NAMES = ['batches', 'msgpack', 'singles', 'resting'] as const;
export type LoadName = (typeof LOAD_NAMES)[number];

/** The rates of the issue's floor at half: 250,000 readings/s in batches, 15,000 single readings/s. */
const HALF_OF_FLOOR = { batches: 250_000, singles: 15_000 };
const BATCH_CONNECTIONS = 16;
/** Below this share of the speed of the machine that the floors were set for, a rate is measured in its share too. */
const FULL_SHARE = 0.95;
const HOUR_MS = 3_600_000;

const LEAVES_OUT =
  'the network between meters and engine, TLS, gzip, readers of the API; the client takes its part of the same cores. At the maximum a meter sends several readings a ' +
  'second, far more than meters do, so open windows hold more samples and memory after it says nothing of a fleet (see resting).';

/** Runs one load benchmark. Throws when the engine's counts are not the sender's. */
export async function runLoad(name: LoadName, options: RunLoadOptions): Promise<BenchReport> {
  if (name === 'resting') return restingReport(options.meters, options.resting);
  const directory = await makeDataDirectory();
  try {
    const engine = await EngineProcess.start(directory);
    try {
      const bench = new LoadBench(engine, options);
      await bench.warmUp(name);
      if (name === 'singles') await bench.singles();
      else await bench.batches(name === 'batches' ? 'json' : 'msgpack');
      return { name: `load: ${name}`, leavesOut: LEAVES_OUT, rows: await bench.checked() };
    } finally {
      await engine.stop();
    }
  } finally {
    await removeDataDirectory(directory);
  }
}

class LoadBench {
  private readonly engine: EngineProcess;
  private readonly options: RunLoadOptions;
  private readonly startedMs = Date.now();
  private readonly rows: BenchRow[] = [];
  private readonly sample = new SampleCounts();
  private accepted = 0;
  /** Readings that autocannon may have sent without waiting for the answer. */
  private slack = 0;

  constructor(engine: EngineProcess, options: RunLoadOptions) {
    this.engine = engine;
    this.options = options;
  }

  /** Sends the kind of load that follows, at the rate of what is measured first, and measures nothing. */
  async warmUp(name: Exclude<LoadName, 'resting'>): Promise<void> {
    const shape =
      name === 'singles'
        ? { readingsPerBatch: 1, connections: this.options.singleConnections[0], readingsPerSecond: HALF_OF_FLOOR.singles }
        : { format: name === 'msgpack' ? ('msgpack' as const) : ('json' as const), readingsPerSecond: HALF_OF_FLOOR.batches };
    this.tally(await this.send({ ...shape, warmupMs: 0, durationMs: this.options.engineWarmupMs }));
  }

  /**
   * Durable batches of 500: at half of the issue's floor, on an engine that was never flooded; then as many as go, and half of that, while checkpoints
   * of what the flood brought are still being written.
   */
  async batches(format: 'json' | 'msgpack'): Promise<void> {
    const load = { format };
    await this.atFloor(`${format} batches of 500`, HALF_OF_FLOOR.batches, load);
    const max = await this.measure(`${format} batches of 500, maximum`, load);
    await this.measure(`${format} batches of 500, half of the maximum`, { ...load, readingsPerSecond: Math.round(max / 2) });
    if (format === 'json') await this.measure('json batches of 500 without readingId, maximum', { ...load, withReadingIds: false });
  }

  /** One reading a request, from autocannon and from the lighter client of fixed-rate.ts. */
  async singles(): Promise<void> {
    for (const connections of this.options.singleConnections) {
      const single = { readingsPerBatch: 1, connections };
      await this.atFloor(`single readings, ${connections} connections`, HALF_OF_FLOOR.singles, single);
      const max = await this.measure(`single readings, ${connections} connections, maximum`, single);
      await this.measure(`single readings, ${connections} connections, half of the maximum`, { ...single, readingsPerSecond: Math.round(max / 2) });
      await this.autocannon(`single readings, ${connections} connections, autocannon, maximum`, connections, null);
      await this.autocannon(`single readings, ${connections} connections, autocannon, ${HALF_OF_FLOOR.singles}/s`, connections, HALF_OF_FLOOR.singles);
    }
  }

  /** The rows, after the engine's counts were held against the senders'. */
  async checked(): Promise<BenchRow[]> {
    // With autocannon's unanswered readings no meter's own count is certain.
    const sample = this.slack > 0 ? [] : this.sample.list();
    const verified = await checkCounts(this.engine.ports, this.startedMs - HOUR_MS, this.accepted, sample, this.slack);
    const { rssMb, anonMb } = this.engine.memory();
    this.rows.push(rowOf('resident memory after it', 'MB', [rssMb], `own ${anonMb.toFixed(0)} MB; counts verified: ${verified}`, ''));
    return this.rows;
  }

  /** At the issue's rate, and on a slower machine at the same share of what that machine can do. */
  private async atFloor(name: string, readingsPerSecond: number, load: Partial<LoadOptions>): Promise<void> {
    await this.measure(`${name}, ${readingsPerSecond}/s`, { ...load, readingsPerSecond });
    const share = parsedPerSecond(this.options.yardstickRoundMs) / DESIGN_PARSED_PER_SECOND;
    if (share >= FULL_SHARE) return;
    const scaled = Math.round(readingsPerSecond * share);
    await this.measure(`${name}, ${scaled}/s: the same for a machine of ${share.toFixed(2)} times the speed`, { ...load, readingsPerSecond: scaled });
  }

  private async measure(name: string, load: Partial<LoadOptions>): Promise<number> {
    const results: LoadResult[] = [];
    for (let round = 0; round < this.options.rounds; round++) {
      const result = await this.send(load);
      this.tally(result);
      results.push(result);
    }
    const row = rowOf(name, 'readings/s', results.map((result) => result.readingsPerSecond), noteOf(results), '');
    this.rows.push(row);
    return row.median;
  }

  private send(load: Partial<LoadOptions>): Promise<LoadResult> {
    const { meters, durationMs, warmupMs } = this.options;
    return sendLoad(loadOptions({ port: this.engine.ports.ingest, connections: BATCH_CONNECTIONS, meters, durationMs, warmupMs, ...load }));
  }

  private tally(result: LoadResult): void {
    this.accepted += result.total.readingsAccepted;
    this.sample.add(result.sample);
  }

  private async autocannon(name: string, connections: number, requestsPerSecond: number | null): Promise<void> {
    const { meters, durationMs, rounds } = this.options;
    const results: SingleReadingsResult[] = [];
    for (let round = 0; round < rounds; round++) {
      const options: SingleReadingsOptions = { port: this.engine.ports.ingest, connections, requestsPerSecond, durationMs, meters };
      const result = await runLoadProcess<SingleReadingsResult>('single-readings.ts', options);
      this.accepted += result.accepted;
      this.slack += connections;
      results.push(result);
    }
    this.rows.push(rowOf(name, 'readings/s', results.map((result) => result.requestsPerSecond), noteOf(results), ''));
  }
}

/** Latencies of the median round by p99, errors of all rounds. */
function noteOf(results: readonly (LoadResult | SingleReadingsResult)[]): string {
  const byP99 = [...results].sort((a, b) => a.latencyMs.p99 - b.latencyMs.p99);
  const { latencyMs, clientCpuShare, bytesPerReading } = byP99[results.length >> 1];
  const worstP99 = byP99[results.length - 1].latencyMs.p99;
  const parts = [
    `p50 ${ms(latencyMs.p50)}, p99 ${ms(latencyMs.p99)} (worst round ${ms(worstP99)}), p99.9 ${ms(latencyMs.p999)}, max ${ms(latencyMs.max)} ms`,
    `client ${(clientCpuShare * 100).toFixed(0)} % of a core`,
    `${bytesPerReading} bytes each`,
  ];
  const errors = new Map<string, number>();
  for (const result of results) for (const [status, count] of Object.entries(result.errors)) errors.set(status, (errors.get(status) ?? 0) + count);
  if (errors.size > 0) parts.push(`ERRORS ${[...errors].map(([status, count]) => `${status}: ${count}`).join(', ')}`);
  const unsent = results.reduce((sum, result) => sum + ('unsent' in result ? result.unsent : 0), 0);
  if (unsent > 0) parts.push(`${unsent} requests due and not sent: the rate was not held`);
  return parts.join('; ');
}

function ms(value: number): string {
  return value.toFixed(1);
}

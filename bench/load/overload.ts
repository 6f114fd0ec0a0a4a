import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { environmentLine } from '../bench-report.ts';
import { numberOption } from '../number-option.ts';
import { BystanderHost } from './bystander-host.ts';
import { Bystanders } from './bystanders.ts';
import { EngineProcess, makeDataDirectory, removeDataDirectory, type ResidentMemory } from './engine-process.ts';
import { loadOptions, type LoadOptions, type LoadResult } from './fixed-rate.ts';
import type { FloodOptions, FloodResult } from './flood.ts';
import { checkCounts, metricsOf } from './grid-check.ts';
import type { LoadInterval, SendingEnded } from './load-events.ts';
import { runLoadProcess, sendLoad, startLoad, type LoadProcess } from './load-process.ts';
import { MemoryWatch } from './memory-watch.ts';
import { checkpointStepsOf } from './metrics-page.ts';
import { openFilesMax } from '../../src/runtime/open-files.ts';
import { judgeOverload, normalP99MaxMs, secondsUntilNormal, statementsOf, type OverloadReport } from './overload-verdict.ts';
import { METERS_MAX } from './reading-source.ts';
import { SampleCounts } from './sample-counts.ts';

/**
 * What ten times too much does to an engine: measures what it can take, offers ten times that with 10,000 idle connections and slow senders
 * beside it, and looks at memory, refusals, counts, and how soon it is back to normal.
 */

export interface OverloadOptions {
  meters: number;
  /** Of the flood; most of them wait or are refused at any time. */
  connections: number;
  /** Times what the engine can take. */
  factor: number;
  floodMs: number;
  /** Half of what it can take, before its normal level is measured: windows that were filled at the maximum close meanwhile. */
  settleMs: number;
  /** Of what it can take, and of its normal load beside idle and slow connections. */
  measureMs: number;
  /** Of its normal level. */
  normalMs: number;
  /** Normal load after the flood, from the moment its last request is out. */
  afterMs: number;
  idleConnections: number;
  /** They never send anything: the engine closes each after some ten seconds, and they come again. */
  silent: boolean;
  slowConnections: number;
  /** Memory that may come on top of MEMORY_SHARE_MAX, MiB: what full queues hold, where that is much beside a small engine. */
  memorySlackMb: number;
  /** Further flags of the engine. */
  flags: readonly string[];
}

export const OVERLOAD_FULL: OverloadOptions = {
  meters: 100_000,
  connections: 1_000,
  factor: 10,
  floodMs: 120_000,
  // A minute's window and the 30 s that it waits for late readings.
  settleMs: 90_000,
  measureMs: 20_000,
  // A whole minute: for a third of each the windows that its end closed wait in memory for the disk, 16 MB of 100,000 meters.
  normalMs: 60_000,
  afterMs: 20_000,
  idleConnections: 10_000,
  silent: false,
  slowConnections: 50,
  memorySlackMb: 0,
  flags: [],
};

const HOST = '127.0.0.1';
const SAMPLE_SIZE = 50;
const READINGS_PER_BATCH = 500;
const INTERVAL_MS = 1_000;
const HOUR_MS = 3_600_000;
/** Files and sockets of a process beside its flood's and bystanders' connections. */
const OPEN_FILES_RESERVE = 500;

/** Rejects when a sender could not go on. */
export async function runOverload(options: OverloadOptions): Promise<OverloadReport> {
  const directory = await makeDataDirectory();
  try {
    const engine = await EngineProcess.start(directory, options.flags);
    try {
      return await new Overload(engine, options).run();
    } finally {
      await engine.stop();
    }
  } finally {
    await removeDataDirectory(directory);
  }
}

class Overload {
  private readonly engine: EngineProcess;
  private readonly options: OverloadOptions;
  private readonly counts = new SampleCounts();
  private readonly startedMs = Date.now();
  private acknowledged = 0;
  /** Readings that were refused and may be stored all the same. */
  private uncertain = 0;

  constructor(engine: EngineProcess, options: OverloadOptions) {
    this.engine = engine;
    this.options = options;
  }

  async run(): Promise<OverloadReport> {
    const { measureMs, settleMs } = this.options;
    const capacity = await this.load({ readingsPerSecond: null, warmupMs: measureMs / 2, durationMs: measureMs / 2 });
    const half = Math.round(capacity.readingsPerSecond / 2);
    const before = await this.normal(half, settleMs);
    const besideOthers = await this.besideBystandersOfAnother(half);
    const bystanders = await this.gather(this.engine.ports.ingest);
    try {
      const beside = await this.beside(half);
      const { flood, memory, idleLowest, after, ...recovery } = await this.floodAndAfter(capacity.readingsPerSecond, beside.latencyMs.p99, bystanders);
      const report: OverloadReport = {
        capacityPerSecond: capacity.readingsPerSecond,
        flood,
        memory: { normal: before.memory, highest: memory.highest(), bySecond: memory.samples },
        p99Ms: { normal: before.p99Ms, othersBystanders: besideOthers.latencyMs.p99, bystanders: beside.latencyMs.p99 },
        recovery: { ...recovery, refused: after.errors },
        bystanders: { ...bystanders.counts(), idleLowest },
        checkpointSteps: checkpointStepsOf(await metricsOf(this.engine.ports)),
        verified: null,
        failures: [],
      };
      report.verified = await this.check().catch((error: Error) => {
        report.failures.push(error.message);
        return null;
      });
      report.failures.push(...judgeOverload(report, this.options.memorySlackMb));
      for (const { errors } of [before, besideOthers, beside]) for (const [status, count] of Object.entries(errors)) report.failures.push(`${count} normal requests before the flood were answered ${status}`);
      return report;
    } finally {
      bystanders.disperse();
    }
  }

  /** The normal level: memory and latency of `normalMs` once it has settled. */
  private async normal(readingsPerSecond: number, settleMs: number): Promise<{ memory: ResidentMemory; p99Ms: number; errors: LoadResult['errors'] }> {
    const { normalMs } = this.options;
    let watch: MemoryWatch | null = null;
    // The first second only starts the watch.
    const onEvent = (): void => void (watch ??= new MemoryWatch(this.engine));
    const result = await this.load({ readingsPerSecond, warmupMs: settleMs, durationMs: normalMs + INTERVAL_MS, reportEveryMs: INTERVAL_MS }, onEvent).finally(() => watch?.end());
    return { memory: (watch ?? new MemoryWatch(this.engine)).mean(), p99Ms: result.latencyMs.p99, errors: result.errors };
  }

  private gather(port: number): Promise<Bystanders> {
    const { idleConnections, silent, slowConnections } = this.options;
    return Bystanders.gather({ host: HOST, port, idle: idleConnections, silent, slow: slowConnections });
  }

  /** Normal load while as many connections are open to a server that has nothing to do with the engine: the same machine, none of the harm that the engine could prevent. */
  private async besideBystandersOfAnother(readingsPerSecond: number): Promise<LoadResult> {
    const host = await BystanderHost.start();
    const bystanders = await this.gather(host.port);
    try {
      return await this.beside(readingsPerSecond);
    } finally {
      bystanders.disperse();
      await host.stop();
    }
  }

  private beside(readingsPerSecond: number): Promise<LoadResult> {
    const { measureMs } = this.options;
    return this.load({ readingsPerSecond, warmupMs: measureMs / 4, durationMs: measureMs });
  }

  /** The flood, and normal load that stands ready beside it and begins with its end. `normalP99Ms` is what that has beside the same bystanders. */
  private async floodAndAfter(capacityPerSecond: number, normalP99Ms: number, bystanders: Bystanders) {
    const { afterMs } = this.options;
    const half = Math.round(capacityPerSecond / 2);
    const intervals: LoadInterval[] = [];
    const over = new AbortController();
    const memory = new MemoryWatch(this.engine);
    let idleLowest = bystanders.counts().idle;
    const idleWatch = setInterval(() => (idleLowest = Math.min(idleLowest, bystanders.counts().idle)), INTERVAL_MS);
    let ended: SendingEnded | null = null;
    const next: LoadProcess<LoadResult> = startLoad<LoadResult>(
      'fixed-rate.ts',
      this.optionsOf({ readingsPerSecond: half, warmupMs: 0, durationMs: afterMs, reportEveryMs: INTERVAL_MS, waitsForStart: true }),
      { signal: over.signal, onEvent: (event) => void (event.event === 'interval' && intervals.push(event)) },
    );
    // Looked at below, unless the flood fails first.
    next.result.catch(() => {});
    try {
      const flood = await this.flood(Math.round(capacityPerSecond * this.options.factor), (event) => {
        ended = event;
        // Not earlier: its readings must be newer than the flood's.
        setTimeout(() => next.begin(), Math.max(0, event.newestEventMs - event.atMs) + 1);
      });
      memory.end();
      clearInterval(idleWatch);
      const after = await next.result;
      this.note(after);
      const p99MaxMs = normalP99MaxMs(normalP99Ms);
      const backAfterSeconds = secondsUntilNormal(intervals, ended!.atMs, p99MaxMs, half);
      return { flood, memory, idleLowest, after, backAfterSeconds, lookedSeconds: afterMs / 1_000, p99MaxMs, seconds: intervals.map((second) => ({ p99Ms: second.latencyMs?.p99 ?? null, readingsPerSecond: second.readingsPerSecond })) };
    } finally {
      memory.end();
      clearInterval(idleWatch);
      over.abort();
    }
  }

  private optionsOf(load: Partial<LoadOptions>): LoadOptions {
    return loadOptions({ port: this.engine.ports.ingest, meters: this.options.meters, readingsPerBatch: READINGS_PER_BATCH, sampleSize: SAMPLE_SIZE, ...load });
  }

  private async load(load: Partial<LoadOptions>, onEvent: () => void = () => {}): Promise<LoadResult> {
    const result = await sendLoad(this.optionsOf(load), { onEvent });
    this.note(result);
    return result;
  }

  private note({ total, sample }: LoadResult): void {
    this.acknowledged += total.readingsAccepted;
    this.uncertain += total.readingsRefused;
    this.counts.add(sample);
  }

  private async flood(readingsPerSecond: number, onEnded: (event: SendingEnded) => void): Promise<FloodResult> {
    const { meters, connections, floodMs } = this.options;
    const options: FloodOptions = { host: HOST, port: this.engine.ports.ingest, connections, meters, readingsPerBatch: READINGS_PER_BATCH, readingsPerSecond, durationMs: floodMs, sampleSize: SAMPLE_SIZE };
    const result = await runLoadProcess<FloodResult>('flood.ts', options, { onEvent: (event) => void (event.event === 'sendingEnded' && onEnded(event)) });
    this.acknowledged += result.acknowledged;
    this.uncertain += result.uncertain;
    this.counts.add(result.sample);
    return result;
  }

  private check(): Promise<string> {
    return checkCounts(this.engine.ports, this.startedMs - HOUR_MS, this.acknowledged, this.counts.list(), this.uncertain);
  }
}

const HELP = `node bench/load/overload.ts [options]: takes about six minutes with --seconds 120
  --seconds <n>             of the flood (${OVERLOAD_FULL.floodMs / 1_000})
  --connections <n>         of the flood (${OVERLOAD_FULL.connections})
  --idle-connections <n>    beside it (${OVERLOAD_FULL.idleConnections}, or as many as ulimit -n allows)
  --silent                  they send nothing at all: each is closed after ten seconds and comes again
  --slow-connections <n>    senders that never come to an end (${OVERLOAD_FULL.slowConnections})
  --meters <n>              (${OVERLOAD_FULL.meters})
  --normal-seconds <n>      normal load whose memory and latency are the normal level (${OVERLOAD_FULL.normalMs / 1_000})
  --settle-seconds <n>      normal load before that (${OVERLOAD_FULL.settleMs / 1_000})
  --after-seconds <n>       normal load after the flood (${OVERLOAD_FULL.afterMs / 1_000})
Prints what held and what did not, then everything as JSON. Exit codes: 0 all held, 1 something did not, 2 wrong usage.
`;

function optionsFromArguments(): OverloadOptions {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', default: false },
      silent: { type: 'boolean', default: false },
      seconds: text,
      connections: text,
      'idle-connections': text,
      'slow-connections': text,
      meters: text,
      'normal-seconds': text,
      'settle-seconds': text,
      'after-seconds': text,
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    process.exit(0);
  }
  const seconds = (name: 'seconds' | 'normal-seconds' | 'settle-seconds' | 'after-seconds', min: number) => numberOption(`--${name}`, values[name], { min, max: 86_400, times: 1_000 });
  const count = (name: 'connections' | 'idle-connections' | 'slow-connections' | 'meters', min: number, max: number) => numberOption(`--${name}`, values[name], { min, max, whole: true });
  const connections = count('connections', 1, 10_000) ?? OVERLOAD_FULL.connections;
  const slowConnections = count('slow-connections', 0, 10_000) ?? OVERLOAD_FULL.slowConnections;
  const limit = openFilesMax();
  const idleMax = Math.max(0, limit - connections - slowConnections - OPEN_FILES_RESERVE);
  const idleConnections = count('idle-connections', 0, idleMax) ?? Math.min(OVERLOAD_FULL.idleConnections, idleMax);
  if (idleConnections < OVERLOAD_FULL.idleConnections) process.stdout.write(`${idleConnections} idle connections, not ${OVERLOAD_FULL.idleConnections}: asked for, or because ulimit -n is ${limit}\n`);
  return {
    ...OVERLOAD_FULL,
    connections,
    slowConnections,
    idleConnections,
    silent: values.silent,
    // Each connection has meters of its own, five at least: a batch must not hold one of them more than a hundred times.
    meters: count('meters', Math.max(connections * 5, 200), METERS_MAX) ?? OVERLOAD_FULL.meters,
    floodMs: seconds('seconds', 1) ?? OVERLOAD_FULL.floodMs,
    normalMs: seconds('normal-seconds', 1) ?? OVERLOAD_FULL.normalMs,
    settleMs: seconds('settle-seconds', 0) ?? OVERLOAD_FULL.settleMs,
    afterMs: seconds('after-seconds', 1) ?? OVERLOAD_FULL.afterMs,
  };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  let options: OverloadOptions;
  try {
    options = optionsFromArguments();
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${HELP}`);
    process.exit(2);
  }
  const report = await runOverload(options);
  process.stdout.write(`${environmentLine()}\n\n${statementsOf(report).join('\n')}\n\n${JSON.stringify(report)}\n`);
  process.exitCode = report.failures.length === 0 ? 0 : 1;
}

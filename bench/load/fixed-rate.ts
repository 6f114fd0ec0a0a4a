import { once } from 'node:events';
import { createHistogram } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import type { MeterCount } from './grid-check.ts';
import { LoadConnection } from './load-connection.ts';
import { printEvent, type LoadInterval } from './load-events.ts';
import { meterIdOf, ReadingSource, type EventTime } from './reading-source.ts';

/**
 * Sends readings at a fixed rate (open loop) or as fast as they are acknowledged (closed loop), as a process of its own. At a fixed rate latency
 * counts from when a request should have gone out, so a stall of the engine is charged to every request it held up.
 */

export interface LoadOptions {
  host: string;
  port: number;
  format: 'json' | 'msgpack';
  /** Readings a second, or null for as many as are acknowledged. */
  readingsPerSecond: number | null;
  connections: number;
  /** Spread evenly over the connections; each meter is always on the same one, so its readings arrive in order. */
  meters: number;
  firstMeter: number;
  readingsPerBatch: number;
  withReadingIds: boolean;
  /** Not measured, but counted in `total`. */
  warmupMs: number;
  durationMs: number;
  /** Ends after so many readings of every meter, whatever the duration says. */
  passes: number | null;
  eventTime: EventTime;
  /** Meters whose counts are given for a check against the engine. */
  sampleSize: number;
  /** Length of the parts of the measured time that are told of as they end, or null for none. */
  reportEveryMs: number | null;
  /** The process gets ready and begins with the first bytes on its stdin. */
  waitsForStart: boolean;
}

export interface LoadResult {
  readingsPerSecond: number;
  /** Of the measured time. */
  requests: number;
  measuredMs: number;
  /** From last byte of the answer back to the intended moment of sending (fixed rate) or the sending (maximum). */
  latencyMs: { p50: number; p90: number; p99: number; p999: number; max: number };
  /** Answers other than 202 by status, warm-up included. */
  errors: Record<string, number>;
  /** Requests that were due before the end and never sent. They count in the latencies with the time they had waited by then. */
  unsent: number;
  /** Processor seconds of this process per second of measured time. */
  clientCpuShare: number;
  bytesPerReading: number;
  /** Warm-up and measured time together. */
  total: { requests: number; readingsSent: number; readingsAccepted: number; readingsRefused: number };
  /** Without meters of which a batch was refused: an engine may hold readings that it refused after it had begun to store them. */
  sample: MeterCount[];
}

/** An unanswered request after this long is a hung engine: the engine's own deadline for an append is 10 s. */
const ANSWER_DEADLINE_MS = 30_000;
/** After a refusal a connection waits a little, so that an overloaded engine is not hammered. */
const REFUSED_PAUSE_MS = 20;
/** The finest that timers do; up to so much of a latency at a fixed rate is the client's own. */
const TICK_MS = 1;

const CONTENT_TYPE = { json: 'application/json', msgpack: 'application/msgpack' } as const;
const WHOLE = /^\{"accepted":(\d+),"duplicates":0,"rejected":0,/;

interface Lane {
  source: ReadingSource;
  connection: LoadConnection;
  body: number;
  /** Bodies that were refused at least once. */
  refused: Set<number>;
  intendedMs: number;
}

export interface LoadHooks {
  /** With `reportEveryMs`. */
  onInterval?(interval: LoadInterval): void;
  /** Bodies are rendered at once, connections are opened when this resolves: an engine closes those that stay silent. */
  start?: Promise<void>;
}

/** Runs one load. Rejects when a connection breaks or an answer does not come. */
export async function runFixedRate(options: LoadOptions, hooks: LoadHooks = {}): Promise<LoadResult> {
  const run = new LoadRun(options, hooks);
  try {
    await hooks.start;
    return await run.finish();
  } finally {
    run.close();
  }
}

class LoadRun {
  private readonly options: LoadOptions;
  private readonly hooks: LoadHooks;
  private readonly sources: ReadingSource[];
  private readonly lanes: Lane[] = [];
  private free: Lane[] = [];
  private readonly histogram = createHistogram({ figures: 3 });
  /** Of the answers in the interval that runs. */
  private readonly intervalHistogram = createHistogram({ figures: 3 });
  private intervalReadings = 0;
  private intervalFromMs = Infinity;
  private readonly errors: Record<string, number> = {};
  private readonly total = { requests: 0, readingsSent: 0, readingsAccepted: 0, readingsRefused: 0 };
  private measured = { requests: 0, readings: 0 };
  private readonly intervalMs: number | null;
  private dueIndex = 0;
  private inFlight = 0;
  private startMs = 0;
  private measureFromMs = 0;
  private endMs = 0;
  private ticker: NodeJS.Timeout | null = null;
  private cpuAtStart: NodeJS.CpuUsage | null = null;
  private fail: (error: Error) => void = () => {};
  private done: () => void = () => {};

  constructor(options: LoadOptions, hooks: LoadHooks) {
    const { meters, connections } = options;
    this.options = options;
    this.hooks = hooks;
    const runId = Date.now().toString(36);
    this.sources = Array.from({ length: connections }, (_, k) => this.sourceOf(Math.floor((meters * k) / connections), Math.floor((meters * (k + 1)) / connections), runId));
    this.intervalMs = options.readingsPerSecond === null ? null : (options.readingsPerBatch * 1_000) / options.readingsPerSecond;
  }

  async finish(): Promise<LoadResult> {
    await this.open();
    const ended = new Promise<void>((resolve, reject) => {
      this.done = resolve;
      this.fail = reject;
    });
    this.startMs = performance.now();
    this.measureFromMs = this.startMs + this.options.warmupMs;
    this.endMs = this.measureFromMs + this.options.durationMs;
    this.intervalFromMs = this.measureFromMs;
    this.free = [...this.lanes];
    const deadline = setTimeout(() => this.fail(new Error('the engine did not answer in time')), this.options.warmupMs + this.options.durationMs + ANSWER_DEADLINE_MS);
    this.ticker = setInterval(() => this.pump(), TICK_MS);
    this.pump();
    try {
      await ended;
    } finally {
      clearTimeout(deadline);
    }
    return this.result();
  }

  close(): void {
    if (this.ticker !== null) clearInterval(this.ticker);
    for (const { connection } of this.lanes) connection.close();
  }

  private async open(): Promise<void> {
    const { host, port } = this.options;
    for (const [k, source] of this.sources.entries()) {
      const connection = await LoadConnection.open(host, port, {
        onAnswer: (status, body) => this.answered(lane, status, body),
        onBroken: (reason) => this.fail(new Error(`connection ${k} broke: ${reason}`)),
      });
      // Nothing is answered before it is asked, so the callbacks above come later than this.
      const lane: Lane = { source, connection, body: 0, refused: new Set(), intendedMs: 0 };
      this.lanes.push(lane);
    }
  }

  private sourceOf(from: number, to: number, runId: string): ReadingSource {
    const { host, port, format, readingsPerBatch, withReadingIds, eventTime, firstMeter } = this.options;
    const head = (bytes: number): string =>
      // Padded, so that a head is as long for every body.
      `POST /ingest HTTP/1.1\r\nhost: ${host}:${port}\r\ncontent-type: ${CONTENT_TYPE[format]}\r\ncontent-length: ${String(bytes).padStart(8, '0')}\r\n\r\n`;
    return new ReadingSource({ format, firstMeter: firstMeter + from, meterCount: to - from, readingsPerBatch, withReadingIds, runId, eventTime, head });
  }

  /** Sends what is due on the connections that are free; ends the run when its time is over. */
  private pump(): void {
    const nowMs = performance.now();
    this.tellInterval(nowMs);
    if (this.cpuAtStart === null && nowMs >= this.measureFromMs) this.cpuAtStart = process.cpuUsage();
    while (this.free.length > 0 && nowMs < this.endMs) {
      const intendedMs = this.intervalMs === null ? nowMs : this.startMs + this.dueIndex * this.intervalMs;
      if (intendedMs > nowMs) break;
      const lane = this.free.shift()!;
      if (this.options.passes !== null && lane.source.passesDone >= this.options.passes) continue;
      this.dueIndex++;
      this.send(lane, intendedMs);
    }
    if (this.inFlight === 0 && (nowMs >= this.endMs || (this.options.passes !== null && this.free.length === 0))) this.done();
  }

  private send(lane: Lane, intendedMs: number): void {
    lane.intendedMs = intendedMs;
    lane.body = lane.source.next(Date.now());
    this.inFlight++;
    this.total.requests++;
    this.total.readingsSent += lane.source.readingsOf(lane.body);
    lane.connection.send(lane.source.bytesOf(lane.body));
  }

  private answered(lane: Lane, status: number, body: Buffer): void {
    const nowMs = performance.now();
    this.inFlight--;
    if (status !== 202) {
      this.errors[status] = (this.errors[status] ?? 0) + 1;
      this.total.readingsRefused += lane.source.readingsOf(lane.body);
      lane.refused.add(lane.body);
      setTimeout(() => this.release(lane), REFUSED_PAUSE_MS);
      return;
    }
    const accepted = this.acceptedIn(lane, body.toString('latin1'));
    this.total.readingsAccepted += accepted;
    this.record(lane.intendedMs, nowMs);
    if (nowMs >= this.measureFromMs && nowMs < this.endMs) {
      this.measured.requests++;
      this.measured.readings += accepted;
      this.intervalReadings += accepted;
    }
    this.release(lane);
  }

  private record(intendedMs: number, answeredMs: number): void {
    if (intendedMs < this.measureFromMs) return;
    const microseconds = Math.max(1, Math.round((answeredMs - intendedMs) * 1_000));
    this.histogram.record(microseconds);
    this.intervalHistogram.record(microseconds);
  }

  /** Tells of the interval that runs when it is over, or when the run is. */
  private tellInterval(nowMs: number): void {
    const { reportEveryMs } = this.options;
    if (reportEveryMs === null || this.intervalFromMs >= this.endMs || nowMs < Math.min(this.intervalFromMs + reportEveryMs, this.endMs)) return;
    const histogram = this.intervalHistogram;
    const measuredMs = nowMs - this.intervalFromMs;
    const due = this.intervalMs === null ? this.dueIndex : Math.ceil((Math.min(nowMs, this.endMs) - this.startMs) / this.intervalMs);
    this.hooks.onInterval?.({
      event: 'interval',
      endedMs: Date.now(),
      measuredMs,
      readingsPerSecond: (this.intervalReadings * 1_000) / measuredMs,
      latencyMs: histogram.count === 0 ? null : { p50: histogram.percentile(50) / 1_000, p99: histogram.percentile(99) / 1_000, max: histogram.max / 1_000 },
      overdue: Math.max(0, due - this.dueIndex),
      errors: { ...this.errors },
    });
    histogram.reset();
    this.intervalReadings = 0;
    this.intervalFromMs = nowMs;
  }

  /** Without this an engine that is too slow for the rate would look the better the fewer requests it let through. */
  private chargeUnsent(): number {
    if (this.intervalMs === null || this.options.passes !== null) return 0;
    const due = Math.ceil((this.endMs - this.startMs) / this.intervalMs);
    for (let k = this.dueIndex; k < due; k++) this.record(this.startMs + k * this.intervalMs, this.endMs);
    return Math.max(0, due - this.dueIndex);
  }

  private release(lane: Lane): void {
    this.free.push(lane);
    this.pump();
  }

  private acceptedIn(lane: Lane, text: string): number {
    const whole = WHOLE.exec(text);
    const accepted = whole === null ? (JSON.parse(text) as { accepted: number }).accepted : Number(whole[1]);
    if (accepted === lane.source.readingsOf(lane.body)) lane.source.acceptedWhole(lane.body);
    else this.errors.notAccepted = (this.errors.notAccepted ?? 0) + 1;
    return accepted;
  }

  private result(): LoadResult {
    const measuredMs = Math.min(performance.now(), this.endMs) - this.measureFromMs;
    const cpu = process.cpuUsage(this.cpuAtStart ?? undefined);
    const unsent = this.chargeUnsent();
    const ms = (percentile: number) => this.histogram.percentile(percentile) / 1_000;
    return {
      readingsPerSecond: (this.measured.readings * 1_000) / measuredMs,
      requests: this.measured.requests,
      measuredMs,
      latencyMs: { p50: ms(50), p90: ms(90), p99: ms(99), p999: ms(99.9), max: this.histogram.max / 1_000 },
      errors: this.errors,
      unsent,
      clientCpuShare: (cpu.user + cpu.system) / 1_000 / measuredMs,
      bytesPerReading: this.lanes[0].source.bytesPerReading,
      total: this.total,
      sample: this.sample(),
    };
  }

  private sample(): LoadResult['sample'] {
    const { meters, connections, sampleSize, firstMeter } = this.options;
    const sample: LoadResult['sample'] = [];
    for (let k = 0; k < Math.min(sampleSize, meters); k++) {
      const meter = Math.floor((meters * k) / Math.min(sampleSize, meters));
      const number = this.laneOf(meter);
      const { source, refused } = this.lanes[number];
      const ofLane = meter - Math.floor((meters * number) / connections);
      if (source.bodiesOf(ofLane).some((body) => refused.has(body))) continue;
      sample.push({ meterId: meterIdOf(firstMeter + meter), readings: source.acceptedOf(ofLane) });
    }
    return sample;
  }

  private laneOf(meter: number): number {
    const { meters, connections } = this.options;
    let lane = 0;
    while (lane + 1 < connections && Math.floor((meters * (lane + 1)) / connections) <= meter) lane++;
    return lane;
  }
}

/** Defaults of a load of batches; the port is always given. */
export function loadOptions(overrides: Partial<LoadOptions> & { port: number }): LoadOptions {
  return {
    host: '127.0.0.1',
    format: 'json',
    readingsPerSecond: null,
    connections: 16,
    meters: 100_000,
    firstMeter: 0,
    readingsPerBatch: 500,
    withReadingIds: true,
    warmupMs: 2_000,
    durationMs: 10_000,
    passes: null,
    eventTime: { kind: 'wall' },
    sampleSize: 50,
    reportEveryMs: null,
    waitsForStart: false,
    ...overrides,
  };
}

const HELP = `node bench/load/fixed-rate.ts --port <ingest port> [--rate <readings/s> | --rate max] [--connections 16] [--meters 100000]
  [--batch 500] [--format json|msgpack] [--seconds 10] [--warmup-seconds 2] [--report-seconds <none>] [--no-reading-ids] | --options <JSON of LoadOptions>
Prints one JSON object; with --report-seconds one for each such part of the time before it.
`;

function optionsFromArguments(): LoadOptions | null {
  const { values } = parseArgs({
    options: {
      port: { type: 'string' },
      rate: { type: 'string', default: 'max' },
      connections: { type: 'string', default: '16' },
      meters: { type: 'string', default: '100000' },
      batch: { type: 'string', default: '500' },
      format: { type: 'string', default: 'json' },
      seconds: { type: 'string', default: '10' },
      'warmup-seconds': { type: 'string', default: '2' },
      'report-seconds': { type: 'string' },
      'no-reading-ids': { type: 'boolean', default: false },
      options: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  if (values.options !== undefined) return loadOptions(JSON.parse(values.options) as Partial<LoadOptions> & { port: number });
  if (values.port === undefined || (values.format !== 'json' && values.format !== 'msgpack')) return null;
  return loadOptions({
    port: Number(values.port),
    format: values.format,
    readingsPerSecond: values.rate === 'max' ? null : Number(values.rate),
    connections: Number(values.connections),
    meters: Number(values.meters),
    readingsPerBatch: Number(values.batch),
    durationMs: Number(values.seconds) * 1_000,
    warmupMs: Number(values['warmup-seconds']) * 1_000,
    reportEveryMs: values['report-seconds'] === undefined ? null : Number(values['report-seconds']) * 1_000,
    withReadingIds: !values['no-reading-ids'],
  });
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const options = optionsFromArguments();
  if (options === null) {
    process.stderr.write(HELP);
    process.exit(2);
  }
  const start = options.waitsForStart ? once(process.stdin, 'data').then(() => void process.stdin.destroy()) : undefined;
  process.stdout.write(`${JSON.stringify(await runFixedRate(options, { onInterval: printEvent, start }))}\n`);
}

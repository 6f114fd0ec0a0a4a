import { createHistogram } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { LoadConnection } from './load-connection.ts';
import { meterIdOf } from './reading-source.ts';

/** Asks the API for days of quarter-hours at a fixed rate (open loop), as a process of its own: latency counts from when a request should have gone out. */

export interface ApiQuestionsOptions {
  host: string;
  port: number;
  requestsPerSecond: number;
  connections: number;
  /** Each is asked for in turn, in an order that no cache foresees. */
  meters: number;
  fromMs: number;
  toMs: number;
  /** Windows that each answer has to have. */
  windows: number;
  /** Sent with the requests in turn; empty: without. */
  tokens: readonly string[];
  warmupMs: number;
  durationMs: number;
}

export interface ApiQuestionsResult {
  requestsPerSecond: number;
  requests: number;
  /** Of the warm-up too. */
  answers: number;
  latencyMs: { p50: number; p90: number; p99: number; p999: number; max: number };
  /** Other answers than a whole day, by what they were; warm-up included. */
  errors: Record<string, number>;
  /** Due before the end and never sent; they count with the time they had waited. */
  unsent: number;
  /** Processor seconds of this process per second. */
  clientCpuShare: number;
  /** Of an answer's body. */
  bytesPerAnswer: number;
}

/** A prime, so that meters come in an order of its own. */
const STRIDE = 7_919;
const TICK_MS = 1;
const ANSWER_DEADLINE_MS = 10_000;
/** In each window of an answer, once. */
const WINDOW_MARK = Buffer.from('"windowStart"');
/** From one to the next, at least: what lies between need not be searched. */
const WINDOW_BYTES_MIN = 200;

export async function askApi(options: ApiQuestionsOptions): Promise<ApiQuestionsResult> {
  const histogram = createHistogram({ figures: 3 });
  const errors: Record<string, number> = {};
  const intervalMs = 1_000 / options.requestsPerSecond;
  const free: { connection: LoadConnection; intendedMs: number }[] = [];
  const lanes: { connection: LoadConnection; intendedMs: number }[] = [];
  let due = 0;
  let inFlight = 0;
  let requests = 0;
  let bytes = 0;
  let answers = 0;
  let fail: (error: Error) => void = () => {};
  let done: () => void = () => {};
  const ended = new Promise<void>((resolve, reject) => ((done = resolve), (fail = reject)));
  for (let k = 0; k < options.connections; k++) {
    const connection = await LoadConnection.open(options.host, options.port, {
      onAnswer: (status, body) => {
        const nowMs = performance.now();
        inFlight--;
        answers++;
        bytes += body.length;
        const found = status === 200 ? countOf(body) : 0;
        if (found !== options.windows) errors[status === 200 ? `${found} windows` : status] = (errors[status === 200 ? `${found} windows` : status] ?? 0) + 1;
        if (lane.intendedMs >= measureFromMs) {
          histogram.record(Math.max(1, Math.round((nowMs - lane.intendedMs) * 1_000)));
          requests++;
        }
        free.push(lane);
        pump();
      },
      onBroken: (reason) => fail(new Error(`connection ${k} broke: ${reason}`)),
    });
    const lane = { connection, intendedMs: 0 };
    lanes.push(lane);
    free.push(lane);
  }
  const heads = options.tokens.length === 0 ? [''] : options.tokens.map((token) => `authorization: Bearer ${token}\r\n`);
  const query = `granularity=15m&from=${options.fromMs}&to=${options.toMs}`;
  const requestOf = (at: number): Buffer =>
    Buffer.from(`GET /api/v1/meters/${meterIdOf((at * STRIDE) % options.meters)}/aggregates?${query} HTTP/1.1\r\nhost: ${options.host}:${options.port}\r\n${heads[at % heads.length]}\r\n`, 'latin1');
  const startMs = performance.now();
  const measureFromMs = startMs + options.warmupMs;
  const endMs = measureFromMs + options.durationMs;
  let cpuAtStart: NodeJS.CpuUsage | null = null;
  const pump = (): void => {
    const nowMs = performance.now();
    if (cpuAtStart === null && nowMs >= measureFromMs) cpuAtStart = process.cpuUsage();
    while (free.length > 0 && nowMs < endMs) {
      const intendedMs = startMs + due * intervalMs;
      if (intendedMs > nowMs) break;
      const lane = free.shift()!;
      lane.intendedMs = intendedMs;
      inFlight++;
      lane.connection.send(requestOf(due++));
    }
    if (nowMs >= endMs && inFlight === 0) done();
  };
  const ticker = setInterval(pump, TICK_MS);
  const deadline = setTimeout(() => fail(new Error('the engine did not answer in time')), options.warmupMs + options.durationMs + ANSWER_DEADLINE_MS);
  try {
    await ended;
  } finally {
    clearInterval(ticker);
    clearTimeout(deadline);
    for (const { connection } of lanes) connection.close();
  }
  const cpu = process.cpuUsage(cpuAtStart ?? undefined);
  // Without this an engine that is too slow would look the better the fewer requests it let through.
  const owed = Math.max(0, Math.ceil((endMs - startMs) / intervalMs) - due);
  for (let k = 0; k < owed; k++) histogram.record(Math.max(1, Math.round((endMs - (startMs + (due + k) * intervalMs)) * 1_000)));
  const ms = (percentile: number): number => histogram.percentile(percentile) / 1_000;
  return {
    requestsPerSecond: (requests * 1_000) / options.durationMs,
    requests,
    answers,
    latencyMs: { p50: ms(50), p90: ms(90), p99: ms(99), p999: ms(99.9), max: histogram.max / 1_000 },
    errors,
    unsent: owed,
    clientCpuShare: (cpu.user + cpu.system) / 1_000 / options.durationMs,
    bytesPerAnswer: bytes / answers,
  };
}

function countOf(body: Buffer): number {
  let count = 0;
  for (let at = body.indexOf(WINDOW_MARK); at >= 0; at = body.indexOf(WINDOW_MARK, at + WINDOW_BYTES_MIN)) count++;
  return count;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (process.argv[2] !== '--options') {
    process.stderr.write('node bench/load/api-questions.ts --options <JSON of ApiQuestionsOptions>\nPrints one JSON object.\n');
    process.exit(2);
  }
  process.stdout.write(`${JSON.stringify(await askApi(JSON.parse(process.argv[3]) as ApiQuestionsOptions))}\n`);
}

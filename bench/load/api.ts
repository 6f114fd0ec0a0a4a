import { rowOf, type BenchReport, type BenchRow } from '../bench-report.ts';
import { operatorToken } from './api-accounts.ts';
import type { ApiQuestionsOptions, ApiQuestionsResult } from './api-questions.ts';
import { EngineProcess, makeDataDirectory, removeDataDirectory } from './engine-process.ts';
import { loadOptions } from './fixed-rate.ts';
import { runLoadProcess, sendLoad } from './load-process.ts';
import { threadSeconds } from './processor-time.ts';
import { regionOf } from './reading-source.ts';

/** The API under a load of questions at a fixed rate: a day of quarter-hours of one meter after the other. */

export interface ApiOptions {
  meters: number;
  requestsPerSecond: number;
  /** Asked before what is measured. */
  warmupMs: number;
  durationMs: number;
  rounds: number;
  /** Of the history, between two readings of a meter. At most a quarter-hour. */
  stepMs: number;
}

/** Three readings a quarter-hour. */
export const API_FULL: ApiOptions = { meters: 2_000, requestsPerSecond: 2_000, warmupMs: 3_000, durationMs: 15_000, rounds: 5, stepMs: 300_000 };

const DAY_MS = 86_400_000;
const QUARTER_MS = 900_000;
/** Windows that a day has. */
const WINDOWS = DAY_MS / QUARTER_MS;
const CONNECTIONS = 64;
/** A day is over when a few steps more have come. */
const STEPS_MORE = 6;
const NO_END_MS = 600_000;
/** Requests a minute: what the setting takes. */
const RATE_LIMIT_MAX = 1_000_000;

export async function run(options: ApiOptions = API_FULL): Promise<BenchReport> {
  const directory = await makeDataDirectory();
  try {
    const fromMs = Math.floor((Date.now() - 2 * DAY_MS) / DAY_MS) * DAY_MS;
    const what = `a day of quarter-hours at ${options.requestsPerSecond}/s`;
    const rows = [
      await overEngine(directory, [], async (engine) => {
        await sendLoad(loadOptions({ port: engine.ports.ingest, meters: options.meters, warmupMs: 0, durationMs: NO_END_MS, passes: DAY_MS / options.stepMs + STEPS_MORE, withReadingIds: false, eventTime: { kind: 'stepped', startMs: fromMs, stepMs: options.stepMs } }));
        return measured(what, engine.pid, asked(engine, options, fromMs, []), options.rounds);
      }),
      // The same data: an engine that has accounts from now on. One account may not ask so much; what counting its requests costs stays.
      await overEngine(directory, ['--auth', 'on', '--rate-limit-account', `${RATE_LIMIT_MAX}`], async (engine) => {
        const regions = [...new Set(Array.from({ length: options.meters }, (_, meter) => regionOf(meter)))];
        return measured(`${what}, by an operator of ${regions.length} regions`, engine.pid, asked(engine, options, fromMs, [await operatorToken(engine, regions)]), options.rounds);
      }),
    ];
    return { name: 'load: api', leavesOut: 'TLS, a network, readings meanwhile, a cold page cache.', rows };
  } finally {
    await removeDataDirectory(directory);
  }
}

async function overEngine<Result>(directory: string, flags: readonly string[], run: (engine: EngineProcess) => Promise<Result>): Promise<Result> {
  const engine = await EngineProcess.start(directory, flags);
  try {
    return await run(engine);
  } finally {
    await engine.stop();
  }
}

function asked(engine: EngineProcess, { requestsPerSecond, meters, warmupMs, durationMs }: ApiOptions, fromMs: number, tokens: readonly string[]): ApiQuestionsOptions {
  return { host: '127.0.0.1', port: engine.ports.http, requestsPerSecond, connections: CONNECTIONS, meters, fromMs, toMs: fromMs + DAY_MS, windows: WINDOWS, tokens, warmupMs, durationMs };
}

async function measured(name: string, pid: number, asked: ApiQuestionsOptions, rounds: number): Promise<BenchRow> {
  const results: ApiQuestionsResult[] = [];
  const before = threadSeconds(pid);
  for (let round = 0; round < rounds; round++) results.push(await runLoadProcess<ApiQuestionsResult>('api-questions.ts', asked));
  const answers = results.reduce((sum, result) => sum + result.answers, 0);
  const microseconds = [...threadSeconds(pid)].map(([thread, seconds]) => ({ thread, each: ((seconds - (before.get(thread) ?? 0)) * 1e6) / answers }));
  const ofAll = microseconds.reduce((sum, { each }) => sum + each, 0);
  const ofMain = microseconds.find(({ thread }) => thread === `${pid}`)?.each ?? 0;
  const highest = (pick: (result: ApiQuestionsResult) => number): number => Math.max(...results.map(pick));
  const errors = results.flatMap(({ errors }) => Object.entries(errors).map(([what, count]) => `${count} × ${what}`));
  const unsent = highest((result) => result.unsent);
  const note = [
    `${asked.windows} windows and ${(results[0].bytesPerAnswer / 1_024).toFixed(1)} KiB an answer, ${asked.connections} connections, ${asked.meters} meters`,
    `p50 ${highest(({ latencyMs }) => latencyMs.p50).toFixed(1)}, p99.9 ${highest(({ latencyMs }) => latencyMs.p999).toFixed(1)}, highest ${highest(({ latencyMs }) => latencyMs.max).toFixed(1)} ms in the worst round`,
    `${Math.min(...results.map((result) => result.requestsPerSecond)).toFixed(0)} answered a second at least`,
    `the engine took ${ofAll.toFixed(0)} µs of processor time an answer, ${ofMain.toFixed(0)} of them its main thread`,
    `the client took ${(highest((result) => result.clientCpuShare) * 100).toFixed(0)} % of a core`,
    errors.length === 0 ? 'counts verified: every answer a whole day' : `ERRORS: not a day: ${errors.join(', ')}`,
    ...(unsent === 0 ? [] : [`${unsent} due and not sent: the rate was not held`]),
  ].join('; ');
  return rowOf(`${name}, p99`, 'ms', results.map(({ latencyMs }) => latencyMs.p99), note, '');
}

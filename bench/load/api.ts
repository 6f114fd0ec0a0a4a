import { rowOf, type BenchReport, type BenchRow } from '../bench-report.ts';
import type { ApiQuestionsOptions, ApiQuestionsResult } from './api-questions.ts';
import { EngineProcess, makeDataDirectory, removeDataDirectory } from './engine-process.ts';
import { loadOptions } from './fixed-rate.ts';
import { runLoadProcess, sendLoad } from './load-process.ts';

/** The API under a load of questions at a fixed rate: a day of quarter-hours of one meter after the other. */

export interface ApiOptions {
  meters: number;
  requestsPerSecond: number;
  durationMs: number;
  rounds: number;
}

export const API_FULL: ApiOptions = { meters: 2_000, requestsPerSecond: 2_000, durationMs: 15_000, rounds: 5 };

const DAY_MS = 86_400_000;
const QUARTER_MS = 900_000;
/** Of the history: three readings a quarter-hour. */
const STEP_MS = 300_000;
/** Windows that a day has. */
const WINDOWS = DAY_MS / QUARTER_MS;
const CONNECTIONS = 64;
const WARMUP_MS = 3_000;
/** A day is over when a few steps more have come. */
const PASSES = DAY_MS / STEP_MS + 6;
const NO_END_MS = 600_000;

export async function run(options: ApiOptions = API_FULL): Promise<BenchReport> {
  const directory = await makeDataDirectory();
  const engine = await EngineProcess.start(directory);
  try {
    const fromMs = Math.floor((Date.now() - 2 * DAY_MS) / DAY_MS) * DAY_MS;
    await sendLoad(loadOptions({ port: engine.ports.ingest, meters: options.meters, warmupMs: 0, durationMs: NO_END_MS, passes: PASSES, withReadingIds: false, eventTime: { kind: 'stepped', startMs: fromMs, stepMs: STEP_MS } }));
    const asked: ApiQuestionsOptions = {
      host: '127.0.0.1', port: engine.ports.http, requestsPerSecond: options.requestsPerSecond, connections: CONNECTIONS, meters: options.meters, fromMs, toMs: fromMs + DAY_MS, windows: WINDOWS, tokens: [], warmupMs: WARMUP_MS, durationMs: options.durationMs,
    };
    return { name: 'load: api', leavesOut: 'TLS, a network, readings meanwhile, a cold page cache.', rows: [await measured(`a day of quarter-hours at ${options.requestsPerSecond}/s`, asked, options.rounds)] };
  } finally {
    await engine.stop();
    await removeDataDirectory(directory);
  }
}

async function measured(name: string, asked: ApiQuestionsOptions, rounds: number): Promise<BenchRow> {
  const results: ApiQuestionsResult[] = [];
  for (let round = 0; round < rounds; round++) results.push(await runLoadProcess<ApiQuestionsResult>('api-questions.ts', asked));
  const highest = (pick: (result: ApiQuestionsResult) => number): number => Math.max(...results.map(pick));
  const errors = results.flatMap(({ errors }) => Object.entries(errors).map(([what, count]) => `${count} × ${what}`));
  const unsent = highest((result) => result.unsent);
  const note = [
    `${asked.windows} windows and ${(results[0].bytesPerAnswer / 1_024).toFixed(1)} KiB an answer, ${asked.connections} connections, ${asked.meters} meters`,
    `p50 ${highest(({ latencyMs }) => latencyMs.p50).toFixed(1)}, p99.9 ${highest(({ latencyMs }) => latencyMs.p999).toFixed(1)}, highest ${highest(({ latencyMs }) => latencyMs.max).toFixed(1)} ms in the worst round`,
    `${Math.min(...results.map((result) => result.requestsPerSecond)).toFixed(0)} answered a second at least`,
    `the client took ${(highest((result) => result.clientCpuShare) * 100).toFixed(0)} % of a core`,
    errors.length === 0 ? 'counts verified: every answer a whole day' : `ERRORS: not a day: ${errors.join(', ')}`,
    ...(unsent === 0 ? [] : [`${unsent} due and not sent: the rate was not held`]),
  ].join('; ');
  return rowOf(`${name}, p99`, 'ms', results.map(({ latencyMs }) => latencyMs.p99), note, '');
}

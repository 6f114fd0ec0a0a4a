import { Agent, get } from 'node:http';
import { GRANULARITY_MS } from '../../src/model/window.ts';
import { openFilesMax } from '../../src/runtime/open-files.ts';
import { quantileOf, rowOf, type BenchReport } from '../bench-report.ts';
import { EngineProcess, makeDataDirectory, removeDataDirectory } from './engine-process.ts';
import { loadOptions } from './fixed-rate.ts';
import { checkCounts } from './grid-check.ts';
import type { LiveAudienceOptions, LiveAudienceResult } from './live-audience.ts';
import { sendLoad, startLoad, type LoadProcess } from './load-process.ts';

/** Ten thousand pages that are open: how long until the last of them has what changed, what each costs, and what others notice. */

export interface LiveEffort {
  readers: number;
  /** Processes that they are in. */
  processes: number;
  /** Sockets that do not read, beside them. */
  stuck: number;
  /** Meters that send a reading a second. */
  meters: number;
  /** For so long: from before the readers come, which takes half a minute at most, until after the measured time. */
  sendingMs: number;
  /** Without readers. */
  aloneMs: number;
  /** With all of them, before the measured time. */
  settleMs: number;
  durationMs: number;
}

/** As many connections as an engine takes. */
export const LIVE_FULL: LiveEffort = { readers: 9_990, processes: 2, stuck: 10, meters: 1_000, sendingMs: 90_000, aloneMs: 5_000, settleMs: 2_000, durationMs: 45_000 };

/** Of a page of the dashboard. */
const CHANNELS = ['regions', 'anomalies', 'alerts', 'engine'];
/** One request of the API after the other, with pauses: what somebody notices who is no reader. */
const REQUEST_PAUSE_MS = 10;
/** Issue 7: an update is at all of them within this. */
const GOAL_MS = 500;
/** Files of an engine and a client beside their sockets. */
const OTHER_FILES = 500;

export async function run(effort: LiveEffort): Promise<BenchReport> {
  if (openFilesMax() < effort.readers + effort.stuck + OTHER_FILES) throw new Error(`${effort.readers} sockets need a higher limit of open files (ulimit -n) than ${openFilesMax()}`);
  const directory = await makeDataDirectory();
  const engine = await EngineProcess.start(directory);
  try {
    return await measure(engine, effort);
  } finally {
    await engine.stop();
    await removeDataDirectory(directory);
  }
}

async function measure(engine: EngineProcess, effort: LiveEffort): Promise<BenchReport> {
  // Readings are from up to a second before they are sent: the first may be in the window before the one that is open.
  const fromMs = Date.now() - 2 * GRANULARITY_MS['15m'];
  const { meters, durationMs, readers, stuck } = effort;
  // One sender for all of it: the start of another takes most of a core for half a second.
  const sending = sendLoad(loadOptions({ port: engine.ports.ingest, meters, readingsPerSecond: meters, readingsPerBatch: Math.min(50, meters / 2), connections: 2, warmupMs: 0, durationMs: effort.sendingMs }));
  // Of an engine that is stopped because something else went wrong, that is what counts.
  sending.catch(() => {});
  const aloneMs = await requestsFor(engine, effort.aloneMs);
  const before = engine.memory();
  const gatheredMs = performance.now();
  const audience = await gather(engine, effort);
  const gatheringMs = performance.now() - gatheredMs;
  await new Promise((resolve) => setTimeout(resolve, effort.settleMs));
  const gathered = engine.memory();
  for (const { begin } of audience) begin();
  const besideMs = await requestsFor(engine, durationMs);
  const after = engine.memory();
  const results = await Promise.all(audience.map(({ result }) => result));
  const sent = await sending;
  const updates = together(results);
  const whole = updates.filter((update) => update.readers === readers);
  if (whole.length === 0) throw new Error(`no update of ${updates.length} reached all ${readers} readers: ${JSON.stringify(updates.slice(0, 5))}`);
  const lasts = Float64Array.from(whole, ({ lastMs }) => lastMs);
  const lost = results.reduce((sum, { closed }) => sum + closed.others, 0);
  const errors = lost > 0 ? `ERRORS: ${lost} readers were closed; ` : '';
  const verified = await checkCounts(engine.ports, fromMs, sent.total.readingsAccepted, sent.sample);
  const perSecond = (of: (result: LiveAudienceResult) => number): number => (results.reduce((sum, result) => sum + of(result), 0) / durationMs) * 1_000;
  const p = (times: Float64Array, quantile: number): string => quantileOf(times, quantile).toFixed(1);
  return {
    name: 'load: live',
    leavesOut: 'TLS, and what a browser does with a message; the readers are sockets that parse frames and no JSON, in two processes on the engine\'s own two cores.',
    rows: [
      rowOf(
        `until the last of ${readers} readers has an update`,
        'ms',
        [...lasts],
        `${errors}each round an update; ${whole.length} of ${updates.length} reached every reader one by one, ${lasts.filter((lastMs) => lastMs <= GOAL_MS).length} of them within ${GOAL_MS} ms; ${[0.75, 0.9, 0.95].map((quantile) => `${quantile * 100} % of them within ${quantileOf(lasts, quantile).toFixed(0)} ms`).join(', ')}; at a reader p50 ${Math.max(...results.map(({ latencyMs }) => latencyMs.p50))} ms, p99 ${Math.max(...results.map(({ latencyMs }) => latencyMs.p99))} ms; ` +
          `${Math.round(perSecond(({ messages }) => messages))} messages/s, ${(perSecond(({ bytes }) => bytes) / 2 ** 20).toFixed(1)} MiB/s; readers took ${results.map(({ clientCpuShare }) => `${Math.round(clientCpuShare * 100)} %`).join(' and ')} of a core; counts verified: ${verified}`,
        '',
      ),
      rowOf('memory of a reader', 'KiB', [((gathered.anonMb - before.anonMb) * 1_024) / readers], `own memory of the engine ${Math.round(before.anonMb)} MiB before, ${Math.round(gathered.anonMb)} with all of them (gathered in ${(gatheringMs / 1_000).toFixed(1)} s), ${Math.round(after.anonMb)} at the end`, ''),
      rowOf('a request of the API beside them, p99', 'ms', [quantileOf(besideMs, 0.99)], `p50 ${p(besideMs, 0.5)}, at worst ${p(besideMs, 1)}; without readers p50 ${p(aloneMs, 0.5)}, p99 ${p(aloneMs, 0.99)}, at worst ${p(aloneMs, 1)}`, ''),
      rowOf('sockets that do not read', 'sockets', [stuck], `ask for snapshots ten times a second, which are small here: the kernel takes some megabytes of each first; ${results.reduce((sum, { closed }) => sum + closed.stuck, 0)} of them were closed`, ''),
    ],
  };
}

async function gather(engine: EngineProcess, { readers, processes, stuck, durationMs }: LiveEffort): Promise<LoadProcess<LiveAudienceResult>[]> {
  const gathered: Promise<void>[] = [];
  const audience = Array.from({ length: processes }, (_, i) => {
    const options: LiveAudienceOptions = { port: engine.ports.http, readers: Math.floor((readers * (i + 1)) / processes) - Math.floor((readers * i) / processes), stuck: i === 0 ? stuck : 0, channels: CHANNELS, durationMs };
    let ready!: () => void;
    const isReady = new Promise<void>((resolve) => (ready = resolve));
    const load = startLoad<LiveAudienceResult>('live-audience.ts', options, { onEvent: ready });
    gathered.push(Promise.race([isReady, load.result.then(() => undefined)]));
    return load;
  });
  await Promise.all(gathered);
  return audience;
}

/** Latencies in ms, one connection. */
async function requestsFor(engine: EngineProcess, durationMs: number): Promise<Float64Array> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const times: number[] = [];
  const untilMs = performance.now() + durationMs;
  while (performance.now() < untilMs) {
    const startedMs = performance.now();
    await new Promise<void>((resolve, reject) => {
      get({ agent, host: '127.0.0.1', port: engine.ports.http, path: '/api/v1/regions' }, (response) => response.resume().once('end', resolve)).once('error', reject);
    });
    times.push(performance.now() - startedMs);
    await new Promise((resolve) => setTimeout(resolve, REQUEST_PAUSE_MS));
  }
  agent.destroy();
  return Float64Array.from(times);
}

/** Of all processes, without the first and the last: those may have begun before the measured time, or be under way at its end. */
function together(results: readonly LiveAudienceResult[]): { readers: number; lastMs: number }[] {
  const updates = new Map<number, { readers: number; lastMs: number }>();
  for (const { now, readers, lastMs } of results.flatMap((result) => result.updates)) {
    const known = updates.get(now);
    updates.set(now, { readers: (known?.readers ?? 0) + readers, lastMs: Math.max(known?.lastMs ?? 0, lastMs) });
  }
  return [...updates].sort(([a], [b]) => a - b).slice(1, -1).map(([, update]) => update);
}

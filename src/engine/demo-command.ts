import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { ApiClient } from '../cli/api-client.ts';
import { endUsageFaultsWith2, EXIT_CODES_HELP } from '../cli/command-end.ts';
import { meterName } from '../cli/simulate/fleet.ts';
import { DEFAULT_SIMULATION, runSimulation, type SimulationOptions } from '../cli/simulate/simulation.ts';
import { OperationalError } from '../runtime/errors.ts';
import { DemoPages } from './demo-pages.ts';
import type { EngineConfig } from './engine-config.ts';
import type { Engine } from './engine.ts';
import { addSettings, loadSettings, runEngine } from './start-command.ts';

const MINUTE_MS = 60_000;
/** Event time that is filled in before the demo goes live, so that curves and baselines are there to look at. */
const HISTORY_MS = 120 * MINUTE_MS;
/** How far back a simulation is sent again at most: about a million readings, ten seconds. */
const SENT_AGAIN_MS_MAX = 360 * MINUTE_MS;

/** What is simulated: one run, as fast as the engine takes it until it has caught up with the clock, so that what goes on when the page opens has begun before. */
export const DEMO_SIMULATION = {
  ...DEFAULT_SIMULATION,
  // In this one the page opens while a region is over its capacity whose meters have not had a peak before. Two meters elsewhere
  // stopped sending minutes before; they show as silent 90 s after it opens, since silence is a matter of the clock.
  seed: 642,
  // Frequent enough that the page moves; two hours of it are filled in within seconds.
  intervalMs: 2_000,
  // Something to see: regions near their capacity, meters without power.
  modes: ['normal', 'outage', 'peak'],
  speed: Infinity,
} as const satisfies SimulationOptions;

/** Adds `seg demo`. */
export function registerDemo(program: Command): void {
  addSettings(endUsageFaultsWith2(program.command('demo')).description('run an engine with ten regions and a hundred simulated meters'))
    .addHelpText('after', EXIT_CODES_HELP)
    .action((flags: Record<string, unknown>) => runEngine(() => demoSettings(flags), (engine, config) => void simulate(engine, config)));
}

/** Without a data directory of its own the demo uses one that goes with it. Nobody logs in unless it is told so: it is on loopback, and has nobody's data. */
function demoSettings(given: Record<string, unknown>): EngineConfig {
  const flags = process.env.SEG_AUTH ? given : { auth: 'off', ...given };
  if (flags.dataDir !== undefined || process.env.SEG_DATA_DIR) return loadSettings(flags);
  const dataDir = mkdtempSync(join(tmpdir(), 'seg-demo-'));
  process.once('exit', () => rmSync(dataDir, { recursive: true, force: true }));
  return loadSettings({ logLevel: 'warn', ...flags, dataDir });
}

async function simulate(engine: Engine, config: EngineConfig): Promise<void> {
  const url = `http://${config.host}:${engine.ports.ingest}`;
  const dashboard = `http://${config.host}:${engine.ports.http}/`;
  process.stdout.write(
    `\nSmart Energy Grid is running with 10 regions and 100 simulated meters.\n\n  Dashboard  ${dashboard}\n  Readings   POST ${url}/ingest\n  Metrics    http://${config.host}:${engine.ports.ops}/metrics\n\nCtrl-C ends it.\n`,
  );
  const stop = new AbortController();
  engine.shutdown.phase('simulation', 1_000, () => stop.abort());
  // Before the API closes, so that what is under way does not complain that nobody answers.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  const { seed, intervalMs: cadenceMs } = DEMO_SIMULATION;
  const pages = new DemoPages({ apiUrl: dashboard, ingestUrl: url, seed, cadenceMs }, { out: process.stdout, err: process.stderr }, stop.signal);
  try {
    const nowMs = Date.now();
    const startMs = await beginning(dashboard, nowMs, stop.signal);
    await pages.sendPast(nowMs, startMs);
    await runSimulation({ ...DEMO_SIMULATION, url, startMs }, { signal: stop.signal, onProgress: ({ eventTimeMs }) => void pages.onProgress(eventTimeMs, Date.now()) });
  } catch (error) {
    if (stop.signal.aborted) return;
    if (!(error instanceof OperationalError)) throw error;
    process.stderr.write(`seg: the simulation ended: ${error.message}\n`);
  }
}

/**
 * When the simulation begins, epoch ms. The same start gives the same readings, so one that the data directory holds is gone through again: what is there
 * counts once, what came meanwhile is filled in, and troubles go on where they were. One that is too long ago is followed by another.
 * `apiUrl`: the engine's API. Throws OperationalError when it does not answer.
 */
export async function beginning(apiUrl: string, nowMs: number, signal: AbortSignal): Promise<number> {
  // A whole minute, so that the start of the first window tells it.
  const freshMs = Math.floor((nowMs - HISTORY_MS) / MINUTE_MS) * MINUTE_MS;
  const api = new ApiClient(apiUrl, signal);
  try {
    const [first] = await firstPage(api, `/api/v1/meters/${meterName(0)}/aggregates`, { granularity: '1m', from: '0', limit: '1' });
    const startMs = Date.parse(String(first.windowStart));
    if (nowMs - startMs <= SENT_AGAIN_MS_MAX) return startMs;
    const meters = await firstPage(api, '/api/v1/meters', { limit: '1000' });
    return Math.max(freshMs, ...meters.map(({ newestTimestamp }) => Date.parse(String(newestTimestamp)) + 1));
  } catch (error) {
    // Of one with accounts nobody here knows what it holds: readings that are there count once.
    if (error instanceof OperationalError && (error.code === 'not_found' || error.code === 'unauthorized')) return freshMs;
    throw error;
  } finally {
    api.close();
  }
}

async function firstPage(api: ApiClient, path: string, query: Record<string, string>): Promise<Record<string, unknown>[]> {
  for await (const { data } of api.pages(path, query)) return data;
  return [];
}

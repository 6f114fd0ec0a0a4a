import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { endUsageFaultsWith2, EXIT_CODES_HELP } from '../cli/command-end.ts';
import { DEFAULT_SIMULATION, runSimulation } from '../cli/simulate/simulation.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { EngineConfig } from './engine-config.ts';
import type { Engine } from './engine.ts';
import { addSettings, loadSettings, runEngine } from './start-command.ts';

/** Event time that is filled in before the demo goes live, so that curves and baselines are there to look at. */
const HISTORY_MS = 2 * 3_600_000;
/** Of the live meters: frequent enough that the page moves. */
const LIVE_INTERVAL_MS = 2_000;
const HISTORY_INTERVAL_MS = 20_000;
/** Something to see: regions near their capacity, meters without power. */
const MODES = ['normal', 'outage', 'peak'] as const;

/** Adds `seg demo`. */
export function registerDemo(program: Command): void {
  addSettings(endUsageFaultsWith2(program.command('demo')).description('run an engine with ten regions and a hundred simulated meters'))
    .addHelpText('after', EXIT_CODES_HELP)
    .action((flags: Record<string, unknown>) => runEngine(() => demoSettings(flags), (engine, config) => void simulate(engine, config)));
}

/** Without a data directory of its own the demo uses one that goes with it. */
function demoSettings(flags: Record<string, unknown>): EngineConfig {
  if (flags.dataDir !== undefined || process.env.SEG_DATA_DIR) return loadSettings(flags);
  const dataDir = mkdtempSync(join(tmpdir(), 'seg-demo-'));
  process.once('exit', () => rmSync(dataDir, { recursive: true, force: true }));
  return loadSettings({ logLevel: 'warn', ...flags, dataDir });
}

async function simulate(engine: Engine, config: EngineConfig): Promise<void> {
  const url = `http://${config.host}:${engine.ports.ingest}`;
  process.stdout.write(
    `\nSmart Energy Grid is running with 10 regions and 100 simulated meters.\n\n  Dashboard  http://${config.host}:${engine.ports.http}/\n  Readings   POST ${url}/ingest\n  Metrics    http://${config.host}:${engine.ports.ops}/metrics\n\nCtrl-C ends it.\n`,
  );
  const stop = new AbortController();
  engine.shutdown.phase('simulation', 1_000, () => stop.abort());
  const now = Date.now();
  try {
    await runSimulation(
      { ...DEFAULT_SIMULATION, url, intervalMs: HISTORY_INTERVAL_MS, modes: MODES, startMs: now - HISTORY_MS, durationMs: HISTORY_MS, speed: Infinity },
      { signal: stop.signal },
    );
    await runSimulation({ ...DEFAULT_SIMULATION, url, intervalMs: LIVE_INTERVAL_MS, modes: MODES }, { signal: stop.signal });
  } catch (error) {
    if (stop.signal.aborted) return;
    if (!(error instanceof OperationalError)) throw error;
    process.stderr.write(`seg: the simulation ended: ${error.message}\n`);
  }
}

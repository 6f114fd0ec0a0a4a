import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import type { BodyFormat } from '../../actors/ingest/protocol.ts';
import { systemClock } from '../../runtime/clock.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { EXIT_CODES_HELP, endUsageFaultsWith2, runToEnd } from '../command-end.ts';
import { DEFAULT_INGEST_URL } from '../ingest-client.ts';
import { collect, parseDurationMs, parseInstantMs, positiveNumber, wholeNumber } from '../option-values.ts';
import { ProgressLine, formatDuration, formatMs, withThousands } from '../progress-line.ts';
import type { SimulationMode } from './scenario.ts';
import { SIMULATION_MODES } from './scenario.ts';
import type { SimulationProgress } from './simulation.ts';
import { DEFAULT_SIMULATION, runSimulation } from './simulation.ts';

interface SimulateFlags {
  url: string;
  key?: string;
  regions: number;
  meters: number;
  interval: number;
  rate?: number;
  seed: number;
  mode?: string[];
  duration?: number;
  start?: number;
  speed?: number;
  batch: number;
  format: BodyFormat;
  gzip: boolean;
  concurrency: number;
}

const MODES_HELP = `
Modes (repeat --mode or separate by commas):
  normal       day curves, weekends, seasons, kettles, solar export (always on)
  peak         one region after another is driven up to overload for half an hour
  outage       regions and single meters lose power for minutes: some report zero, some fall silent
  theft        one meter in twenty starts to show 60 to 90 % less than is used
  clock-drift  one clock in ten wanders by up to 4 min
  duplicates   one reading in twenty is sent again, at once or up to a minute later
  late         one meter in twenty loses its connection for a quarter of an hour and delivers up to 3 h later
  broken       one element in twenty is malformed, in every way the engine rejects
Trouble begins 20 min of event time after the start, or after a third of a shorter run. duplicates, late and broken only add and delay:
every result must be as without them.

Examples:
  seg simulate                                            100 meters live until Ctrl-C
  seg simulate --meters 1000 --speed 60 --duration 6h     six hours that end now, in six minutes
  seg simulate --mode late,duplicates --start 2026-01-01T00:00:00Z --duration 1d --speed max
${EXIT_CODES_HELP}`;

/** Adds `seg simulate`. */
export function registerSimulate(program: Command): void {
  const base = DEFAULT_SIMULATION;
  endUsageFaultsWith2(program.command('simulate'))
    .description('send the readings of a simulated fleet to a running engine; the same seed, start and options give the same readings')
    .option('--url <url>', 'ingest port of the engine', DEFAULT_INGEST_URL)
    .option('--key <key>', 'device key (default: SEG_KEY, or the file of SEG_KEY_FILE)')
    .option('--regions <n>', 'regions, named region-01 …', wholeNumber(1, 10_000), base.regions)
    .option('--meters <n>', 'meters in all, named meter-000001 …, spread evenly over the regions', wholeNumber(1, 5_000_000), base.meters)
    .addOption(new Option('--interval <duration>', 'time between two readings of a meter').argParser(parseDurationMs).default(base.intervalMs, '10s'))
    .addOption(new Option('--rate <n>', 'readings per second, instead of --speed; never ahead of the clock').argParser(positiveNumber(1e8)).conflicts('speed'))
    .option('--seed <n>', 'chance of the run', wholeNumber(0, 2 ** 32 - 1), base.seed)
    .option('--mode <mode>', 'what happens, see below; repeatable (default: normal)', collect)
    .option('--duration <duration>', 'event time to simulate, like 1h; without it until Ctrl-C', parseDurationMs)
    .option('--start <time>', 'event time of the beginning (default: now, or so that a run faster than real time ends now)', parseInstantMs)
    .option('--speed <x>', 'times real time, or max (default: 1)', parseSpeed)
    .option('--batch <n>', 'readings per request at most', wholeNumber(1, 50_000), base.batchSize)
    .addOption(new Option('--format <format>', 'body of the requests').choices(['json', 'ndjson', 'msgpack']).default(base.format))
    .option('--gzip', 'compress the requests', base.gzip)
    .option('--concurrency <n>', 'requests in flight at most', wholeNumber(1, 256), base.concurrency)
    .addHelpText('after', MODES_HELP)
    .action((flags: SimulateFlags) => runToEnd((signal) => simulate(flags, signal)));
}

async function simulate(flags: SimulateFlags, signal: AbortSignal): Promise<void> {
  const line = new ProgressLine(process.stderr);
  const speed = flags.rate === undefined ? (flags.speed ?? 1) : (flags.rate * flags.interval) / 1_000 / flags.meters;
  const options = {
    url: flags.url,
    key: flags.key,
    seed: flags.seed,
    regions: flags.regions,
    meters: flags.meters,
    intervalMs: flags.interval,
    modes: parseModes(flags.mode ?? ['normal']),
    durationMs: flags.duration ?? null,
    startMs: flags.start ?? null,
    speed,
    batchSize: flags.batch,
    format: flags.format,
    gzip: flags.gzip,
    concurrency: flags.concurrency,
  };
  const onProgress = (progress: SimulationProgress) => {
    const nowMs = systemClock.monotonic();
    if (line.due(nowMs)) line.show(progressText(progress), nowMs);
  };
  try {
    const last = await runSimulation(options, { signal, onProgress });
    line.end();
    process.stderr.write(summaryText(last));
  } finally {
    line.end();
  }
}

function parseModes(names: string[]): SimulationMode[] {
  const unknown = names.find((name) => !(SIMULATION_MODES as readonly string[]).includes(name));
  if (unknown !== undefined) throw new OperationalError('usage', `there is no mode "${unknown}"; the modes are ${SIMULATION_MODES.join(', ')}`);
  return names as SimulationMode[];
}

function parseSpeed(text: string): number {
  if (text === 'max') return Infinity;
  const speed = text.trim() === '' ? NaN : Number(text);
  if (!(speed > 0 && speed < Infinity)) throw new InvalidArgumentError('Expected a number above 0, or max.');
  return speed;
}

function progressText({ totals, readingsPerS, ackP50Ms, ackP99Ms, eventTimeMs }: SimulationProgress): string {
  const parts = [
    `${withThousands(totals.acknowledged)} sent`,
    `${withThousands(readingsPerS)}/s`,
    `${withThousands(totals.accepted)} accepted`,
    `${withThousands(totals.duplicates)} dup`,
    `${withThousands(totals.rejected)} rejected`,
    `ack p50 ${formatMs(ackP50Ms)} p99 ${formatMs(ackP99Ms)}`,
    `${withThousands(totals.retries)} retries`,
    `at ${new Date(eventTimeMs).toISOString().slice(0, 19)}Z`,
  ];
  return parts.join(' · ');
}

function summaryText(progress: SimulationProgress): string {
  const { totals, elapsedMs, heldBack } = progress;
  const codes = [...totals.rejectedByCode].map(([code, count]) => `  ${code}: ${withThousands(count)}\n`).join('');
  const perS = (totals.acknowledged * 1_000) / Math.max(1, elapsedMs);
  const notSent = heldBack === 0 ? '' : `${withThousands(heldBack)} late or repeated readings were not sent before the end\n`;
  return `${withThousands(totals.acknowledged)} readings acknowledged in ${formatDuration(elapsedMs)} (${withThousands(perS)}/s): ${withThousands(totals.accepted)} accepted, ${withThousands(totals.duplicates)} duplicates, ${withThousands(totals.rejected)} rejected; ack p50 ${formatMs(progress.ackP50Ms)}, p99 ${formatMs(progress.ackP99Ms)}; ${withThousands(totals.retries)} retries\n${codes}${notSent}`;
}

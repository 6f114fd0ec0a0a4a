import { appendFileSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { environmentLine } from '../bench-report.ts';
import { numberOption } from '../number-option.ts';
import { diskUseOf, EngineProcess, makeDataDirectory, removeDataDirectory, type DiskUse } from './engine-process.ts';
import { loadOptions, type LoadOptions, type LoadResult } from './fixed-rate.ts';
import { acceptedByEngine, metricsOf, windowDifferences } from './grid-check.ts';
import type { LoadInterval } from './load-events.ts';
import { sendLoad } from './load-process.ts';
import { checkpointStepsOf } from './metrics-page.ts';
import { METERS_MAX, METERS_MIN } from './reading-source.ts';
import { SampleCounts } from './sample-counts.ts';
import { soakHeader, soakRow } from './soak-table.ts';
import { judgeSoak, type Finding } from './soak-verdict.ts';
import { SoakWatch } from './soak-watch.ts';

/**
 * `npm run soak`: an engine under the same load for a long time. Leaks and queues that creep up show in hours, not in benchmarks of ten
 * seconds. Readings carry the wall clock's time, so windows close as they do in life.
 */

export interface SoakOptions {
  durationMs: number;
  /** Null: half of what the engine takes, which is measured first. */
  readingsPerSecond: number | null;
  meters: number;
  readingsPerBatch: number;
  reportMs: number;
  /** As fast as it goes, to learn what the engine takes; the same time before it warms the engine up. */
  measureMs: number;
}

export interface SoakReport {
  /** Rows of the table. */
  reports: number;
  findings: readonly Finding[];
  /** Nothing that was judged failed. */
  passed: boolean;
}

/** Tables grow to their size, windows of the first measurement close. */
const SETTLE_MS = 300_000;
/** Of the run, where five minutes are more. */
const SETTLE_SHARE_MAX = 0.25;
/** Two to each quarter that is compared. */
const REPORTS_MIN = 8;
const SAMPLE_SIZE = 50;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const REPORT_MS = 60_000;

/** Runs it, with every line for people to `print` as it comes. Rejects when the engine or its sender fails, and when `signal` fires. */
export async function runSoak(options: SoakOptions, print: (line: string) => void, signal?: AbortSignal): Promise<SoakReport> {
  const directory = await makeDataDirectory();
  try {
    const engine = await EngineProcess.start(directory);
    try {
      return await new Soak(engine, directory, options, print, signal).run();
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Error(`${(error as Error).message}\nThe engine's last lines:\n${engine.lastLines()}`, { cause: error });
    } finally {
      await engine.stop();
    }
  } finally {
    await removeDataDirectory(directory);
  }
}

class Soak {
  private readonly engine: EngineProcess;
  private readonly directory: string;
  private readonly options: SoakOptions;
  private readonly print: (line: string) => void;
  private readonly signal: AbortSignal | undefined;
  private readonly counts = new SampleCounts();
  private readonly engineStartedMs = Date.now();
  private acknowledged = 0;

  constructor(engine: EngineProcess, directory: string, options: SoakOptions, print: (line: string) => void, signal: AbortSignal | undefined) {
    this.engine = engine;
    this.directory = directory;
    this.options = options;
    this.print = print;
    this.signal = signal;
  }

  async run(): Promise<SoakReport> {
    const { durationMs, meters, readingsPerBatch } = this.options;
    const wantedPerSecond = this.options.readingsPerSecond ?? (await this.halfOfMaximum());
    this.print(`${whole(wantedPerSecond)} readings/s in batches of ${readingsPerBatch} for ${(durationMs / MINUTE_MS).toFixed(1)} min; each of ${whole(meters)} meters sends every ${((meters * 1_000) / wantedPerSecond).toPrecision(3)} ms\n`);
    for (const line of soakHeader()) this.print(line);
    const atStart = await diskUseOf(this.directory);
    const startMs = Date.now();
    const watch = new SoakWatch(this.engine);
    const { result, intervals } = await this.steadyLoad(wantedPerSecond, startMs, watch).finally(() => watch.end());
    const sample = this.counts.list();
    const findings = judgeSoak({
      startMs,
      durationMs,
      settleMs: Math.min(SETTLE_MS, durationMs * SETTLE_SHARE_MAX),
      wantedPerSecond,
      reachedPerSecond: result.readingsPerSecond,
      unsent: result.unsent,
      errors: result.errors,
      samples: watch.samples,
      intervals,
      acknowledged: this.acknowledged,
      counted: await acceptedByEngine(this.engine.ports),
      metersCompared: sample.length,
      windowDifferences: await windowDifferences(this.engine.ports, this.engineStartedMs - HOUR_MS, sample),
      disk: { atStart, atEnd: await diskUseOf(this.directory) },
      checkpointSteps: checkpointStepsOf(await metricsOf(this.engine.ports)),
    });
    const passed = findings.every(({ holds }) => holds !== false);
    this.print('');
    for (const { holds, text } of findings) this.print(`- ${holds === null ? '' : holds ? 'yes, ' : 'NO, '}${text}`);
    this.print(`\n${passed ? 'All held.' : 'Not all held.'}`);
    return { reports: intervals.length, findings, passed };
  }

  private async halfOfMaximum(): Promise<number> {
    const { measureMs } = this.options;
    const { readingsPerSecond } = await this.load({ warmupMs: measureMs, durationMs: measureMs });
    this.print(`the engine takes ${whole(readingsPerSecond)} readings/s`);
    return Math.max(1, Math.round(readingsPerSecond / 2));
  }

  private async steadyLoad(readingsPerSecond: number, startMs: number, watch: SoakWatch): Promise<{ result: LoadResult; intervals: LoadInterval[] }> {
    const { durationMs, reportMs } = this.options;
    const intervals: LoadInterval[] = [];
    // One after the other: a row waits for the look at the disk.
    let reports: Promise<void> = Promise.resolve();
    const onInterval = (load: LoadInterval): void => {
      intervals.push(load);
      const samples = watch.takeNew();
      reports = reports.then(async () => {
        const disk: DiskUse = await diskUseOf(this.directory);
        this.print(soakRow({ elapsedMs: load.endedMs - startMs, load, samples, disk }));
      });
    };
    const result = await this.load({ readingsPerSecond, warmupMs: 0, durationMs, reportEveryMs: reportMs }, onInterval);
    await reports;
    return { result, intervals };
  }

  private async load(load: Partial<LoadOptions>, onInterval: (interval: LoadInterval) => void = () => {}): Promise<LoadResult> {
    const { meters, readingsPerBatch } = this.options;
    const result = await sendLoad(loadOptions({ port: this.engine.ports.ingest, meters, readingsPerBatch, sampleSize: SAMPLE_SIZE, ...load }), {
      signal: this.signal,
      onEvent: (event) => void (event.event === 'interval' && onInterval(event)),
    });
    this.acknowledged += result.total.readingsAccepted;
    this.counts.add(result.sample);
    return result;
  }
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

const HELP = `npm run soak [-- options]: an engine of its own under the same load for a long time
  --minutes <n>            how long (60)
  --rate <readings/s>      or half: half of what the engine takes, which is measured first (half)
  --measure-seconds <n>    of that measurement, and of the same load before it (20)
  --meters <n>             that send in turn (100000)
  --batch <n>              readings of a request (500)
  --report-seconds <n>     between rows of the table (60, or an eighth of a short run)
  --out <file>             writes what is printed there too, as Markdown
Memory, latency and lag are compared between the second and the last quarter of the run, counts with the sender's.
Closed windows stay on the disk; TMPDIR chooses it. Nothing else should run on the machine.
Exit codes: 0 all held, 1 something did not or could not be told, 2 wrong usage.
`;

function readArguments(): { options: SoakOptions; out: string | undefined } {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: { help: { type: 'boolean', default: false }, minutes: text, rate: text, 'measure-seconds': text, meters: text, batch: text, 'report-seconds': text, out: text },
  });
  if (values.help) {
    process.stdout.write(HELP);
    process.exit(0);
  }
  const durationMs = numberOption('--minutes', values.minutes, { min: 0.1, max: 10_080, times: MINUTE_MS }) ?? HOUR_MS;
  const reportMsMax = durationMs / REPORTS_MIN;
  const rate = values.rate === 'half' ? undefined : values.rate;
  return {
    out: values.out,
    options: {
      durationMs,
      readingsPerSecond: numberOption('--rate', rate, { min: 1, max: 1e8 }) ?? null,
      measureMs: numberOption('--measure-seconds', values['measure-seconds'], { min: 0.5, max: 3_600, times: 1_000 }) ?? 20_000,
      meters: numberOption('--meters', values.meters, { min: METERS_MIN, max: METERS_MAX, whole: true }) ?? 100_000,
      readingsPerBatch: numberOption('--batch', values.batch, { min: 1, max: 1_000, whole: true }) ?? 500,
      reportMs: numberOption('--report-seconds', values['report-seconds'], { min: 0.5, max: reportMsMax / 1_000, times: 1_000 }) ?? Math.min(REPORT_MS, reportMsMax),
    },
  };
}

async function main(): Promise<void> {
  let given: ReturnType<typeof readArguments>;
  try {
    given = readArguments();
    if (given.out !== undefined) writeFileSync(given.out, '');
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${HELP}`);
    process.exitCode = 2;
    return;
  }
  const { options, out } = given;
  const print = (line: string): void => {
    process.stdout.write(`${line}\n`);
    // As it comes, so that a run that is broken off leaves its rows.
    if (out !== undefined) appendFileSync(out, `${line}\n`);
  };
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  const free = statfsSync(tmpdir());
  print(`## Soak, ${new Date().toISOString().slice(0, 16)}Z\n\n${environmentLine()}; ${Math.round((free.bavail * free.bsize) / 2 ** 30)} GiB free\n`);
  try {
    process.exitCode = (await runSoak(options, print, stop.signal)).passed ? 0 : 1;
  } catch (error) {
    print(`\nNo verdict: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();

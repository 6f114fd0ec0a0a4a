import { rowOf, type BenchReport, type BenchRow } from '../bench-report.ts';
import { EngineProcess, makeDataDirectory, removeDataDirectory } from './engine-process.ts';
import { loadOptions, type LoadOptions, type LoadResult } from './fixed-rate.ts';
import { checkCounts } from './grid-check.ts';
import type { EventTime } from './reading-source.ts';
import type { RunLoadOptions } from './run-load.ts';

/** What a fleet costs when it is there: resident memory young and with history, and the time until an engine is ready again. */

/** The young fleet: 3 min at the cadence of a live meter. */
const YOUNG = { spanMs: 180_000, stepMs: 10_000 };
/** The fleet with history: at least one whole hour of the clock lies in it, so hour-of-week profiles exist. */
const HISTORY = { spanMs: 2 * 3_600_000, stepMs: 60_000 };
/** After the last reading, so that the clock closes windows and checkpoints write what is dirty (30 s each by default). */
const SETTLE_MS = 65_000;
/** A run of passes ends by itself. */
const NO_END_MS = 3_600_000;
const CONNECTIONS = 16;
/** Before every reading sent here. */
const WINDOWS_FROM_MS = 12 * 3_600_000;

/** Restarts of each kind; ready times are the median. */
const RESTARTS = 5;

export interface RestingTimes {
  settleMs: number;
  historyMs: number;
  restarts: number;
}

export const RESTING_FULL: RestingTimes = { settleMs: SETTLE_MS, historyMs: HISTORY.spanMs, restarts: RESTARTS };

type SendLoad = (options: LoadOptions) => Promise<LoadResult>;

/** Runs it; `load` sends one load from a process of its own. Throws when the engine's counts are not the sender's. */
export async function restingReport(options: Pick<RunLoadOptions, 'meters' | 'resting'>, load: SendLoad): Promise<BenchReport> {
  const { meters, resting: times } = options;
  const directory = await makeDataDirectory();
  try {
    const fleet = new Fleet(directory, meters, load);
    await fleet.start();
    try {
      await growOld(fleet, times);
      for (const how of ['orderly stop', 'kill -9'] as const) await restarts(fleet, how, times.restarts);
      // The engine's counter began anew, its windows did not.
      await fleet.check(0);
      fleet.noteMemory('after a restart', '; windows verified again');
    } finally {
      await fleet.engine.stop();
    }
    return { name: 'load: resting', leavesOut: 'profiles of whole weeks (their memory is all there with the first hour), a cold page cache, readers.', rows: fleet.rows };
  } finally {
    await removeDataDirectory(directory);
  }
}

/** Event time only ever goes forward: first the young fleet, then its history up to now. */
async function growOld(fleet: Fleet, times: RestingTimes): Promise<void> {
  const startMs = Date.now() - times.historyMs - 2 * YOUNG.spanMs;
  await fleet.grow(YOUNG, startMs);
  fleet.noteMemory('3 min of event time', '');
  await fleet.grow({ ...HISTORY, spanMs: times.historyMs }, startMs + YOUNG.spanMs + HISTORY.stepMs);
  fleet.noteMemory('with history, at the last reading', '');
  await new Promise((resolve) => setTimeout(resolve, times.settleMs));
  fleet.noteMemory(`with history, ${times.settleMs / 1_000} s later`, `; counts verified: ${await fleet.check(fleet.accepted)}`);
}

async function restarts(fleet: Fleet, how: 'orderly stop' | 'kill -9', times: number): Promise<void> {
  const readyMs: number[] = [];
  for (let k = 0; k < times; k++) {
    // A reading of every meter that no snapshot has yet: what a crash finds.
    await fleet.send(1, { kind: 'wall' });
    await (how === 'kill -9' ? fleet.engine.kill() : fleet.engine.stop());
    readyMs.push(await fleet.start());
  }
  const note = `from spawn; an empty engine took ${fleet.emptyReadyMs.toFixed(0)} ms; the file is in the page cache`;
  fleet.rows.push(rowOf(`ready again after ${how}, ${fleet.meters} meters`, 'ms', readyMs, note, ''));
}

/** An engine that comes and goes on one data directory, and what was sent to it. */
class Fleet {
  readonly rows: BenchRow[] = [];
  readonly meters: number;
  engine!: EngineProcess;
  accepted = 0;
  /** Of the first start, on an empty directory. */
  emptyReadyMs = NaN;
  private emptyMb = NaN;
  private readonly directory: string;
  private readonly load: SendLoad;
  private readonly counts = new Map<string, number>();

  constructor(directory: string, meters: number, load: SendLoad) {
    this.directory = directory;
    this.meters = meters;
    this.load = load;
  }

  /** Gives the time until it was ready. */
  async start(): Promise<number> {
    this.engine = await EngineProcess.start(this.directory);
    if (Number.isNaN(this.emptyReadyMs)) {
      this.emptyReadyMs = this.engine.readyMs;
      this.emptyMb = this.engine.memory().rssMb;
    }
    return this.engine.readyMs;
  }

  async send(passes: number, eventTime: EventTime): Promise<void> {
    const result = await this.load(loadOptions({ port: this.engine.ports.ingest, meters: this.meters, connections: CONNECTIONS, warmupMs: 0, durationMs: NO_END_MS, passes, eventTime }));
    this.accepted += result.total.readingsAccepted;
    for (const { meterId, readings } of result.sample) this.counts.set(meterId, (this.counts.get(meterId) ?? 0) + readings);
  }

  grow(span: { spanMs: number; stepMs: number }, fromMs: number): Promise<void> {
    return this.send(Math.floor(span.spanMs / span.stepMs), { kind: 'stepped', startMs: fromMs, stepMs: span.stepMs });
  }

  /** Holds what was accepted since the engine started, and the sample's windows, against the engine. */
  check(accepted: number): Promise<string> {
    const sample = [...this.counts].map(([meterId, readings]) => ({ meterId, readings }));
    return checkCounts(this.engine.ports, Date.now() - WINDOWS_FROM_MS, accepted, sample);
  }

  noteMemory(when: string, more: string): void {
    const { rssMb, anonMb, fileMb } = this.engine.memory();
    const note = `own ${anonMb.toFixed(0)} MB, mapped files ${fileMb.toFixed(0)} MB, empty engine ${this.emptyMb.toFixed(0)} MB${more}`;
    this.rows.push(rowOf(`resident, ${this.meters} meters, ${when}`, 'MB', [rssMb], note, ''));
  }
}

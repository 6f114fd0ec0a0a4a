import { rowOf, type BenchReport, type BenchRow } from '../bench-report.ts';
import { diskUseOf, EngineProcess, makeDataDirectory, removeDataDirectory } from './engine-process.ts';
import { loadOptions, type LoadOptions, type LoadResult } from './fixed-rate.ts';
import { checkCounts, metricsOf } from './grid-check.ts';
import { sendLoad } from './load-process.ts';
import { MemoryWatch } from './memory-watch.ts';
import { SampleCounts } from './sample-counts.ts';

/** What a fleet costs when it is there: resident memory young, with history and live, and the time until an engine is ready again. */

/** The young fleet: 3 min at the cadence of a live meter. */
const YOUNG = { spanMs: 180_000, stepMs: 10_000 };
/** Between a meter's readings of its history. */
const HISTORY_STEP_MS = 60_000;
/** A run of passes ends by itself. */
const NO_END_MS = 3_600_000;
const CONNECTIONS = 16;
/** Before the first reading, in event time: a window that holds it may have begun up to 15 min before. */
const MARGIN_MS = 3_600_000;
/** Between looks at how much is written. */
const WRITTEN_POLL_MS = 250;
/** Twice the time between a page's snapshots, and some. */
const WRITTEN_MS_MAX = 75_000;
/** Of live readings, before the engine is killed amid them. */
const LIVE_CADENCES = 1.5;
const MIB = 1_048_576;

export interface RestingTimes {
  /** Event time of the history, sent as fast as it goes; readings a minute apart. */
  historyMs: number;
  /** Then readings of the wall clock's time, at a fixed rate. */
  liveMs: number;
  /** One reading of every meter in this time; ten to sixty seconds are a real fleet's. */
  liveCadenceMs: number;
  /** After the last reading, so that the clock closes windows and checkpoints write what is dirty. */
  settleMs: number;
  /** Restarts of each kind; ready times are the median. */
  restarts: number;
  /** Time between a page's snapshots, as the engine's setting; absent: its default. */
  checkpointInterval?: string;
}

export const RESTING_FULL: RestingTimes = {
  // At least one whole hour of the clock lies in it, so hour-of-week profiles exist.
  historyMs: 2 * 3_600_000,
  // Twice what a window is open: what history left behind is closed and written.
  liveMs: 180_000,
  liveCadenceMs: 30_000,
  // Checkpoints are 30 s apart by default.
  settleMs: 65_000,
  restarts: 5,
};

/** Runs it. Throws when the engine's counts are not the sender's. */
export async function restingReport(meters: number, times: RestingTimes): Promise<BenchReport> {
  const directory = await makeDataDirectory();
  try {
    const fleet = new Fleet(directory, meters, times.checkpointInterval === undefined ? [] : ['--checkpoint-interval', times.checkpointInterval]);
    await fleet.start();
    try {
      await growOld(fleet, times);
      await live(fleet, times);
      await fleet.noteDisk();
      for (const how of HOWS) {
        await restarts(fleet, how, times);
        // The engine's counter began anew, its windows did not.
        await fleet.check(0);
        fleet.noteMemory(`after ${how} and restart`, '; windows verified again');
      }
    } finally {
      await fleet.engine.stop();
    }
    return { name: 'load: resting', leavesOut: 'profiles of whole weeks (their memory is all there with the first hour), a cold page cache, readers.', rows: fleet.rows };
  } finally {
    await removeDataDirectory(directory);
  }
}

/** Event time only ever goes forward: first the young fleet, then its history up to now. */
async function growOld(fleet: Fleet, { historyMs }: RestingTimes): Promise<void> {
  const startMs = Date.now() - historyMs - 2 * YOUNG.spanMs;
  fleet.windowsFromMs = startMs - MARGIN_MS;
  await fleet.grow(YOUNG, startMs);
  fleet.noteMemory('3 min of event time', '');
  await fleet.grow({ spanMs: historyMs, stepMs: HISTORY_STEP_MS }, startMs + YOUNG.spanMs + HISTORY_STEP_MS);
  fleet.noteMemory('with history, at the last reading', '');
}

/** The fleet as it is on most days: what was sent for it so far is past, and each meter sends now and then. */
async function live(fleet: Fleet, { liveMs, liveCadenceMs, settleMs }: RestingTimes): Promise<void> {
  const readingsPerSecond = (fleet.meters * 1_000) / liveCadenceMs;
  const watch = new MemoryWatch(fleet.engine);
  const { latencyMs, unsent } = await fleet.send({ readingsPerSecond, durationMs: liveMs }).finally(() => watch.end());
  const late = unsent > 0 ? `; ${unsent} requests due and not sent: the rate was not held` : '';
  const { rssMb, anonMb } = watch.highest();
  fleet.noteMemory(
    `live, a reading every ${liveCadenceMs / 1_000} s`,
    `, highest in ${liveMs / 1_000} s ${rssMb.toFixed(0)} MB, own ${anonMb.toFixed(0)} MB; p99 ${latencyMs.p99.toFixed(1)} ms at ${Math.round(readingsPerSecond)} readings/s${late}`,
  );
  await new Promise((resolve) => setTimeout(resolve, settleMs));
  fleet.noteMemory(`${settleMs / 1_000} s later`, `; counts verified: ${await fleet.check(fleet.accepted)}`);
}

/**
 * Ends of an engine: killed while its meters send as they do on most days; killed after a reading of every meter at once, of which no snapshot has any; stopped after the same. Each finds
 * snapshots of all that was before, so that no end has to do with the one before it.
 */
const HOWS = ['kill -9 amid live readings', 'kill -9 after a burst', 'orderly stop'] as const;

async function restarts(fleet: Fleet, how: (typeof HOWS)[number], { restarts, liveCadenceMs }: RestingTimes): Promise<void> {
  const readyMs: number[] = [];
  for (let k = 0; k < restarts; k++) {
    await fleet.untilWritten(WRITTEN_MS_MAX);
    // So long that what is written goes round all meters: readings in front of the snapshot of their meters, and behind.
    if (how === 'kill -9 amid live readings') await fleet.send({ readingsPerSecond: (fleet.meters * 1_000) / liveCadenceMs, durationMs: LIVE_CADENCES * liveCadenceMs });
    else await fleet.send({ passes: 1 });
    await (how === 'orderly stop' ? fleet.engine.stop() : fleet.engine.kill());
    readyMs.push(await fleet.start());
  }
  const note = `from spawn until /ready; an empty engine took ${fleet.emptyReadyMs.toFixed(0)} ms; the files are in the page cache`;
  fleet.rows.push(rowOf(`ready again after ${how}, ${fleet.meters} meters`, 'ms', readyMs, note, ''));
}

/** An engine that comes and goes on one data directory, and what was sent to it. */
class Fleet {
  readonly rows: BenchRow[] = [];
  readonly meters: number;
  engine!: EngineProcess;
  accepted = 0;
  /** No reading of the fleet is older, epoch ms. */
  windowsFromMs = 0;
  /** Of the first start, on an empty directory. */
  emptyReadyMs = NaN;
  private emptyMb = NaN;
  private readonly directory: string;
  private readonly flags: readonly string[];
  private readonly counts = new SampleCounts();

  /** `flags`: of the engine, besides those that every benchmark has. */
  constructor(directory: string, meters: number, flags: readonly string[]) {
    this.directory = directory;
    this.flags = flags;
    this.meters = meters;
  }

  /** Gives the time until it was ready. */
  async start(): Promise<number> {
    this.engine = await EngineProcess.start(this.directory, this.flags);
    if (Number.isNaN(this.emptyReadyMs)) {
      this.emptyReadyMs = this.engine.readyMs;
      this.emptyMb = this.engine.memory().rssMb;
    }
    return this.engine.readyMs;
  }

  async send(load: Partial<LoadOptions>): Promise<LoadResult> {
    const result = await sendLoad(loadOptions({ port: this.engine.ports.ingest, meters: this.meters, connections: CONNECTIONS, warmupMs: 0, durationMs: NO_END_MS, ...load }));
    this.accepted += result.total.readingsAccepted;
    this.counts.add(result.sample);
    return result;
  }

  /** Snapshots have all that was sent, or `withinMs` are over: each page's comes within a minute. */
  async untilWritten(withinMs: number): Promise<void> {
    const endMs = Date.now() + withinMs;
    while (Date.now() < endMs && (await metricsOf(this.engine.ports)).max('seg_unwritten_pages') !== 0) await new Promise((resolve) => setTimeout(resolve, WRITTEN_POLL_MS));
  }

  async grow(span: { spanMs: number; stepMs: number }, fromMs: number): Promise<void> {
    await this.send({ passes: Math.floor(span.spanMs / span.stepMs), eventTime: { kind: 'stepped', startMs: fromMs, stepMs: span.stepMs } });
  }

  /** Holds what was accepted since the engine started, and the sample's windows, against the engine. */
  check(accepted: number): Promise<string> {
    return checkCounts(this.engine.ports, this.windowsFromMs, accepted, this.counts.list());
  }

  noteMemory(when: string, more: string): void {
    const { rssMb, anonMb, fileMb } = this.engine.memory();
    const note = `own ${anonMb.toFixed(0)} MB, mapped files ${fileMb.toFixed(0)} MB, empty engine ${this.emptyMb.toFixed(0)} MB${more}`;
    this.rows.push(rowOf(`resident, ${this.meters} meters, ${when}`, 'MB', [rssMb], note, ''));
  }

  async noteDisk(): Promise<void> {
    const { storeBytes, logBytes } = await diskUseOf(this.directory);
    this.rows.push(rowOf(`on disk, ${this.meters} meters`, 'MB', [(storeBytes + logBytes) / MIB], `log ${(logBytes / MIB).toFixed(0)} MB of it; ${this.accepted} readings sent`, ''));
  }
}

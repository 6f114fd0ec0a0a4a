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

/** Restarts of each kind; ready times are the median. */
const RESTARTS = 5;

export interface RestingTimes {
  settleMs: number;
  historyMs: number;
  restarts: number;
}

export const RESTING_FULL: RestingTimes = { settleMs: SETTLE_MS, historyMs: HISTORY.spanMs, restarts: RESTARTS };

/** Runs it; `load` sends one load from a process of its own. */
export async function restingReport(options: Pick<RunLoadOptions, 'meters' | 'resting'>, load: (options: LoadOptions) => Promise<LoadResult>): Promise<BenchReport> {
  const { meters, resting: times } = options;
  const directory = await makeDataDirectory();
  const rows: BenchRow[] = [];
  let engine = await EngineProcess.start(directory);
  try {
    const emptyMb = engine.memory().rssMb;
    const emptyReadyMs = engine.readyMs;
    // Event time only ever goes forward: first the young fleet, then its history up to now.
    const startMs = Date.now() - times.historyMs - 2 * YOUNG.spanMs;
    const counts = new Map<string, number>();
    let accepted = 0;
    const send = async (passes: number, eventTime: EventTime): Promise<void> => {
      const result = await load(loadOptions({ port: engine.ports.ingest, meters, connections: CONNECTIONS, warmupMs: 0, durationMs: NO_END_MS, passes, eventTime }));
      accepted += result.total.readingsAccepted;
      for (const { meterId, readings } of result.sample) counts.set(meterId, (counts.get(meterId) ?? 0) + readings);
    };
    const grow = (span: { spanMs: number; stepMs: number }, fromMs: number): Promise<void> =>
      send(Math.floor(span.spanMs / span.stepMs), { kind: 'stepped', startMs: fromMs, stepMs: span.stepMs });
    const note = (more: string): string => {
      const { anonMb, fileMb } = engine.memory();
      return `own ${anonMb.toFixed(0)} MB, mapped files ${fileMb.toFixed(0)} MB, empty engine ${emptyMb.toFixed(0)} MB${more}`;
    };
    const sampled = () => [...counts].map(([meterId, readings]) => ({ meterId, readings }));

    await grow(YOUNG, startMs);
    rows.push(rowOf(`resident, ${meters} meters, 3 min of event time`, 'MB', [engine.memory().rssMb], note(''), ''));
    await grow({ ...HISTORY, spanMs: times.historyMs }, startMs + YOUNG.spanMs + HISTORY.stepMs);
    rows.push(rowOf(`resident, ${meters} meters, with history, at the last reading`, 'MB', [engine.memory().rssMb], note(''), ''));
    await new Promise((resolve) => setTimeout(resolve, times.settleMs));
    const verified = await checkCounts(engine.ports, startMs - HISTORY.spanMs, accepted, sampled());
    rows.push(rowOf(`resident, ${meters} meters, with history, ${times.settleMs / 1_000} s later`, 'MB', [engine.memory().rssMb], note(`; counts verified: ${verified}`), ''));

    for (const how of ['orderly stop', 'kill -9'] as const) {
      const readyMs: number[] = [];
      for (let k = 0; k < times.restarts; k++) {
        // A reading of every meter that no snapshot has yet: what a crash finds.
        await send(1, { kind: 'wall' });
        await (how === 'kill -9' ? engine.kill() : engine.stop());
        engine = await EngineProcess.start(directory);
        readyMs.push(engine.readyMs);
      }
      rows.push(rowOf(`ready again after ${how}, ${meters} meters`, 'ms', readyMs, `from spawn; an empty engine took ${emptyReadyMs.toFixed(0)} ms; the file is in the page cache`, ''));
    }
    // The engine's counter began anew, its windows did not.
    await checkCounts(engine.ports, startMs - HISTORY.spanMs, 0, sampled());
    rows.push(rowOf(`resident, ${meters} meters, after a restart`, 'MB', [engine.memory().rssMb], note('; windows verified again'), ''));
  } finally {
    await engine.stop();
    await removeDataDirectory(directory);
  }
  return { name: 'load: resting', leavesOut: 'profiles of whole weeks (their memory is all there with the first hour), a cold page cache, readers.', rows };
}

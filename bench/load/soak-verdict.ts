import { quantileOf } from '../bench-report.ts';
import type { DiskUse } from './engine-process.ts';
import { DIFFERENCES_SHOWN_MAX } from './grid-check.ts';
import type { LoadInterval } from './load-events.ts';
import { checkpointStepsText, type CheckpointSteps } from './metrics-page.ts';
import type { SoakSample } from './soak-watch.ts';

/** Whether an engine is after hours as it was at first. */

export interface SoakRun {
  /** Epoch ms of the load's beginning. */
  startMs: number;
  durationMs: number;
  /** At the beginning: tables grow to their size and code is compiled; left out of the slopes. */
  settleMs: number;
  wantedPerSecond: number;
  reachedPerSecond: number;
  /** Requests due and not sent by the end. */
  unsent: number;
  /** Answers other than 202, by status. */
  errors: Readonly<Record<string, number>>;
  samples: readonly SoakSample[];
  intervals: readonly LoadInterval[];
  /** Since the engine started, as its senders counted and as it did. */
  acknowledged: number;
  counted: number;
  /** Meters whose windows were compared, and what differed. */
  metersCompared: number;
  windowDifferences: readonly string[];
  disk: { atStart: DiskUse; atEnd: DiskUse };
  checkpointSteps: CheckpointSteps;
}

export interface Finding {
  /** Null: said, not judged. */
  holds: boolean | null;
  text: string;
}

/** A later quarter may be above an earlier one by so much. */
const FLAT_SHARE_MAX = 0.05;
/** What an ingest thread may have in flight to a shard anyway (SEG_SHARD_CREDITS by default); five hundredths of three records are none. */
const LAG_SLACK_RECORDS = 8;
/** Two quarters of an hour on a shared machine differ by as much. */
const LATENCY_SLACK_MS = 10;
const RATE_SHARE_MIN = 0.99;
const HOUR_MS = 3_600_000;
const MIB = 1_048_576;

interface Point {
  atMs: number;
  value: number;
}

export function judgeSoak(run: SoakRun): Finding[] {
  return [rateOf(run), memoryOf(run), lagOf(run), latencyOf(run), countsOf(run), windowsOf(run), diskOf(run), { holds: null, text: checkpointStepsText(run.checkpointSteps) }];
}

/** Least squares, in units an hour. NaN for less than two points. */
export function slopePerHour(points: readonly Point[]): number {
  const n = points.length;
  const meanAt = points.reduce((sum, { atMs }) => sum + atMs, 0) / n;
  const mean = points.reduce((sum, { value }) => sum + value, 0) / n;
  let covariance = 0;
  let variance = 0;
  for (const { atMs, value } of points) {
    covariance += (atMs - meanAt) * (value - mean);
    variance += (atMs - meanAt) ** 2;
  }
  return (covariance / variance) * HOUR_MS;
}

function rateOf({ wantedPerSecond, reachedPerSecond, unsent, errors }: SoakRun): Finding {
  const refused = Object.entries(errors).map(([status, count]) => `${count} with ${status}`);
  return {
    holds: reachedPerSecond >= wantedPerSecond * RATE_SHARE_MIN && refused.length === 0,
    text: `rate held: ${whole(reachedPerSecond)} of ${whole(wantedPerSecond)} readings/s, ${unsent} requests due and not sent at the end, refused: ${refused.join(', ') || 'none'}`,
  };
}

function memoryOf(run: SoakRun): Finding {
  const points = (of: (sample: SoakSample) => number): Point[] => run.samples.map((sample) => ({ atMs: sample.atMs, value: of(sample) }));
  const own = points(({ memory }) => memory.anonMb);
  const { holds, text } = flat(run, own, mean, 'MB', 0);
  return { holds, text: `memory flat: mean RssAnon ${text}; RssFile ${signed(slopeOf(run, points(({ memory }) => memory.fileMb)))} MB/hour, not judged` };
}

function lagOf(run: SoakRun): Finding {
  const { holds, text } = flat(run, run.samples.map(({ atMs, lagRecords }) => ({ atMs, value: lagRecords })), p99, 'records', LAG_SLACK_RECORDS);
  return { holds, text: `lag flat: p99 of the consumption lag ${text}` };
}

function latencyOf(run: SoakRun): Finding {
  const points = run.intervals.map(({ endedMs, measuredMs, latencyMs }) => ({ atMs: endedMs - measuredMs / 2, value: latencyMs?.p99 ?? Infinity }));
  const { holds, text } = flat(run, points, median, 'ms', LATENCY_SLACK_MS);
  return { holds, text: `latency flat: median of the reports' p99 ${text}` };
}

function countsOf({ acknowledged, counted }: SoakRun): Finding {
  return { holds: acknowledged === counted, text: `counts equal: ${whole(acknowledged)} readings acknowledged, ${whole(counted)} counted by the engine` };
}

function windowsOf({ metersCompared, windowDifferences }: SoakRun): Finding {
  const differ = windowDifferences.length === 0 ? 'none differs' : `${windowDifferences.length} differ: ${windowDifferences.slice(0, DIFFERENCES_SHOWN_MAX).join('; ')}`;
  return { holds: metersCompared > 0 && windowDifferences.length === 0, text: `windows hold what was sent: 1m and 15m of ${metersCompared} meters, ${differ}` };
}

function diskOf({ samples, disk, durationMs }: SoakRun): Finding {
  const grown = disk.atEnd.storeBytes - disk.atStart.storeBytes;
  const closed = (samples.at(-1)?.windowsClosed ?? NaN) - (samples[0]?.windowsClosed ?? NaN);
  const mb = (bytes: number): string => whole(bytes / MIB);
  const each = closed > 0 ? `, ${whole(grown / closed)} bytes each` : '';
  return {
    holds: null,
    text:
      `disk: windows and snapshots ${mb(disk.atStart.storeBytes)} → ${mb(disk.atEnd.storeBytes)} MB, ${signed((grown / MIB) * (HOUR_MS / durationMs))} MB/hour, ${whole(closed)} windows closed${each}; ` +
      `log ${mb(disk.atStart.logBytes)} → ${mb(disk.atEnd.logBytes)} MB. Closed windows stay, so it grows`,
  };
}

/** The last quarter of the run against the second, and the slope after it had settled. */
function flat(run: SoakRun, points: readonly Point[], figureOf: (values: number[]) => number, unit: string, slack: number): { holds: boolean; text: string } {
  const quarter = (number: number): number => {
    const [from, to] = [number - 1, number].map((end) => run.startMs + (run.durationMs * end) / 4);
    return figureOf(points.filter(({ atMs }) => atMs >= from && atMs < to).map(({ value }) => value));
  };
  const second = quarter(2);
  const last = quarter(4);
  // NaN, where nothing is known, is no success. Less is none of a leak.
  const holds = last <= second * (1 + FLAT_SHARE_MAX) + slack;
  const more = slack === 0 ? '' : ` and ${slack} ${unit}`;
  return {
    holds,
    text:
      `${last.toFixed(1)} ${unit} in the last quarter, ${second.toFixed(1)} in the second, ${signed((last / second - 1) * 100)} % (at most ${FLAT_SHARE_MAX * 100} %${more}); ` +
      `slope ${signed(slopeOf(run, points))} ${unit}/hour after the first ${(run.settleMs / 60_000).toFixed(1)} min`,
  };
}

function slopeOf(run: SoakRun, points: readonly Point[]): number {
  return slopePerHour(points.filter(({ atMs }) => atMs >= run.startMs + run.settleMs));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function median(values: number[]): number {
  return values.length === 0 ? NaN : quantileOf(Float64Array.from(values), 0.5);
}

function p99(values: number[]): number {
  return values.length === 0 ? NaN : quantileOf(Float64Array.from(values), 0.99);
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function signed(value: number): string {
  return `${value < 0 ? '' : '+'}${value.toFixed(1)}`;
}

import type { BystanderCounts } from './bystanders.ts';
import type { ResidentMemory } from './engine-process.ts';
import type { FloodResult } from './flood.ts';
import type { LoadInterval } from './load-events.ts';
import { checkpointStepsText, type CheckpointSteps } from './metrics-page.ts';

/** What an overload must not do, held against what it did. */

export interface OverloadReport {
  capacityPerSecond: number;
  flood: FloodResult;
  /** MiB: mean at half of the capacity before the flood, once windows that were filled at the maximum have closed, highest under the flood, and each second's of the flood. */
  memory: { normal: ResidentMemory; highest: ResidentMemory; bySecond: readonly ResidentMemory[] };
  /** p99 in ms at half of the capacity: alone; beside as many idle and slow connections of another server; beside the engine's own. */
  p99Ms: { normal: number; othersBystanders: number; bystanders: number };
  recovery: {
    /** From the flood's last request until p99 of normal load was back; null when it was not as long as was looked. */
    backAfterSeconds: number | null;
    lookedSeconds: number;
    /** What counts as back, ms: idle and slow connections are still there, so it follows from the p99 beside them. */
    p99MaxMs: number;
    /** Of each second; p99 in ms is null where nothing was answered. */
    seconds: readonly { p99Ms: number | null; readingsPerSecond: number }[];
    /** Normal requests that were refused after the flood, by status. */
    refused: Readonly<Record<string, number>>;
  };
  /** At the end of the flood; `idleLowest` is the fewest idle ones at any of its seconds. */
  bystanders: BystanderCounts & { idleLowest: number };
  checkpointSteps: CheckpointSteps;
  /** What was compared and equal; null when something differs, which is in `failures`. */
  verified: string | null;
  /** What did not hold; empty when all did. */
  failures: string[];
}

/** Back to normal within this time. */
const RECOVERY_MAX_SECONDS = 5;
/** Memory may grow by this part. */
const MEMORY_SHARE_MAX = 0.2;
/** A p99 counts as normal up to twice its normal value, or below ten milliseconds: two runs on a shared machine differ by as much. */
const LATENCY_TIMES_MAX = 2;
const LATENCY_NORMAL_MS = 10;
/** One good second may be chance. */
const GOOD_SECONDS = 3;
/** A second in which less of the load was answered is none of normal load, however fast the answers were. */
const ANSWERED_SHARE_MIN = 0.9;

const MEMORY_KINDS = [['own memory (RssAnon)', 'anonMb'], ['resident memory (RSS)', 'rssMb']] as const satisfies readonly (readonly [string, keyof ResidentMemory])[];

/** The highest p99 that counts as normal where `normalMs` is usual. */
export function normalP99MaxMs(normalMs: number): number {
  return Math.max(normalMs * LATENCY_TIMES_MAX, LATENCY_NORMAL_MS);
}

/** From `endedMs` (epoch) to the end of the first of three seconds in a row with p99 up to `p99MaxMs` at the whole rate; null when there are none. */
export function secondsUntilNormal(intervals: readonly LoadInterval[], endedMs: number, p99MaxMs: number, wantedPerSecond: number): number | null {
  const good = intervals.map(({ latencyMs, readingsPerSecond }) => latencyMs !== null && latencyMs.p99 <= p99MaxMs && readingsPerSecond >= wantedPerSecond * ANSWERED_SHARE_MIN);
  const first = good.findIndex((_, at) => at + GOOD_SECONDS <= good.length && good.slice(at, at + GOOD_SECONDS).every(Boolean));
  return first < 0 ? null : (intervals[first].endedMs - endedMs) / 1_000;
}

/** What did not hold, in words. `slackMb` may come on top of the share that memory may grow by. */
export function judgeOverload(report: Omit<OverloadReport, 'failures' | 'verified'>, slackMb: number): string[] {
  const { flood, memory, p99Ms, recovery } = report;
  const failures: string[] = [];
  for (const [name, kind] of MEMORY_KINDS) {
    const { [kind]: normal } = memory.normal;
    const { [kind]: highest } = memory.highest;
    // NaN, where nothing is known, is no success.
    if (!(highest <= normal * (1 + MEMORY_SHARE_MAX) + slackMb)) failures.push(`${name} rose from ${normal.toFixed(0)} to ${highest.toFixed(0)} MB`);
  }
  if (flood.faultCount > 0) failures.push(`${flood.faultCount} faults of refusals: ${flood.faults.join('; ')}`);
  if (Object.keys(flood.answers).every((status) => status === '202')) failures.push('nothing was refused: the flood was no overload');
  for (const [status, count] of Object.entries(recovery.refused)) if (status !== '429' && status !== '503') failures.push(`${count} normal requests after the flood were answered ${status}`);
  // Thousands of sockets may cost a machine something, whoever holds them; the engine answers for what its own cost beyond that.
  if (p99Ms.bystanders > normalP99MaxMs(p99Ms.othersBystanders)) {
    failures.push(`p99 beside idle and slow connections is ${p99Ms.bystanders.toFixed(1)} ms, beside another server's ${p99Ms.othersBystanders.toFixed(1)} ms`);
  }
  if (recovery.backAfterSeconds === null) failures.push(`p99 was not back below ${recovery.p99MaxMs.toFixed(1)} ms within ${recovery.lookedSeconds} s of the flood's end`);
  else if (recovery.backAfterSeconds > RECOVERY_MAX_SECONDS) failures.push(`p99 was back below ${recovery.p99MaxMs.toFixed(1)} ms only ${recovery.backAfterSeconds.toFixed(1)} s after the flood's end`);
  return failures;
}

/** The report for people, a line each. */
export function statementsOf(report: OverloadReport): string[] {
  const { flood, memory, p99Ms, recovery, bystanders, checkpointSteps, verified, failures } = report;
  const refused = Object.entries(flood.answers).filter(([status]) => status !== '202');
  const count = (n: number): string => Math.round(n).toLocaleString('en-US');
  const yesOrNo = (holds: boolean): string => (holds ? 'yes' : 'NO');
  const seconds = memory.bySecond.map(({ anonMb, rssMb }) => `${anonMb.toFixed(0)}/${rssMb.toFixed(0)}`);
  return [
    `capacity ${count(report.capacityPerSecond)} readings/s; offered ${count(flood.offeredPerSecond)}/s, ${(flood.offeredPerSecond / report.capacityPerSecond).toFixed(1)} times as much; accepted ${count(flood.acceptedPerSecond)}/s`,
    ...MEMORY_KINDS.map(([name, kind]) => {
      const share = memory.highest[kind] / memory.normal[kind] - 1;
      const grown = `${share < 0 ? '' : '+'}${(share * 100).toFixed(1)} %`;
      return `${name}: normal, at half of the capacity, ${memory.normal[kind].toFixed(0)} MB, highest in the flood ${memory.highest[kind].toFixed(0)} MB, ${grown}: within ${MEMORY_SHARE_MAX * 100} %: ${yesOrNo(share <= MEMORY_SHARE_MAX)}`;
    }),
    `own/resident MB by the second of the flood: ${seconds.join(' ')}`,
    `refused: ${refused.map(([status, n]) => `${count(n)} with ${status}`).join(', ') || 'nothing'}; every one 429 or 503 with Retry-After: ${yesOrNo(flood.faultCount === 0)}`,
    `acknowledged readings all there: ${yesOrNo(verified !== null)}${verified === null ? '' : `; ${verified}`}`,
    `idle connections at the end ${count(bystanders.idle)} (fewest ${count(bystanders.idleLowest)}), slow senders ${bystanders.slow}; ${count(bystanders.closedByEngine)} closed by the engine and opened again`,
    `p99 at half of the capacity: ${p99Ms.normal.toFixed(1)} ms alone, ${p99Ms.bystanders.toFixed(1)} ms beside idle and slow connections, ${p99Ms.othersBystanders.toFixed(1)} ms beside as many of another server`,
    `p99 below ${recovery.p99MaxMs.toFixed(1)} ms again: ${recovery.backAfterSeconds === null ? `not in ${recovery.lookedSeconds} s` : `${recovery.backAfterSeconds.toFixed(1)} s after the flood's end`}; p99 in ms and readings/s by the second: ${recovery.seconds.map(({ p99Ms: ms, readingsPerSecond }) => `${ms?.toFixed(1) ?? '–'} at ${count(readingsPerSecond)}`).join('; ')}`,
    checkpointStepsText(checkpointSteps),
    failures.length === 0 ? 'all held' : `did NOT hold: ${failures.join('; ')}`,
  ];
}

import { quantileOf } from '../bench-report.ts';
import type { DiskUse } from './engine-process.ts';
import type { LoadInterval } from './load-events.ts';
import type { SoakSample } from './soak-watch.ts';

/** A soak's progress as rows of a Markdown table, one a report interval. */

export interface SoakMoment {
  /** Since the load began. */
  elapsedMs: number;
  load: LoadInterval;
  /** Of the interval. */
  samples: readonly SoakSample[];
  disk: DiskUse;
}

const MIB = 1_048_576;

/** Heading and how wide its cells are at least. */
const COLUMNS = [
  ['min', 6],
  ['readings/s', 10],
  ['overdue', 7],
  ['p50 ms', 7],
  ['p99 ms', 7],
  ['RssAnon MB', 10],
  ['RssFile MB', 10],
  ['heap MB', 34],
  ['external MB', 34],
  ['store MB', 8],
  ['log MB', 7],
  ['lag p99 (max)', 13],
  ['checkpoint s', 12],
  ['journal MB', 10],
  ['loop p99 ms', 34],
] as const;

/** Heading and the line below it. */
export function soakHeader(): string[] {
  return [row(COLUMNS.map(([heading]) => heading)), `|${COLUMNS.map(([, width]) => ` ${'-'.repeat(width - 1)}: `).join('|')}|`];
}

/** Memory and heaps are means of the interval, journal, age and delays its highest. */
export function soakRow({ elapsedMs, load, samples, disk }: SoakMoment): string {
  const mean = (of: (sample: SoakSample) => number): number => samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const highest = (of: (sample: SoakSample) => number): number => Math.max(...samples.map(of));
  const threads = [...new Set(samples.flatMap(({ heapMb }) => [...heapMb.keys()]))].sort();
  const perThread = (of: (thread: string) => number): string => threads.map((thread) => `${thread} ${figure(of(thread))}`).join(', ') || '–';
  const ofThread = (figures: 'heapMb' | 'externalMb' | 'loopDelayMs', thread: string) => (sample: SoakSample): number => sample[figures].get(thread) ?? NaN;
  const lag = (of: number): string => figure(quantileOf(Float64Array.from(samples, ({ lagRecords }) => lagRecords), of));
  return row([
    (elapsedMs / 60_000).toFixed(1),
    Math.round(load.readingsPerSecond).toLocaleString('en-US'),
    `${load.overdue}`,
    load.latencyMs === null ? '–' : load.latencyMs.p50.toFixed(1),
    load.latencyMs === null ? '–' : load.latencyMs.p99.toFixed(1),
    figure(mean(({ memory }) => memory.anonMb)),
    figure(mean(({ memory }) => memory.fileMb)),
    perThread((thread) => mean(ofThread('heapMb', thread))),
    perThread((thread) => mean(ofThread('externalMb', thread))),
    figure(disk.storeBytes / MIB),
    figure(disk.logBytes / MIB),
    samples.length === 0 ? '–' : `${lag(0.99)} (${lag(1)})`,
    figure(highest(({ checkpointAgeSeconds }) => checkpointAgeSeconds)),
    figure(highest(({ journalMb }) => journalMb)),
    perThread((thread) => highest(ofThread('loopDelayMs', thread))),
  ]);
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell, at) => cell.padStart(COLUMNS[at][1])).join(' | ')} |`;
}

function figure(value: number): string {
  return Number.isFinite(value) ? value.toFixed(0) : '–';
}

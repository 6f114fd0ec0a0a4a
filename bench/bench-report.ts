import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';

/** What a benchmark prints: rows of medians, and what it leaves out. */

export interface BenchRow {
  name: string;
  unit: string;
  /** Of the rounds. */
  median: number;
  low: number;
  high: number;
  rounds: number;
  /** Latencies, errors, checks; may be empty. */
  note: string;
  /** Of what was computed, so that a run shows it did the work and two runs that they did the same; '' where time is part of the result. */
  resultHash: string;
}

export interface BenchReport {
  name: string;
  /** One sentence. */
  leavesOut: string;
  rows: BenchRow[];
}

/** A row out of one figure a round, at least one. */
export function rowOf(name: string, unit: string, figures: readonly number[], note: string, resultHash: string): BenchRow {
  const sorted = [...figures].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  return { name, unit, median, low: sorted[0], high: sorted[sorted.length - 1], rounds: sorted.length, note, resultHash };
}

/** Short SHA-256 of bytes or text. */
export function hashOf(...parts: readonly (Uint8Array | string)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex').slice(0, 12);
}

/** Value below which the share `quantile` (0 … 1) lies. Sorts in place. */
export function quantileOf(values: Float64Array, quantile: number): number {
  values.sort();
  return values[Math.min(values.length - 1, Math.ceil(quantile * values.length) - 1)];
}

/** From linux/magic.h. */
const TMPFS_MAGIC = 0x01021994;

/** Machine, commit and disk, as one line. */
export function environmentLine(): string {
  const disk = statfsSync(tmpdir()).type === TMPFS_MAGIC ? `${tmpdir()} is memory: durable writes cost nothing here, set TMPDIR to a disk` : `data on ${tmpdir()}`;
  return `${cpus()[0].model}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, node ${process.version}, commit ${commit()}, ${disk}`;
}

function commit(): string {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    // What lies beside the commit and is not in it would be measured too.
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--', '../src', '../bench') === '' ? '' : ' with changes');
  } catch {
    return 'unknown';
  }
}

/** A report as Markdown. */
export function toMarkdown(report: BenchReport): string {
  const lines = [`### ${report.name}`, '', `Leaves out: ${report.leavesOut}`, '', '| what | median | lowest–highest | rounds | notes | result |', '| --- | ---: | ---: | ---: | --- | --- |'];
  for (const { name, unit, median, low, high, rounds, note, resultHash } of report.rows) {
    lines.push(`| ${name} | ${figure(median)} ${unit} | ${figure(low)}–${figure(high)} | ${rounds} | ${note} | ${resultHash} |`);
  }
  return `${lines.join('\n')}\n`;
}

function figure(value: number): string {
  if (value >= 1_000) return Math.round(value).toLocaleString('en-US');
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

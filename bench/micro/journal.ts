import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { invariant } from '../../src/runtime/errors.ts';
import { Journal } from '../../src/runtime/journal.ts';
import { lmdbSegments } from '../../src/runtime/lmdb-segments.ts';
import { hashOf, quantileOf, rowOf, type BenchReport, type BenchRow } from '../bench-report.ts';

/** Durable appends to the log, as the shard makes them. */

export interface JournalOptions {
  recordsPerRound: number;
  rounds: number;
}

export const JOURNAL_FULL: JournalOptions = { recordsPerRound: 2_000, rounds: 5 };

/** A packed batch of 500 readings with readingIds and four measurements. */
const RECORD_BYTES = 40_000;
/** Records of one commit. */
const GROUPS = [1, 2, 4, 8];
const MEGABYTE = 1e6;
const SEGMENT_BYTES_MAX = 64 * 1024 * 1024;

/** Measures each size of group on a log of its own. Segments are removed as they fill, all but the last. */
export async function run(options: JournalOptions = JOURNAL_FULL): Promise<BenchReport> {
  const rows: BenchRow[] = [];
  for (const group of GROUPS) {
    const directory = await mkdtemp(join(tmpdir(), 'seg-bench-journal-'));
    try {
      rows.push(await measure(directory, group, options));
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
  return { name: 'micro: journal', leavesOut: 'checksums, checkpoints beside it, a second shard on the same disk.', rows };
}

async function measure(directory: string, group: number, { recordsPerRound, rounds }: JournalOptions): Promise<BenchRow> {
  const journal = new Journal(lmdbSegments({ directory, mapBytes: 2 * SEGMENT_BYTES_MAX }), { label: 'bench', segmentBytesMax: SEGMENT_BYTES_MAX });
  try {
    // A record must not change before it is on disk: one for each place in the group.
    const records = Array.from({ length: group }, () => Buffer.alloc(RECORD_BYTES, 'reading '));
    const latencies: number[] = [];
    const rates: number[] = [];
    let sequence = 0;
    for (let round = 0; round < rounds; round++) {
      const startedMs = performance.now();
      for (let done = 0; done < recordsPerRound; done += group) {
        const sentMs = performance.now();
        for (const record of records) {
          record.writeUInt32LE(++sequence, 0);
          journal.append(sequence, record);
        }
        await journal.commit();
        latencies.push(performance.now() - sentMs);
        journal.release(sequence);
      }
      rates.push((recordsPerRound * RECORD_BYTES) / MEGABYTE / ((performance.now() - startedMs) / 1_000));
    }
    const p99 = quantileOf(Float64Array.from(latencies), 0.99).toFixed(1);
    return rowOf(`journal, ${group} ${group === 1 ? 'record' : 'records'} a commit`, 'MB/s', rates, `${RECORD_BYTES / 1_000} KB each, p99 ${p99} ms`, contentHash(journal, sequence));
  } finally {
    await journal.close();
  }
}

/** Hash of all that can be read back. */
function contentHash(journal: Journal, last: number): string {
  const numbers = [...journal.records(0)].map(({ bytes }) => Buffer.from(bytes).readUInt32LE(0));
  invariant(numbers.at(-1) === last && numbers.length === last - numbers[0] + 1, 'every append that was not released can be read back');
  return hashOf(numbers.join());
}

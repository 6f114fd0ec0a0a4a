import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sequenceKey } from '../../src/actors/shard/store-keys.ts';
import { invariant } from '../../src/runtime/errors.ts';
import { openLmdbStore } from '../../src/runtime/lmdb-store.ts';
import { hashOf, quantileOf, rowOf, type BenchReport, type BenchRow } from '../bench-report.ts';

/** Durable appends to the log through the store, as the shard makes them. */

export interface JournalOptions {
  recordsPerRound: number;
  rounds: number;
}

export const JOURNAL_FULL: JournalOptions = { recordsPerRound: 2_000, rounds: 5 };

/** A packed batch of 500 readings with readingIds and four measurements. */
const RECORD_BYTES = 40_000;
const IN_FLIGHT = [1, 2, 4, 8];
const MEGABYTE = 1e6;

/** Measures each number of appends in flight on an environment of its own. */
export async function run(options: JournalOptions = JOURNAL_FULL): Promise<BenchReport> {
  const rows: BenchRow[] = [];
  for (const inFlight of IN_FLIGHT) {
    const directory = await mkdtemp(join(tmpdir(), 'seg-bench-journal-'));
    try {
      rows.push(await measure(directory, inFlight, options));
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
  return { name: 'micro: journal', leavesOut: 'checksums, checkpoints in the same transactions, removal of old records, a second shard on the same disk.', rows };
}

async function measure(directory: string, inFlight: number, { recordsPerRound, rounds }: JournalOptions): Promise<BenchRow> {
  const store = openLmdbStore({ directory });
  try {
    const journal = store.table('journal');
    // One record a flight: a record must not change before it is on disk.
    const records = Array.from({ length: inFlight }, () => Buffer.alloc(RECORD_BYTES, 'reading '));
    const latencies = new Float64Array(recordsPerRound * rounds);
    const rates: number[] = [];
    let sequence = 0;
    for (let round = 0; round < rounds; round++) {
      const last = (round + 1) * recordsPerRound;
      const startedMs = performance.now();
      await Promise.all(
        records.map(async (record) => {
          while (sequence < last) {
            const mine = sequence++;
            const sentMs = performance.now();
            record.writeUInt32LE(mine, 0);
            journal.put(sequenceKey(mine), record);
            await store.commit();
            latencies[mine] = performance.now() - sentMs;
          }
        }),
      );
      rates.push((recordsPerRound * RECORD_BYTES) / MEGABYTE / ((performance.now() - startedMs) / 1_000));
    }
    return rowOf(`journal, ${inFlight} appends in flight`, 'MB/s', rates, `${RECORD_BYTES / 1_000} KB each, p99 ${quantileOf(latencies, 0.99).toFixed(1)} ms`, contentHash(journal, sequence));
  } finally {
    await store.close();
  }
}

/** Hash of all that can be read back. */
function contentHash(journal: ReturnType<ReturnType<typeof openLmdbStore>['table']>, expected: number): string {
  const numbers: string[] = [];
  for (const { value } of journal.range(sequenceKey(0), sequenceKey(expected))) numbers.push(String(Buffer.from(value).readUInt32LE(0)));
  invariant(numbers.length === expected, 'every append can be read back');
  return hashOf(numbers.join());
}
